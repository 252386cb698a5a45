//! `vaex interpolate`: draws an interpolation between the codes of two images.

use super::command::Command;
use super::shared::images::{ImagesArgs, encoded};
use super::shared::numbers::{index, steps};
use super::shared::output::{Format, Output};
use super::shared::picture::{grid, tiles};
use super::shared::trial::ModelChoice;
use crate::train::Encoded;
use clap::Args;

/// Draw an interpolation between two images in latent space.
#[derive(Debug, Args)]
pub(super) struct InterpolateArgs {
    #[command(flatten)]
    model: ModelChoice,
    /// Number of the first image, counted from 0.
    #[arg(long, value_name = "I", value_parser = index, allow_negative_numbers = true)]
    from: usize,
    /// Number of the last image.
    #[arg(long, value_name = "J", value_parser = index, allow_negative_numbers = true)]
    to: usize,
    #[command(flatten)]
    images: ImagesArgs,
    /// Number of codes per row.
    #[arg(long, default_value = "11", value_name = "N", value_parser = steps, allow_negative_numbers = true)]
    steps: usize,
    #[command(flatten)]
    output: Output,
}

impl Command for InterpolateArgs {
    fn run(&self) -> anyhow::Result<u8> {
        self.output.format(&[Format::Png])?;
        let trained = self.images.apply_to(self.model.open()?)?;
        let path = self.output.path("interpolation.png", &self.images)?;
        let Encoded { inputs, posterior } = encoded(&trained, &[self.from, self.to])?;
        let (from, to) = posterior.mean.split_at(trained.architecture().latent);
        let shares = (0..self.steps).map(|step| step as f32 / (self.steps - 1) as f32);
        let linear = shares.clone().flat_map(|share| linear(from, to, share));
        let path_codes: Vec<f32> = linear.chain(shares.flat_map(|share| spherical(from, to, share))).collect();
        let values = trained.decode(&path_codes)?;
        let pictures = tiles(&trained, &values);
        let ends = tiles(&trained, &inputs);
        // Both rows start and end with the images themselves.
        let rows = pictures.chunks(self.steps).flat_map(|row| ends[..1].iter().chain(row).chain(&ends[1..]).copied());
        grid(&trained, self.steps + 2, &rows.collect::<Vec<_>>()).write(&path)?;
        let what =
            format!("from image {} to image {}; linear interpolation above, spherical below", self.from, self.to);
        Ok(self.output.print_written(&trained, &[path], &what))
    }
}

fn linear(from: &[f32], to: &[f32], share: f32) -> Vec<f32> {
    from.iter().zip(to).map(|(from, to)| from + share * (to - from)).collect()
}

/// Spherical interpolation (slerp, Shoemake 1985) of codes of any norm; linear if the codes are collinear with the origin.
fn spherical(from: &[f32], to: &[f32], share: f32) -> Vec<f32> {
    let product = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f32>();
    let angle = (product(from, to) / (product(from, from) * product(to, to)).sqrt()).clamp(-1.0, 1.0).acos();
    if !(1e-4..std::f32::consts::PI - 1e-4).contains(&angle) {
        return linear(from, to, share);
    }
    let [first, second] = [(1.0 - share) * angle, share * angle].map(|part| part.sin() / angle.sin());
    from.iter().zip(to).map(|(from, to)| first * from + second * to).collect()
}
