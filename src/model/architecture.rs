//! The architecture of a model: the `[model]` table together with the size of the images and the scale of the posterior.

use super::Initializer;
use crate::tensor::backend::Activation;
use serde_json::{Value, json};

/// The stride of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvStride {
    /// Height and width stay the same.
    One,
    /// Height and width are halved, rounded up.
    Two,
}

/// One convolution of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// The number of output channels.
    pub channels: usize,
    /// The stride.
    pub stride: ConvStride,
}

/// The layers of encoder and decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Convolutions, then dense layers.
    Conv {
        /// The convolutions of the encoder; at least one.
        convs: Vec<ConvSpec>,
        /// The sizes of the dense layers between the convolutions and the heads.
        hidden: Vec<usize>,
    },
    /// Dense layers.
    Mlp {
        /// The sizes of the hidden layers of the encoder; the decoder has them in reverse order.
        hidden: Vec<usize>,
        /// Their activation function.
        activation: Activation,
    },
}

/// The kind of variance of a Gaussian likelihood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VarianceKind {
    /// A constant.
    Fixed(f32),
    /// One trained variance for the whole model; its initial value is 1.
    Learned,
    /// One trained variance per pixel; the initial values are 1.
    PerPixel,
}

/// The distribution of pixels given a code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LikelihoodKind {
    /// One logit per pixel.
    Bernoulli,
    /// One mean per pixel.
    Gaussian(VarianceKind),
}

/// How the second output of the encoder gives the standard deviation of the posterior when sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PosteriorScale {
    /// Log-variance: std = exp(log_var / 2).
    LogVar,
    /// std = exp(log_var), although the KL term uses it as a log-variance: a mistake in the published Keras walkthrough.
    LogStd,
}

/// The distribution of codes given an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PosteriorKind {
    /// Mean and log-variance per latent axis.
    Gaussian(PosteriorScale),
    /// A point: the plain autoencoder.
    None,
}

/// Everything that determines a model's shapes and distributions.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// The height of an image in pixels.
    pub height: usize,
    /// The width of an image in pixels.
    pub width: usize,
    /// The number of latent dimensions.
    pub latent: usize,
    /// The layers.
    pub network: Network,
    /// p(x|z).
    pub likelihood: LikelihoodKind,
    /// q(z|x).
    pub posterior: PosteriorKind,
    /// The distribution of the initial weights.
    pub initializer: Initializer,
}

impl Architecture {
    /// The number of pixels of an image.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// The number of parameters of the model.
    pub fn parameters(&self) -> u128 {
        let variances = match self.likelihood {
            LikelihoodKind::Gaussian(VarianceKind::Learned) => 1,
            LikelihoodKind::Gaussian(VarianceKind::PerPixel) => self.pixels() as u128,
            LikelihoodKind::Gaussian(VarianceKind::Fixed(_)) | LikelihoodKind::Bernoulli => 0,
        };
        self.sum(|layer| layer.parameters).saturating_add(variances)
    }

    /// The number of multiplications in one forward pass of one image.
    pub fn multiplications(&self) -> u128 {
        self.sum(|layer| layer.multiplications)
    }

    /// The number of activations of one image, over all layers.
    pub fn activations(&self) -> u128 {
        self.sum(|layer| layer.outputs)
    }

    fn sum(&self, number: impl Fn(&Layer) -> u128) -> u128 {
        self.layers().iter().fold(0, |sum, layer| sum.saturating_add(number(layer)))
    }

    /// The layers of encoder and decoder in a form that does not depend on the keys that they come from; trial ids are hashes
    /// of it. The last layer of the decoder gives the image and has no activation.
    pub fn canonical(&self) -> [Vec<Value>; 2] {
        let dense = |size: usize, activation: Activation| json!({ "dense": size, "activation": activation.name() });
        match &self.network {
            Network::Mlp { hidden, activation } => {
                let encoder = hidden.iter().map(|size| dense(*size, *activation));
                let decoder = hidden.iter().rev().map(|size| dense(*size, *activation));
                [encoder.collect(), decoder.chain([json!({ "dense": "output" })]).collect()]
            }
            Network::Conv { convs, hidden } => {
                let relu = Activation::Relu;
                let layer = |kind: &str, channels: usize, stride: ConvStride| {
                    let stride = if stride == ConvStride::Two { 2 } else { 1 };
                    json!({ kind: channels, "kernel": 3, "stride": stride, "activation": relu.name() })
                };
                let encoder = convs.iter().map(|conv| layer("conv", conv.channels, conv.stride));
                let encoder = encoder.chain(hidden.iter().map(|size| dense(*size, relu)));
                let [height, width, channels] = self.grid();
                let mut decoder = vec![json!({ "dense": [height, width, channels], "activation": relu.name() })];
                for (index, conv) in convs.iter().enumerate().rev().filter(|(_, conv)| conv.stride == ConvStride::Two) {
                    let outputs = if index == 0 { conv.channels } else { convs[index - 1].channels };
                    decoder.push(layer("conv_transpose", outputs, ConvStride::Two));
                }
                decoder.push(json!({ "conv": "output", "kernel": 3, "stride": 1 }));
                [encoder.collect(), decoder]
            }
        }
    }

