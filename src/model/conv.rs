//! The family `conv`: encoder and decoder of convolutions. The defaults are the network of `experiments/walkthrough.toml`.

use super::architecture::{ConvSpec, ConvStride, Network};
use super::layers::{Conv, ConvTranspose, Dense, DenseStack};
use super::parameters::{Module, Visitor};
use super::shared_keys;
use crate::settings::{Key, Keys, Kind, Role, Type};
use crate::tensor::backend::{Activation, Array, Backend, DeviceError};
use crate::tensor::dims::{Channels, Dim, Features, Grey, Halving, Height, Same, Width};
use crate::text::counted;
use dfdx::shapes::Const;
use dfdx::tensor::Tape;

/// The family in a spec.
pub(super) static KIND: Kind<Network> = Kind::new(
    "conv",
    "3x3 convolutions with TensorFlow's SAME padding, and transposed convolutions in the decoder, all with `relu`. The defaults \
     are the network of experiments/walkthrough.toml.",
    read,
)
.also("cnn convnet convolution convolutional conv2d dcgan");

const HIDDEN: Key = Key {
    doc: "The sizes of the dense layers between the convolutions and the outputs of the encoder.",
    ..shared_keys::HIDDEN
};
const CHANNELS: Key = Key::new("channels", "The number of output channels of each convolution of the encoder.")
    .also("filters n_filters num_filters conv_channels feature_maps")
    .example("[16, 32]")
    .role(Role::Network);
const STRIDES: Key = Key::new(
    "strides",
    "The stride of each convolution: 2 halves height and width, 1 keeps them. For each convolution with stride 2, the decoder \
     has one transposed convolution, back to the input channels of that convolution (to its output channels if it is the first \
     convolution).",
)
.example("[1, 2]")
.role(Role::Network);

fn read(keys: &mut Keys<'_>) -> Network {
    let hidden = keys.wholes(HIDDEN, shared_keys::SIZES, &[32]);
    let channels = keys.wholes(CHANNELS, Type::List(&Type::COUNT, 1), &[32, 64, 64, 64]);
    let strides = keys.wholes(STRIDES, Type::List(&Type::Whole { least: 1, most: 2 }, 1), &[1, 2, 1, 1]);
    let both = ["model.channels", "model.strides"];
    let (has_channels, has_strides) = (keys.is_written(CHANNELS), keys.is_written(STRIDES));
    let (given, missing) = if has_channels { ("channels", "strides") } else { ("strides", "channels") };
    keys.require(
        has_channels == has_strides,
        &both,
        || format!("`model.{given}` is set, but `model.{missing}` is not"),
        "set both, with one number of channels and one stride for each convolution, or neither",
    );
    keys.require(
        has_channels != has_strides || channels.len() == strides.len(),
        &["model.strides", "model.channels"],
        || {
            let (channels, strides) = (counted(channels.len(), "value"), counted(strides.len(), "value"));
            format!("`model.channels` has {channels}, but `model.strides` has {strides}")
        },
        "write one number of channels and one stride for each convolution",
    );
    let activation = shared_keys::activation(keys);
    keys.require(
        activation == Activation::Relu,
        &["model.activation", "model.family"],
        || format!("`model.activation = \"{}\"` needs `model.family = \"mlp\"`", activation.name()),
        "remove it, or set `model.family` to \"mlp\"",
    );
    let stride = |stride: &u64| if *stride == 2 { ConvStride::Two } else { ConvStride::One };
    let channels = shared_keys::sizes(&channels).into_iter();
    let convs = channels.zip(&strides).map(|(channels, s)| ConvSpec { channels, stride: stride(s) }).collect();
    Network::Conv { convs, hidden: shared_keys::sizes(&hidden) }
}

/// The height and width of an image or of a feature map.
type Sides = (Height, Width);

fn half((height, width): Sides) -> Sides {
    (Height(height.0.div_ceil(2)), Width(width.0.div_ceil(2)))
}

