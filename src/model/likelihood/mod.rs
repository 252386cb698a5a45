//! Likelihoods p(x|z): distributions of the values of an image. Each has a file and a line in `likelihoods!`.

mod grid;
mod location_scale;
mod logistic;
mod scale;
#[cfg(test)]
mod tests;

pub use gaussian::VarianceKind;
pub use grid::Grid;
pub use scale::Scale;

use super::parameters::{Initial, Module, Visit, Visitor};
use crate::data::ImageShape;
use crate::onnx::{ExportError, Graph};
use crate::random::Stream;
use crate::settings::{Choices, Keys, Kind, Word};
use crate::tensor::backend::{
    Array, Backend, DeviceError, Parameter, RowGradients, RowInputs, RowKernel, RowOperation,
};
use crate::tensor::dims::{Dim, Own};
use crate::tensor::kernels::{sum_of, vectorized};
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;
use std::sync::Arc;

/// The likelihood of the values of an image: its negative logarithm in nats is an operation on rows. The outputs of the
/// decoder are in the order of the pixels; the order of the numbers of a pixel is up to the likelihood.
trait Likelihood: RowOperation {
    /// Its name in a spec.
    const WORD: Word;
    /// Its name in messages.
    const TITLE: &'static str;
    /// The values that have a likelihood.
    const SUPPORT: Support;

    /// Reads its own keys.
    fn read(keys: &mut Keys<'_>) -> Self;

    /// The same likelihood, of images with this number of channels and values in these places.
    #[must_use]
    fn on(self, _channels: usize, _grid: Grid) -> Self {
        self
    }

    /// Why images with this number of channels have no such likelihood, and what to do; `None` if they have one.
    fn refusal(&self, _channels: usize) -> Option<[String; 2]> {
        None
    }

    /// Whether it is a distribution of the values given a code. Otherwise its parameters depend on the values too.
    fn is_distribution(&self) -> bool {
        true
    }

    /// The number of outputs of the decoder for a pixel with this number of channels.
    fn outputs(&self, channels: usize) -> usize {
        channels
    }

    /// The interval that the outputs of the decoder should be able to reach, for values in `range`; `None` if they are logits.
    fn interval_of_outputs(&self, range: [f64; 2]) -> Option<[f64; 2]> {
        let has_scales = self.outputs(1) > 1;
        match Self::SUPPORT {
            Support::Bits | Support::Unit => None,
            Support::Levels | Support::Line if has_scales => Some([f64::NEG_INFINITY, f64::INFINITY]),
            // In units of half of the range.
            Support::Levels => Some([-1.0, 1.0]),
            Support::Line => Some(range),
        }
    }

    /// The numbers that the likelihood has in addition to the outputs of the decoder, for images of this shape.
    fn parameter(&self, _image: ImageShape) -> Option<OwnParameter> {
        None
    }

    /// The expected values of images: from outputs of the decoder (Images, Outputs) and the likelihood's own numbers to
    /// (Images, Values).
    fn expected(&self, outputs: Vec<f32>, own: &[f32]) -> Vec<f32>;

    /// As [`Likelihood::expected`], by the vector instructions of the kernels.
    fn expected_fast(&self, outputs: Vec<f32>, own: &[f32]) -> Vec<f32> {
        self.expected(outputs, own)
    }

    /// The output that gives a value this expected value, while the other outputs are 0 and own numbers have their initial values.
    fn output_of_mean(&self, mean: f32) -> f32 {
        mean
    }

    /// Outputs of the decoder for a pixel whose expected values are `mean`, one for each channel, where outputs that do not
    /// determine the expected values are 0.
    fn outputs_of_mean(&self, mean: &[f32]) -> Vec<f32> {
        let mut outputs = vec![0.0; self.outputs(mean.len())];
        let each = outputs.len() / mean.len().max(1);
        let first = outputs.iter_mut().step_by(each.max(1));
        first.zip(mean).for_each(|(output, mean)| *output = self.output_of_mean(*mean));
        outputs
    }

    /// Draws the values of images: from outputs of the decoder (Images, Outputs) and the likelihood's own numbers to
    /// (Images, Values).
    fn draw(&self, outputs: Vec<f32>, own: &[f32], stream: &mut Stream) -> Vec<f32>;

    /// Adds the outputs of an ONNX graph of the decoder, whose last value are the outputs of the decoder for images of this shape.
    fn onnx(&self, image: ImageShape, graph: &mut Graph<'_>) -> Result<(), ExportError>;

    /// The nats of one image in double precision, for tests.
    #[cfg(test)]
    fn exact(&self, outputs: &[f64], own: &[f64], x: &[f64]) -> f64;
}

/// The values that have a likelihood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// 0 and 1. Numbers between them count as the probability of 1.
    Bits,
    /// Whole levels, each with a probability.
    Levels,
    /// Numbers from 0 to 1, with a density.
    Unit,
    /// All numbers, with a density.
    Line,
}

/// Numbers that a likelihood has in addition to the outputs of the decoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnParameter {
    /// The name among the weights of the model: `likelihood.<name>`.
    pub name: &'static str,
    /// How many there are.
    pub length: usize,
    /// The initial value of each; 0 if training changes them.
    pub initial: f32,
    /// Whether training changes them.
    pub is_trained: bool,
}

