//! 3x3 convolutions with TensorFlow's SAME padding.

use super::{Cost, Describe, Forward, visit_weight_and_bias};
use crate::data::ImageShape;
use crate::model::parameters::{Fans, Module, Visitor};
use crate::onnx::{ExportError, Graph, Number};
use crate::tensor::backend::{Activation, Array, Backend, DeviceError, Filter, Parameter};
use crate::tensor::dims::{Channels, Dim, Features, Halving, Height, Same, Stride, Width};
use dfdx::shapes::Const;
use dfdx::tensor::Tape;
use serde_json::{Map, Value, json};

/// The stride of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvStride {
    /// Height and width stay the same.
    One,
    /// Height and width are halved, rounded up.
    Two,
}

impl ConvStride {
    /// The stride as a number.
    pub fn number(self) -> usize {
        match self {
            ConvStride::One => 1,
            ConvStride::Two => 2,
        }
    }
}

/// A convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvLayer {
    /// The shape of its input.
    pub inputs: ImageShape,
    /// The number of output channels.
    pub channels: usize,
    /// The stride.
    pub stride: ConvStride,
    /// The function that is applied to each output.
    pub activation: Activation,
}

/// The cost of a 3x3 convolution or transposed convolution: each weight is used once per pixel of the smaller feature map.
pub(super) fn cost(inputs: usize, outputs: ImageShape, smaller: ImageShape) -> Cost {
    let (taps, channels) = ((inputs as u128).saturating_mul(9), outputs.channels as u128);
    Cost {
        parameters: taps.saturating_add(1).saturating_mul(channels),
        multiplications: taps.saturating_mul(channels).saturating_mul(smaller.pixels() as u128),
        outputs: channels.saturating_mul(outputs.pixels() as u128),
        has_own_gradients: true,
    }
}

/// The description of a convolution or transposed convolution for ids of trials.
pub(super) fn canonical(
    kind: &str,
    channels: usize,
    stride: ConvStride,
    activation: Activation,
    is_output: bool,
) -> Value {
    let mut described = Map::new();
    described.insert(kind.to_owned(), if is_output { json!("output") } else { json!(channels) });
    described.insert("kernel".to_owned(), json!(3));
    described.insert("stride".to_owned(), json!(stride.number()));
    if !is_output {
        described.insert("activation".to_owned(), json!(activation.name()));
    }
    Value::Object(described)
}