/// A convolution whose stride comes from the spec. Its output axes have the types `Height` and `Width` again, because the
/// compiler does not know the number of halvings.
enum AnyConv<B: Backend> {
    Same(Conv<Channels, Channels, Same, B>),
    Halving(Conv<Channels, Channels, Halving, B>),
}

/// A feature map between two layers of a stack: `(N, Height, Width, Channels)`.
type FeatureMap<N, B, T> = Array<(N, Height, Width, Channels), B, T>;

impl<B: Backend> AnyConv<B> {
    fn new(device: &B::Device, inputs: Channels, outputs: Channels, stride: ConvStride) -> Result<Self, DeviceError> {
        Ok(match stride {
            ConvStride::One => AnyConv::Same(Conv::new(device, inputs, outputs, Activation::Relu)?),
            ConvStride::Two => AnyConv::Halving(Conv::new(device, inputs, outputs, Activation::Relu)?),
        })
    }

    fn on_data(self) -> Self {
        match self {
            AnyConv::Same(conv) => AnyConv::Same(conv.on_data()),
            AnyConv::Halving(conv) => AnyConv::Halving(conv.on_data()),
        }
    }

    fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: FeatureMap<N, B, T>,
    ) -> Result<FeatureMap<N, B, T>, DeviceError> {
        match self {
            AnyConv::Same(conv) => conv.forward(x),
            AnyConv::Halving(conv) => {
                let y = conv.forward(x)?;
                let (batch, height, width, channels) = y.shape();
                y.relabel((batch, Height(height.size()), Width(width.size()), channels))
            }
        }
    }
}

impl<B: Backend> Module<B> for AnyConv<B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        match self {
            AnyConv::Same(conv) => conv.visit(path, visitor),
            AnyConv::Halving(conv) => conv.visit(path, visitor),
        }
    }
}

/// `(N, P)` to `(N, H)`: convolutions, flattening in the order height, width, channel, then dense layers; each with ReLU.
pub struct ConvEncoder<P: Dim, H: Dim, B: Backend> {
    pixels: std::marker::PhantomData<P>,
    sides: Sides,
    convs: Vec<AnyConv<B>>,
    dense: DenseStack<Features, H, B>,
}

impl<P: Dim, H: Dim, B: Backend> ConvEncoder<P, H, B> {
    /// Layers with all weights 0; `None` if the size of `H` is not that of the last layer.
    pub fn new(
        device: &B::Device,
        sides: (usize, usize),
        convs: &[ConvSpec],
        hidden: &[usize],
    ) -> Result<Option<Self>, DeviceError> {
        let sides = (Height(sides.0), Width(sides.1));
        let (mut inputs, mut layers) = (Channels(1), Vec::new());
        for conv in convs {
            layers.push(AnyConv::new(device, inputs, Channels(conv.channels), conv.stride)?);
            inputs = Channels(conv.channels);
        }
        let mut layers = layers.into_iter();
        let layers = layers.next().map(AnyConv::on_data).into_iter().chain(layers).collect();
        let (height, width) = grids(sides, convs).pop().unwrap_or(sides);
        let features = Features(height.0 * width.0 * inputs.0);
        let dense = DenseStack::new(device, features, hidden, Activation::Relu)?;
        Ok(dense.map(|dense| ConvEncoder { pixels: std::marker::PhantomData, sides, convs: layers, dense }))
    }

    /// The size of the output.
    pub fn outputs(&self) -> H {
        self.dense.outputs()
    }

    /// `(N, P)` to `(N, H)`.
    pub fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, P), B, T>,
    ) -> Result<Array<(N, H), B, T>, DeviceError> {
        let batch = x.shape().0;
        let x = x.relabel((batch, self.sides.0, self.sides.1, Channels(1)))?;
        let x = self.convs.iter().try_fold(x, |x, conv| conv.forward(x))?;
        let (_, height, width, channels) = x.shape();
        let features = Features(height.0 * width.0 * channels.0);
        self.dense.forward(x.relabel((batch, features))?)
    }
}

