//! Walking over a model's parameters: one list of names, sizes and values serves initialising, training and saving.

use crate::random::{Purpose, Stream};
use crate::settings::{Choices, Kind};
use crate::tensor::backend::{Backend, DeviceError, Grads, Parameter, Part};
use dfdx::shapes::Shape;
use std::ops::Range;
use std::sync::Arc;

/// How weights are drawn before training; biases start at zero.
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

/// Units that feed one unit, and units that one unit feeds: what initialisers scale weights by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fans {
    /// Inputs of a unit.
    pub inputs: usize,
    /// Outputs that an input reaches.
    pub outputs: usize,
}

/// A parameter of any shape.
pub trait AnyParameter<B: Backend> {
    /// Its sizes.
    fn sizes(&self) -> Vec<usize>;
    /// Its values, row-major.
    fn values(&self) -> &[f32];
    /// Lets `change` write the values, then brings the device up to date.
    fn update(&mut self, change: &mut dyn FnMut(&mut [f32]));
    /// Reads its gradient after a backward pass.
    fn gradient_reader(&self) -> B::GradientReader;
}

impl<S: Shape, B: Backend> AnyParameter<B> for Parameter<S, B> {
    fn sizes(&self) -> Vec<usize> {
        self.shape().concrete().into()
    }

    fn values(&self) -> &[f32] {
        &self.values
    }

    fn update(&mut self, change: &mut dyn FnMut(&mut [f32])) {
        // No tape is alive between steps, so nothing is copied here.
        let values: &mut Vec<f32> = Arc::make_mut(&mut self.values);
        change(values);
        B::refresh(self);
    }

    fn gradient_reader(&self) -> B::GradientReader {
        B::gradient_reader(self)
    }
}

/// One stop of a walk.
pub struct Visit<'a, B: Backend> {
    /// Stable name, dotted: `encoder.conv.0.weight`.
    pub name: String,
    /// For weights; nothing for biases and the like, which start at zero.
    pub fans: Option<Fans>,
    /// The parameter.
    pub parameter: &'a mut dyn AnyParameter<B>,
}

/// What is called at each stop.
pub type Visitor<'v, B> = dyn FnMut(Visit<'_, B>) + 'v;

/// Something with parameters.
pub trait Module<B: Backend> {
    /// Shows every parameter to the visitor, always in the same order, with names below `path`.
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>);
}

/// Number of trained numbers.
pub fn count<B: Backend>(model: &mut impl Module<B>) -> usize {
    let mut total = 0;
    model.visit("", &mut |visit| total += visit.parameter.values().len());
    total
}

/// Draws the weights, and sets the rest to zero. Each parameter has a stream of its own.
pub fn initialize<B: Backend>(model: &mut impl Module<B>, initializer: Initializer, seed: u64) {
    let mut index = 0;
    model.visit("", &mut |visit| {
        let mut stream = Stream::new(seed, Purpose::Weights, 0, index);
        index += 1;
        let limit = visit.fans.map_or(0.0, |fans| match initializer {
            Initializer::Glorot => (6.0 / (fans.inputs + fans.outputs) as f32).sqrt(),
            Initializer::He => (6.0 / fans.inputs as f32).sqrt(),
        });
        visit.parameter.update(&mut |values| {
            values.iter_mut().for_each(|value| *value = limit * (2.0 * stream.uniform() - 1.0));
        });
    });
}

/// Where each parameter's gradient goes in one long array.
pub struct GradientMap<B: Backend> {
    entries: Vec<(Range<usize>, B::GradientReader)>,
    length: usize,
}

impl<B: Backend> GradientMap<B> {
    /// The map of a model; parameters lie in the order of the walk.
    pub fn new(model: &mut impl Module<B>) -> GradientMap<B> {
        let (mut entries, mut length) = (Vec::new(), 0);
        model.visit("", &mut |visit| {
            let range = length..length + visit.parameter.values().len();
            length = range.end;
            entries.push((range, visit.parameter.gradient_reader()));
        });
        GradientMap { entries, length }
    }

    /// Length of the array.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Where each parameter lies, in the order of the walk.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.entries.iter().map(|(range, _)| range.clone())
    }

    /// Adds what a backward pass found to the parts of all parameters, in the order of the walk; none at first.
    ///
    /// # Errors
    /// The device failed.
    pub fn read(&self, gradients: &mut Grads<B>, parts: &mut Vec<Part>) -> Result<(), DeviceError> {
        parts.resize_with(self.entries.len(), Part::default);
        self.entries.iter().zip(parts).try_for_each(|((_, read), part)| {
            part.add(read(gradients)?);
            Ok(())
        })
    }
}
