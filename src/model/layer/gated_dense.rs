//! Gated dense layers (Tomczak and Welling 2018; Dauphin et al. 2017).

use super::listed::{self, ListedKind, MAP_OR_OUTPUT, Misfit, Size, WrittenLayer};
use super::{Cost, Dense, DenseOutputs, Describe, Forward, Layer};
use crate::data::ImageShape;
use crate::model::parameters::{Module, Visitor};
use crate::onnx::{ExportError, Graph};
use crate::settings::Key;
use crate::tensor::backend::{Activation, Array, Backend, DeviceError, Operands, Pointwise, PointwiseKernel};
use crate::tensor::dims::{Dim, Features};
use crate::tensor::kernels::{sigmoid, vectorized};
use dfdx::shapes::Shape;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::{Device, TryMul};
use serde_json::{Value, json};

/// A gated dense layer: y = (x W + b) sigmoid(x V + c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatedDenseLayer {
    /// The number of inputs.
    pub inputs: usize,
    /// Its outputs.
    pub outputs: DenseOutputs,
}

/// The kind in lists.
pub(super) static KIND: ListedKind = ListedKind {
    key: Key::new(
        "gated_dense",
        "A dense layer times the sigmoid of another one: the number of its units; [height, width, channels] of a feature map; or \
         \"output\".",
    )
    .also("gated gated_linear glu")
    .example("300"),
    read: |keys, _| Box::new(Written { size: listed::size(keys, KIND.key, MAP_OR_OUTPUT) }),
};

/// A gated dense layer of a list.
#[derive(Debug)]
struct Written {
    size: Size,
}

impl WrittenLayer for Written {
    fn place(&self, inputs: ImageShape, outputs: ImageShape) -> Result<Layer, Misfit> {
        let outputs = self.size.as_dense(outputs);
        Ok(Layer::GatedDense(GatedDenseLayer { inputs: inputs.values(), outputs }))
    }

    fn is_output(&self) -> bool {
        self.size == Size::Output
    }
}

impl Describe for GatedDenseLayer {
    type Live<B: Backend> = GatedDense<B>;

    fn outputs(&self) -> ImageShape {
        self.outputs.shape()
    }

    fn cost(&self) -> Cost {
        let (inputs, outputs) = (self.inputs as u128, self.outputs().values() as u128);
        Cost {
            parameters: inputs.saturating_add(1).saturating_mul(outputs).saturating_mul(2),
            multiplications: inputs.saturating_mul(outputs).saturating_mul(2),
            // The two factors and the product.
            outputs: outputs.saturating_mul(3),
            windows: 0,
            has_own_gradients: false,
        }
    }

    fn canonical(&self, is_output: bool) -> Value {
        json!({ "gated_dense": if is_output { json!("output") } else { self.outputs.canonical() } })
    }

    fn build<B: Backend>(&self, device: &B::Device, on_data: bool) -> Result<Self::Live<B>, DeviceError> {
        let (inputs, outputs) = (Features(self.inputs), Features(self.outputs().values()));
        let factor = || Ok::<_, DeviceError>(Dense::new(device, inputs, outputs, Activation::Identity)?.on_data(on_data));
        Ok(GatedDense { value: factor()?, gate: factor()? })
    }

    fn onnx(&self, path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        graph.as_rows();
        let inputs = graph.last();
        let sizes = [self.inputs, self.outputs().values()];
        super::dense::add_to_graph(graph, &format!("{path}.value"), sizes)?;
        let value = graph.last();
        graph.go_back_to(inputs);
        super::dense::add_to_graph(graph, &format!("{path}.gate"), sizes)?;
        graph.activate(Activation::Sigmoid);
        graph.then("Mul", vec![value], &[]);
        Ok(())
    }
}

/// A gated dense layer with its weights.
pub struct GatedDense<B: Backend> {
    value: Dense<Features, Features, B>,
    gate: Dense<Features, Features, B>,
}

impl<B: Backend> Forward<B> for GatedDense<B> {
    fn forward<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, Features), B, T>,
    ) -> Result<Array<(N, Features), B, T>, DeviceError> {
        let (x, tape) = x.split_tape();
        let (value, tape) = self.value.forward(x.clone().put_tape(tape))?.split_tape();
        let gate = self.gate.forward(x.put_tape(tape))?;
        B::pointwise(&Gate, gate, Some(&value))
    }
}

impl<B: Backend> Module<B> for GatedDense<B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        self.value.visit(&format!("{path}.value"), visitor);
        self.gate.visit(&format!("{path}.gate"), visitor);
    }
}

/// sigmoid(a) b
#[derive(Clone, Copy, Debug)]
struct Gate;

impl Pointwise for Gate {
    fn forward(&self, Operands { a, b }: Operands<'_>, results: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || {
                for ((result, &a), &b) in results.iter_mut().zip(a).zip(b) {
                    *result = sigmoid(a) * b;
                }
            },
        );
    }

    fn backward(&self, Operands { a, b }: Operands<'_>, dresults: &[f32], da: &mut [f32], db: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || {
                for ((((da, db), &a), &b), &dresult) in da.iter_mut().zip(db).zip(a).zip(b).zip(dresults) {
                    let gate = sigmoid(a);
                    *da += dresult * b * gate * (1.0 - gate);
                    *db += dresult * gate;
                }
            },
        );
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        &self,
        a: Tensor<S, f32, D, T>,
        b: Option<Tensor<S, f32, D>>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        let gate = a.try_sigmoid()?;
        match b {
            Some(b) => gate.try_mul(b),
            None => Ok(gate),
        }
    }

    fn kernel(&self) -> Option<PointwiseKernel> {
        Some(PointwiseKernel { forward: "gate", backward: "gate_backward", words: [0; 2] })
    }
}
