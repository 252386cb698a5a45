//! What a model draws: reconstructions, samples from the prior, and the latent manifold.

use super::TrialError;
use crate::log::Grid;
use crate::log::checkpoint::Arrays;
use crate::log::images::manifold_codes;
use crate::model::architecture::PosteriorKind;
use crate::plan::Trial;
use crate::train::{Spread, Trainer};
use std::collections::BTreeMap;
use std::path::Path;

/// Images in a row of pairs.
const COLUMNS: usize = 10;
/// Rows of pairs.
const PAIR_ROWS: usize = 3;
/// Samples in a row, and rows.
const SAMPLES_SIDE: usize = 8;
/// Codes along an axis of the manifold.
const MANIFOLD_SIDE: usize = 20;

/// Draws all pictures that make sense for the trial, by tag, and keeps the numbers behind the reconstructions in
/// reconstructions.safetensors: `input` and `reconstruction`, (Images, Pixels), in the data's range.
pub(super) fn draw<B: Spread>(
    trainer: &Trainer<B>,
    trial: &Trial,
    folder: &Path,
) -> Result<Vec<(&'static str, Grid)>, TrialError> {
    let architecture = trial.architecture();
    let (height, width, pixels) = (architecture.height, architecture.width, architecture.pixels());
    let [low, high] = trial.spec().data.range;
    let range = [low as f32, high as f32];

    let (inputs, reconstructions) = trainer.reconstruct(COLUMNS * PAIR_ROWS)?;
    let mut arrays = Arrays::default();
    arrays.push("input", vec![inputs.len() / pixels, pixels], &inputs);
    arrays.push("reconstruction", vec![inputs.len() / pixels, pixels], &reconstructions);
    arrays.write(&folder.join("reconstructions.safetensors"), BTreeMap::new())?;

    let (inputs, reconstructions): (Vec<_>, Vec<_>) = (tiles(&inputs, pixels), tiles(&reconstructions, pixels));
    let mut pictures = vec![("reconstructions", Grid::pairs(height, width, COLUMNS, &inputs, &reconstructions, range))];
    // A plain autoencoder has no prior to draw from.
    if architecture.posterior != PosteriorKind::None {
        let samples = trainer.decode(&trainer.prior_codes(SAMPLES_SIDE * SAMPLES_SIDE))?;
        pictures.push(("samples", Grid::tiles(height, width, SAMPLES_SIDE, tiles(&samples, pixels), range)));
        if architecture.latent == 2 {
            let codes: Vec<f32> = manifold_codes(MANIFOLD_SIDE).concat();
            let manifold = trainer.decode(&codes)?;
            pictures.push(("manifold", Grid::tiles(height, width, MANIFOLD_SIDE, tiles(&manifold, pixels), range)));
        }
    }
    Ok(pictures)
}

fn tiles(values: &[f32], pixels: usize) -> Vec<&[f32]> {
    values.chunks(pixels).collect()
}
