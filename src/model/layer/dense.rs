//! Dense layers.

use super::listed::{self, ListedKind, MAP_OR_OUTPUT, Misfit, Size, WrittenLayer};
use super::{Cost, Describe, Forward, Layer, visit_weight_and_bias};
use crate::data::ImageShape;
use crate::model::parameters::{Fans, Module, Visitor};
use crate::onnx::{ExportError, Graph};
use crate::settings::Key;
use crate::tensor::backend::{Activation, Array, Backend, DeviceError, Parameter};
use crate::tensor::dims::{Dim, Features};
use dfdx::tensor::Tape;
use serde_json::{Value, json};

/// A dense layer: y = activation(x W + b).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseLayer {
    /// The number of inputs.
    pub inputs: usize,
    /// Its outputs.
    pub outputs: DenseOutputs,
    /// The function that is applied to each output.
    pub activation: Activation,
}

/// The outputs of a dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenseOutputs {
    /// A number of units.
    Units(usize),
    /// A feature map, which convolutions follow.
    Map(ImageShape),
}

impl DenseOutputs {
    /// Its shape; units are the channels of a single pixel.
    pub(super) fn shape(self) -> ImageShape {
        match self {
            DenseOutputs::Units(units) => ImageShape { height: 1, width: 1, channels: units },
            DenseOutputs::Map(shape) => shape,
        }
    }

    /// Its description for ids of trials.
    pub(super) fn canonical(self) -> Value {
        match self {
            DenseOutputs::Units(units) => json!(units),
            DenseOutputs::Map(shape) => json!(shape.sizes()),
        }
    }
}

impl DenseLayer {
    /// A layer without activation to a number of units: the output of an encoder or a decoder.
    pub fn linear(inputs: usize, units: usize) -> DenseLayer {
        DenseLayer { inputs, outputs: DenseOutputs::Units(units), activation: Activation::Identity }
    }
}

/// The kind in lists.
pub(super) static KIND: ListedKind = ListedKind {
    key: Key::new(
        "dense",
        "A dense layer: the number of its units; [height, width, channels] of a feature map, which convolutions follow; or \
         \"output\".",
    )
    .also("linear fc fully_connected")
    .example("256"),
    read: |keys, by_default| {
        let size = listed::size(keys, KIND.key, MAP_OR_OUTPUT);
        Box::new(Written { size, activation: listed::activation(keys, size, by_default) })
    },
};

/// A dense layer of a list.
#[derive(Debug)]
struct Written {
    size: Size,
    activation: Activation,
}

impl Size {
    /// As outputs of a dense layer.
    pub(super) fn as_dense(self, outputs: ImageShape) -> DenseOutputs {
        match self {
            Size::Count(units) => DenseOutputs::Units(units),
            Size::Map(shape) => DenseOutputs::Map(shape),
            Size::Output => DenseOutputs::Units(outputs.values()),
        }
    }
}

impl WrittenLayer for Written {
    fn place(&self, inputs: ImageShape, outputs: ImageShape) -> Result<Layer, Misfit> {
        let outputs = self.size.as_dense(outputs);
        Ok(Layer::Dense(DenseLayer { inputs: inputs.values(), outputs, activation: self.activation }))
    }

    fn is_output(&self) -> bool {
        self.size == Size::Output
    }
}

impl Describe for DenseLayer {
    type Live<B: Backend> = Dense<Features, Features, B>;

    fn outputs(&self) -> ImageShape {
        self.outputs.shape()
    }

    fn cost(&self) -> Cost {
        let (inputs, outputs) = (self.inputs as u128, self.outputs().values() as u128);
        Cost {
            parameters: inputs.saturating_add(1).saturating_mul(outputs),
            multiplications: inputs.saturating_mul(outputs),
            outputs,
            windows: 0,
            has_own_gradients: false,
        }
    }

    fn canonical(&self, is_output: bool) -> Value {
        match (is_output, self.activation) {
            (true, Activation::Identity) => json!({ "dense": "output" }),
            (true, activation) => json!({ "dense": "output", "activation": activation.name() }),
            (false, activation) => json!({ "dense": self.outputs.canonical(), "activation": activation.name() }),
        }
    }

    fn activation(&self) -> Option<Activation> {
        Some(self.activation)
    }

    fn build<B: Backend>(&self, device: &B::Device, on_data: bool) -> Result<Self::Live<B>, DeviceError> {
        let (inputs, outputs) = (Features(self.inputs), Features(self.outputs().values()));
        Ok(Dense::new(device, inputs, outputs, self.activation)?.on_data(on_data))
    }

    fn onnx(&self, path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        graph.as_rows();
        add_to_graph(graph, path, [self.inputs, self.outputs().values()])?;
        graph.activate(self.activation);
        Ok(())
    }
}

/// Adds a dense layer without activation to an ONNX graph, whose last value must be rows.
pub(super) fn add_to_graph(graph: &mut Graph<'_>, path: &str, sizes: [usize; 2]) -> Result<(), ExportError> {
    let (weight, bias) = (format!("{path}.weight"), format!("{path}.bias"));
    let (weights, biases) = (graph.weight(&weight, &sizes)?, graph.weight(&bias, &sizes[1..])?);
    // Weights are (in, out), as `Gemm` expects.
    let further = vec![graph.constant(&weight, &sizes, &weights), graph.constant(&bias, &sizes[1..], &biases)];
    graph.then("Gemm", further, &[]);
    Ok(())
}

/// A dense layer with its weights.
pub struct Dense<I: Dim, O: Dim, B: Backend> {
    weight: Parameter<(I, O), B>,
    bias: Parameter<(O,), B>,
    activation: Activation,
    input_gradient: bool,
}

impl<I: Dim, O: Dim, B: Backend> Dense<I, O, B> {
    /// A layer with all weights 0, from `inputs` to `outputs`.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn new(device: &B::Device, inputs: I, outputs: O, activation: Activation) -> Result<Self, DeviceError> {
        let weight = Parameter::zeros(device, (inputs, outputs))?;
        Ok(Dense { weight, bias: Parameter::zeros(device, (outputs,))?, activation, input_gradient: true })
    }

    /// With `on_data`, the gradient with respect to its input is not computed.
    pub(super) fn on_data(self, on_data: bool) -> Self {
        Dense { input_gradient: !on_data, ..self }
    }

    /// `(N, I)` to `(N, O)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn forward<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, I), B, T>,
    ) -> Result<Array<(N, O), B, T>, DeviceError> {
        B::dense(x, &self.weight, &self.bias, self.activation, self.input_gradient)
    }
}

impl<B: Backend> Forward<B> for Dense<Features, Features, B> {
    fn forward<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, Features), B, T>,
    ) -> Result<Array<(N, Features), B, T>, DeviceError> {
        self.forward(x)
    }
}

impl<I: Dim, O: Dim, B: Backend> Module<B> for Dense<I, O, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        let (inputs, outputs) = self.weight.shape();
        let fans = Fans::new(inputs.size(), outputs.size());
        visit_weight_and_bias(path, &mut self.weight, &mut self.bias, fans, visitor);
    }
}
