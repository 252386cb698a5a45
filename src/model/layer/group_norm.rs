//! Group normalization (Wu and He 2018); with one group, layer normalization over channels and pixels (Ba et al. 2016).

use super::listed::{self, ListedKind, Misfit, WrittenLayer};
use super::{Cost, Describe, Forward, Layer};
use crate::data::ImageShape;
use crate::model::parameters::{Initial, Module, Visit, Visitor};
use crate::onnx::{ExportError, Graph, Number};
use crate::settings::{Key, Type};
use crate::tensor::backend::{Activation, Array, Backend, DeviceError, Parameter};
use crate::tensor::dims::{Channels, Dim, Features};
use crate::tensor::kernels::NORM_EPSILON;
use dfdx::tensor::Tape;
use serde_json::{Value, json};

/// A group normalization: y = activation((x - mean) / sqrt(variance + 1e-5) · weight + bias), where mean and variance are those of
/// the pixels and channels of a group of an image, and each channel has a weight and a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupNormLayer {
    /// The shape of its input and of its output.
    pub shape: ImageShape,
    /// The number of groups of consecutive channels.
    pub groups: usize,
    /// The function that is applied to each output.
    pub activation: Activation,
}

/// The kind in lists.
pub(super) static KIND: ListedKind = ListedKind {
    key: Key::new(
        "group_norm",
        "Group normalization: the number of groups of channels, each with mean 0 and variance 1 in every image, then a trained weight \
         and bias per channel. One group is layer normalization.",
    )
    .also("groupnorm group_normalization gn")
    .example("1"),
    read: |keys, _| {
        let groups = keys.whole(KIND.key, 1, Type::MOST, 1);
        let groups = usize::try_from(groups).unwrap_or(usize::MAX);
        Box::new(Written { groups, activation: listed::own_activation(keys) })
    },
};

/// A group normalization of a list.
#[derive(Debug)]
struct Written {
    groups: usize,
    activation: Activation,
}

impl WrittenLayer for Written {
    fn place(&self, inputs: ImageShape, _: ImageShape) -> Result<Layer, Misfit> {
        let Written { groups, activation } = *self;
        let ImageShape { height, width, channels } = inputs;
        if !channels.is_multiple_of(groups) {
            let message = format!("{groups} groups do not divide its {channels} channels");
            return Err(Misfit::new(message, "choose a number of groups that divides the channels, or 1"));
        }
        if channels == groups && height.saturating_mul(width) == 1 {
            let message = "each of its groups has a single value, which would always become the bias".to_owned();
            return Err(Misfit::new(message, "choose fewer groups, as in { group_norm = 1 }"));
        }
        Ok(Layer::GroupNorm(GroupNormLayer { shape: inputs, groups, activation }))
    }
}

impl Describe for GroupNormLayer {
    type Live<B: Backend> = GroupNorm<B>;

    fn outputs(&self) -> ImageShape {
        self.shape
    }

    fn cost(&self) -> Cost {
        let values = self.shape.values() as u128;
        Cost {
            parameters: (self.shape.channels as u128).saturating_mul(2),
            multiplications: values.saturating_mul(3),
            outputs: if self.activation == Activation::Identity { values } else { values.saturating_mul(2) },
            windows: 0,
            has_own_gradients: true,
        }
    }

    fn canonical(&self, _: bool) -> Value {
        json!({ "group_norm": self.groups, "activation": self.activation.name() })
    }

    fn build<B: Backend>(&self, device: &B::Device, _: bool) -> Result<Self::Live<B>, DeviceError> {
        let channels = (Channels(self.shape.channels),);
        let zeros = || Parameter::zeros(device, channels);
        Ok(GroupNorm { weight: zeros()?, bias: zeros()?, groups: self.groups, activation: self.activation })
    }

    fn onnx(&self, path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        let ImageShape { height, width, channels } = self.shape;
        graph.as_map(self.shape);
        let last = graph.last();
        graph.reshape(&last, &[0, self.groups as i64, -1]);
        let [ones, zeros] = [("ones", 1.0), ("zeros", 0.0)]
            .map(|(name, value)| graph.constant(&format!("{path}.{name}"), &[self.groups], &vec![value; self.groups]));
        graph.then("InstanceNormalization", vec![ones, zeros], &[Number::Float("epsilon", NORM_EPSILON as f32)]);
        let last = graph.last();
        graph.reshape(&last, &[-1, channels as i64, height as i64, width as i64]);
        for (operator, name) in [("Mul", "weight"), ("Add", "bias")] {
            let name = format!("{path}.{name}");
            let values = graph.weight(&name, &[channels])?;
            let constant = graph.constant(&name, &[channels, 1, 1], &values);
            graph.then(operator, vec![constant], &[]);
        }
        graph.activate(self.activation);
        Ok(())
    }
}

/// A group normalization with its weights.
pub struct GroupNorm<B: Backend> {
    weight: Parameter<(Channels,), B>,
    bias: Parameter<(Channels,), B>,
    groups: usize,
    activation: Activation,
}

impl<B: Backend> Forward<B> for GroupNorm<B> {
    fn forward<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, Features), B, T>,
    ) -> Result<Array<(N, Features), B, T>, DeviceError> {
        let y = B::group_norm(x, self.groups, &self.weight, &self.bias)?;
        if self.activation == Activation::Identity { Ok(y) } else { B::pointwise(&self.activation, y, None) }
    }
}

impl<B: Backend> Module<B> for GroupNorm<B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        visitor(Visit { name: format!("{path}.weight"), initial: Initial::One, parameter: &mut self.weight });
        visitor(Visit { name: format!("{path}.bias"), initial: Initial::Zero, parameter: &mut self.bias });
    }
}
