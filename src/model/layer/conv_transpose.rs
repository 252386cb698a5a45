//! Transposed convolutions.

use super::conv::{add_to_graph, canonical, cost, pads};
use super::listed::{self, COUNT_OR_OUTPUT, ListedKind, Misfit, Size, WrittenLayer};
use super::{Cost, Describe, Forward, Layer, visit_weight_and_bias};
use crate::data::ImageShape;
use crate::model::parameters::{Fans, Module, Visitor};
use crate::onnx::{ExportError, Graph, Number};
use crate::settings::Key;
use crate::tensor::backend::{Activation, Array, Backend, DeviceError, Parameter};
use crate::tensor::dims::{Channels, Dim, Features, Height, Kernel, Padding, Width, Window, Windows};
use dfdx::tensor::Tape;
use serde_json::{Value, json};

/// The transpose of a convolution, with its own bias and activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTransposeLayer {
    /// The number of input channels.
    pub inputs: usize,
    /// The shape of its output. The convolution has as many windows on it as the input has pixels.
    pub outputs: ImageShape,
    /// The window of the convolution.
    pub window: Window,
    /// The function that is applied to each output.
    pub activation: Activation,
}

/// The kind in lists.
pub(super) static KIND: ListedKind = ListedKind {
    key: Key::new("conv_transpose", "A transposed convolution: the number of its output channels, or \"output\".")
        .also("deconv conv2d_transpose conv_transpose2d convtranspose2d transposed_conv")
        .example("32"),
    read: |keys, by_default| {
        let size = listed::size(keys, KIND.key, COUNT_OR_OUTPUT);
        let window = listed::window(keys);
        let more = keys.whole(OUTPUT_PADDING, 0, 1, 0) as usize;
        keys.require(
            more == 0 || window.padding != Padding::Same,
            &[],
            || "`output_padding` needs a number as `padding`".to_owned(),
            "remove it: with `padding = \"same\"` the sides are exactly multiplied by the stride",
        );
        keys.require(
            more < window.stride,
            &[],
            || format!("`output_padding` is {more}, but `stride` is {}: it must be less", window.stride),
            "remove it, or set `stride` to 2",
        );
        Box::new(Written { size, window, more, activation: listed::activation(keys, size, by_default) })
    },
};

const OUTPUT_PADDING: Key = Key::new(
    "output_padding",
    "Rows and columns that are added after the result, as in PyTorch: with stride 2, windows determine the sides up to one row.",
)
.example("1");

/// A transposed convolution of a list.
#[derive(Debug)]
struct Written {
    size: Size,
    window: Window,
    /// Rows and columns that are added after the result.
    more: usize,
    activation: Activation,
}

impl WrittenLayer for Written {
    fn place(&self, inputs: ImageShape, outputs: ImageShape) -> Result<Layer, Misfit> {
        let side = |count: usize| self.window.side(count).saturating_add(self.more);
        let (height, width) = (side(inputs.height), side(inputs.width));
        let shape = ImageShape { height, width, channels: self.size.channels(outputs) };
        if shape.pixels() == 0 {
            let message = format!("no pixels of a feature map of {} are left", inputs.with_channels(1));
            return Err(Misfit::new(message, "use less `padding` or a larger `kernel`"));
        }
        let (inputs, window, activation) = (inputs.channels, self.window, self.activation);
        Ok(Layer::ConvTranspose(ConvTransposeLayer { inputs, outputs: shape, window, activation }))
    }

    fn is_output(&self) -> bool {
        self.size == Size::Output
    }
}

impl ConvTransposeLayer {
    fn smaller(&self) -> ImageShape {
        let ImageShape { height, width, .. } = self.outputs;
        ImageShape { height: self.window.count(height), width: self.window.count(width), channels: self.inputs }
    }
}

impl Describe for ConvTransposeLayer {
    type Live<B: Backend> = LiveConvTranspose<B>;

    fn outputs(&self) -> ImageShape {
        self.outputs
    }

    fn cost(&self) -> Cost {
        cost(self.inputs, self.outputs, (self.smaller(), self.outputs.channels), self.window)
    }

