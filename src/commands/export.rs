//! `vaex export`: writes the encoder and the decoder of a trained model in another format.

use super::command::Command;
use super::shared::images::ImagesArgs;
use super::shared::output::{destination, print_written};
use super::shared::trial::ModelChoice;
use crate::export;
use crate::folder::{create_folder, write_whole};
use anyhow::bail;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;

/// Export the encoder and the decoder of a trained model.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    model: ModelChoice,
    /// Format of encoder and decoder.
    #[arg(long, value_enum, default_value = "onnx")]
    format: ExportFormat,
    /// Folder to write to.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Print the written files as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExportFormat {
    Onnx,
}

impl Command for ExportArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let names_file = self.output.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("onnx"));
        if !self.output.is_dir() && (self.output.exists() || names_file) {
            bail!("{} is a file; --output must be a folder", self.output.display());
        }
        let trained = self.model.open()?;
        let ExportFormat::Onnx = self.format;
        let [low, high] = trained.range();
        let notes = [
            ("trial", trained.record().trial.clone()),
            ("range", format!("{low} {high}")),
            ("spec", trained.spec().to_toml()),
        ];
        let weights = |name: &str| trained.stored().sized(name);
        let networks = [
            ("encoder.onnx", export::encoder(trained.architecture(), &weights, &notes)?),
            ("decoder.onnx", export::decoder(trained.architecture(), &weights, &notes)?),
        ];
        create_folder(&self.output)?;
        let path = |name| destination(&self.output.join(name), &ImagesArgs::default());
        let files = networks.iter().map(|(name, _)| path(name)).collect::<anyhow::Result<Vec<PathBuf>>>()?;
        for (path, (_, bytes)) in files.iter().zip(&networks) {
            write_whole(path, bytes)?;
        }
        Ok(print_written(&trained, &files, "ONNX", json!({}), self.json))
    }
}
