//! `vaex new`: an experiment file to begin with.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::print::say;
use crate::data::{Dataset, Images};
use crate::files::write_whole;
use crate::language::{Data, Source};
use crate::launch::cluster::shell_word;
use anyhow::bail;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

const HEAD: &str = r#"# {name}: run it with `vaex run {word}`, see its trials beforehand with `vaex plan {word}`.
# Every key has a default; the README lists them all.
name = {quoted}
# seed = 0                       # of weights, order, noise
# tags = ["try"]                 # words to find the trials by

[data]
{data}
# limit = 1000                   # only the first images
# validation = 0.1               # a fraction or a count of the images, held out from the end
{binarize}

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

/// The images of a file that are looked at, the first ones: enough for a batch, and to tell what their values are.
const LOOK: usize = 1000;

const BINARY: &str = "# binarize = \"none\"              # \"none\", \"threshold\", \"static\", \"dynamic\"";

const GREY: &str = "binarize = \"dynamic\"             # zeros and ones, drawn anew in each epoch; or \"static\", \"threshold\", \"none\"";

const STORED: &str = "\nstored = [0, 1]                  # the values that pixels have: the file holds zeros and ones";

/// Write an experiment file to begin with, every key explained.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The experiment's name; the file is NAME.toml.
    name: String,
    /// The kind of network.
    #[arg(long, value_enum, default_value = "conv")]
    family: FamilyArg,
    /// An IDX file of training images; without it, images that come with vaex.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FamilyArg {
    Conv,
    Mlp,
}

impl Command for NewArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let name = self.name.strip_suffix(".toml").unwrap_or(&self.name);
        if name.is_empty() || name.starts_with('.') || name.chars().any(|c| c == '/' || c == '\\' || c.is_control()) {
            bail!("{name:?} cannot name a file; leave out slashes, line breaks and a leading dot");
        }
        if name.chars().count() > 100 || name.len() > 240 {
            bail!("the name is too long; give one of up to 100 characters");
        }
        let path = PathBuf::from(format!("{name}.toml"));
        if path.exists() {
            bail!("{} is there already", path.display());
        }
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let conv = self.family == FamilyArg::Conv;
        let mut batch = if conv { 32 } else { 100 };
        let (data, grey) = match &self.data {
            None => (
                "source = \"fashion-mini\"          # 2,000 images of Fashion-MNIST that come with vaex".to_owned(),
                true,
            ),
            Some(images) => {
                if !images.is_file() {
                    bail!("{} is not a file", images.display());
                }
                let first = Images::read(images, None, LOOK)?;
                let (limit, bits) = (Some(first.len() as u64), first.are_zeros_and_ones());
                let stored = bits.then_some([0.0, 1.0]);
                let data = Data { source: Source::Idx, images: Some(images.clone()), limit, stored, ..Data::default() };
                let dataset = Dataset::load(&data, Path::new(""))?;
                batch = dataset.train.len().min(batch);
                let images = quoted(&images.to_string_lossy());
                let stored = if bits { STORED } else { "" };
                let data =
                    format!("source = \"idx\"\nimages = {images}  # plain or gzipped, relative to this file{stored}");
                (data, dataset.is_grey)
            }
        };
        let template = [HEAD, if conv { CONV } else { MLP }, TAIL].concat();
        let (file, quoted, batch) = (path.display().to_string(), quoted(name), batch.to_string());
        let word = shell_word(&file);
        let values = [
            ("{name}", name),
            ("{word}", &word),
            ("{quoted}", &quoted),
            ("{data}", &data),
            ("{binarize}", if grey { GREY } else { BINARY }),
            ("{batch}", &batch),
        ];
        write_whole(&path, filled(&template, &values).as_bytes())?;
        say(&format!("wrote {file}; see its trials with: vaex plan {word}"));
        Ok(DONE)
    }
}

/// A template with its places filled. What a value has that looks like a place stays as it is.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let (mut text, mut rest) = (String::new(), template);
    let next = |rest: &str| values.iter().filter_map(|(place, value)| Some((rest.find(place)?, *place, *value))).min();
    while let Some((start, place, value)) = next(rest) {
        text.push_str(&rest[..start]);
        text.push_str(value);
        rest = &rest[start + place.len()..];
    }
    text + rest
}