/// The list of likelihoods, each with its module; everything that depends on the list is generated here.
macro_rules! likelihoods {
    ($($name:ident in $file:ident,)+) => {
        $(mod $file;)+
        $(pub use $file::$name;)+

        /// A likelihood with its settings.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum LikelihoodKind {
            $(#[doc = concat!("That of `", stringify!($file), ".rs`.")] $name($name),)+
        }

        impl LikelihoodKind {
            /// Its name in a spec.
            pub fn name(&self) -> &'static str {
                match self { $(LikelihoodKind::$name(_) => <$name as Likelihood>::WORD.name,)+ }
            }

            /// Its name in messages.
            pub fn title(&self) -> &'static str {
                match self { $(LikelihoodKind::$name(_) => <$name as Likelihood>::TITLE,)+ }
            }

            /// The values that have a likelihood.
            pub fn support(&self) -> Support {
                match self { $(LikelihoodKind::$name(_) => <$name as Likelihood>::SUPPORT,)+ }
            }

            /// The same likelihood, of images with this number of channels and values in these places.
            #[must_use]
            pub fn on(self, channels: usize, grid: Grid) -> LikelihoodKind {
                match self { $(LikelihoodKind::$name(one) => LikelihoodKind::$name(one.on(channels, grid)),)+ }
            }

            /// Why images with this number of channels have no such likelihood, and what to do; `None` if they have one.
            pub fn refusal(&self, channels: usize) -> Option<[String; 2]> {
                match self { $(LikelihoodKind::$name(one) => one.refusal(channels),)+ }
            }

            /// Whether it is a distribution of the values given a code. Otherwise its parameters depend on the values too.
            pub fn is_distribution(&self) -> bool {
                match self { $(LikelihoodKind::$name(one) => one.is_distribution(),)+ }
            }

            /// The number of outputs of the decoder for a pixel with this number of channels.
            pub fn outputs(&self, channels: usize) -> usize {
                match self { $(LikelihoodKind::$name(one) => one.outputs(channels),)+ }
            }

            /// The interval that the outputs of the decoder should be able to reach, for values in `range`; `None` if they are
            /// logits.
            pub fn interval_of_outputs(&self, range: [f64; 2]) -> Option<[f64; 2]> {
                match self { $(LikelihoodKind::$name(one) => one.interval_of_outputs(range),)+ }
            }

            /// The numbers that it has in addition to the outputs of the decoder, for images of this shape.
            pub fn parameter(&self, image: ImageShape) -> Option<OwnParameter> {
                match self { $(LikelihoodKind::$name(one) => one.parameter(image),)+ }
            }

            /// The expected values of images: from outputs of the decoder (Images, Outputs) and the likelihood's own numbers to
            /// (Images, Values).
            pub fn expected(&self, outputs: Vec<f32>, own: &[f32]) -> Vec<f32> {
                match self { $(LikelihoodKind::$name(one) => one.expected(outputs, own),)+ }
            }

            /// Outputs of the decoder for a pixel whose expected values are `mean`, one for each channel. Other numbers of the
            /// likelihood are 0.
            pub fn outputs_of_mean(&self, mean: &[f32]) -> Vec<f32> {
                match self { $(LikelihoodKind::$name(one) => one.outputs_of_mean(mean),)+ }
            }

            /// As [`LikelihoodKind::expected`], by the vector instructions of the kernels: to a relative error of 2e-6.
            pub fn expected_fast(&self, outputs: Vec<f32>, own: &[f32]) -> Vec<f32> {
                match self { $(LikelihoodKind::$name(one) => one.expected_fast(outputs, own),)+ }
            }

            /// Draws the values of images: from outputs of the decoder (Images, Outputs) and the likelihood's own numbers to
            /// (Images, Values).
            pub fn draw(&self, outputs: Vec<f32>, own: &[f32], stream: &mut Stream) -> Vec<f32> {
                match self { $(LikelihoodKind::$name(one) => one.draw(outputs, own, stream),)+ }
            }

            /// Adds the outputs of an ONNX graph of the decoder, whose last value are the outputs of the decoder for images of
            /// this shape.
            ///
            /// # Errors
            /// A weight is missing or has another shape.
            pub fn onnx(&self, image: ImageShape, graph: &mut Graph<'_>) -> Result<(), ExportError> {
                match self { $(LikelihoodKind::$name(one) => one.onnx(image, graph),)+ }
            }

            #[cfg(test)]
            fn exact(&self, outputs: &[f64], own: &[f64], x: &[f64]) -> f64 {
                match self { $(LikelihoodKind::$name(one) => one.exact(outputs, own, x),)+ }
            }
        }

        /// The negative log-likelihood, in nats.
        impl RowOperation for LikelihoodKind {
            fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
                match self { $(LikelihoodKind::$name(one) => one.forward(inputs, results),)+ }
            }

            fn backward(&self, inputs: RowInputs<'_>, dresults: &[f32], gradients: RowGradients<'_>) {
                match self { $(LikelihoodKind::$name(one) => one.backward(inputs, dresults, gradients),)+ }
            }

            fn portable<D: Device<f32>, T: Tape<f32, D>>(
                &self,
                outputs: Tensor<(usize, usize), f32, D, T>,
                own: Option<Tensor<(usize,), f32, D, T>>,
                x: Tensor<(usize, usize), f32, D>,
            ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
                match self { $(LikelihoodKind::$name(one) => one.portable(outputs, own, x),)+ }
            }

            fn kernel(&self) -> Option<RowKernel> {
                match self { $(LikelihoodKind::$name(one) => one.kernel(),)+ }
            }
        }

        /// The names in a spec, and the values that have a likelihood.
        const SUPPORTS: &[(&str, Support)] =
            &[$((<$name as Likelihood>::WORD.name, <$name as Likelihood>::SUPPORT)),+];

        /// The likelihoods that a spec can choose; the first one is the default.
        pub(super) static LIKELIHOODS: Choices<LikelihoodKind> = Choices(&[
            $(&Kind {
                word: <$name as Likelihood>::WORD,
                read: |keys| LikelihoodKind::$name(<$name as Likelihood>::read(keys)),
            }),+
        ]);
    };
}

