//! Layers of a card, recorded on the tape: dense ones, convolutions and their adjoints.

use super::convolution::{End, convolve, gather, spread};
use super::driver::Product;
use super::layer::{Layer, activate, before};
use super::{CardTensor, OnCard, on_tape, recorded};
use crate::tensor::backend::{Activation, Array, DeviceError, Parameter, conv_shape};
use crate::tensor::dims::{Dim, Kernel, Window, Windows};
use dfdx::tensor::{Cpu, Tape};

pub(super) fn dense<N: Dim, I: Dim, O: Dim, T: Tape<f32, Cpu>>(
    x: Array<(N, I), OnCard, T>,
    (weight, bias): (&Parameter<(I, O), OnCard>, &Parameter<(O,), OnCard>),
    activation: Activation,
    input_gradient: bool,
) -> Result<Array<(N, O), OnCard, T>, DeviceError> {
    let Array { tensor: x, mut tape } = x;
    let card = x.card().clone();
    let ((rows, inner), outputs) = (x.shape, weight.shape().1);
    let [rows, inner, columns] = [rows.size(), inner.size(), outputs.size()];
    let y = card.floats(rows * columns)?;
    let (a, b) = ((x.memory.address(), false), (weight.handle.values.address(), false));
    card.product(Product { rows, columns, inner, a, b, c: y.address(), adds: false })?;
    let before = before(&card, activation, rows * columns)?;
    activate(&card, &y, (&bias.handle.values, before.as_deref()), [rows, columns], activation)?;
    let y = CardTensor::new(y, (x.shape.0, outputs));
    let layer =
        Layer::new((&x, &y, before), (&weight.handle, &bias.handle), [rows, columns], activation, input_gradient);
    tape.add_backward_op(move |_| {
        on_tape(&layer.card, || {
            let (card, dy) = (&layer.card, layer.dy()?);
            let (dweight, adds) = layer.dweight.take_or_new(card, inner * columns)?;
            let (a, b, c) = ((layer.x.address(), true), (dy.address(), false), dweight.address());
            card.product(Product { rows: inner, columns, inner: rows, a, b, c, adds })?;
            layer.dweight.put(card, dweight);
            let Some(of_x) = &layer.dx else { return Ok(()) };
            let (dx, adds) = of_x.take_or_new(card, rows * inner)?;
            let (a, b) = ((dy.address(), false), (layer.weight.address(), true));
            card.product(Product { rows, columns: inner, inner: columns, a, b, c: dx.address(), adds })?;
            of_x.put(card, dx);
            Ok(())
        })
    });
    Ok(recorded(y, tape))
}

pub(super) fn conv<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, T: Tape<f32, Cpu>>(
    x: Array<(N, H, W, I), OnCard, T>,
    (weight, bias): (&Parameter<(Kernel, Kernel, I, O), OnCard>, &Parameter<(O,), OnCard>),
    window: Window,
    activation: Activation,
    input_gradient: bool,
) -> Result<Array<(N, Windows<H>, Windows<W>, O), OnCard, T>, DeviceError> {
    let Array { tensor: x, mut tape } = x;
    let card = x.card().clone();
    let ((batch, height, width, inputs), outputs) = (x.shape, weight.shape().3);
    let shape = conv_shape(batch, (height, width), inputs, outputs, window);
    let sizes = [shape.batch * shape.small_pixels(), shape.outputs];
    let y = card.floats(shape.batch * shape.small_image())?;
    let before = before(&card, activation, sizes[0] * sizes[1])?;
    let end = End::Outputs { bias: &bias.handle.values, activation, before: before.as_deref() };
    convolve(&card, shape, (&x.memory, &weight.handle.values), &y, end)?;
    let y = CardTensor::new(y, (batch, window.along(height), window.along(width), outputs));
    let layer = Layer::new((&x, &y, before), (&weight.handle, &bias.handle), sizes, activation, input_gradient);
    tape.add_backward_op(move |_| {
        on_tape(&layer.card, || {
            let (card, dy) = (&layer.card, layer.dy()?);
            gather(card, shape, (&layer.x, &dy), &layer.dweight)?;
            let Some(of_x) = &layer.dx else { return Ok(()) };
            let (dx, adds) = of_x.take_or_new(card, shape.batch * shape.large_image())?;
            spread(card, shape, (&dy, &layer.weight), &dx, End::Gradient { adds })?;
            of_x.put(card, dx);
            Ok(())
        })
    });
    Ok(recorded(y, tape))
}

pub(super) fn conv_transpose<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, T: Tape<f32, Cpu>>(
    x: Array<(N, Windows<H>, Windows<W>, I), OnCard, T>,
    (weight, bias): (&Parameter<(Kernel, Kernel, O, I), OnCard>, &Parameter<(O,), OnCard>),
    sides: (H, W),
    window: Window,
    activation: Activation,
) -> Result<Array<(N, H, W, O), OnCard, T>, DeviceError> {
    let Array { tensor: x, mut tape } = x;
    let card = x.card().clone();
    let ((batch, _, _, inputs), outputs) = (x.shape, weight.shape().2);
    // That of the convolution whose adjoint it is.
    let shape = conv_shape(batch, sides, outputs, inputs, window);
    let sizes = [shape.batch * shape.height * shape.width, shape.inputs];
    let y = card.floats(shape.batch * shape.large_image())?;
    let before = before(&card, activation, sizes[0] * sizes[1])?;
    let end = End::Outputs { bias: &bias.handle.values, activation, before: before.as_deref() };
    spread(&card, shape, (&x.memory, &weight.handle.values), &y, end)?;
    let y = CardTensor::new(y, (batch, sides.0, sides.1, outputs));
    let layer = Layer::new((&x, &y, before), (&weight.handle, &bias.handle), sizes, activation, true);
    tape.add_backward_op(move |_| {
        on_tape(&layer.card, || {
            let (card, dy) = (&layer.card, layer.dy()?);
            gather(card, shape, (&dy, &layer.x), &layer.dweight)?;
            let Some(of_x) = &layer.dx else { return Ok(()) };
            let (dx, adds) = of_x.take_or_new(card, shape.batch * shape.small_image())?;
            convolve(card, shape, (&dy, &layer.weight), &dx, End::Gradient { adds })?;
            of_x.put(card, dx);
            Ok(())
        })
    });
    Ok(recorded(y, tape))
}
