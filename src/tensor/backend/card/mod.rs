//! The backend of a GPU: dfdx's tape on the CPU, with arrays in the memory of a card, computed by kernels of its own and by products of
//! its library.
//!
//! Operations are collected as commands of the card ([`Card`]). Weights, gradients and codes stay there. An operation that has no kernel
//! is computed on the host.

mod combine;
mod convolution;
#[cfg(feature = "cuda")]
mod cuda;
mod driver;
mod gradient;
mod layer;
mod layers;
mod pool;
mod queue;
mod rows;

pub use convolution::WINDOWS;
#[cfg(feature = "cuda")]
pub use cuda::{Cuda, cards};
#[cfg(not(feature = "cuda"))]
pub use driver::cards;
pub use driver::{Address, CardInfo, Command, Driver, Graph, Precision, Product, VISIBLE_DEVICES, WORDS, visible};
pub use queue::{Card, Memory, Word};

use super::{
    Activation, Array, Backend, DeviceError, Grads, NoiseKey, Operands, Parameter, Pointwise, PointwiseKernel,
    RowOperation,
};
use crate::tensor::dims::{Dim, Kernel, Window, Windows};
use crate::tensor::kernels::Buffer;
use dfdx::shapes::Shape;
use dfdx::tensor::{Cpu, CpuError, NoneTape, OwnedTape, PutTape, Tape, Tensor, ZerosTensor};
use dfdx::tensor_ops::Backward;
use gradient::{Gradient, add, zeros};
use layer::sum_columns;
use std::rc::Rc;
use std::sync::Arc;

/// Arrays on a card.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnCard;

/// Values on a card.
#[derive(Clone, Debug)]
pub struct CardTensor<S> {
    memory: Rc<Memory>,
    gradient: Gradient,
    shape: S,
}

impl<S: Shape> CardTensor<S> {
    fn new(memory: Rc<Memory>, shape: S) -> CardTensor<S> {
        CardTensor { memory, gradient: Gradient::default(), shape }
    }

    fn card(&self) -> &Card {
        self.memory.card()
    }

    fn len(&self) -> usize {
        self.shape.num_elements()
    }
}

/// The values of a parameter and its gradient.
#[derive(Clone, Debug)]
pub struct CardHandle {
    values: Rc<Memory>,
    gradient: Gradient,
    length: usize,
}

/// The weights of a parameter, as the optimizers change them.
#[derive(Clone, Debug)]
pub struct CardWeights(Rc<Memory>);

impl CardWeights {
    /// Where they are.
    pub(crate) fn address(&self) -> Address {
        self.0.address()
    }
}

/// The contribution of some images to the gradient of a parameter; `None` if there is none.
#[derive(Debug, Default)]
pub struct CardPart(Option<(Rc<Memory>, usize)>);

fn recorded<S: Shape, T>(tensor: CardTensor<S>, tape: T) -> Array<S, OnCard, T> {
    Array { tensor, tape }
}

/// The result of an operation of the tape. dfdx knows only errors of its own: the card keeps the error, and [`OnCard::backward`]
/// returns it.
fn on_tape(card: &Card, operation: impl FnOnce() -> Result<(), DeviceError>) -> Result<(), CpuError> {
    operation().map_err(|error| {
        card.fail(error);
        CpuError::WrongNumElements
    })
}

impl Backend for OnCard {
    type Device = Card;

    type Recorder = Cpu;

    type Tensor<S: Shape> = CardTensor<S>;

    type Handle<S: Shape> = CardHandle;

    type Weights<'a> = CardWeights;

    type Part = CardPart;

    type GradientReader = Box<dyn Fn(&mut Grads<OnCard>) -> Result<CardPart, DeviceError>>;

    fn lanes(_: u64) -> usize {
        1
    }

    fn micro_batch(_: bool) -> usize {
        // A card computes the whole batch at once.
        usize::MAX
    }

    fn tensor<S: Shape>(card: &Card, values: Buffer, shape: S) -> Result<CardTensor<S>, DeviceError> {
        Ok(CardTensor::new(card.uploaded(&values)?, shape))
    }