    fn canonical(&self, is_output: bool) -> Value {
        let (window, sides) = (self.window, [self.outputs.height, self.outputs.width]);
        let smaller = self.smaller();
        let counts = [smaller.height, smaller.width];
        let same = Window { padding: Padding::Same, ..window };
        let is_same = sides.iter().zip(counts).all(|(side, count)| window.is_same(*side) && same.side(count) == *side);
        let channels = self.outputs.channels;
        let stated = if is_same { same } else { window };
        let mut described = canonical("conv_transpose", channels, stated, self.activation, is_output);
        let more = sides.iter().zip(counts).map(|(side, count)| side.saturating_sub(window.side(count))).max();
        if let (Padding::Rows(_), Some(more @ 1..)) = (stated.padding, more) {
            described.insert("output_padding".to_owned(), json!(more));
        }
        described.into()
    }

    fn activation(&self) -> Option<Activation> {
        Some(self.activation)
    }

    fn build<B: Backend>(&self, device: &B::Device, _: bool) -> Result<Self::Live<B>, DeviceError> {
        let (inputs, outputs) = (Channels(self.inputs), Channels(self.outputs.channels));
        let layer = ConvTranspose::new(device, inputs, outputs, self.window, self.activation)?;
        Ok(LiveConvTranspose { layer, inputs, outputs: self.outputs })
    }

    fn onnx(&self, path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        let (outputs, smaller) = (self.outputs, self.smaller());
        let pads = pads(outputs, smaller, self.window);
        // Rows that no window reaches are added after the output of the windows.
        let added = [-pads[2].min(0), -pads[3].min(0)];
        let pads = pads.map(|rows| rows.max(0));
        let more = [Number::Integers("pads", &pads), Number::Integers("output_padding", &added)];
        let more = if added == [0, 0] { &more[..1] } else { &more[..] };
        let channels = [outputs.channels, self.inputs];
        add_to_graph((graph, path), "ConvTranspose", channels, (smaller, outputs), self.window, more)?;
        graph.activate(self.activation);
        Ok(())
    }
}

/// The transpose of a convolution, with its weights, from `I` to `O` channels.
pub struct ConvTranspose<I: Dim, O: Dim, B: Backend> {
    weight: Parameter<(Kernel, Kernel, O, I), B>,
    bias: Parameter<(O,), B>,
    window: Window,
    activation: Activation,
}

impl<I: Dim, O: Dim, B: Backend> ConvTranspose<I, O, B> {
    /// A transposed convolution with all weights 0, from `inputs` to `outputs` channels.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn new(
        device: &B::Device,
        inputs: I,
        outputs: O,
        window: Window,
        activation: Activation,
    ) -> Result<Self, DeviceError> {
        let weight = Parameter::zeros(device, (Kernel(window.kernel), Kernel(window.kernel), outputs, inputs))?;
        Ok(ConvTranspose { weight, bias: Parameter::zeros(device, (outputs,))?, window, activation })
    }

    /// `(N, H', W', I)` to `(N, H, W, O)`, where `sides` are H and W.
    ///
    /// # Errors
    /// The device failed.
    pub fn forward<N: Dim, H: Dim, W: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, Windows<H>, Windows<W>, I), B, T>,
        sides: (H, W),
    ) -> Result<Array<(N, H, W, O), B, T>, DeviceError> {
        B::conv_transpose(x, &self.weight, &self.bias, sides, self.window, self.activation)
    }
}

impl<I: Dim, O: Dim, B: Backend> Module<B> for ConvTranspose<I, O, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        let (height, width, outputs, inputs) = self.weight.shape();
        let taps = height.size() * width.size();
        // As for stride 1; with stride 2, only a quarter of these inputs reaches a unit.
        let (inputs, outputs) = (taps * inputs.size(), taps * outputs.size());
        // PyTorch takes the axes of the weight as those of a convolution.
        let fans = Fans { pytorch: outputs, ..Fans::new(inputs, outputs) };
        visit_weight_and_bias(path, &mut self.weight, &mut self.bias, fans, visitor);
    }
}

/// A transposed convolution between arrays of features.
pub(super) struct LiveConvTranspose<B: Backend> {
    layer: ConvTranspose<Channels, Channels, B>,
    inputs: Channels,
    outputs: ImageShape,
}

impl<B: Backend> Forward<B> for LiveConvTranspose<B> {
    fn forward<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, Features), B, T>,
    ) -> Result<Array<(N, Features), B, T>, DeviceError> {
        let batch = x.shape().0;
        let (height, width) = (Height(self.outputs.height), Width(self.outputs.width));
        let window = self.layer.window;
        let x = x.relabel((batch, window.along(height), window.along(width), self.inputs))?;
        self.layer.forward(x, (height, width))?.relabel((batch, Features(self.outputs.values())))
    }
}

impl<B: Backend> Module<B> for LiveConvTranspose<B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        self.layer.visit(path, visitor);
    }
}
