//! Pictures of a model: reconstructions, samples from the prior, and the latent manifold.

use super::pictures_due::{PicturesDue, pictures_due};
use super::{TrainingEvent, Writer};
use crate::folder::Arrays;
use crate::folder::{FileError, TrialFolder, write_unsynced};
use crate::plan::Trial;
use crate::record::Grid;
use crate::record::manifold::manifold_codes;
use crate::record::pictures::{MANIFOLD, PSEUDO_INPUTS, RECONSTRUCTIONS, SAMPLES};
use crate::train::{Execute, Trainer};
use crate::trial::TrialError;
use crate::trial::session::Session;
use std::collections::BTreeMap;

/// Largest number of images in a row of pairs.
const COLUMNS: usize = 10;
/// Largest number of rows of pairs.
const PAIR_ROWS: usize = 3;
/// Largest number of rows, and of samples in a row.
const SAMPLES_SIDE: usize = 8;
/// Largest number of codes along an axis of the manifold.
const MANIFOLD_SIDE: usize = 20;
/// Largest number of pixels of a picture; large images have fewer tiles, but at least one.
const PICTURE_PIXELS: usize = 4_000_000;

/// The pictures as files and in the event log.
pub(super) struct Pictures;

impl<B: Execute> Writer<B> for Pictures {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        let Some(PicturesDue { logged, .. }) = pictures_due(event, session) else { return Ok(()) };
        let (folder, step) = (session.run.folder, session.trainer.steps());
        for (tag, grid) in draw(&session.trainer, session.trial, folder)? {
            let path = folder.picture(tag);
            let png = grid.png().map_err(FileError::at("write", &path))?;
            write_unsynced(&path, &png)?;
            if logged {
                session.log.add(|log| log.image(tag, step, &grid, &png));
            }
        }
        Ok(())
    }
}

/// Draws all pictures of the trial, by tag, and writes the values of the reconstructions to reconstructions.safetensors:
/// `input` and `reconstruction`, (Images, Values), in the range of the data.
fn draw<B: Execute>(
    trainer: &Trainer<B>,
    trial: &Trial,
    folder: &TrialFolder,
) -> Result<Vec<(&'static str, Grid)>, TrialError> {
    let architecture = trial.architecture();
    let (image, values) = (architecture.image, architecture.image.values());
    let [low, high] = trial.spec().data.range;
    let range = [low as f32, high as f32];

    // Tiles along a side of a square picture.
    let side = |most: usize| (PICTURE_PIXELS / image.pixels()).isqrt().clamp(1, most);

    let columns = side(COLUMNS);
    let (inputs, reconstructions) = trainer.reconstruct(columns * side(2 * PAIR_ROWS).div_ceil(2))?;
    let mut arrays = Arrays::default();
    arrays.push("input", vec![inputs.len() / values, values], &inputs);
    arrays.push("reconstruction", vec![inputs.len() / values, values], &reconstructions);
    arrays.write_unsynced(&folder.picture_values(RECONSTRUCTIONS.name), BTreeMap::new())?;

    let (inputs, reconstructions): (Vec<_>, Vec<_>) = (tiles(&inputs, values), tiles(&reconstructions, values));
    let mut pictures = vec![(RECONSTRUCTIONS.name, Grid::pairs(image, columns, &inputs, &reconstructions, range))];
    // Most plain autoencoders have no prior.
    if trial.spec().has_prior() {
        let columns = side(SAMPLES_SIDE);
        let samples = trainer.decode(&trainer.prior_codes(columns * columns)?)?;
        pictures.push((SAMPLES.name, Grid::tiles(image, columns, tiles(&samples, values), range)));
        if architecture.latent == 2 {
            let columns = side(MANIFOLD_SIDE);
            let codes = manifold_codes(columns, trainer.prior_axes()?.as_deref());
            let manifold = trainer.decode(&codes)?;
            pictures.push((MANIFOLD.name, Grid::tiles(image, columns, tiles(&manifold, values), range)));
        }
    }
    let learned = trainer.pseudo_inputs()?;
    if !learned.is_empty() {
        let columns = side(SAMPLES_SIDE);
        let first: Vec<&[f32]> = tiles(&learned, values).into_iter().take(columns * columns).collect();
        pictures.push((PSEUDO_INPUTS.name, Grid::tiles(image, columns, first, range)));
    }
    Ok(pictures)
}

fn tiles(values: &[f32], length: usize) -> Vec<&[f32]> {
    values.chunks(length).collect()
}
