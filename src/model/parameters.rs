//! Visits the parameters of a model in a fixed order, for initialization, training and saving.

use crate::random::{Purpose, Stream};
use crate::settings::{Choices, Kind};
use crate::tensor::backend::{Backend, DeviceError, Grads, Parameter};
use dfdx::shapes::Shape;
use std::ops::Range;
use std::sync::Arc;

/// The distribution of the initial weights; biases start at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initializer {
    /// Uniform in ±sqrt(6 / (fan_in + fan_out)): Glorot and Bengio 2010.
    Glorot,
    /// Uniform in ±sqrt(6 / fan_in): He et al. 2015.
    He,
}

pub(super) static GLOROT: Kind<Initializer> =
    Kind::new("glorot", "Uniform in ±sqrt(6 / (fan_in + fan_out)): Glorot and Bengio 2010.", |_| Initializer::Glorot)
        .also("xavier xavier_uniform");
static HE: Kind<Initializer> = Kind::new("he", "Uniform in ±sqrt(6 / fan_in): He et al. 2015.", |_| Initializer::He)
    .also("kaiming kaiming_uniform");

/// The initializers that a spec can choose.
pub(super) static INITIALIZERS: Choices<Initializer> = Choices(&[&GLOROT, &HE]);

/// Fan-in and fan-out, from which initializers compute the scale of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fans {
    /// Fan-in: the number of inputs of a unit.
    pub inputs: usize,
    /// Fan-out: the number of outputs that an input affects.
    pub outputs: usize,
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
    /// The fans of weights; `None` for biases and other parameters that start at zero.
    pub fans: Option<Fans>,
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

/// Draws the weights and sets the other parameters to zero. Each parameter has its own random stream.
pub fn initialize<B: Backend>(model: &mut impl Module<B>, initializer: Initializer, seed: u64) {
    let mut index = 0;
    model.visit("", &mut |visit| {
        let mut stream = Stream::new(seed, Purpose::Weights, 0, index);
        index += 1;
        let limit = visit.fans.map_or(0.0, |fans| match initializer {
            Initializer::Glorot => (6.0 / (fans.inputs + fans.outputs) as f32).sqrt(),
            Initializer::He => (6.0 / fans.inputs as f32).sqrt(),
        });
        let draws = (0..visit.parameter.length()).map(|_| limit * (2.0 * stream.uniform() - 1.0));
        visit.parameter.set(draws.collect());
    });
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