impl<P: Dim, H: Dim, B: Backend> Module<B> for ConvEncoder<P, H, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        for (index, conv) in self.convs.iter_mut().enumerate() {
            conv.visit(&format!("{path}.conv.{index}"), visitor);
        }
        self.dense.visit(&format!("{path}.dense"), visitor);
    }
}

/// The sides of the image, then the sides after each convolution.
fn grids(sides: Sides, convs: &[ConvSpec]) -> Vec<Sides> {
    let mut grids = vec![sides];
    let mut current = sides;
    for conv in convs {
        if conv.stride == ConvStride::Two {
            current = half(current);
        }
        grids.push(current);
    }
    grids
}

/// One upsampling layer: back to the sides of the input of a convolution with stride 2.
struct Up<B: Backend> {
    layer: ConvTranspose<Channels, Channels, Halving, B>,
    sides: Sides,
}

impl<B: Backend> Up<B> {
    fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: FeatureMap<N, B, T>,
    ) -> Result<FeatureMap<N, B, T>, DeviceError> {
        use crate::tensor::dims::{Half, Stride};
        let (batch, _, _, channels) = x.shape();
        let halves: (Half<Height>, Half<Width>) = (Halving::side(self.sides.0), Halving::side(self.sides.1));
        self.layer.forward(x.relabel((batch, halves.0, halves.1, channels))?, self.sides)
    }
}

/// `(N, L)` to `(N, P)`: a dense layer, a transposed convolution for each stride of 2 of the encoder in reverse order, and
/// a convolution to one channel without activation.
pub struct ConvDecoder<L: Dim, P: Dim, B: Backend> {
    dense: Dense<L, Features, B>,
    grid: (Height, Width, Channels),
    ups: Vec<Up<B>>,
    output: Conv<Channels, Grey, Same, B>,
    pixels: P,
}

impl<L: Dim, P: Dim, B: Backend> ConvDecoder<L, P, B> {
    /// Layers with all weights 0; `None` if the size of `P` is not that of the image.
    pub fn new(
        device: &B::Device,
        latent: L,
        sides: (usize, usize),
        convs: &[ConvSpec],
    ) -> Result<Option<Self>, DeviceError> {
        let Some(pixels) = P::from_size(sides.0 * sides.1) else { return Ok(None) };
        let grids = grids((Height(sides.0), Width(sides.1)), convs);
        let (height, width) = grids[convs.len()];
        let mut channels = Channels(convs.last().map_or(1, |conv| conv.channels));
        let grid = (height, width, channels);
        let dense = Dense::new(device, latent, Features(height.0 * width.0 * channels.0), Activation::Relu)?;
        let mut ups = Vec::new();
        for (index, conv) in convs.iter().enumerate().rev().filter(|(_, conv)| conv.stride == ConvStride::Two) {
            // Back to the input channels of the convolution. The output layer reduces them to the one channel of the image.
            let outputs = Channels(if index == 0 { conv.channels } else { convs[index - 1].channels });
            let layer = ConvTranspose::new(device, channels, outputs, Activation::Relu)?;
            ups.push(Up { layer, sides: grids[index] });
            channels = outputs;
        }
        let output = Conv::new(device, channels, Const, Activation::Identity)?;
        Ok(Some(ConvDecoder { dense, grid, ups, output, pixels }))
    }

    /// `(N, L)` to `(N, P)`.
    pub fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        z: Array<(N, L), B, T>,
    ) -> Result<Array<(N, P), B, T>, DeviceError> {
        let batch = z.shape().0;
        let (height, width, channels) = self.grid;
        let x = self.dense.forward(z)?.relabel((batch, height, width, channels))?;
        let x = self.ups.iter().try_fold(x, |x, up| up.forward(x))?;
        self.output.forward(x)?.relabel((batch, self.pixels))
    }
}

impl<L: Dim, P: Dim, B: Backend> Module<B> for ConvDecoder<L, P, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        self.dense.visit(&format!("{path}.dense"), visitor);
        for (index, up) in self.ups.iter_mut().enumerate() {
            up.layer.visit(&format!("{path}.conv_transpose.{index}"), visitor);
        }
        self.output.visit(&format!("{path}.output"), visitor);
    }
}
