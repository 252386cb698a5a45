//! Convolutions.

use super::listed::{self, COUNT_OR_OUTPUT, ListedKind, Misfit, Size, WrittenLayer};
use super::{Cost, Describe, Forward, Layer, visit_weight_and_bias};
use crate::data::ImageShape;
use crate::model::parameters::{Fans, Module, Visitor};
use crate::onnx::{ExportError, Graph, Number};
use crate::settings::Key;
use crate::tensor::backend::{Activation, Array, Backend, DeviceError, Parameter};
use crate::tensor::dims::{Channels, Dim, Features, Height, Kernel, Padding, Width, Window, Windows};
use dfdx::tensor::Tape;
use serde_json::{Map, Value, json};

/// A convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvLayer {
    /// The shape of its input.
    pub inputs: ImageShape,
    /// The number of output channels.
    pub channels: usize,
    /// The window.
    pub window: Window,
    /// The function that is applied to each output.
    pub activation: Activation,
}

/// The kind in lists.
pub(super) static KIND: ListedKind = ListedKind {
    key: Key::new("conv", "A convolution: the number of its output channels, or \"output\".")
        .also("conv2d convolution convolutional")
        .example("32"),
    read: |keys, by_default| {
        let size = listed::size(keys, KIND.key, COUNT_OR_OUTPUT);
        let window = listed::window(keys);
        Box::new(Written { size, window, activation: listed::activation(keys, size, by_default) })
    },
};

/// A convolution of a list.
#[derive(Debug)]
struct Written {
    size: Size,
    window: Window,
    activation: Activation,
}

impl Size {
    /// The number of channels.
    pub(super) fn channels(self, outputs: ImageShape) -> usize {
        match self {
            Size::Count(channels) => channels,
            Size::Map(shape) => shape.channels,
            Size::Output => outputs.channels,
        }
    }
}

impl WrittenLayer for Written {
    fn place(&self, inputs: ImageShape, outputs: ImageShape) -> Result<Layer, Misfit> {
        let channels = self.size.channels(outputs);
        let layer = ConvLayer { inputs, channels, window: self.window, activation: self.activation };
        if layer.outputs().pixels() == 0 {
            let (kernel, sides) = (self.window.kernel, inputs.with_channels(1));
            let message = format!("a window of {kernel}x{kernel} does not fit into a feature map of {sides}");
            return Err(Misfit::new(message, "use a smaller `kernel`, more `padding`, or fewer strides of 2 before it"));
        }
        Ok(Layer::Conv(layer))
    }

    fn is_output(&self) -> bool {
        self.size == Size::Output
    }
}

/// The cost of a convolution or transposed convolution: each weight is used once per pixel of the smaller feature map. The larger
/// one has `large_channels`.
pub(super) fn cost(
    inputs: usize,
    outputs: ImageShape,
    (smaller, large_channels): (ImageShape, usize),
    window: Window,
) -> Cost {
    let taps = window.kernel as u128 * window.kernel as u128;
    let (terms, channels) = ((inputs as u128).saturating_mul(taps), outputs.channels as u128);
    Cost {
        parameters: terms.saturating_add(1).saturating_mul(channels),
        multiplications: terms.saturating_mul(channels).saturating_mul(smaller.pixels() as u128),
        outputs: channels.saturating_mul(outputs.pixels() as u128),
        windows: taps.saturating_mul(large_channels as u128).saturating_mul(smaller.pixels() as u128),
        has_own_gradients: true,
    }
}

/// The description of a convolution or transposed convolution for ids of trials. SAME padding is not stated, because the first
/// trials had no other.
pub(super) fn canonical(
    kind: &str,
    channels: usize,
    window: Window,
    activation: Activation,
    is_output: bool,
) -> Map<String, Value> {
    let mut described = Map::new();
    described.insert(kind.to_owned(), if is_output { json!("output") } else { json!(channels) });
    described.insert("kernel".to_owned(), json!(window.kernel));
    described.insert("stride".to_owned(), json!(window.stride));
    if let Padding::Rows(rows) = window.padding {
        described.insert("padding".to_owned(), json!(rows));
    }
    if !is_output || activation != Activation::Identity {
        described.insert("activation".to_owned(), json!(activation.name()));
    }
    described
}

