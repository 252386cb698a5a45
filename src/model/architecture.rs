//! Which network to build: the `[model]` table with everything decided and checked.

use super::Initializer;
use crate::tensor::backend::Activation;
use serde_json::{Value, json};

/// Stride of one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvStride {
    /// Sides stay.
    One,
    /// Sides are halved, rounded up.
    Two,
}

/// One convolution of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Output channels.
    pub channels: usize,
    /// Stride.
    pub stride: ConvStride,
}

/// The layers of encoder and decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Convolutions, then dense layers.
    Conv {
        /// Convolutions of the encoder; at least one.
        convs: Vec<ConvSpec>,
        /// Dense layers between the convolutions and the heads.
        hidden: Vec<usize>,
    },
    /// Dense layers.
    Mlp {
        /// Hidden layers of the encoder; the decoder has them in reverse.
        hidden: Vec<usize>,
        /// Their nonlinearity.
        activation: Activation,
    },
}

/// How the variance of a Gaussian likelihood comes about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VarianceKind {
    /// That number.
    Fixed(f32),
    /// One for the model, trained from 1 on.
    Learned,
    /// One for each pixel, trained from 1 on.
    PerPixel,
}

/// The distribution of pixels given a code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LikelihoodKind {
    /// One logit a pixel.
    Bernoulli,
    /// One mean a pixel.
    Gaussian(VarianceKind),
}

/// What the posterior's second head is taken for when sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PosteriorScale {
    /// A log-variance: std = exp(log_var / 2).
    LogVar,
    /// The walkthrough's slip: std = exp(log_var), while the KL still takes it for a log-variance.
    LogStd,
}

/// The distribution of codes given an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PosteriorKind {
    /// Mean and log-variance per latent axis; how the second becomes a deviation when sampling.
    Gaussian(PosteriorScale),
    /// A point.
    None,
}

/// Everything that determines a model's shapes and distributions.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Axes of the code.
    pub latent: usize,
    /// The layers.
    pub network: Network,
    /// p(x|z).
    pub likelihood: LikelihoodKind,
    /// q(z|x).
    pub posterior: PosteriorKind,
    /// How weights are drawn.
    pub initializer: Initializer,
}

impl Architecture {
    /// Numbers of an image.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Trained numbers of the model, without building it.
    pub fn parameters(&self) -> u128 {
        let variances = match self.likelihood {
            LikelihoodKind::Gaussian(VarianceKind::Learned) => 1,
            LikelihoodKind::Gaussian(VarianceKind::PerPixel) => self.pixels() as u128,
            LikelihoodKind::Gaussian(VarianceKind::Fixed(_)) | LikelihoodKind::Bernoulli => 0,
        };
        self.sum(|layer| layer.parameters).saturating_add(variances)
    }

    /// Multiplications of weights with an image's numbers, once through the model.
    pub fn multiplications(&self) -> u128 {
        self.sum(|layer| layer.multiplications)
    }

    /// Numbers that an image becomes on its way, layer by layer.
    pub fn activations(&self) -> u128 {
        self.sum(|layer| layer.outputs)
    }

    fn sum(&self, number: impl Fn(&Layer) -> u128) -> u128 {
        self.layers().iter().fold(0, |sum, layer| sum.saturating_add(number(layer)))
    }

    /// The layers of encoder and decoder, each with all that sets it apart, whatever keys they come from: what ids are made
    /// of. The decoder's last layer is to the image, without activation.
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

    /// Height, width and channels behind the convolutions.
    fn grid(&self) -> [usize; 3] {
        let Network::Conv { convs, .. } = &self.network else { return [self.height, self.width, 1] };
        let halvings = convs.iter().filter(|conv| conv.stride == ConvStride::Two).count();
        let [height, width] =
            [self.height, self.width].map(|side| (0..halvings).fold(side, |side, _| side.div_ceil(2)));
        [height, width, convs.last().map_or(1, |conv| conv.channels)]
    }

    /// The layers in their order. Sizes come from a spec: what is too much for a model may be too much for 128 bits.
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
                // Channels and sides of each transposed convolution's result, and positions of what it reads.
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

/// What a layer takes for an image.
struct Layer {
    parameters: u128,
    multiplications: u128,
    outputs: u128,
}

/// A 3x3 convolution, or its adjoint: every weight meets the smaller of the two maps at each of its positions.
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
