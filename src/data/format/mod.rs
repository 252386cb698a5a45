//! File formats of images and labels: each has a file here and a line in [`FORMATS`].

mod archive;
mod array;
mod cifar;
mod collection;
mod folder;
mod foreign;
mod hdf5;
mod idx;
pub(super) mod idx_file;
mod named;
mod npy;
mod open;
mod own;
mod parquet;
mod refused;
mod text_table;
mod zip_file;

pub(super) use open::{Expanded, Place, detect, expand};
pub use own::{FileImages, ImageFormat, add_format};

/// The format that `data.source = "idx"` demands.
pub(super) static IDX: &dyn Format = &idx::Idx;

#[cfg(test)]
pub(super) use idx_file::tests as idx_tests;

use super::column::RawColumn;
use super::values::{Element, Values};
use crate::folder::FileError;
use foreign::Foreign;
use std::error::Error;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// The formats of vaex. The first one that recognizes a file reads it; those that a program has added ([`add_format`]) come before.
pub(super) static FORMATS: &[&dyn Format] = &[
    &cifar::Cifar,
    &folder::Folder,
    &idx::Idx,
    &npy::Npy,
    &npy::Npz,
    &Foreign(hdf5::Hdf5),
    &Foreign(archive::Zip),
    &Foreign(archive::Tar),
    &Foreign(parquet::Parquet),
    &text_table::TextTable,
    &folder::Picture,
];

/// A file format.
pub(super) trait Format: Debug + Sync {
    /// The name in messages.
    fn name(&self) -> &'static str;

    /// Whether a file has this format.
    fn recognizes(&self, start: &Start<'_>) -> bool;

    /// Whether the images are pictures with names, whose order says little.
    fn has_names(&self) -> bool {
        false
    }

    /// The files that the images depend on, in a fixed order.
    ///
    /// # Errors
    /// A folder cannot be read.
    fn files(&self, place: &Place) -> Result<Vec<PathBuf>, FormatError> {
        Ok(vec![place.path.clone()])
    }

    /// The parts of the data set, if the file or folder has several.
    ///
    /// # Errors
    /// The file cannot be read.
    fn parts(&self, place: &Place) -> Result<PlaceParts, FormatError> {
        Ok(PlaceParts { training: place.clone(), validation: None, test: None })
    }

    /// Opens the images.
    ///
    /// # Errors
    /// The file cannot be read, or has no images.
    fn images(&self, place: &Place, wish: &Wish) -> Result<Box<dyn Reader>, FormatError>;

    /// The labels or factors of a file that has nothing else.
    ///
    /// # Errors
    /// The file cannot be read, or is not a file of labels.
    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError>;
}

/// The start of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start<'a> {
    pub(super) path: &'a Path,
    pub(super) is_folder: bool,
    /// The first bytes: [`START_BYTES`], or all if the file is shorter.
    pub(super) bytes: &'a [u8],
    /// As `bytes`, after decompression if the file is gzipped.
    pub(super) unzipped: &'a [u8],
}

/// The number of bytes from which formats are recognized: enough for the blocks before an HDF5 file.
pub(super) const START_BYTES: usize = 1 << 14;

/// The places of the parts of a data set.
#[derive(Clone, Debug)]
pub(super) struct PlaceParts {
    pub(super) training: Place,
    pub(super) validation: Option<Place>,
    pub(super) test: Option<Place>,
}

/// Settings that formats need to read images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wish {
    /// The height and width that images must have in the end.
    pub(super) size: Option<[usize; 2]>,
}

/// Reads images in order.
pub(super) trait Reader: Send {
    /// The number of images, if it is known.
    fn count(&self) -> Option<usize>;

    /// The next images, at most about `most`; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read, or is invalid.
    fn next(&mut self, most: usize) -> Result<Option<Block>, FormatError>;

    /// The labels and factors of the images, after the last block, and what the user should know about the file.
    ///
    /// # Errors
    /// The file cannot be read, or is invalid.
    fn finish(self: Box<Self>) -> Result<(Vec<RawColumn>, Vec<String>), FormatError>;
}

/// The bytes of encoded pictures after which a block ends.
pub(super) const BLOCK_BYTES: usize = 64 << 20;

/// Some consecutive images.
#[derive(Debug)]
pub(super) enum Block {
    /// The images of an array.
    Array {
        /// The sizes of the axes of one image.
        axes: Vec<usize>,
        /// (Images, Axes), row-major.
        values: Values,
        element: Element,
    },
    /// Encoded pictures.
    Pictures(Vec<Encoded>),
}

/// An encoded picture.
#[derive(Debug)]
pub(super) struct Encoded {
    /// Its name in messages.
    pub(super) name: PathBuf,
    /// The bytes of the file; `None` to read the file of this name.
    pub(super) bytes: Option<Vec<u8>>,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::data) enum FormatError {
    /// It cannot be opened or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its content is invalid, or has something that vaex does not read.
    #[error("{0}")]
    Content(Box<dyn Error + Send + Sync>),
}

impl FormatError {
    /// An error in the content of a file: what is wrong and what to do, as in "`FILE` ends after 3 bytes; download it again".
    pub(super) fn new(path: &Path, what: impl AsRef<str>) -> FormatError {
        FormatError::Content(format!("`{}` {}", path.display(), what.as_ref()).into())
    }
}