likelihoods! {
    Bernoulli in bernoulli,
    Gaussian in gaussian,
    ContinuousBernoulli in continuous_bernoulli,
    Laplace in laplace,
    DiscretizedLogistic in discretized_logistic,
    LogisticMixture in logistic_mixture,
}

/// What the nats of a likelihood are those of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatsOf {
    /// The probability of bits.
    Bits,
    /// The probability of levels.
    Levels,
    /// A density, which depends on the unit of the values.
    Density,
}

impl NatsOf {
    /// Its name in messages.
    pub fn title(self) -> &'static str {
        match self {
            NatsOf::Bits => "probability",
            NatsOf::Levels => "probability of levels",
            NatsOf::Density => "density",
        }
    }
}

/// What the nats of the likelihood with this name in a spec are those of; `None` for unknown names.
pub fn nats_of(name: &str) -> Option<NatsOf> {
    let (_, support) = SUPPORTS.iter().find(|(known, _)| *known == name)?;
    Some(match support {
        Support::Bits => NatsOf::Bits,
        Support::Levels => NatsOf::Levels,
        Support::Unit | Support::Line => NatsOf::Density,
    })
}

/// The sum of the terms of the values, from the location and the logarithm of the scale of each, for tests.
#[cfg(test)]
fn exact_sum(outputs: &[f64], own: &[f64], x: &[f64], is_of_decoder: bool, term: impl Fn([f64; 2], f64) -> f64) -> f64 {
    let both = |place: usize| {
        if is_of_decoder {
            [outputs[2 * place], outputs[2 * place + 1]]
        } else {
            [outputs[place], own[place % own.len()]]
        }
    };
    x.iter().enumerate().map(|(place, x)| term(both(place), *x)).sum()
}

