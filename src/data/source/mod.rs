//! Where images come from: a file for each kind of source, and a line for it in [`SOURCES`].

mod fashion_mini;
mod idx;
mod idx_file;

pub(super) use fashion_mini::KIND as FASHION_MINI;
pub(super) use idx::read_pair;
pub use idx_file::IdxError;
#[cfg(test)]
pub(super) use idx_file::tests as idx_tests;

use super::{DataError, Images};
use crate::settings::Choices;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The kinds of sources.
pub(super) static SOURCES: Choices<Arc<dyn Source>> = Choices(&[&fashion_mini::KIND, &idx::KIND]);

/// Where images come from. Sources whose `Debug` texts are equal are the same.
pub trait Source: Debug + Send + Sync {
    /// The first training images, up to `most`; relative paths are relative to `folder`.
    ///
    /// # Errors
    /// They cannot be read, or are not what they should be.
    fn training(&self, folder: &Path, most: usize) -> Result<Loaded, DataError>;

    /// The images of its own that it has for validation.
    ///
    /// # Errors
    /// They cannot be read, or are not what they should be.
    fn test(&self, folder: &Path) -> Result<Option<Loaded>, DataError>;

    /// Whether it has images of its own for validation.
    fn has_test_images(&self) -> bool {
        false
    }
}

impl PartialEq for dyn Source {
    fn eq(&self, other: &dyn Source) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

/// The first images of a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file, or the name of a source that has none.
    pub file: PathBuf,
    /// Images that there are in the file.
    pub count: usize,
    /// The images, with their labels where there are any.
    pub images: Images,
}