    fn shape<S: Shape>(tensor: &CardTensor<S>) -> S {
        tensor.shape
    }

    fn to_vec<S: Shape>(tensor: &CardTensor<S>) -> Vec<f32> {
        let card = tensor.card();
        card.download(&tensor.memory, tensor.len()).unwrap_or_else(|error| card.failed(error, tensor.len()))
    }

    fn relabel<S: Shape, R: Shape, T: Tape<f32, Cpu>>(
        x: Array<S, Self, T>,
        shape: R,
    ) -> Result<Array<R, Self, T>, DeviceError> {
        let CardTensor { memory, gradient, .. } = x.tensor;
        Ok(recorded(CardTensor { memory, gradient, shape }, x.tape))
    }

    fn dense<N: Dim, I: Dim, O: Dim, T: Tape<f32, Cpu>>(
        x: Array<(N, I), Self, T>,
        weight: &Parameter<(I, O), Self>,
        bias: &Parameter<(O,), Self>,
        activation: Activation,
        input_gradient: bool,
    ) -> Result<Array<(N, O), Self, T>, DeviceError> {
        layers::dense(x, (weight, bias), activation, input_gradient)
    }

    fn conv<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, T: Tape<f32, Cpu>>(
        x: Array<(N, H, W, I), Self, T>,
        weight: &Parameter<(Kernel, Kernel, I, O), Self>,
        bias: &Parameter<(O,), Self>,
        window: Window,
        activation: Activation,
        input_gradient: bool,
    ) -> Result<Array<(N, Windows<H>, Windows<W>, O), Self, T>, DeviceError> {
        layers::conv(x, (weight, bias), window, activation, input_gradient)
    }

    fn conv_transpose<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, T: Tape<f32, Cpu>>(
        x: Array<(N, Windows<H>, Windows<W>, I), Self, T>,
        weight: &Parameter<(Kernel, Kernel, O, I), Self>,
        bias: &Parameter<(O,), Self>,
        sides: (H, W),
        window: Window,
        activation: Activation,
    ) -> Result<Array<(N, H, W, O), Self, T>, DeviceError> {
        layers::conv_transpose(x, (weight, bias), sides, window, activation)
    }

    fn group_norm<N: Dim, F: Dim, C: Dim, T: Tape<f32, Cpu>>(
        x: Array<(N, F), Self, T>,
        groups: usize,
        weight: &Parameter<(C,), Self>,
        bias: &Parameter<(C,), Self>,
    ) -> Result<Array<(N, F), Self, T>, DeviceError> {
        let Array { tensor: x, mut tape } = x;
        let card = x.card().clone();
        let (rows, channels) = (x.shape.0.size(), weight.shape().0.size());
        let pixels = x.shape.1.size() / channels.max(1);
        let (y, moments) = (card.floats(x.len())?, card.bytes(rows * groups * 2 * size_of::<f64>())?);
        let sizes = [groups, pixels, channels].map(Word::Count);
        let arrays = [&x.memory, &y, &weight.handle.values, &bias.handle.values, &moments].map(|one| Word::At(one));
        card.blocks("group_norm", rows * groups, &[&arrays[..], &sizes].concat())?;
        let y = CardTensor::new(y, x.shape);
        let (of_y, length) = (y.gradient.clone(), x.len());
        let (weight, bias) = (weight.handle.clone(), bias.handle.gradient.clone());
        tape.add_backward_op(move |_| {
            on_tape(&card, || {
                let dy = of_y.take_or_zeros(&card, length)?;
                let (dx, adds) = x.gradient.take_or_new(&card, length)?;
                let arrays = [&x.memory, &dy, &dx, &weight.values, &moments].map(|one| Word::At(one));
                let adds = [Word::Count(usize::from(adds))];
                card.blocks("group_norm_backward", rows * groups, &[&arrays[..], &sizes, &adds].concat())?;
                x.gradient.put(&card, dx);
                let parts = card.floats(rows * 2 * channels)?;
                let arrays = [&x.memory, &dy, &parts, &moments].map(|one| Word::At(one));
                card.blocks("group_norm_sums", rows, &[&arrays[..], &sizes].concat())?;
                let both = Gradient::default();
                sum_columns(&card, &parts, [rows, 2 * channels], &both)?;
                let both = both.take_or_zeros(&card, 2 * channels)?;
                for (into, first) in [(&weight.gradient, 0), (&bias, channels)] {
                    let own = card.floats(channels)?;
                    card.copy((&both, first), (&own, 0), channels)?;
                    into.add(&card, own, channels)?;
                }
                Ok(())
            })
        });
        Ok(recorded(y, tape))
    }

