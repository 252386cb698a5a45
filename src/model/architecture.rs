//! The architecture of a model: the `[model]` table together with the shape of the images and the scale of the posterior.

use super::layer::{Cost, DenseLayer, Layer, Named};
use super::likelihood::LikelihoodKind;
use super::prior::PriorKind;
use super::{Initializer, OutputBias};
use crate::data::ImageShape;
use crate::settings::Problem;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::sync::Arc;

/// A family of networks with its settings: the layers of an encoder and a decoder. Two networks are equal if their `Debug` texts
/// are equal.
pub trait Network: Debug + Send + Sync {
    /// The layers from an image to the hidden values, from which the posterior is computed.
    fn encoder(&self, image: ImageShape) -> Vec<Named>;

    /// The layers from a code with `latent` axes to outputs of this shape: those of the likelihood, for each pixel of the image.
    /// The last one is [`Named::OUTPUT`].
    fn decoder(&self, image: ImageShape, latent: usize, outputs: ImageShape) -> Vec<Named>;

    /// Whether no layer is missing or replaced because of an error in the spec.
    fn is_whole(&self) -> bool {
        true
    }

    /// Why the network does not fit images of this shape.
    fn misfits(&self, _image: ImageShape, _latent: usize, _outputs: ImageShape) -> Vec<Problem> {
        Vec::new()
    }
}

impl PartialEq for dyn Network {
    fn eq(&self, other: &dyn Network) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

/// The name of the layer that gives the second output of the encoder.
pub const LOG_VAR_HEAD: &str = "log_var";

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
#[derive(Clone, Debug)]
pub struct Architecture {
    /// The shape of an image.
    pub image: ImageShape,
    /// The number of latent dimensions.
    pub latent: usize,
    /// The layers.
    pub network: Arc<dyn Network>,
    /// p(x|z).
    pub likelihood: LikelihoodKind,
    /// q(z|x).
    pub posterior: PosteriorKind,
    /// p(z).
    pub prior: PriorKind,
    /// The bounds of the second output of the encoder; `None` if it has none.
    pub log_var_bounds: Option<[f64; 2]>,
    /// The distribution of the initial weights.
    pub initializer: Initializer,
    /// The initial biases of the last layer of the decoder.
    pub output_bias: OutputBias,
}

impl Architecture {
    /// The layers from an image to the hidden values, from which the posterior is computed.
    pub fn encoder(&self) -> Vec<Named> {
        self.network.encoder(self.image)
    }

    /// The layers from a code to the outputs of the decoder.
    pub fn decoder(&self) -> Vec<Named> {
        self.network.decoder(self.image, self.latent, self.outputs())
    }

    /// Why the network does not fit the images.
    pub fn misfits(&self) -> Vec<Problem> {
        self.network.misfits(self.image, self.latent, self.outputs())
    }

    /// The layers from the hidden values of an encoder to the posterior.
    pub fn posterior(&self, encoder: &[Named]) -> Vec<Named> {
        let hidden = encoder.last().map_or(self.image, |last| last.layer.outputs()).values();
        let head = |name| Named::new(name, Layer::Dense(DenseLayer::linear(hidden, self.latent)));
        let names: &[&str] = if self.posterior == PosteriorKind::None { &["mean"] } else { &["mean", LOG_VAR_HEAD] };
        names.iter().copied().map(head).collect()
    }

    /// The shape of the outputs of the decoder: for each pixel, the numbers that the likelihood needs.
    pub fn outputs(&self) -> ImageShape {
        self.image.with_channels(self.likelihood.outputs(self.image.channels))
    }

    /// The number of parameters of the model.
    pub fn parameters(&self) -> u128 {
        let own = self.likelihood.parameter(self.image).filter(|parameter| parameter.is_trained);
        let of_prior = self.prior.parameters(self.image.values(), self.latent);
        let own = own.map_or(0, |parameter| parameter.length as u128).saturating_add(of_prior);
        self.costs(|cost| cost.parameters).saturating_add(own)
    }

    /// The number of multiplications in one forward pass of one image.
    pub fn multiplications(&self) -> u128 {
        self.costs(|cost| cost.multiplications)
    }

    /// The number of multiplications to encode an image.
    pub fn multiplications_of_encoder(&self) -> u128 {
        self.costs_of_encoder(|cost| cost.multiplications)
    }

    /// The number of activations of one image that is only encoded.
    pub fn activations_of_encoder(&self) -> u128 {
        self.costs_of_encoder(|cost| cost.outputs)
    }

    /// The number of activations of one image, over all layers.
    pub fn activations(&self) -> u128 {
        self.costs(|cost| cost.outputs)
    }

    /// The numbers under the windows of each layer that is a convolution, for one image.
    pub fn windows(&self) -> Vec<u128> {
        self.layers().iter().filter_map(|one| Some(one.layer.cost().windows).filter(|windows| *windows > 0)).collect()
    }

    /// Whether threads sum the weight gradients of most layers separately, each in an array of its own.
    pub fn has_own_gradients(&self) -> bool {
        self.layers().iter().any(|one| one.layer.cost().has_own_gradients)
    }

    fn costs_of_encoder(&self, number: impl Fn(Cost) -> u128) -> u128 {
        let encoder = self.encoder();
        let posterior = self.posterior(&encoder);
        encoder.iter().chain(&posterior).fold(0, |sum, one| sum.saturating_add(number(one.layer.cost())))
    }

    fn costs(&self, number: impl Fn(Cost) -> u128) -> u128 {
        self.layers().iter().fold(0, |sum, one| sum.saturating_add(number(one.layer.cost())))
    }

    /// All layers.
    fn layers(&self) -> Vec<Named> {
        let encoder = self.encoder();
        let posterior = self.posterior(&encoder);
        encoder.into_iter().chain(posterior).chain(self.decoder()).collect()
    }