/// Rows of zeros before and after each side of the larger feature map, as ONNX has them: (top, left, bottom, right). A negative
/// number of rows after a side are rows that no window reaches.
pub(super) fn pads(larger: ImageShape, smaller: ImageShape, window: Window) -> [i64; 4] {
    let both = |side: usize, count: usize| {
        let before = window.before(side);
        let covered = (count.max(1) - 1) * window.stride + window.kernel;
        (before as i64, covered as i64 - side as i64 - before as i64)
    };
    let ((top, bottom), (left, right)) = (both(larger.height, smaller.height), both(larger.width, smaller.width));
    [top, left, bottom, right]
}

/// Adds a convolution or transposed convolution to an ONNX graph; its weights (kernel, kernel, A, B) become (B, A, kernel,
/// kernel).
pub(super) fn add_to_graph(
    (graph, path): (&mut Graph<'_>, &str),
    operator: &str,
    [a, b]: [usize; 2],
    (inputs, outputs): (ImageShape, ImageShape),
    window: Window,
    more: &[Number<'_>],
) -> Result<(), ExportError> {
    let (kernel, taps) = (window.kernel, window.kernel * window.kernel);
    let (weight, bias) = (format!("{path}.weight"), format!("{path}.bias"));
    let (weights, biases) = (graph.weight(&weight, &[kernel, kernel, a, b])?, graph.weight(&bias, &[outputs.channels])?);
    let at = |index: usize| {
        let (tap, rest) = (index % taps, index / taps);
        weights[(tap * a + rest % a) * b + rest / a]
    };
    let turned: Vec<f32> = (0..weights.len()).map(at).collect();
    graph.as_map(inputs);
    let further = vec![
        graph.constant(&weight, &[b, a, kernel, kernel], &turned),
        graph.constant(&bias, &[outputs.channels], &biases),
    ];
    let sides = [kernel as i64; 2];
    let strides = [window.stride as i64; 2];
    let own = [Number::Integers("kernel_shape", &sides), Number::Integers("strides", &strides)];
    graph.then(operator, further, &[&own, more].concat());
    graph.is_map(outputs);
    Ok(())
}

impl Describe for ConvLayer {
    type Live<B: Backend> = LiveConv<B>;

    fn outputs(&self) -> ImageShape {
        let ImageShape { height, width, .. } = self.inputs;
        ImageShape { height: self.window.count(height), width: self.window.count(width), channels: self.channels }
    }

    fn cost(&self) -> Cost {
        cost(self.inputs.channels, self.outputs(), (self.outputs(), self.inputs.channels), self.window)
    }

    fn canonical(&self, is_output: bool) -> Value {
        let window = self.window;
        let is_same = window.is_same(self.inputs.height) && window.is_same(self.inputs.width);
        let window = if is_same { Window { padding: Padding::Same, ..window } } else { window };
        canonical("conv", self.channels, window, self.activation, is_output).into()
    }

    fn activation(&self) -> Option<Activation> {
        Some(self.activation)
    }

    fn build<B: Backend>(&self, device: &B::Device, on_data: bool) -> Result<Self::Live<B>, DeviceError> {
        let (inputs, outputs) = (Channels(self.inputs.channels), Channels(self.channels));
        let layer = Conv::new(device, inputs, outputs, self.window, self.activation)?;
        let layer = Conv { input_gradient: !on_data, ..layer };
        Ok(LiveConv { layer, inputs: self.inputs, outputs: Features(self.outputs().values()) })
    }

    fn onnx(&self, path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        let (inputs, outputs) = (self.inputs, self.outputs());
        // Rows that no window reaches need no padding.
        let pads = pads(inputs, outputs, self.window).map(|rows| rows.max(0));
        let channels = [inputs.channels, self.channels];
        let more = [Number::Integers("pads", &pads)];
        add_to_graph((graph, path), "Conv", channels, (inputs, outputs), self.window, &more)?;
        graph.activate(self.activation);
        Ok(())
    }
}

/// A convolution with its weights, from `I` to `O` channels. A convolution of 3 channels takes images with 3 channels:
///
/// ```
/// use dfdx::tensor::Cpu;
/// use vaex::model::layer::Conv;
/// use vaex::tensor::backend::{Activation, Array, Host};
/// use vaex::tensor::dims::{Batch, Const, Height, Width, Window, Windows};
///
/// let (device, shape) = (Cpu::default(), (Batch(1), Height(2), Width(2), Const::<3>));
/// let conv = Conv::<Const<3>, Const<5>, Host>::new(&device, Const, Const, Window::same(3, 2), Activation::Relu).unwrap();
/// let image: Array<(Batch, Height, Width, Const<3>), Host> = Array::new(&device, vec![0.0; 4 * 3].into(), shape).unwrap();
/// let map: Array<(Batch, Windows<Height>, Windows<Width>, Const<5>), Host> = conv.forward(image).unwrap();
/// ```
///
/// Images with 1 channel do not compile:
///
/// ```compile_fail
/// use dfdx::tensor::Cpu;
/// use vaex::model::layer::Conv;
/// use vaex::tensor::backend::{Activation, Array, Host};
/// use vaex::tensor::dims::{Batch, Const, Height, Width, Window, Windows};
///
/// let (device, shape) = (Cpu::default(), (Batch(1), Height(2), Width(2), Const::<1>));
/// let conv = Conv::<Const<3>, Const<5>, Host>::new(&device, Const, Const, Window::same(3, 2), Activation::Relu).unwrap();
/// let image: Array<(Batch, Height, Width, Const<1>), Host> = Array::new(&device, vec![0.0; 4 * 1].into(), shape).unwrap();
/// let map: Array<(Batch, Windows<Height>, Windows<Width>, Const<5>), Host> = conv.forward(image).unwrap();
/// ```
pub struct Conv<I: Dim, O: Dim, B: Backend> {
    weight: Parameter<(Kernel, Kernel, I, O), B>,
    bias: Parameter<(O,), B>,
    window: Window,
    activation: Activation,
    input_gradient: bool,
}

impl<I: Dim, O: Dim, B: Backend> Conv<I, O, B> {
    /// A convolution with all weights 0, from `inputs` to `outputs` channels.
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
        let weight = Parameter::zeros(device, (Kernel(window.kernel), Kernel(window.kernel), inputs, outputs))?;
        let bias = Parameter::zeros(device, (outputs,))?;
        Ok(Conv { weight, bias, window, activation, input_gradient: true })
    }

    /// `(N, H, W, I)` to `(N, H', W', O)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn forward<N: Dim, H: Dim, W: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, H, W, I), B, T>,
    ) -> Result<Array<(N, Windows<H>, Windows<W>, O), B, T>, DeviceError> {
        B::conv(x, &self.weight, &self.bias, self.window, self.activation, self.input_gradient)
    }
}

impl<I: Dim, O: Dim, B: Backend> Module<B> for Conv<I, O, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        let (height, width, inputs, outputs) = self.weight.shape();
        let taps = height.size() * width.size();
        let fans = Fans::new(taps * inputs.size(), taps * outputs.size());
        visit_weight_and_bias(path, &mut self.weight, &mut self.bias, fans, visitor);
    }
}

/// A convolution between arrays of features.
pub(super) struct LiveConv<B: Backend> {
    layer: Conv<Channels, Channels, B>,
    inputs: ImageShape,
    outputs: Features,
}

impl<B: Backend> Forward<B> for LiveConv<B> {
    fn forward<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, Features), B, T>,
    ) -> Result<Array<(N, Features), B, T>, DeviceError> {
        let batch = x.shape().0;
        let ImageShape { height, width, channels } = self.inputs;
        let x = x.relabel((batch, Height(height), Width(width), Channels(channels)))?;
        self.layer.forward(x)?.relabel((batch, self.outputs))
    }
}

impl<B: Backend> Module<B> for LiveConv<B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        self.layer.visit(path, visitor);
    }
}