    fn pointwise<P: Pointwise, S: Shape, T: Tape<f32, Cpu>>(
        operation: &P,
        a: Array<S, Self, T>,
        b: Option<&Array<S, Self>>,
    ) -> Result<Array<S, Self, T>, DeviceError> {
        let Array { tensor: a, mut tape } = a;
        let (card, length) = (a.card().clone(), a.len());
        let b = b.map(|b| b.tensor.clone());
        let Some(PointwiseKernel { forward, backward, words: own }) = operation.kernel() else {
            return pointwise_on_host(*operation, recorded(a, tape), b);
        };
        let own = own.map(Word::Address);
        let results = card.floats(length)?;
        let at = |b: &Option<CardTensor<S>>| b.as_ref().map_or(0, |b| b.memory.address());
        let words = [Word::At(&a.memory), Word::Address(at(&b)), Word::At(&results), Word::Count(length)];
        card.each(forward, length, &[&words[..], &own].concat())?;
        let results = CardTensor::new(results, a.shape);
        let of_results = results.gradient.clone();
        tape.add_backward_op(move |_| {
            on_tape(&card, || {
                let dresults = of_results.take_or_zeros(&card, length)?;
                let da = a.gradient.take_or_zeros(&card, length)?;
                let db = b.as_ref().map(|b| b.gradient.take_or_zeros(&card, length)).transpose()?;
                let words = [
                    Word::At(&a.memory),
                    Word::Address(at(&b)),
                    Word::At(&dresults),
                    Word::At(&da),
                    Word::Address(db.as_ref().map_or(0, |db| db.address())),
                    Word::Count(length),
                ];
                card.each(backward, length, &[&words[..], &own].concat())?;
                a.gradient.put(&card, da);
                if let Some((b, db)) = b.as_ref().zip(db) {
                    b.gradient.put(&card, db);
                }
                Ok(())
            })
        });
        Ok(recorded(results, tape))
    }

    fn rows<R: RowOperation, N: Dim, O: Dim, V: Dim, P: Dim, T: Tape<f32, Cpu>>(
        operation: &R,
        outputs: Array<(N, O), Self, T>,
        own: Option<(&Parameter<(P,), Self>, bool)>,
        x: &Array<(N, V), Self>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        rows::rows(operation, outputs, own, x)
    }

