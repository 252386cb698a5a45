//! `vaex reconstruct`: draws images, each above its reconstruction by a trained model.

use super::command::Command;
use super::shared::images::ImagesArgs;
use super::shared::numbers::count;
use super::shared::output::{Format, Output};
use super::shared::picture::tiles;
use super::shared::trial::ModelChoice;
use crate::record::Grid;
use crate::text::counted;
use clap::Args;

/// Draw images, each above its reconstruction by a trained model.
#[derive(Debug, Args)]
pub(super) struct ReconstructArgs {
    #[command(flatten)]
    model: ModelChoice,
    #[command(flatten)]
    images: ImagesArgs,
    /// Number of images, from the first.
    #[arg(short = 'n', long, default_value = "30", value_parser = count, allow_negative_numbers = true)]
    count: usize,
    #[command(flatten)]
    output: Output,
}

impl Command for ReconstructArgs {
    fn run(&self) -> anyhow::Result<u8> {
        self.output.format(&[Format::Png])?;
        let trained = self.images.apply_to(self.model.open()?)?;
        let path = self.output.path("reconstructions.png", &self.images)?;
        let indices: Vec<u32> = (0..self.count.min(trained.images().len()) as u32).collect();
        let encoded = trained.encode(&indices)?;
        let reconstructions = trained.decode(&encoded.posterior.mean)?;
        let (inputs, outputs) = (tiles(&trained, &encoded.inputs), tiles(&trained, &reconstructions));
        Grid::pairs(trained.architecture().image, 10, &inputs, &outputs, trained.range()).write(&path)?;
        Ok(self.output.print_written(
            &trained,
            &[path],
            &format!("{}, each above its reconstruction", counted(indices.len(), "image")),
        ))
    }
}