/// Means of values in [0, 1], from which logits are computed: at 0 and 1 a logit is infinite (Burda et al. 2016).
const MEANS: [f32; 2] = [0.001, 0.999];

/// The argument, to double precision, at which a function that grows has this value.
fn solve(function: impl Fn(f64) -> f64, value: f32) -> f64 {
    const FARTHEST: f64 = 1e9;
    let (mut low, mut high) = (-FARTHEST, FARTHEST);
    for _ in 0..96 {
        let middle = 0.5 * (low + high);
        if function(middle) < f64::from(value) { low = middle } else { high = middle }
    }
    low
}

/// The function of each output.
#[inline(always)]
fn each_output(mut outputs: Vec<f32>, function: impl Fn(f32) -> f32) -> Vec<f32> {
    vectorized(
        #[inline(always)]
        || outputs.iter_mut().for_each(|output| *output = function(*output)),
    );
    outputs
}

/// The nats of each row: the sum over its values of `nats(logit, x)`.
#[inline(always)]
fn nats_of_logits(inputs: RowInputs<'_>, results: &mut [f32], nats: impl Fn(f32, f32) -> f32) {
    for ((logits, x), result) in inputs.each().zip(results) {
        vectorized(
            #[inline(always)]
            || *result = sum_of(logits, x, x, |logit, x, _| nats(logit, x)) as f32,
        );
    }
}

/// The gradient of nats whose derivative by a logit is `mean(logit) - x`: adds `dnats (mean(logit) - x)`.
#[inline(always)]
fn gradient_of_logits(inputs: RowInputs<'_>, dresults: &[f32], gradients: RowGradients<'_>, mean: impl Fn(f32) -> f32) {
    let rows = inputs.each().zip(gradients.outputs.chunks_exact_mut(inputs.values().max(1))).zip(dresults);
    for (((logits, x), dlogits), &dnats) in rows {
        vectorized(
            #[inline(always)]
            || {
                for ((dlogit, &logit), &x) in dlogits.iter_mut().zip(logits).zip(x) {
                    *dlogit += dnats * (mean(logit) - x);
                }
            },
        );
    }
}