    /// The likelihood and the layers of encoder, posterior and decoder, with their names and the shapes of their outputs, for other
    /// programs that read the weights.
    pub fn described(&self) -> Value {
        let encoder = self.encoder();
        let posterior = self.posterior(&encoder);
        let [encoder, posterior, decoder] =
            [encoder, posterior, self.decoder()].map(|layers| layers.iter().map(Named::described).collect::<Value>());
        let prior = json!({ "kind": self.prior.name(), "components": self.prior.components() });
        json!({
            "likelihood": self.likelihood.name(),
            "prior": prior,
            "log_var_bounds": self.log_var_bounds,
            "encoder": encoder,
            "posterior": posterior,
            "decoder": decoder,
        })
    }

    /// The layers of encoder and decoder in a form that does not depend on the keys that they come from; trial ids are hashes
    /// of it.
    pub fn canonical(&self) -> [Vec<Value>; 2] {
        [self.encoder(), self.decoder()].map(|layers| layers.iter().map(Named::canonical).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSettings;
    use crate::settings::Keys;

    /// The architecture of a `[model]` table without noise, for images of this shape.
    fn architecture(table: &str, image: ImageShape) -> Architecture {
        let table: toml::Table = table.parse().unwrap();
        let written = table.into_iter().map(|(key, value)| (format!("model.{key}"), value)).collect();
        let (settings, found) = Keys::read(&written, |keys| keys.table("model", "", "", ModelSettings::read));
        assert_eq!(found.problems, []);
        settings.architecture(image, Default::default(), None)
    }

    #[test]
    fn layers_are_counted_by_hand() {
        let mlp = "family = \"mlp\"\nhidden = [500]\nlatent_dim = 2";
        let grey = architecture(mlp, ImageShape::grey(28, 28));
        assert_eq!(grey.multiplications(), 2 * (784 * 500 + 500 * 2));
        assert_eq!(grey.activations(), 500 + 2 + 500 + 784);
        assert_eq!(grey.parameters(), (784 + 1) * 500 + 501 * 2 + 3 * 500 + 501 * 784);
        let conv = "channels = [4, 8]\nstrides = [1, 2]\nhidden = []\nlatent_dim = 2";
        let (side, half) = (28 * 28, 14 * 14);
        for channels in [1, 3] {
            let image = ImageShape { height: 28, width: 28, channels };
            let conv = architecture(conv, image);
            let colors = channels as u128;
            let encoder = 9 * colors * 4 * side + 9 * 4 * 8 * half + half * 8 * 2;
            assert_eq!(conv.multiplications_of_encoder(), encoder);
            let decoder = 2 * half * 8 + 9 * 8 * 4 * half + 9 * 4 * colors * side;
            assert_eq!(conv.multiplications(), encoder + decoder);
            assert_eq!(conv.activations(), 4 * side + 8 * half + 2 + half * 8 + 4 * side + colors * side);
            let encoder = (9 * colors + 1) * 4 + (9 * 4 + 1) * 8 + (half * 8 + 1) * 2;
            let decoder = 3 * half * 8 + (9 * 8 + 1) * 4 + (9 * 4 + 1) * colors;
            assert_eq!(conv.parameters(), encoder + decoder);
        }
    }

    #[test]
    fn layers_of_lists_are_counted_by_hand() {
        let lists = "latent_dim = 2\n\
                     encoder = [{ conv = 4, kernel = 5, stride = 2 }, { residual = 3 }, { gated_dense = 6 }]\n\
                     decoder = [{ gated_dense = [4, 4, 2] }, { conv_transpose = \"output\", kernel = 4, stride = 2 }]";
        let counted = architecture(lists, ImageShape { height: 8, width: 8, channels: 3 });
        assert_eq!(counted.misfits(), []);
        let conv = (25 * 3 + 1) * 4;
        let residual = (9 * 4 + 1) * 3 + (3 + 1) * 4;
        let gated = 2 * (64 + 1) * 6;
        let decoder = 2 * (2 + 1) * 32 + (16 * 2 + 1) * 3;
        assert_eq!(counted.parameters(), conv + residual + gated + (6 + 1) * 2 + decoder);
        let encoder = 16 * (25 * 3 * 4) + 16 * (9 * 4 * 3 + 3 * 4) + 2 * 64 * 6 + 6 * 2;
        assert_eq!(counted.multiplications_of_encoder(), encoder);
        assert_eq!(counted.multiplications(), encoder + 2 * 2 * 32 + 16 * (16 * 2 * 3));
        // A residual block keeps the ReLU of its input and the sum, a gated layer both factors and the product.
        let of_residual = 16 * 4 + 16 * 3 + 16 * 4 + 16 * 4;
        assert_eq!(counted.activations(), 16 * 4 + of_residual + 3 * 6 + 2 + 3 * 32 + 64 * 3);
    }

    #[test]
    fn sizes_that_do_not_fit_are_the_largest_number() {
        let most = i64::MAX;
        for table in [
            format!("family = \"mlp\"\nhidden = [{most}, {most}]"),
            format!("channels = [{most}, {most}]\nstrides = [1, 2]"),
            format!(
                "encoder = [{{ conv = {most} }}, {{ residual = {most} }}, {{ gated_dense = {most} }}]\n\
                 decoder = [{{ dense = [{most}, {most}, {most}] }}, {{ conv_transpose = {most}, stride = 2 }}, {{ dense = \"output\" }}]"
            ),
        ] {
            let huge = architecture(&table, ImageShape::grey(28, 28));
            assert!(huge.parameters() > 1 << 100 && huge.multiplications() > 1 << 100, "{huge:?}");
        }
    }
}
