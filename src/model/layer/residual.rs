//! Residual blocks, as van den Oord et al. 2017 and pythae have them.

use super::listed::{self, ListedKind, Misfit, WrittenLayer};
use super::{Conv, ConvLayer, Cost, Describe, Forward, Layer};
use crate::data::ImageShape;
use crate::model::parameters::{Module, Visitor};
use crate::onnx::{ExportError, Graph};
use crate::settings::{Key, Type};
use crate::tensor::backend::{Activation, Array, Backend, DeviceError, Operands, Pointwise, PointwiseKernel};
use crate::tensor::dims::{Channels, Dim, Features, Height, Width, Window};
use crate::tensor::kernels::vectorized;
use dfdx::shapes::Shape;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::{Device, TryAdd};
use serde_json::{Value, json};

/// A residual block: y = activation(x + conv 1x1(relu(conv 3x3(relu(x))))).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResidualLayer {
    /// The shape of its input and of its output.
    pub shape: ImageShape,
    /// The number of channels between the two convolutions.
    pub channels: usize,
    /// The function that is applied to each output.
    pub activation: Activation,
}

const SMALL: Window = Window::same(1, 1);
const LARGE: Window = Window::same(3, 1);

/// The kind in lists.
pub(super) static KIND: ListedKind = ListedKind {
    key: Key::new(
        "residual",
        "A residual block: ReLU, a 3x3 convolution to this number of channels, ReLU, a 1x1 convolution back, plus the input.",
    )
    .also("res_block resblock residual_block resnet")
    .example("32"),
    read: |keys, _| {
        let channels = keys.whole(KIND.key, 1, Type::MOST, 1);
        let channels = usize::try_from(channels).unwrap_or(usize::MAX);
        Box::new(Written { channels, activation: listed::own_activation(keys) })
    },
};

/// A residual block of a list.
#[derive(Debug)]
struct Written {
    channels: usize,
    activation: Activation,
}

impl WrittenLayer for Written {
    fn place(&self, inputs: ImageShape, _: ImageShape) -> Result<Layer, Misfit> {
        let Written { channels, activation } = *self;
        Ok(Layer::Residual(ResidualLayer { shape: inputs, channels, activation }))
    }
}

impl ResidualLayer {
    /// The two convolutions.
    fn convolutions(&self) -> [ConvLayer; 2] {
        let ResidualLayer { shape, channels, .. } = *self;
        let inner = shape.with_channels(channels);
        [
            ConvLayer { inputs: shape, channels, window: LARGE, activation: Activation::Relu },
            ConvLayer { inputs: inner, channels: shape.channels, window: SMALL, activation: Activation::Identity },
        ]
    }
}

impl Describe for ResidualLayer {
    type Live<B: Backend> = Residual<B>;

    fn outputs(&self) -> ImageShape {
        self.shape
    }

    fn cost(&self) -> Cost {
        let [first, second] = self.convolutions().map(|layer| layer.cost());
        let values = self.shape.values() as u128;
        let sum = |one: u128, other: u128| one.saturating_add(other);
        Cost {
            parameters: sum(first.parameters, second.parameters),
            multiplications: sum(first.multiplications, second.multiplications),
            // Also the ReLU of the input, and the sum.
            outputs: sum(sum(first.outputs, second.outputs), values.saturating_mul(2)),
            windows: sum(first.windows, second.windows),
            has_own_gradients: true,
        }
    }

    fn canonical(&self, _: bool) -> Value {
        json!({ "residual": self.channels, "activation": self.activation.name() })
    }

    fn build<B: Backend>(&self, device: &B::Device, _: bool) -> Result<Self::Live<B>, DeviceError> {
        let (outer, inner) = (Channels(self.shape.channels), Channels(self.channels));
        Ok(Residual {
            first: Conv::new(device, outer, inner, LARGE, Activation::Relu)?,
            second: Conv::new(device, inner, outer, SMALL, Activation::Identity)?,
            description: *self,
        })
    }

    fn onnx(&self, path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        graph.as_map(self.shape);
        let inputs = graph.last();
        graph.activate(Activation::Relu);
        let [first, second] = self.convolutions();
        first.onnx(&format!("{path}.0"), graph)?;
        second.onnx(&format!("{path}.1"), graph)?;
        graph.then("Add", vec![inputs], &[]);
        graph.activate(self.activation);
        Ok(())
    }
}

/// A residual block with its weights.
pub struct Residual<B: Backend> {
    first: Conv<Channels, Channels, B>,
    second: Conv<Channels, Channels, B>,
    description: ResidualLayer,
}

impl<B: Backend> Forward<B> for Residual<B> {
    fn forward<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, Features), B, T>,
    ) -> Result<Array<(N, Features), B, T>, DeviceError> {
        let ResidualLayer { shape, channels, activation } = self.description;
        let (batch, flat) = x.shape();
        let map = |channels| (batch, Height(shape.height), Width(shape.width), Channels(channels));
        let (x, tape) = x.split_tape();
        let hidden = B::pointwise(&Activation::Relu, x.clone().put_tape(tape), None)?;
        let hidden = self.first.forward(hidden.relabel(map(shape.channels))?)?;
        let change = self.second.forward(hidden.relabel(map(channels))?)?.relabel((batch, flat))?;
        let sum = B::pointwise(&Sum, change, Some(&x))?;
        if activation == Activation::Identity { Ok(sum) } else { B::pointwise(&activation, sum, None) }
    }
}

impl<B: Backend> Module<B> for Residual<B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        self.first.visit(&format!("{path}.0"), visitor);
        self.second.visit(&format!("{path}.1"), visitor);
    }
}

/// a + b
#[derive(Clone, Copy, Debug)]
struct Sum;

impl Pointwise for Sum {
    fn forward(&self, Operands { a, b }: Operands<'_>, results: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || results.iter_mut().zip(a).zip(b).for_each(|((result, a), b)| *result = a + b),
        );
    }

    fn backward(&self, _: Operands<'_>, dresults: &[f32], da: &mut [f32], db: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || {
                for ((da, db), dresult) in da.iter_mut().zip(db).zip(dresults) {
                    *da += dresult;
                    *db += dresult;
                }
            },
        );
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        &self,
        a: Tensor<S, f32, D, T>,
        b: Option<Tensor<S, f32, D>>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        match b {
            Some(b) => a.try_add(b),
            None => Ok(a),
        }
    }

    fn kernel(&self) -> Option<PointwiseKernel> {
        Some(PointwiseKernel { forward: "sum", backward: "sum_backward", words: [0; 2] })
    }
}