    /// Height, width and channels after the convolutions.
    fn grid(&self) -> [usize; 3] {
        let Network::Conv { convs, .. } = &self.network else { return [self.height, self.width, 1] };
        let halvings = convs.iter().filter(|conv| conv.stride == ConvStride::Two).count();
        let [height, width] =
            [self.height, self.width].map(|side| (0..halvings).fold(side, |side, _| side.div_ceil(2)));
        [height, width, convs.last().map_or(1, |conv| conv.channels)]
    }

    /// The layers in order. Arithmetic saturates, because sizes from a spec can exceed 128 bits.
    fn layers(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        let mut dense = |inputs: u128, outputs: u128| {
            layers.push(Layer {
                parameters: inputs.saturating_add(1).saturating_mul(outputs),
                multiplications: inputs.saturating_mul(outputs),
                outputs,
            });
            outputs
        };
        let (pixels, latent) = (self.pixels() as u128, self.latent as u128);
        let heads = if self.posterior == PosteriorKind::None { 1 } else { 2 };
        match &self.network {
            Network::Mlp { hidden, .. } => {
                let end = hidden.iter().fold(pixels, |inputs, size| dense(inputs, *size as u128));
                for _ in 0..heads {
                    dense(end, latent);
                }
                let end = hidden.iter().rev().fold(latent, |inputs, size| dense(inputs, *size as u128));
                dense(end, pixels);
            }
            Network::Conv { convs, hidden } => {
                let (mut height, mut width, mut channels) = (self.height as u128, self.width as u128, 1u128);
                // For each transposed convolution: the channels and sides of its output, and the positions of its input.
                let (mut ups, mut stack) = (Vec::new(), Vec::new());
                for (index, conv) in convs.iter().enumerate() {
                    let outputs = conv.channels as u128;
                    let above = (height, width);
                    if conv.stride == ConvStride::Two {
                        (height, width) = (height.div_ceil(2), width.div_ceil(2));
                        ups.push((if index == 0 { outputs } else { channels }, above, height * width));
                    }
                    stack.push(convolution(channels, outputs, height * width, height * width));
                    channels = outputs;
                }
                let features = (height * width).saturating_mul(channels);
                let end = hidden.iter().fold(features, |inputs, size| dense(inputs, *size as u128));
                for _ in 0..heads {
                    dense(end, latent);
                }
                dense(latent, features);
                for (outputs, (height, width), read) in ups.into_iter().rev() {
                    stack.push(convolution(channels, outputs, read, height * width));
                    channels = outputs;
                }
                stack.push(convolution(channels, 1, pixels, pixels));
                layers.extend(stack);
            }
        }
        layers
    }
}

/// The cost of a layer for one image.
struct Layer {
    parameters: u128,
    multiplications: u128,
    outputs: u128,
}

/// A 3x3 convolution or transposed convolution: each weight is used once per position of the smaller feature map.
fn convolution(inputs: u128, outputs: u128, positions: u128, output_positions: u128) -> Layer {
    let taps = inputs.saturating_mul(9);
    Layer {
        parameters: taps.saturating_add(1).saturating_mul(outputs),
        multiplications: taps.saturating_mul(outputs).saturating_mul(positions),
        outputs: outputs.saturating_mul(output_positions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::architecture::PosteriorKind;

    fn architecture(network: Network) -> Architecture {
        Architecture {
            height: 28,
            width: 28,
            latent: 2,
            network,
            likelihood: LikelihoodKind::Bernoulli,
            posterior: PosteriorKind::None,
            initializer: Initializer::Glorot,
        }
    }

    #[test]
    fn layers_are_counted_by_hand() {
        let mlp = architecture(Network::Mlp { hidden: vec![500], activation: Activation::Relu });
        assert_eq!(mlp.multiplications(), 2 * (784 * 500 + 500 * 2));
        assert_eq!(mlp.activations(), 500 + 2 + 500 + 784);
        let conv = |channels, stride| ConvSpec { channels, stride };
        let convs = vec![conv(4, ConvStride::One), conv(8, ConvStride::Two)];
        let conv = architecture(Network::Conv { convs, hidden: vec![] });
        let (side, half) = (28 * 28, 14 * 14);
        let encoder = 9 * 4 * side + 9 * 4 * 8 * half + half * 8 * 2;
        let decoder = 2 * half * 8 + 9 * 8 * 4 * half + 9 * 4 * side;
        assert_eq!(conv.multiplications(), encoder + decoder);
        assert_eq!(conv.activations(), 4 * side + 8 * half + 2 + half * 8 + 4 * side + side);
    }
}