    fn reparameterize<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
        noise: &Array<(N, L), Self>,
        scale: f32,
    ) -> Result<Array<(N, L), Self, T>, DeviceError> {
        let Array { tensor: log_variance, mut tape } = log_variance;
        let (card, length) = (log_variance.card().clone(), log_variance.len());
        let (mean, noise) = (mean.tensor.clone(), noise.tensor.memory.clone());
        let z = card.floats(length)?;
        let arrays = [&mean.memory, &log_variance.memory, &noise, &z].map(|one| Word::At(one));
        let sizes = [Word::Count(length), Word::Number(scale)];
        card.each("reparameterize", length, &[&arrays[..], &sizes].concat())?;
        let z = CardTensor::new(z, log_variance.shape);
        let of_z = z.gradient.clone();
        tape.add_backward_op(move |_| {
            on_tape(&card, || {
                let dz = of_z.take_or_zeros(&card, length)?;
                let [dmean, dvariance] = two(&card, [&mean.gradient, &log_variance.gradient], length)?;
                let arrays = [&log_variance.memory, &noise, &dz, &dmean, &dvariance].map(|one| Word::At(one));
                card.each("reparameterize_backward", length, &[&arrays[..], &sizes].concat())?;
                mean.gradient.put(&card, dmean);
                log_variance.gradient.put(&card, dvariance);
                Ok(())
            })
        });
        Ok(recorded(z, tape))
    }

    fn kl<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let Array { tensor: log_variance, mut tape } = log_variance;
        let (card, length) = (log_variance.card().clone(), log_variance.len());
        let (batch, latent) = log_variance.shape;
        let mean = mean.tensor.clone();
        let nats = card.floats(batch.size())?;
        let arrays = [&mean.memory, &log_variance.memory, &nats].map(|one| Word::At(one));
        let sizes = [batch.size(), latent.size()].map(Word::Count);
        card.each("kl", batch.size(), &[&arrays[..], &sizes].concat())?;
        let nats = CardTensor::new(nats, (batch,));
        let of_nats = nats.gradient.clone();
        tape.add_backward_op(move |_| {
            on_tape(&card, || {
                let dnats = of_nats.take_or_zeros(&card, batch.size())?;
                let [dmean, dvariance] = two(&card, [&mean.gradient, &log_variance.gradient], length)?;
                let arrays = [&mean.memory, &log_variance.memory, &dnats, &dmean, &dvariance].map(|one| Word::At(one));
                let sizes = [length, latent.size()].map(Word::Count);
                card.each("kl_backward", length, &[&arrays[..], &sizes].concat())?;
                mean.gradient.put(&card, dmean);
                log_variance.gradient.put(&card, dvariance);
                Ok(())
            })
        });
        Ok(recorded(nats, tape))
    }

    fn backward(total: Array<(), Self, OwnedTape<f32, Cpu>>) -> Result<Grads<OnCard>, DeviceError> {
        let Array { tensor, tape } = total;
        let card = tensor.card();
        card.next_pass();
        // dfdx runs the tape of a tensor without axes; the first operation sets the gradient with respect to the total.
        let one: Tensor<(), f32, Cpu, NoneTape> =
            Cpu::default().try_zeros_like(&()).map_err(DeviceError::from_device)?;
        one.put_tape(tape).try_backward().map_err(|error| card.take_error(DeviceError::from_device(error)))
    }

    fn handle<S: Shape>(card: &Card, shape: S) -> Result<CardHandle, DeviceError> {
        let length = shape.num_elements();
        Ok(CardHandle { values: zeros(card, length)?, gradient: Gradient::default(), length })
    }

    fn values<S: Shape>(handle: &CardHandle) -> Arc<Vec<f32>> {
        let card = handle.values.card();
        let values = card.download(&handle.values, handle.length);
        Arc::new(values.unwrap_or_else(|error| card.failed(error, handle.length)))
    }

    fn set_values<S: Shape>(handle: &mut CardHandle, values: Vec<f32>) {
        let card = handle.values.card();
        if let Err(error) = card.upload(&handle.values, &values) {
            card.fail(error);
        }
    }

    fn weights<S: Shape>(handle: &mut CardHandle) -> CardWeights {
        CardWeights(handle.values.clone())
    }

    fn gradient_reader<S: Shape>(handle: &CardHandle) -> Self::GradientReader {
        let CardHandle { values, gradient, length } = handle.clone();
        Box::new(move |_| Ok(CardPart(gradient.take(values.card()).map(|memory| (memory, length)))))
    }

    fn check(card: &Card) -> Result<(), DeviceError> {
        card.check()
    }

    fn add_part(part: &mut CardPart, more: CardPart) -> Result<(), DeviceError> {
        match (&part.0, more.0) {
            (Some((sum, length)), Some((more, _))) => add(sum.card(), &more, sum, *length)?,
            (None, more) => part.0 = more,
            (Some(_), None) => {}
        }
        Ok(())
    }

    fn sum_parts<S: Shape>(card: &Card, parts: Vec<CardPart>, shape: S) -> Result<Array<S, Self>, DeviceError> {
        let mut sum = CardPart::default();
        parts.into_iter().try_for_each(|part| OnCard::add_part(&mut sum, part))?;
        let memory = sum.0.map_or_else(|| zeros(card, shape.num_elements()), |(memory, _)| Ok(memory))?;
        Ok(recorded(CardTensor::new(memory, shape), NoneTape))
    }

    fn noise<N: Dim, L: Dim>(
        card: &Card,
        key: NoiseKey,
        images: &[u32],
        shape: (N, L),
    ) -> Result<Array<(N, L), Self>, DeviceError> {
        let NoiseKey { seed, purpose, epoch, samples } = key;
        let latent = shape.1.size();
        let noise = card.floats(shape.num_elements())?;
        let (epoch, indices) = (card.whole_numbers(&[epoch])?, card.indices(images)?);
        let threads = images.len() * (latent.div_ceil(2) * samples).div_ceil(8);
        let sizes = [images.len(), latent, samples].map(Word::Count);
        let words = [Word::Address(epoch), Word::Address(indices), Word::At(&noise)];
        let address = [Word::Address(seed), Word::Address(purpose as u64)];
        card.each("noise", threads, &[&words[..], &sizes, &address].concat())?;
        Ok(recorded(CardTensor::new(noise, shape), NoneTape))
    }
}

