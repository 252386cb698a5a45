//! `vaex traverse`: draws the effect of each latent axis of a trained model.

use super::command::Command;
use super::shared::images::{ImagesArgs, encoded};
use super::shared::numbers::{count, index, not_negative, steps};
use super::shared::output::{Format, Output, format, print_written};
use super::shared::picture::{check_picture_size, grid, square, tiles};
use super::shared::trial::ModelChoice;
use crate::record::Grid;
use anyhow::{anyhow, bail};
use clap::Args;
use serde_json::{Value, json};

/// Draw the effect of each latent axis of a trained model.
#[derive(Debug, Args)]
pub(super) struct TraverseArgs {
    #[command(flatten)]
    model: ModelChoice,
    /// Start from the code of this image and change one axis per row; default: start from the mean of the prior.
    #[arg(long, value_name = "I", value_parser = index, allow_negative_numbers = true)]
    image: Option<usize>,
    #[command(flatten)]
    images: ImagesArgs,
    /// Number of codes per row.
    #[arg(long, default_value = "11", value_name = "N", value_parser = steps, allow_negative_numbers = true)]
    steps: usize,
    /// Change each axis from -R to R; with a learned prior, in its standard deviations around its mean.
    #[arg(long, default_value = "3.0", value_name = "R", value_parser = not_negative, allow_negative_numbers = true)]
    range: f32,
    /// Maximum number of axes; those with the largest KL are drawn (with a learned prior, with the largest variance of the means).
    #[arg(long, default_value = "32", value_name = "N", value_parser = count, allow_negative_numbers = true)]
    axes: usize,
    /// Write an animation with one frame per step and one tile per axis, as a .png or .gif file.
    #[arg(long)]
    animate: bool,
    #[command(flatten)]
    output: Output,
}

impl Command for TraverseArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let formats = if self.animate { &[Format::Png, Format::Gif][..] } else { &[Format::Png] };
        let hint = "; a .gif file needs --animate";
        let is_gif = self.output.output.as_ref().is_some_and(|path| format(path, &[Format::Gif]).is_ok());
        let format = self.output.format(formats).map_err(|error| match is_gif {
            true => anyhow!("{error}{hint}"),
            false => error,
        })?;
        let trained = self.model.open()?;
        let latent = trained.architecture().latent;
        let mut axes = trained.axes_by_kl()?;
        axes.truncate(self.axes);
        // Different names, so that neither file replaces the other.
        let name = if self.animate { "traversal_animated.png" } else { "traversal.png" };
        let path = self.output.path(name, &self.images)?;
        check_picture_size(&trained, axes.len() * self.steps)?;
        let (trained, start) = match self.image {
            None if self.images.data.is_some() => {
                bail!("--data needs --image, the number of the image to start from")
            }
            None => (trained, None),
            Some(image) => {
                let trained = self.images.apply_to(trained)?;
                let start = encoded(&trained, &[image])?.posterior.mean;
                (trained, Some(start))
            }
        };
        let order: Vec<usize> = axes.iter().map(|(axis, _)| *axis).collect();
        let values = trained.decode(&trained.traversal(start, &order, (self.steps, self.range))?)?;
        let pictures = tiles(&trained, &values);
        if self.animate {
            let columns = square(axes.len());
            let frame = |step: usize| {
                let of_step: Vec<&[f32]> = pictures.iter().skip(step).step_by(self.steps).copied().collect();
                grid(&trained, columns, &of_step)
            };
            // Forwards, then backwards.
            let frames: Vec<Grid> = (0..self.steps).chain((1..self.steps - 1).rev()).map(frame).collect();
            match format {
                Format::Gif => Grid::write_gif(&frames, &path)?,
                _ => Grid::write_animation(&frames, &path)?,
            }
        } else {
            grid(&trained, self.steps, &pictures).write(&path)?;
        }
        let named = |(axis, kl): &(usize, Option<f64>)| match kl {
            Some(kl) => format!("{axis} ({kl:.3} nats)"),
            None => axis.to_string(),
        };
        let order = axes.iter().map(named).collect::<Vec<_>>().join(", ");
        let tile = if self.animate { "tile" } else { "row" };
        let unit = if trained.prior_axes()?.is_some() { " standard deviations of the prior" } else { "" };
        let what = format!("one {tile} per latent axis, from -{r} to {r}{unit}: {order}", r = self.range);
        let left_out = if axes.len() < latent {
            format!("; {} of {latent} axes are not shown, see --axes", latent - axes.len())
        } else {
            String::new()
        };
        let axes: Vec<Value> = axes.iter().map(|(axis, kl)| json!({ "axis": axis, "kl_nats": kl })).collect();
        Ok(print_written(&trained, &[path], &(what + &left_out), json!({ "axes": axes }), self.output.json))
    }
}