/// The likelihood of a model, with its own numbers: from outputs of the decoder with the axis `O` and values with the axis `V`.
///
/// ```
/// use dfdx::tensor::Cpu;
/// use vaex::data::ImageShape;
/// use vaex::model::likelihood::{Bernoulli, LikelihoodHead, LikelihoodKind};
/// use vaex::tensor::backend::{Array, Host};
/// use vaex::tensor::dims::{Batch, Outputs, Values};
///
/// let (device, kind) = (Cpu::default(), LikelihoodKind::Bernoulli(Bernoulli));
/// let head = LikelihoodHead::<Values, Outputs, Host>::new(&device, ImageShape::grey(2, 2), kind).unwrap();
/// let x: Array<(Batch, Values), Host> = Array::new(&device, vec![0.0; 4].into(), (Batch(1), Values(4))).unwrap();
/// let outputs: Array<(Batch, Outputs), Host> = Array::new(&device, vec![0.0; 4].into(), (Batch(1), Outputs(4))).unwrap();
/// let nats: Array<(Batch,), Host> = head.nats(outputs, &x).unwrap();
/// ```
///
/// Values are no outputs, although this likelihood has as many of both. This does not compile:
///
/// ```compile_fail
/// use dfdx::tensor::Cpu;
/// use vaex::data::ImageShape;
/// use vaex::model::likelihood::{Bernoulli, LikelihoodHead, LikelihoodKind};
/// use vaex::tensor::backend::{Array, Host};
/// use vaex::tensor::dims::{Batch, Outputs, Values};
///
/// let (device, kind) = (Cpu::default(), LikelihoodKind::Bernoulli(Bernoulli));
/// let head = LikelihoodHead::<Values, Outputs, Host>::new(&device, ImageShape::grey(2, 2), kind).unwrap();
/// let x: Array<(Batch, Values), Host> = Array::new(&device, vec![0.0; 4].into(), (Batch(1), Values(4))).unwrap();
/// let outputs: Array<(Batch, Values), Host> = Array::new(&device, vec![0.0; 4].into(), (Batch(1), Values(4))).unwrap();
/// let nats: Array<(Batch,), Host> = head.nats(outputs, &x).unwrap();
/// ```
pub struct LikelihoodHead<V: Dim, O: Dim, B: Backend> {
    kind: LikelihoodKind,
    own: Option<(OwnParameter, Parameter<(Own,), B>)>,
    axes: std::marker::PhantomData<(V, O)>,
}

impl<V: Dim, O: Dim, B: Backend> LikelihoodHead<V, O, B> {
    /// The likelihood of images of this shape, with its own numbers at their initial values.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn new(device: &B::Device, image: ImageShape, kind: LikelihoodKind) -> Result<Self, DeviceError> {
        let own = match kind.parameter(image) {
            None => None,
            Some(own) => {
                let mut parameter = Parameter::zeros(device, (Own(own.length),))?;
                parameter.set(vec![own.initial; own.length]);
                Some((own, parameter))
            }
        };
        Ok(LikelihoodHead { kind, own, axes: std::marker::PhantomData })
    }

    /// The expected values of images: from outputs of the decoder (Images, Outputs) to (Images, Values).
    pub fn expected(&self, outputs: Vec<f32>) -> Vec<f32> {
        self.kind.expected(outputs, &self.own_values())
    }

    /// As [`LikelihoodHead::expected`], by the vector instructions of the kernels.
    pub fn expected_fast(&self, outputs: Vec<f32>) -> Vec<f32> {
        self.kind.expected_fast(outputs, &self.own_values())
    }

    fn own_values(&self) -> Arc<Vec<f32>> {
        self.own.as_ref().map_or_else(Arc::default, |(_, parameter)| parameter.values())
    }

    /// Its kind and settings.
    pub fn kind(&self) -> LikelihoodKind {
        self.kind
    }

    /// -log p(x|z) of each image in nats, `(N)`, summed over its values.
    ///
    /// # Errors
    /// The device failed.
    pub fn nats<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        outputs: Array<(N, O), B, T>,
        x: &Array<(N, V), B>,
    ) -> Result<Array<(N,), B, T>, DeviceError> {
        let own = self.own.as_ref().map(|(own, parameter)| (parameter, own.is_trained));
        B::rows(&self.kind, outputs, own, x)
    }
}

impl<V: Dim, O: Dim, B: Backend> Module<B> for LikelihoodHead<V, O, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        if let Some((OwnParameter { name, is_trained: true, .. }, parameter)) = &mut self.own {
            visitor(Visit { name: format!("{path}.{name}"), initial: Initial::Zero, parameter });
        }
    }
}
