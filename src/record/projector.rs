//! TensorBoard's embedding projector: posterior means as points, with their labels and images.

use super::images::Grid;
use crate::data::ImageShape;
use crate::folder::{FileError, TrialFolder, write_unsynced};
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
    /// The labels and factors of the images: the name of each column, and its value for each image.
    pub columns: &'a [(String, Vec<String>)],
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
        write_unsynced(&folder.projector_codes(), codes.as_bytes())?;
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
        if !self.columns.is_empty() {
            let plain = |text: &String| text.replace(['\t', '\n', '\r'], " ");
            let row = |cells: Vec<String>| cells.join("\t") + "\n";
            // TensorBoard expects names only if there are several columns.
            let names = match self.columns {
                [_] => String::new(),
                all => row(all.iter().map(|(name, _)| plain(name)).collect()),
            };
            let of_image = |image: usize| {
                let cell = |(_, values): &(String, Vec<String>)| values.get(image).map(plain).unwrap_or_default();
                row(self.columns.iter().map(cell).collect())
            };
            let labels = (0..self.codes.len() / self.latent).map(of_image).fold(names, |text, row| text + &row);
            write_unsynced(&folder.projector_labels(), labels.as_bytes())?;
            let _ = writeln!(config, "  metadata_path: \"{}\"", TrialFolder::PROJECTOR_LABELS);
        }
        let _ = write!(
            config,
            "  sprite {{\n    image_path: \"{}\"\n    single_image_dim: {width}\n    single_image_dim: {height}\n  }}\n}}\n",
            TrialFolder::PROJECTOR_SPRITE
        );
        write_unsynced(&folder.projector_config(), config.as_bytes())
    }
}