/// Adds a convolution or transposed convolution to an ONNX graph; its weights (3, 3, A, B) become (B, A, 3, 3).
pub(super) fn add_to_graph(
    (graph, path): (&mut Graph<'_>, &str),
    operator: &str,
    [a, b]: [usize; 2],
    (inputs, outputs): (ImageShape, ImageShape),
    stride: ConvStride,
    pads: [i64; 4],
) -> Result<(), ExportError> {
    let (weight, bias) = (format!("{path}.weight"), format!("{path}.bias"));
    let (weights, biases) = (graph.weight(&weight, &[3, 3, a, b])?, graph.weight(&bias, &[outputs.channels])?);
    let at = |index: usize| {
        let (tap, rest) = (index % 9, index / 9);
        weights[(tap * a + rest % a) * b + rest / a]
    };
    let turned: Vec<f32> = (0..weights.len()).map(at).collect();
    graph.as_map(inputs);
    let further =
        vec![graph.constant(&weight, &[b, a, 3, 3], &turned), graph.constant(&bias, &[outputs.channels], &biases)];
    let stride = stride.number() as i64;
    let attributes = [
        Number::Integers("kernel_shape", &[3, 3]),
        Number::Integers("strides", &[stride, stride]),
        Number::Integers("pads", &pads),
    ];
    graph.then(operator, further, &attributes);
    graph.is_map(outputs);
    Ok(())
}

impl Describe for ConvLayer {
    type Live<B: Backend> = LiveConv<B>;

    fn outputs(&self) -> ImageShape {
        let side = |side: usize| side.div_ceil(self.stride.number());
        ImageShape { height: side(self.inputs.height), width: side(self.inputs.width), channels: self.channels }
    }

    fn cost(&self) -> Cost {
        cost(self.inputs.channels, self.outputs(), self.outputs())
    }

    fn canonical(&self, is_output: bool) -> Value {
        canonical("conv", self.channels, self.stride, self.activation, is_output)
    }

    fn build<B: Backend>(&self, device: &B::Device, on_data: bool) -> Result<Self::Live<B>, DeviceError> {
        let (inputs, outputs) = (Channels(self.inputs.channels), Channels(self.channels));
        let any = match self.stride {
            ConvStride::One => AnyConv::Same(Conv::new(device, inputs, outputs, self.activation)?.on_data(on_data)),
            ConvStride::Two => AnyConv::Halving(Conv::new(device, inputs, outputs, self.activation)?.on_data(on_data)),
        };
        Ok(LiveConv { any, inputs: self.inputs, outputs: Features(self.outputs().values()) })
    }

    fn onnx(&self, path: &str, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        let (inputs, outputs) = (self.inputs, self.outputs());
        // TensorFlow's SAME padding: at stride 2, an even side has no padding before its first pixel.
        let before = |side: usize| i64::from(self.stride == ConvStride::One || side % 2 == 1);
        let pads = [before(inputs.height), before(inputs.width), 1, 1];
        let channels = [inputs.channels, self.channels];
        add_to_graph((graph, path), "Conv", channels, (inputs, outputs), self.stride, pads)?;
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
/// use vaex::tensor::dims::{Batch, Const, Half, Halving, Height, Width};
///
/// let (device, shape) = (Cpu::default(), (Batch(1), Height(2), Width(2), Const::<3>));
/// let conv = Conv::<Const<3>, Const<5>, Halving, Host>::new(&device, Const, Const, Activation::Relu).unwrap();
/// let image: Array<(Batch, Height, Width, Const<3>), Host> = Array::new(&device, vec![0.0; 4 * 3].into(), shape).unwrap();
/// let map: Array<(Batch, Half<Height>, Half<Width>, Const<5>), Host> = conv.forward(image).unwrap();
/// ```
///
/// Images with 1 channel do not compile:
///
/// ```compile_fail
/// use dfdx::tensor::Cpu;
/// use vaex::model::layer::Conv;
/// use vaex::tensor::backend::{Activation, Array, Host};
/// use vaex::tensor::dims::{Batch, Const, Half, Halving, Height, Width};
///
/// let (device, shape) = (Cpu::default(), (Batch(1), Height(2), Width(2), Const::<1>));
/// let conv = Conv::<Const<3>, Const<5>, Halving, Host>::new(&device, Const, Const, Activation::Relu).unwrap();
/// let image: Array<(Batch, Height, Width, Const<1>), Host> = Array::new(&device, vec![0.0; 4 * 1].into(), shape).unwrap();
/// let map: Array<(Batch, Half<Height>, Half<Width>, Const<5>), Host> = conv.forward(image).unwrap();
/// ```
pub struct Conv<I: Dim, O: Dim, S: Stride, B: Backend> {
    weight: Parameter<(Filter, Filter, I, O), B>,
    bias: Parameter<(O,), B>,
    stride: S,
    activation: Activation,
    input_gradient: bool,
}

impl<I: Dim, O: Dim, S: Stride, B: Backend> Conv<I, O, S, B> {
    /// A convolution with all weights 0, from `inputs` to `outputs` channels.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn new(device: &B::Device, inputs: I, outputs: O, activation: Activation) -> Result<Self, DeviceError> {
        let weight = Parameter::zeros(device, (Const, Const, inputs, outputs))?;
        let bias = Parameter::zeros(device, (outputs,))?;
        Ok(Conv { weight, bias, stride: S::default(), activation, input_gradient: true })
    }

    fn on_data(self, on_data: bool) -> Self {
        Conv { input_gradient: !on_data, ..self }
    }

    /// `(N, H, W, I)` to `(N, H', W', O)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn forward<N: Dim, H: Dim, W: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, H, W, I), B, T>,
    ) -> Result<Array<(N, S::Side<H>, S::Side<W>, O), B, T>, DeviceError> {
        B::conv(x, &self.weight, &self.bias, self.stride, self.activation, self.input_gradient)
    }
}

impl<I: Dim, O: Dim, S: Stride, B: Backend> Module<B> for Conv<I, O, S, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        let (_, _, inputs, outputs) = self.weight.shape();
        let fans = Fans { inputs: 9 * inputs.size(), outputs: 9 * outputs.size() };
        visit_weight_and_bias(path, &mut self.weight, &mut self.bias, fans, visitor);
    }
}

/// A convolution whose stride comes from the spec.
enum AnyConv<B: Backend> {
    Same(Conv<Channels, Channels, Same, B>),
    Halving(Conv<Channels, Channels, Halving, B>),
}

/// A convolution between arrays of features.
pub(super) struct LiveConv<B: Backend> {
    any: AnyConv<B>,
    inputs: ImageShape,
    outputs: Features,
}

impl<B: Backend> Forward<B> for LiveConv<B> {
    fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, Features), B, T>,
    ) -> Result<Array<(N, Features), B, T>, DeviceError> {
        let batch = x.shape().0;
        let ImageShape { height, width, channels } = self.inputs;
        let x = x.relabel((batch, Height(height), Width(width), Channels(channels)))?;
        match &self.any {
            AnyConv::Same(conv) => conv.forward(x)?.relabel((batch, self.outputs)),
            AnyConv::Halving(conv) => conv.forward(x)?.relabel((batch, self.outputs)),
        }
    }
}

impl<B: Backend> Module<B> for LiveConv<B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        match &mut self.any {
            AnyConv::Same(conv) => conv.visit(path, visitor),
            AnyConv::Halving(conv) => conv.visit(path, visitor),
        }
    }
}
