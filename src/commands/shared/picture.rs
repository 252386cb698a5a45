//! Pictures of a trained model's images.

use crate::record::Grid;
use crate::text::{counted, grouped};
use crate::trained::Trained;
use anyhow::bail;

/// Maximum number of pixels of a picture.
const PIXELS: usize = 100_000_000;

/// A picture with one tile per image of the model.
pub(crate) fn grid(trained: &Trained, columns: usize, tiles: &[&[f32]]) -> Grid {
    Grid::tiles(trained.architecture().image, columns, tiles.iter().copied(), trained.range())
}

pub(crate) fn tiles<'a>(trained: &Trained, values: &'a [f32]) -> Vec<&'a [f32]> {
    values.chunks(trained.architecture().image.values()).collect()
}

/// The number of columns of an approximately square picture.
pub(crate) fn square(tiles: usize) -> usize {
    (1..=tiles).find(|side| side * side >= tiles).unwrap_or(1)
}

pub(crate) fn require_prior(trained: &Trained) -> anyhow::Result<()> {
    match trained.has_prior() {
        true => Ok(()),
        false => bail!("{} is a plain autoencoder: it has no prior", trained.folder().display()),
    }
}

/// Refuses a picture that would be too large for memory and for image viewers.
pub(crate) fn check_picture_size(trained: &Trained, tiles: usize) -> anyhow::Result<()> {
    let image = trained.architecture().image;
    let most = PIXELS / image.pixels();
    match tiles <= most {
        true => Ok(()),
        false => bail!(
            "{} are too many for one picture: at most {} images of {}x{} pixels fit",
            counted(tiles, "image"),
            grouped(most),
            image.height,
            image.width
        ),
    }
}
