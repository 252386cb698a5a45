//! Sources of images: each kind has a file here and a line in [`SOURCES`].

mod fashion_mini;
mod idx;
mod idx_file;

pub(super) use fashion_mini::KIND as FASHION_MINI;
pub(super) use idx::{Layout, read_pair};
#[cfg(test)]
pub(super) use idx_file::tests as idx_tests;

use super::{DataError, Images};
use crate::settings::Choices;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The kinds of sources.
pub(super) static SOURCES: Choices<Arc<dyn Source>> = Choices(&[&fashion_mini::KIND, &idx::KIND]);

/// A source of images. Two sources are equal if their `Debug` texts are equal.
pub trait Source: Debug + Send + Sync {
    /// The first training images, at most `most`; relative paths are relative to `folder`.
    ///
    /// # Errors
    /// A file cannot be read or is invalid.
    fn training(&self, folder: &Path, most: usize) -> Result<Loaded, DataError>;

    /// The separate validation images; `None` if there are none.
    ///
    /// # Errors
    /// A file cannot be read or is invalid.
    fn test(&self, folder: &Path) -> Result<Option<Loaded>, DataError>;

    /// Whether it has separate validation images.
    fn has_test_images(&self) -> bool {
        false
    }
}

/// A source whose images the spec does not name, which is an error of the spec.
#[derive(Debug)]
struct Unset;

impl Source for Unset {
    fn training(&self, _: &Path, _: usize) -> Result<Loaded, DataError> {
        Err(DataError::Unset)
    }

    fn test(&self, _: &Path) -> Result<Option<Loaded>, DataError> {
        Ok(None)
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
    /// The spec key that names them.
    pub key: &'static str,
    /// The file, or the name of the source if it has no file.
    pub file: PathBuf,
    /// The number of images in the file.
    pub count: usize,
    /// The images, with their labels if there are any.
    pub images: Images,
}
