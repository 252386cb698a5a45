//! Pictures of a trained model's images.

use crate::record::Grid;
use crate::text::{counted, grouped};
use crate::trained::Trained;
use anyhow::bail;

/// Pixels of a picture, at most.
const PIXELS: usize = 100_000_000;

/// The tiles of a picture of the model's.
pub(crate) fn grid(trained: &Trained, columns: usize, tiles: &[&[f32]]) -> Grid {
    let (height, width) = (trained.architecture().height, trained.architecture().width);
    Grid::tiles(height, width, columns, tiles.iter().copied(), trained.range())
}

pub(crate) fn tiles<'a>(trained: &Trained, values: &'a [f32]) -> Vec<&'a [f32]> {
    values.chunks(trained.architecture().pixels()).collect()
}

/// Columns of a picture that is about as wide as high.
pub(crate) fn square(tiles: usize) -> usize {
    (1..=tiles).find(|side| side * side >= tiles).unwrap_or(1)
}

pub(crate) fn need_prior(trained: &Trained) -> anyhow::Result<()> {
    match trained.has_prior() {
        true => Ok(()),
        false => bail!("{} is a plain autoencoder: it has no prior to draw codes from", trained.folder().display()),
    }
}

/// Pictures beyond some size would fill the memory, and nobody could look at them.
pub(crate) fn need_room(trained: &Trained, tiles: usize) -> anyhow::Result<()> {
    let most = PIXELS / trained.architecture().pixels();
    match tiles <= most {
        true => Ok(()),
        false => bail!(
            "{} are too many for a picture: of {}x{} pixels there may be {}",
            counted(tiles, "image"),
            trained.architecture().height,
            trained.architecture().width,
            grouped(most)
        ),
    }
}
