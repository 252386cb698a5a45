//! Transposed 3x3 convolutions with stride 2.

use super::conv::{ConvStride, add_to_graph, canonical, cost};
use super::{Cost, Describe, Forward, visit_weight_and_bias};
use crate::data::ImageShape;
use crate::model::parameters::{Fans, Module, Visitor};
use crate::onnx::{ExportError, Graph};
use crate::tensor::backend::{Activation, Array, Backend, DeviceError, Filter, Parameter};
use crate::tensor::dims::{Channels, Dim, Features, Half, Halving, Height, Stride, Width};
use dfdx::shapes::Const;
use dfdx::tensor::Tape;
use serde_json::Value;

/// The transpose of a convolution with stride 2, with its own bias and activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTransposeLayer {
    /// The number of input channels.
    pub inputs: usize,
    /// The shape of its output. Its input has half the height and half the width, rounded up.
    pub outputs: ImageShape,
    /// The function that is applied to each output.
    pub activation: Activation,
}

impl ConvTransposeLayer {
    fn smaller(&self) -> ImageShape {
        let half = |side: usize| side.div_ceil(2);
        ImageShape { height: half(self.outputs.height), width: half(self.outputs.width), channels: self.inputs }
    }
}

impl Describe for ConvTransposeLayer {
    type Live<B: Backend> = LiveConvTranspose<B>;

    fn outputs(&self) -> ImageShape {
        self.outputs
    }

    fn cost(&self) -> Cost {
        cost(self.inputs, self.outputs, self.smaller())
    }

    fn canonical(&self, is_output: bool) -> Value {
        canonical("conv_transpose", self.outputs.channels, ConvStride::Two, self.activation, is_output)
    }

    fn build<B: Backend>(&self, device: &B::Device, _: bool) -> Result<Self::Live<B>, DeviceError> {
        let (inputs, outputs) = (Channels(self.inputs), Channels(self.outputs.channels));
        let layer = ConvTranspose::new(device, inputs, outputs, self.activation)?;
        Ok(LiveConvTranspose { layer, inputs, outputs: self.outputs })
    }

    fn onnx(&self, path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        let (outputs, smaller) = (self.outputs, self.smaller());
        // The full output has 2 n + 1 rows: the last is cut off for an even side, the first and the last for an odd side.
        let before = |side: usize| (side % 2) as i64;
        let pads = [before(outputs.height), before(outputs.width), 1, 1];
        let channels = [outputs.channels, self.inputs];
        add_to_graph((graph, path), "ConvTranspose", channels, (smaller, outputs), ConvStride::Two, pads)?;
        graph.activate(self.activation);
        Ok(())
    }
}

/// The transpose of a convolution with stride `S`, with its weights, from `I` to `O` channels.
pub struct ConvTranspose<I: Dim, O: Dim, S: Stride, B: Backend> {
    weight: Parameter<(Filter, Filter, O, I), B>,
    bias: Parameter<(O,), B>,
    stride: S,
    activation: Activation,
}

impl<I: Dim, O: Dim, S: Stride, B: Backend> ConvTranspose<I, O, S, B> {
    /// A transposed convolution with all weights 0, from `inputs` to `outputs` channels.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn new(device: &B::Device, inputs: I, outputs: O, activation: Activation) -> Result<Self, DeviceError> {
        let weight = Parameter::zeros(device, (Const, Const, outputs, inputs))?;
        Ok(ConvTranspose { weight, bias: Parameter::zeros(device, (outputs,))?, stride: S::default(), activation })
    }

    /// `(N, H', W', I)` to `(N, H, W, O)`, where `sides` are H and W.
    ///
    /// # Errors
    /// The device failed.
    pub fn forward<N: Dim, H: Dim, W: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, S::Side<H>, S::Side<W>, I), B, T>,
        sides: (H, W),
    ) -> Result<Array<(N, H, W, O), B, T>, DeviceError> {
        B::conv_transpose(x, &self.weight, &self.bias, sides, self.stride, self.activation)
    }
}

impl<I: Dim, O: Dim, S: Stride, B: Backend> Module<B> for ConvTranspose<I, O, S, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        let (_, _, outputs, inputs) = self.weight.shape();
        // As for stride 1; with stride 2, only a quarter of these inputs reaches a unit.
        let fans = Fans { inputs: 9 * inputs.size(), outputs: 9 * outputs.size() };
        visit_weight_and_bias(path, &mut self.weight, &mut self.bias, fans, visitor);
    }
}

/// A transposed convolution between arrays of features.
pub(super) struct LiveConvTranspose<B: Backend> {
    layer: ConvTranspose<Channels, Channels, Halving, B>,
    inputs: Channels,
    outputs: ImageShape,
}

impl<B: Backend> Forward<B> for LiveConvTranspose<B> {
    fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, Features), B, T>,
    ) -> Result<Array<(N, Features), B, T>, DeviceError> {
        let batch = x.shape().0;
        let (height, width) = (Height(self.outputs.height), Width(self.outputs.width));
        let halves: (Half<Height>, Half<Width>) = (Halving::side(height), Halving::side(width));
        let x = x.relabel((batch, halves.0, halves.1, self.inputs))?;
        self.layer.forward(x, (height, width))?.relabel((batch, Features(self.outputs.values())))
    }
}

impl<B: Backend> Module<B> for LiveConvTranspose<B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        self.layer.visit(path, visitor);
    }
}