impl<S: Shape> Array<S, OnCard> {
    /// An array of values that a kernel computes.
    pub(crate) fn of_card(memory: Rc<Memory>, shape: S) -> Self {
        recorded(CardTensor::new(memory, shape), NoneTape)
    }

    /// Where the values are.
    pub(crate) fn memory(&self) -> &Memory {
        &self.tensor.memory
    }
}

impl CardPart {
    /// Where the gradient is; `None` if there is none.
    pub(crate) fn into_memory(self) -> Option<Rc<Memory>> {
        self.0.map(|(memory, _)| memory)
    }
}

/// The gradients with respect to two arrays of the same length; one, if they are the same array.
fn two(card: &Card, gradients: [&Gradient; 2], length: usize) -> Result<[Rc<Memory>; 2], DeviceError> {
    let first = gradients[0].take_or_zeros(card, length)?;
    let second =
        if gradients[0].is(gradients[1]) { first.clone() } else { gradients[1].take_or_zeros(card, length)? };
    Ok([first, second])
}

/// An operation without a kernel.
fn pointwise_on_host<P: Pointwise, S: Shape, T: Tape<f32, Cpu>>(
    operation: P,
    a: Array<S, OnCard, T>,
    b: Option<CardTensor<S>>,
) -> Result<Array<S, OnCard, T>, DeviceError> {
    let Array { tensor: a, mut tape } = a;
    let (card, length) = (a.card().clone(), a.len());
    let values = |tensor: &CardTensor<S>| tensor.card().download(&tensor.memory, length);
    let (a_values, b_values) = (values(&a)?, b.as_ref().map(values).transpose()?.unwrap_or_default());
    let mut results = vec![0.0; length];
    operation.forward(Operands { a: &a_values, b: &b_values }, &mut results);
    let results = CardTensor::new(card.uploaded(&results)?, a.shape);
    let of_results = results.gradient.clone();
    tape.add_backward_op(move |_| {
        on_tape(&card, || {
            let dresults = card.download(&*of_results.take_or_zeros(&card, length)?, length)?;
            let (mut da, mut db) = (vec![0.0; length], vec![0.0; b_values.len()]);
            operation.backward(Operands { a: &a_values, b: &b_values }, &dresults, &mut da, &mut db);
            a.gradient.add(&card, card.uploaded(&da)?, length)?;
            b.as_ref().map_or(Ok(()), |b| b.gradient.add(&card, card.uploaded(&db)?, length))
        })
    });
    Ok(recorded(results, tape))
}
