//! Layers of a card: products of matrices, windows of feature maps, bias and activation.

use super::gradient::Gradient;
use super::queue::{Card, Memory, Word};
use super::{CardHandle, CardTensor};
use crate::tensor::backend::{Activation, DeviceError};
use dfdx::shapes::Shape;
use std::rc::Rc;

/// The most blocks that share the sum of a column, and the least rows of each.
const CHUNKS: usize = 128;
const ROWS: usize = 64;

/// Adds the bias to outputs (rows, outputs) and applies the activation, in place. Keeps the values before it, if there is a place.
pub(super) fn activate(
    card: &Card,
    y: &Memory,
    (bias, before): (&Memory, Option<&Memory>),
    [rows, outputs]: [usize; 2],
    activation: Activation,
) -> Result<(), DeviceError> {
    let count = rows * outputs;
    let to = before.map_or(Word::Count(0), Word::At);
    let words = [Word::At(y), Word::At(bias), to, Word::Count(count), Word::Count(outputs), kind(activation)];
    card.each("activate", count, &words)
}

/// Memory for the values before an activation, if its gradient needs them.
pub(super) fn before(card: &Card, activation: Activation, count: usize) -> Result<Option<Rc<Memory>>, DeviceError> {
    activation.needs_argument().then(|| card.floats(count)).transpose()
}

/// The number of an activation.
pub(super) fn kind(activation: Activation) -> Word<'static> {
    Word::Count(activation as usize)
}

/// The sum of each column of x (rows, columns), into the gradient of a parameter.
pub(super) fn sum_columns(
    card: &Card,
    x: &Memory,
    [rows, columns]: [usize; 2],
    into: &Gradient,
) -> Result<(), DeviceError> {
    let size = rows.div_ceil(CHUNKS).max(ROWS);
    let chunks = rows.div_ceil(size).max(1);
    // A block has several rows of few columns.
    let width = columns.next_power_of_two().min(64);
    let sum = |x: &Memory, sums: &Memory, [rows, size, chunks]: [usize; 3], adds: bool| {
        let sizes = [rows, columns, size, width, usize::from(adds)].map(Word::Count);
        let words = [&[Word::At(x), Word::At(sums)][..], &sizes].concat();
        card.blocks("sum_columns", chunks * columns.div_ceil(width), &words)
    };
    let (sums, adds) = into.take_or_new(card, columns)?;
    if chunks == 1 {
        sum(x, &sums, [rows, size, 1], adds)?;
    } else {
        let parts = card.floats(chunks * columns)?;
        sum(x, &parts, [rows, size, chunks], false)?;
        sum(&parts, &sums, [chunks, chunks, 1], adds)?;
    }
    into.put(card, sums);
    Ok(())
}

/// What the backward pass of a layer with weight, bias and activation needs.
pub(super) struct Layer {
    pub(super) card: Card,
    pub(super) x: Rc<Memory>,
    /// The gradient with respect to x; `None` if it is not needed.
    pub(super) dx: Option<Gradient>,
    /// The outputs, or the values before the activation if the gradient needs them.
    at: Rc<Memory>,
    dy: Gradient,
    pub(super) weight: Rc<Memory>,
    pub(super) dweight: Gradient,
    dbias: Gradient,
    /// The rows and columns of the outputs; the bias has the columns.
    sizes: [usize; 2],
    activation: Activation,
}

impl Layer {
    pub(super) fn new<X: Shape, Y: Shape>(
        (x, y, before): (&CardTensor<X>, &CardTensor<Y>, Option<Rc<Memory>>),
        (weight, bias): (&CardHandle, &CardHandle),
        sizes: [usize; 2],
        activation: Activation,
        input_gradient: bool,
    ) -> Layer {
        Layer {
            card: x.memory.card().clone(),
            x: x.memory.clone(),
            dx: input_gradient.then(|| x.gradient.clone()),
            at: before.unwrap_or_else(|| y.memory.clone()),
            dy: y.gradient.clone(),
            weight: weight.values.clone(),
            dweight: weight.gradient.clone(),
            dbias: bias.gradient.clone(),
            sizes,
            activation,
        }
    }

    /// The gradient with respect to the values before the activation, (rows, columns). That of the bias is computed.
    pub(super) fn dy(&self) -> Result<Rc<Memory>, DeviceError> {
        let ([rows, columns], card) = (self.sizes, &self.card);
        let dy = self.dy.take_or_zeros(card, rows * columns)?;
        if self.activation != Activation::Identity {
            let words = [Word::At(&dy), Word::At(&self.at), Word::Count(rows * columns), kind(self.activation)];
            card.each("turn", rows * columns, &words)?;
        }
        sum_columns(card, &dy, self.sizes, &self.dbias)?;
        Ok(dy)
    }
}
