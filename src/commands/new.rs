//! `vaex new`: an experiment file to begin with.

use super::{DONE, FamilyArg, NewArgs, say};
use crate::files::write_whole;
use anyhow::bail;
use std::path::PathBuf;

const HEAD: &str = r#"# {name}: run it with `vaex run {file}`, see its trials beforehand with `vaex plan {file}`.
# Every key has a default; the README lists them all.
name = {quoted}
# seed = 0                       # of weights, order, noise
# tags = ["try"]                 # words to find the trials by

[data]
{data}
# limit = 1000                   # only the first images
# validation = 0.1               # a fraction or a count of the images, held out from the end
# binarize = "none"              # "none", "threshold", "static", "dynamic"

[model]
"#;

const CONV: &str = r#"family = "conv"                  # or "mlp"
latent_dim = 2
# channels = [32, 64, 64, 64]    # of each convolution
# strides = [1, 2, 1, 1]         # 2 halves height and width
# hidden = [32]                  # dense layers before the code
"#;

const MLP: &str = r#"family = "mlp"                   # or "conv"
latent_dim = 2
hidden = [500]                   # the encoder's layers, mirrored in the decoder
# activation = "relu"            # or "tanh"
"#;

const TAIL: &str = r#"likelihood = "bernoulli"         # or "gaussian", with a `variance`
# posterior = "gaussian"         # or "none", the plain autoencoder

[objective]
reduction = "sum"                # nats per image; or "mean", the walkthrough's
kl_weight = 1.0
# kl_warmup_epochs = 0           # the weight rises from 0

[train]
batch_size = {batch}
epochs = 10
optimizer = "adam"               # "sgd", "rmsprop", "adam", "adamw", "adagrad"
learning_rate = 0.001
# schedule = "constant"          # "step", "cosine"
# device = "cpu"                 # or "cuda"

# What to vary; every combination is a trial, and every trial is trained with each seed.
[sweep]
seeds = 2

[sweep.grid]
"objective.kl_weight" = [0.5, 1.0, 2.0]
# "model.latent_dim" = [2, 8, 32]
# "train.learning_rate" = { from = 1e-4, to = 1e-2, steps = 3, scale = "log" }
"#;

pub(super) fn run(args: &NewArgs) -> anyhow::Result<u8> {
    let name = args.name.strip_suffix(".toml").unwrap_or(&args.name);
    if name.is_empty() || name.starts_with('.') || name.chars().any(|c| c == '/' || c == '\\' || c.is_control()) {
        bail!("{name:?} cannot name a file; leave out slashes, line breaks and a leading dot");
    }
    let path = PathBuf::from(format!("{name}.toml"));
    if path.exists() {
        bail!("{} is there already", path.display());
    }
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let data = match &args.data {
        None => "source = \"fashion-mini\"          # 2,000 images of Fashion-MNIST that come with vaex".to_owned(),
        Some(images) => {
            if !images.is_file() {
                bail!("{} is not a file", images.display());
            }
            let images = quoted(&images.to_string_lossy());
            format!("source = \"idx\"\nimages = {images}  # plain or gzipped, relative to this file")
        }
    };
    let family = if args.family == FamilyArg::Conv { CONV } else { MLP };
    let batch = if args.family == FamilyArg::Conv { "32" } else { "100" };
    let text = [HEAD, family, TAIL].concat();
    let file = path.display().to_string();
    let values =
        [("{name}", name), ("{file}", &file), ("{quoted}", &quoted(name)), ("{data}", &data), ("{batch}", batch)];
    let text = values.iter().fold(text, |text, (place, value)| text.replace(place, value));
    write_whole(&path, text.as_bytes())?;
    say(&format!("wrote {file}; see its trials with: vaex plan {file}"));
    Ok(DONE)
}
