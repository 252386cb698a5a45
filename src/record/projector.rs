//! TensorBoard's embedding projector: posterior means as points, with their labels and images.

use super::images::Grid;
use crate::data::ImageShape;
use crate::folder::{FileError, TrialFolder, write_whole};
use std::fmt::Write as _;

/// Largest side of the sprite, the picture of all images, in pixels; TensorBoard's limit is 8,192.
const SPRITE_SIDE: usize = 4096;
/// Largest number of points.
const POINTS: usize = 1000;

/// The number of points that the projector shows: as many images as fit in the sprite; 0 if an image is too large.
pub fn points(image: ImageShape) -> usize {
    ((SPRITE_SIDE / image.height) * (SPRITE_SIDE / image.width)).min(POINTS)
}

/// The content of the projector.
pub struct Points<'a> {
    /// Posterior means, (Images, Latent).
    pub codes: &'a [f32],
    /// Number of latent axes.
    pub latent: usize,
    /// The labels of the images, if there are any.
    pub labels: Option<&'a [u8]>,
    /// The images, (Images, Height, Width, Channels).
    pub images: &'a [f32],
    /// The shape of an image.
    pub shape: ImageShape,
    /// The values that are black and white.
    pub range: [f32; 2],
}

impl Points<'_> {
    /// Writes the points, their labels, the sprite, and the configuration into a trial folder.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, folder: &TrialFolder) -> Result<(), FileError> {
        // TensorBoard's projector needs three axes; missing axes are zero.
        let axes = self.latent.max(3);
        let row = |code: &[f32]| {
            let values = code.iter().copied().chain(std::iter::repeat(0.0)).take(axes);
            values.map(|value| value.to_string()).collect::<Vec<_>>().join("\t") + "\n"
        };
        let codes: String = self.codes.chunks(self.latent).map(row).collect();
        write_whole(&folder.projector_codes(), codes.as_bytes())?;
        let ImageShape { height, width, .. } = self.shape;
        let tiles: Vec<&[f32]> = self.images.chunks(self.shape.values()).collect();
        // TensorBoard assumes that each row of the sprite is full.
        let columns = tiles.len().isqrt().clamp(1, SPRITE_SIDE / width);
        let columns = columns.max(tiles.len().div_ceil(SPRITE_SIDE / height));
        Grid::sprite(self.shape, columns, tiles, self.range).write(&folder.projector_sprite())?;
        let mut config = format!(
            "embeddings {{\n  tensor_name: \"posterior mean\"\n  tensor_path: \"{}\"\n",
            TrialFolder::PROJECTOR_CODES
        );
        if let Some(labels) = self.labels {
            let labels: String =
                labels.iter().take(self.codes.len() / self.latent).map(|label| format!("{label}\n")).collect();
            write_whole(&folder.projector_labels(), labels.as_bytes())?;
            let _ = writeln!(config, "  metadata_path: \"{}\"", TrialFolder::PROJECTOR_LABELS);
        }
        let _ = write!(
            config,
            "  sprite {{\n    image_path: \"{}\"\n    single_image_dim: {width}\n    single_image_dim: {height}\n  }}\n}}\n",
            TrialFolder::PROJECTOR_SPRITE
        );
        write_whole(&folder.projector_config(), config.as_bytes())
    }
}
