//! Visits the parameters of a model in a fixed order, for initialization, training and saving.

use crate::random::{Purpose, Stream};
use crate::settings::{Choices, Kind};
use crate::tensor::backend::{Backend, DeviceError, Grads, Parameter};
use dfdx::shapes::Shape;
use std::ops::Range;
use std::sync::Arc;

/// The distribution of the initial weights; biases start at zero, except with `PyTorch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initializer {
    /// Uniform in ±sqrt(6 / (fan_in + fan_out)): Glorot and Bengio 2010.
    Glorot,
    /// Uniform in ±sqrt(6 / fan_in): He et al. 2015.
    He,
    /// Normal with variance 2 / (fan_in + fan_out).
    GlorotNormal,
    /// Normal with variance 2 / fan_in.
    HeNormal,
    /// Uniform in ±1 / sqrt(fan_in), weights and biases, with PyTorch's fan-in.
    PyTorch,
}

pub(super) static GLOROT: Kind<Initializer> =
    Kind::new("glorot", "Uniform in ±sqrt(6 / (fan_in + fan_out)): Glorot and Bengio 2010.", |_| Initializer::Glorot)
        .also("xavier xavier_uniform glorot_uniform");
static HE: Kind<Initializer> = Kind::new("he", "Uniform in ±sqrt(6 / fan_in): He et al. 2015.", |_| Initializer::He)
    .also("kaiming kaiming_uniform he_uniform");
static GLOROT_NORMAL: Kind<Initializer> =
    Kind::new("glorot_normal", "Normal with variance 2 / (fan_in + fan_out).", |_| Initializer::GlorotNormal)
        .also("xavier_normal");
static HE_NORMAL: Kind<Initializer> =
    Kind::new("he_normal", "Normal with variance 2 / fan_in.", |_| Initializer::HeNormal).also("kaiming_normal");
static PYTORCH: Kind<Initializer> = Kind::new(
    "pytorch",
    "PyTorch's default: weights and biases uniform in ±1 / sqrt(fan_in), where a transposed convolution has the fan-in \
     kernel² · channels of its output.",
    |_| Initializer::PyTorch,
)
.also("torch default");

/// The initializers that a spec can choose.
pub(super) static INITIALIZERS: Choices<Initializer> = Choices(&[&GLOROT, &HE, &GLOROT_NORMAL, &HE_NORMAL, &PYTORCH]);

/// The initial biases of the last layer of the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputBias {
    /// Those of the initializer.
    Initializer,
    /// The outputs whose expected values are the mean of the training images.
    Data,
}

/// The biases of the last layer that a spec can choose.
pub(super) static OUTPUT_BIASES: Choices<OutputBias> = Choices(&[
    &Kind::new("initializer", "As all biases.", |_| OutputBias::Initializer),
    &Kind::new(
        "data",
        "The outputs whose expected values are the mean training image (of a convolution: the mean of each channel): its logits, \
         or the mean itself; zero for other numbers of the likelihood.",
        |_| OutputBias::Data,
    )
    .also("mean"),
]);

/// Fan-in and fan-out of a layer, from which initializers compute the scale of its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fans {
    /// Fan-in: the number of inputs of a unit.
    pub inputs: usize,
    /// Fan-out: the number of outputs that an input affects.
    pub outputs: usize,
    /// The fan-in that PyTorch's default initialization uses.
    pub pytorch: usize,
    /// Whether the parameter is the bias of the layer.
    pub is_bias: bool,
}

impl Fans {
    /// The fans of a weight whose fan-in PyTorch computes in the same way.
    pub fn new(inputs: usize, outputs: usize) -> Fans {
        Fans { inputs, outputs, pytorch: inputs, is_bias: false }
    }
}

/// The initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// Zeros.
    Zero,
    /// Ones.
    One,
    /// By the initializer: a weight or bias of a layer.
    Drawn(Fans),
}

/// A parameter of any shape.
pub trait AnyParameter<B: Backend> {
    /// Its sizes.
    fn sizes(&self) -> Vec<usize>;
    /// The number of its values.
    fn length(&self) -> usize;
    /// A copy of its values, row-major; on the host, the values themselves, until they change.
    fn values(&self) -> Arc<Vec<f32>>;
    /// Sets its values, row-major.
    fn set(&mut self, values: Vec<f32>);
    /// Its values, as the optimizers of the backend change them.
    fn weights(&mut self) -> B::Weights<'_>;
    /// A reader of its gradient after a backward pass.
    fn gradient_reader(&self) -> B::GradientReader;
}

impl<S: Shape, B: Backend> AnyParameter<B> for Parameter<S, B> {
    fn sizes(&self) -> Vec<usize> {
        self.shape().concrete().into()
    }

    fn length(&self) -> usize {
        self.shape().num_elements()
    }

    fn values(&self) -> Arc<Vec<f32>> {
        Parameter::values(self)
    }

    fn set(&mut self, values: Vec<f32>) {
        Parameter::set(self, values);
    }

    fn weights(&mut self) -> B::Weights<'_> {
        Parameter::weights(self)
    }

    fn gradient_reader(&self) -> B::GradientReader {
        Parameter::gradient_reader(self)
    }
}

/// One parameter in a visit of a model.
pub struct Visit<'a, B: Backend> {
    /// Its stable dotted name: `encoder.conv.0.weight`.
    pub name: String,
    /// Its initial values.
    pub initial: Initial,
    /// The parameter.
    pub parameter: &'a mut dyn AnyParameter<B>,
}

/// The function that is called for each parameter.
pub type Visitor<'v, B> = dyn FnMut(Visit<'_, B>) + 'v;

/// Something with parameters.
pub trait Module<B: Backend> {
    /// Calls the visitor for every parameter, always in the same order. Names start with `path`.
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>);
}

