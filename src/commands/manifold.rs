//! `vaex manifold`: draws the images of a grid of codes, for a model with two latent axes.

use super::command::Command;
use super::shared::images::ImagesArgs;
use super::shared::numbers::steps;
use super::shared::output::{Format, Output};
use super::shared::picture::{check_picture_size, grid, require_prior, tiles};
use super::shared::trial::ModelChoice;
use crate::record::manifold::manifold_codes;
use anyhow::bail;
use clap::Args;

/// Draw the images of a grid of codes, for two latent axes.
#[derive(Debug, Args)]
pub(super) struct ManifoldArgs {
    #[command(flatten)]
    model: ModelChoice,
    /// Number of images along each side of the grid.
    #[arg(long, default_value = "20", value_name = "N", value_parser = steps, allow_negative_numbers = true)]
    side: usize,
    #[command(flatten)]
    output: Output,
}

impl Command for ManifoldArgs {
    fn run(&self) -> anyhow::Result<u8> {
        self.output.format(&[Format::Png])?;
        let trained = self.model.open()?;
        require_prior(&trained)?;
        let latent = trained.architecture().latent;
        if latent != 2 {
            bail!(
                "a manifold needs 2 latent axes, but {} has {latent}; use `vaex traverse`",
                trained.folder().display()
            );
        }
        check_picture_size(&trained, self.side * self.side)?;
        let path = self.output.path("manifold.png", &ImagesArgs::default())?;
        let values = trained.decode(&manifold_codes(self.side, trained.prior_axes()?.as_deref()))?;
        grid(&trained, self.side, &tiles(&trained, &values)).write(&path)?;
        Ok(self.output.print_written(
            &trained,
            &[path],
            "codes at quantiles of the prior (of a learned one: of a Gaussian with its means and deviations); the first axis from left to \
             right, the second from bottom to top",
        ))
    }
}
