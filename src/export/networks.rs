//! Encoder and decoder as ONNX graphs.

use crate::model::architecture::{Architecture, LOG_VAR_HEAD, PosteriorKind, PosteriorScale};
use crate::model::layer;
use crate::onnx::{ExportError, Graph, Weights};

/// The encoder: maps `pixels` (batch, values), in the range of the data and in the order height, width, channel, to `mean` (batch,
/// latent) and, with a Gaussian posterior, `log_var` (batch, latent). The model's metadata give the formula of the standard
/// deviation.
///
/// `weights` returns the array with a name; `notes` are added to the model's metadata.
///
/// # Errors
/// A weight is missing or does not have the shape that the architecture requires.
pub fn encoder(
    architecture: &Architecture,
    weights: &Weights,
    notes: &[(&str, String)],
) -> Result<Vec<u8>, ExportError> {
    let mut graph = Graph::new(weights, "pixels", architecture.image.values());
    let layers = architecture.encoder();
    layer::onnx(&layers, "encoder", &mut graph)?;
    graph.as_rows();
    let hidden = graph.last();
    for head in architecture.posterior(&layers) {
        graph.go_back_to(hidden.clone());
        layer::onnx(std::slice::from_ref(&head), "posterior", &mut graph)?;
        if let Some([least, most]) = architecture.log_var_bounds.filter(|_| head.name == LOG_VAR_HEAD) {
            graph.with_number("Max", least as f32);
            graph.with_number("Min", most as f32);
        }
        graph.output(&head.name, architecture.latent);
    }
    Ok(graph.finish("encoder", all_notes(architecture, notes)))
}

/// The decoder: maps `z` (batch, latent) to the outputs that the likelihood names: `logits` and `probabilities` (batch, values)
/// for a Bernoulli likelihood, or `mean` (batch, values) and `log_var` (1 or values) for a Gaussian likelihood.
///
/// # Errors
/// As for [`encoder`].
pub fn decoder(
    architecture: &Architecture,
    weights: &Weights,
    notes: &[(&str, String)],
) -> Result<Vec<u8>, ExportError> {
    let mut graph = Graph::new(weights, "z", architecture.latent);
    layer::onnx(&architecture.decoder(), "decoder", &mut graph)?;
    architecture.likelihood.onnx(architecture.image, &mut graph)?;
    Ok(graph.finish("decoder", all_notes(architecture, notes)))
}

/// The metadata of a network: its own, and further ones.
fn all_notes(architecture: &Architecture, notes: &[(&str, String)]) -> Vec<(String, String)> {
    let (scale, deviation) = match architecture.posterior {
        PosteriorKind::Gaussian(PosteriorScale::LogVar) => ("log_var", "exp(log_var / 2)"),
        PosteriorKind::Gaussian(PosteriorScale::LogStd) => ("log_std", "exp(log_var)"),
        PosteriorKind::None => ("none", "none: codes are points"),
    };
    let own = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("likelihood", architecture.likelihood.name().to_owned()),
        ("posterior_scale", scale.to_owned()),
        ("deviation", deviation.to_owned()),
        ("height", architecture.image.height.to_string()),
        ("width", architecture.image.width.to_string()),
        ("channels", architecture.image.channels.to_string()),
    ];
    own.iter().chain(notes).map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ImageShape;
    use crate::language::Spec;
    use crate::onnx::notes_of;

    /// A non-square image, an odd side, and channels that differ, so that swapped axes are detected.
    fn architecture() -> Architecture {
        let spec = "name = \"five\"\n[model]\nlatent_dim = 7\nchannels = [2, 3]\nstrides = [2, 1]\nhidden = [6]\n\
                    likelihood = \"gaussian\"\nvariance = \"per_pixel\"\n[objective]\nposterior_scale = \"log_std\"";
        let (spec, found) = Spec::read(&Spec::keys_of(spec).unwrap());
        assert_eq!(found.problems, []);
        spec.architecture(ImageShape { height: 5, width: 4, channels: 3 }, crate::data::BYTES)
    }

    const SHAPES: [(&str, &[usize]); 17] = [
        ("encoder.conv.0.weight", &[3, 3, 3, 2]),
        ("encoder.conv.0.bias", &[2]),
        ("encoder.conv.1.weight", &[3, 3, 2, 3]),
        ("encoder.conv.1.bias", &[3]),
        ("encoder.dense.0.weight", &[18, 6]),
        ("encoder.dense.0.bias", &[6]),
        ("posterior.mean.weight", &[6, 7]),
        ("posterior.mean.bias", &[7]),
        ("posterior.log_var.weight", &[6, 7]),
        ("posterior.log_var.bias", &[7]),
        ("decoder.dense.weight", &[7, 18]),
        ("decoder.dense.bias", &[18]),
        ("decoder.conv_transpose.0.weight", &[3, 3, 2, 3]),
        ("decoder.conv_transpose.0.bias", &[2]),
        ("decoder.output.weight", &[3, 3, 2, 3]),
        ("decoder.output.bias", &[3]),
        ("likelihood.log_var", &[60]),
    ];

    /// The arrays that the export of both networks rejects if `changed` modifies one array.
    fn refused(changed: &dyn Fn(&str, Vec<usize>) -> Option<Vec<usize>>) -> Vec<(String, Vec<usize>)> {
        let weights = |name: &str| {
            let (_, sizes) = SHAPES.iter().find(|(known, _)| *known == name)?;
            let sizes = changed(name, sizes.to_vec())?;
            let count = sizes.iter().product();
            Some((sizes, vec![0.5; count]))
        };
        let networks = [encoder(&architecture(), &weights, &[]), decoder(&architecture(), &weights, &[])];
        let errors = networks.into_iter().filter_map(Result::err);
        errors.map(|ExportError::Weight { name, expected }| (name, expected)).collect()
    }

    #[test]
    fn a_weight_that_is_missing_or_of_another_shape_is_named() {
        assert_eq!(refused(&|_, sizes| Some(sizes)), []);
        for (name, sizes) in SHAPES {
            let expected = [(name.to_owned(), sizes.to_vec())];
            assert_eq!(refused(&|other, sizes| (other != name).then_some(sizes)), expected);
            // The same number of elements in another shape.
            let turned = |other: &str, mut sizes: Vec<usize>| {
                if other == name {
                    sizes.reverse();
                    sizes.push(1);
                }
                Some(sizes)
            };
            assert_eq!(refused(&turned), expected);
        }
    }

    #[test]
    fn a_network_says_what_its_numbers_mean() {
        let weights = |name: &str| {
            let (_, sizes) = SHAPES.iter().find(|(known, _)| *known == name)?;
            Some((sizes.to_vec(), vec![0.5; sizes.iter().product()]))
        };
        let notes = notes_of(&encoder(&architecture(), &weights, &[("range", "0 1".to_owned())]).unwrap());
        let note = |key: &str| notes[key].as_str();
        assert_eq!([note("height"), note("width"), note("channels"), note("range")], ["5", "4", "3", "0 1"]);
        assert_eq!([note("likelihood"), note("posterior_scale")], ["gaussian", "log_std"]);
        assert_eq!(note("deviation"), "exp(log_var)");
        assert_eq!(note("version"), env!("CARGO_PKG_VERSION"));
    }
}
