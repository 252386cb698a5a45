//! Dense layers.

use super::{Cost, Describe, Forward, visit_weight_and_bias};
use crate::data::ImageShape;
use crate::model::parameters::{Fans, Module, Visitor};
use crate::onnx::{ExportError, Graph};
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

impl DenseLayer {
    /// A layer without activation to a number of units: the output of an encoder or a decoder.
    pub fn linear(inputs: usize, units: usize) -> DenseLayer {
        DenseLayer { inputs, outputs: DenseOutputs::Units(units), activation: Activation::Identity }
    }
}

impl Describe for DenseLayer {
    type Live<B: Backend> = Dense<Features, Features, B>;

    fn outputs(&self) -> ImageShape {
        match self.outputs {
            DenseOutputs::Units(units) => ImageShape { height: 1, width: 1, channels: units },
            DenseOutputs::Map(shape) => shape,
        }
    }

    fn cost(&self) -> Cost {
        let (inputs, outputs) = (self.inputs as u128, self.outputs().values() as u128);
        Cost {
            parameters: inputs.saturating_add(1).saturating_mul(outputs),
            multiplications: inputs.saturating_mul(outputs),
            outputs,
            has_own_gradients: false,
        }
    }

    fn canonical(&self, is_output: bool) -> Value {
        if is_output {
            return json!({ "dense": "output" });
        }
        let size = match self.outputs {
            DenseOutputs::Units(units) => json!(units),
            DenseOutputs::Map(shape) => json!(shape.sizes()),
        };
        json!({ "dense": size, "activation": self.activation.name() })
    }

    fn build<B: Backend>(&self, device: &B::Device, on_data: bool) -> Result<Self::Live<B>, DeviceError> {
        let (inputs, outputs) = (Features(self.inputs), Features(self.outputs().values()));
        let layer = Dense::new(device, inputs, outputs, self.activation)?;
        Ok(Dense { input_gradient: !on_data, ..layer })
    }

    fn onnx(&self, path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        let (weight, bias) = (format!("{path}.weight"), format!("{path}.bias"));
        let sizes = [self.inputs, self.outputs().values()];
        let (weights, biases) = (graph.weight(&weight, &sizes)?, graph.weight(&bias, &sizes[1..])?);
        graph.as_rows();
        // Weights are (in, out), as `Gemm` expects.
        let further = vec![graph.constant(&weight, &sizes, &weights), graph.constant(&bias, &sizes[1..], &biases)];
        graph.then("Gemm", further, &[]);
        graph.activate(self.activation);
        Ok(())
    }
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

    /// `(N, I)` to `(N, O)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, I), B, T>,
    ) -> Result<Array<(N, O), B, T>, DeviceError> {
        B::dense(x, &self.weight, &self.bias, self.activation, self.input_gradient)
    }
}

impl<B: Backend> Forward<B> for Dense<Features, Features, B> {
    fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, Features), B, T>,
    ) -> Result<Array<(N, Features), B, T>, DeviceError> {
        self.forward(x)
    }
}

impl<I: Dim, O: Dim, B: Backend> Module<B> for Dense<I, O, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        let (inputs, outputs) = self.weight.shape();
        let fans = Fans { inputs: inputs.size(), outputs: outputs.size() };
        visit_weight_and_bias(path, &mut self.weight, &mut self.bias, fans, visitor);
    }
}