/// The number of trained values.
pub fn count<B: Backend>(model: &mut impl Module<B>) -> usize {
    let mut total = 0;
    model.visit("", &mut |visit| total += visit.parameter.length());
    total
}

/// Draws the weights of layers and sets the other parameters. Each parameter has its own random stream.
pub fn initialize<B: Backend>(model: &mut impl Module<B>, initializer: Initializer, seed: u64) {
    let mut index = 0;
    model.visit("", &mut |visit| {
        let mut stream = Stream::new(seed, Purpose::Weights, 0, index);
        index += 1;
        let length = visit.parameter.length();
        visit.parameter.set(initializer.draw(visit.initial, length, &mut stream));
    });
}

impl Initializer {
    fn draw(self, initial: Initial, length: usize, stream: &mut Stream) -> Vec<f32> {
        let fans = match initial {
            Initial::Zero => None,
            Initial::One => return vec![1.0; length],
            Initial::Drawn(fans) => Some(fans),
        };
        let weight = fans.filter(|fans| !fans.is_bias);
        let limit = match self {
            Initializer::Glorot => weight.map(|fans| (6.0 / (fans.inputs + fans.outputs) as f32).sqrt()),
            Initializer::He => weight.map(|fans| (6.0 / fans.inputs as f32).sqrt()),
            Initializer::PyTorch => fans.map(|fans| (1.0 / fans.pytorch as f32).sqrt()),
            Initializer::GlorotNormal | Initializer::HeNormal => {
                let variance = weight.map_or(0.0, |fans| match self {
                    Initializer::GlorotNormal => 2.0 / (fans.inputs + fans.outputs) as f32,
                    _ => 2.0 / fans.inputs as f32,
                });
                let mut values = vec![0.0; length];
                if weight.is_some() {
                    stream.fill_normal(&mut values);
                    values.iter_mut().for_each(|value| *value *= variance.sqrt());
                }
                return values;
            }
        };
        let limit = limit.unwrap_or(0.0);
        (0..length).map(|_| limit * (2.0 * stream.uniform() - 1.0)).collect()
    }
}

/// The position of the gradient of each parameter in one array.
pub struct GradientMap<B: Backend> {
    entries: Vec<(Range<usize>, B::GradientReader)>,
}

impl<B: Backend> GradientMap<B> {
    /// The map of a model; parameters are in the order of the visit.
    pub fn new(model: &mut dyn Module<B>) -> GradientMap<B> {
        let (mut entries, mut length) = (Vec::new(), 0);
        model.visit("", &mut |visit| {
            let range = length..length + visit.parameter.length();
            length = range.end;
            entries.push((range, visit.parameter.gradient_reader()));
        });
        GradientMap { entries }
    }

    /// The range of each parameter, in the order of the visit.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.entries.iter().map(|(range, _)| range.clone())
    }

    /// Adds the gradients of a backward pass to the parts of all parameters, in the order of the visit. `parts` may be empty
    /// in the first call.
    ///
    /// # Errors
    /// The device failed.
    pub fn read(&self, gradients: &mut Grads<B>, parts: &mut Vec<B::Part>) -> Result<(), DeviceError> {
        parts.resize_with(self.entries.len(), B::Part::default);
        self.entries.iter().zip(parts).try_for_each(|((_, read), part)| B::add_part(part, read(gradients)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FANS: Fans = Fans { inputs: 8, outputs: 24, pytorch: 16, is_bias: false };

    fn drawn(initializer: Initializer, initial: Initial) -> Vec<f32> {
        initializer.draw(initial, 20_000, &mut Stream::new(3, Purpose::Weights, 0, 0))
    }

    /// The standard deviation and the largest absolute value.
    fn spread(values: &[f32]) -> (f64, f64) {
        let square = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / values.len() as f64;
        let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        (square.sqrt(), f64::from(largest))
    }

    #[test]
    fn weights_have_the_variance_of_their_fans() {
        let glorot = (2.0 / 32.0f64).sqrt();
        let he = (2.0 / 8.0f64).sqrt();
        // A uniform distribution in ±limit has the standard deviation limit / sqrt(3).
        let pytorch = (1.0 / 16.0f64).sqrt() / 3f64.sqrt();
        for (initializer, deviation, is_uniform) in [
            (Initializer::Glorot, glorot, true),
            (Initializer::GlorotNormal, glorot, false),
            (Initializer::He, he, true),
            (Initializer::HeNormal, he, false),
            (Initializer::PyTorch, pytorch, true),
        ] {
            let (found, largest) = spread(&drawn(initializer, Initial::Drawn(FANS)));
            // Five standard errors.
            assert!((found / deviation - 1.0).abs() < 0.025, "{initializer:?}: {found}, not {deviation}");
            let limit = deviation * 3f64.sqrt();
            assert_eq!(largest <= 1.000_001 * limit, is_uniform, "{initializer:?}: {largest}, limit {limit}");
        }
    }

    #[test]
    fn only_pytorch_draws_biases() {
        let bias = Initial::Drawn(Fans { is_bias: true, ..FANS });
        use Initializer::{Glorot, GlorotNormal, He, HeNormal, PyTorch};
        for initializer in [Glorot, GlorotNormal, He, HeNormal, PyTorch] {
            let (_, largest) = spread(&drawn(initializer, bias));
            assert_eq!(largest > 0.0, initializer == Initializer::PyTorch, "{initializer:?}");
            assert_eq!(spread(&drawn(initializer, Initial::Zero)).1, 0.0, "{initializer:?}");
            assert!(drawn(initializer, Initial::One).iter().all(|value| *value == 1.0), "{initializer:?}");
        }
    }
}
