//! The family `conv`: encoder and decoder of convolutions. The defaults are the network of `experiments/walkthrough.toml`.

use super::architecture::Network;
use super::layer::{ConvLayer, ConvTransposeLayer, DenseLayer, DenseOutputs, Layer, Named};
use super::shared_keys;
use crate::data::ImageShape;
use crate::settings::{Key, Keys, Kind, Role, Type};
use crate::tensor::backend::Activation;
use crate::tensor::dims::Window;
use crate::text::counted;
use std::sync::Arc;

/// The family in a spec.
pub(super) static KIND: Kind<Arc<dyn Network>> = Kind::new(
    "conv",
    "3x3 convolutions with TensorFlow's SAME padding, and transposed convolutions in the decoder, all with `activation`. The \
     defaults are the network of experiments/walkthrough.toml.",
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

/// Convolutions, then dense layers.
#[derive(Debug)]
struct ConvNetwork {
    /// The channels and the stride of each convolution of the encoder; at least one.
    convs: Vec<(usize, usize)>,
    /// The sizes of the dense layers between the convolutions and the heads.
    hidden: Vec<usize>,
    /// The activation function of all layers but the last.
    activation: Activation,
}

fn read(keys: &mut Keys<'_>) -> Arc<dyn Network> {
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
    let convs = shared_keys::sizes(&channels).into_iter().zip(shared_keys::sizes(&strides)).collect();
    Arc::new(ConvNetwork { convs, hidden: shared_keys::sizes(&hidden), activation })
}

impl ConvNetwork {
    /// The convolutions of the encoder.
    fn convolutions(&self, image: ImageShape) -> Vec<ConvLayer> {
        let mut inputs = image;
        let mut convolution = |(channels, stride): &(usize, usize)| {
            let window = Window::same(3, *stride);
            let layer = ConvLayer { inputs, channels: *channels, window, activation: self.activation };
            inputs = Layer::Conv(layer).outputs();
            layer
        };
        self.convs.iter().map(&mut convolution).collect()
    }
}

impl Network for ConvNetwork {
    fn encoder(&self, image: ImageShape) -> Vec<Named> {
        let convolutions = self.convolutions(image).into_iter().map(Layer::Conv);
        let mut layers: Vec<Named> =
            convolutions.enumerate().map(|(index, layer)| Named::new(format!("conv.{index}"), layer)).collect();
        let features = layers.last().map_or(image, |last| last.layer.outputs()).values();
        layers.extend(shared_keys::dense_layers(features, self.hidden.iter().copied(), self.activation));
        layers
    }

    fn decoder(&self, _: ImageShape, latent: usize, outputs: ImageShape) -> Vec<Named> {
        // The number of channels of the image does not change the shapes after the first convolution.
        let convolutions = self.convolutions(outputs);
        let map = convolutions.last().map_or(outputs, |last| Layer::Conv(*last).outputs());
        let dense = DenseLayer { inputs: latent, outputs: DenseOutputs::Map(map), activation: self.activation };
        let mut layers = vec![Named::new("dense", Layer::Dense(dense))];
        let mut channels = map.channels;
        let halvings = convolutions.iter().enumerate().rev().filter(|(_, conv)| conv.window.stride == 2);
        for (index, (first, conv)) in halvings.enumerate() {
            // Back to the shape of the input of the convolution; the output layer gives the channels of the outputs.
            let shape = if first == 0 { conv.inputs.with_channels(conv.channels) } else { conv.inputs };
            let window = Window::same(3, 2);
            let layer = ConvTransposeLayer { inputs: channels, outputs: shape, window, activation: self.activation };
            layers.push(Named::new(format!("conv_transpose.{index}"), Layer::ConvTranspose(layer)));
            channels = shape.channels;
        }
        let output = ConvLayer {
            inputs: outputs.with_channels(channels),
            channels: outputs.channels,
            window: Window::same(3, 1),
            activation: Activation::Identity,
        };
        layers.push(Named::new(Named::OUTPUT, Layer::Conv(output)));
        layers
    }
}
