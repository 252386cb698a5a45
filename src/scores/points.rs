//! What the scores are computed from: codes of images, and the factors that the images were made from.

/// The codes of images, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    /// Numbers of a code.
    pub latent: usize,
    /// The codes: `latent` numbers for each image.
    pub values: Vec<f32>,
}

/// A factor: a whole number from 0 to `size - 1` for each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Its name.
    pub name: String,
    /// The number of its values.
    pub size: usize,
    /// The value of each image.
    pub values: Vec<u16>,
}

impl Codes {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.latent).unwrap_or(0)
    }
    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The code of an image.
    pub fn row(&self, image: usize) -> &[f32] {
        &self.values[image * self.latent..][..self.latent]
    }
}
