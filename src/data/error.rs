//! Errors in the images that a spec names.

use super::ImageShape;
use super::cache::CacheError;
use super::format::FormatError;
use super::split::Held;
use crate::folder::FileError;
use crate::text::{counted, grouped};
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// The role of an image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// The pool: `data.images`.
    Training,
    /// The source's own validation images.
    Validation,
    /// The source's own test images.
    Test,
    /// The images for a trained model, whose values must match those of the images that it was trained on.
    Trained,
}

/// Data that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The spec does not say which images to use, which is an error of the spec.
    #[error("the spec names no images")]
    Unset,
    /// A file that cannot be opened or read.
    #[error("{error}")]
    Unreadable {
        /// The spec key that names the file.
        key: &'static str,
        /// The file, and why it cannot be read.
        error: FileError,
    },
    /// A file that is not valid in its format.
    #[error("{problem}")]
    Format {
        /// The spec key that names the file.
        key: &'static str,
        /// What is wrong with the file.
        problem: Box<dyn Error + Send + Sync>,
    },
    /// The number of labels differs from the number of images.
    #[error(
        "`{}` holds {}, but `{}` holds {}; use the label file of these images",
        labels_file.display(), counted(labels, "label"), images_file.display(), counted(images, "image")
    )]
    LabelCount {
        /// The spec key that names the file of labels.
        key: &'static str,
        /// The file of labels.
        labels_file: PathBuf,
        /// Labels in it.
        labels: usize,
        /// The file of images.
        images_file: PathBuf,
        /// Images in it.
        images: usize,
    },
    /// Some images cannot be prepared.
    #[error("{unprepared}")]
    Images {
        /// The spec key that names the images.
        key: &'static str,
        /// The images, and what is wrong with them.
        unprepared: Unprepared,
    },
    /// The cache of prepared images cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A stratified split of images without labels.
    #[error("`data.split` is \"stratified\", but the images have no labels; use \"random\", or add `labels`")]
    NoLabels,
    /// The validation or test images have a different shape or type.
    #[error("{}", other_shape(files))]
    Shape {
        /// The spec key that names the images.
        key: &'static str,
        /// The files of these images and of the pool.
        files: Box<[ShapedFile; 2]>,
    },
    /// Floats that are not from 0 to 1, without an interval.
    #[error(
        "`{}` has values from {low} to {high}, but floats must be from 0 to 1; {}",
        file.display(), interval_advice(*low, *high)
    )]
    Floats {
        /// The spec key that names the images.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// The smallest value.
        low: f32,
        /// The largest value.
        high: f32,
    },
    /// `data.stored` has values that bytes cannot have.
    #[error("{}", stored_bytes(*role, file, *stored))]
    StoredBytes {
        /// What the file is for.
        role: FileRole,
        /// The file.
        file: PathBuf,
        /// The values.
        stored: [f64; 2],
    },
    /// Only values from 0 to 1, although values up to 255 are expected.
    #[error("{}", zeros_and_ones(*role, file, *are_floats, (!all).then_some((*images, *are_first))))]
    ZerosAndOnes {
        /// The spec key that names the images.
        key: &'static str,
        /// What the file is for.
        role: FileRole,
        /// The file.
        file: PathBuf,
        /// Whether the values are floats.
        are_floats: bool,
        /// The number of images that are used.
        images: usize,
        /// Whether these are all images of the file.
        all: bool,
        /// Whether these are the first images of the file; otherwise they are drawn at random.
        are_first: bool,
    },
    /// A value outside `data.stored`.
    #[error("`{}` has the value {value} in image {image} (counted from 0), {}", file.display(), outside(*role, *stored))]
    Outside {
        /// What the file is for.
        role: FileRole,
        /// The file.
        file: PathBuf,
        /// The index of the first image with such a value.
        image: usize,
        /// The value.
        value: f64,
        /// The allowed values: black and white.
        stored: [f64; 2],
    },
    /// `data.limit` is larger than the number of images.
    #[error(
        "`data.limit` is {}, but `{}` holds {}; lower it or remove it",
        grouped(limit), file.display(), counted(images, "image")
    )]
    Limit {
        /// The limit.
        limit: u64,
        /// The training file; `fashion-mini` for the embedded one.
        file: PathBuf,
        /// Images in it.
        images: usize,
    },
    /// No images are left for training, or a fraction is less than one image.
    #[error(
        "`{key}` is {}, which holds out {} of {}; {}",
        given(value), grouped(held), counted(images, "image"),
        if *held == 0 { "it must hold out at least 1 image, or be 0" } else { "training needs at least 1 image" }
    )]
    Split {
        /// The spec key.
        key: &'static str,
        /// The value given.
        value: Held,
        /// The number of images that it holds out.
        held: u64,
        /// The number of images, after `limit`.
        images: usize,
    },
    /// Validation and test images together leave no images for training.
    #[error(
        "`data.validation` holds out {} and `data.test` {} of {}; training needs at least 1 image",
        grouped(validation),
        grouped(test),
        counted(images, "image")
    )]
    Splits {
        /// The number of validation images.
        validation: u64,
        /// The number of test images.
        test: u64,
        /// The number of images, after `limit`.
        images: usize,
    },
}

impl DataError {
    /// The error of a file that this spec key names.
    pub(super) fn of_format(key: &'static str, error: FormatError) -> DataError {
        match error {
            FormatError::File(error) => DataError::Unreadable { key, error },
            FormatError::Content(problem) => DataError::Format { key, problem },
        }
    }

    /// The file that cannot be opened or read, if that is the error.
    pub fn unreadable_file(&self) -> Option<&FileError> {
        match self {
            DataError::Unreadable { error, .. } => Some(error),
            _ => None,
        }
    }

    /// The dotted spec key that the error is about, for example `data.images`. It may be a key that is not in the spec.
    pub fn key(&self) -> &'static str {
        match self {
            DataError::Unset | DataError::Cache(_) => "data.source",
            DataError::NoLabels => "data.split",
            DataError::Unreadable { key, .. } | DataError::Format { key, .. } | DataError::LabelCount { key, .. } => {
                key
            }
            DataError::ZerosAndOnes { key, .. } | DataError::Shape { key, .. } | DataError::Floats { key, .. } => key,
            DataError::Images { key, .. } | DataError::Split { key, .. } => key,
            DataError::Outside { .. } | DataError::StoredBytes { .. } => "data.stored",
            DataError::Limit { .. } => "data.limit",
            DataError::Splits { .. } => "data.validation",
        }
    }

    /// [`DataError::key`], and the keys that the error also depends on: a message points at the first one that is written, and
    /// is not shown if one of them is invalid.
    pub fn keys(&self) -> Vec<&'static str> {
        let others: &[&'static str] = match self {
            DataError::ZerosAndOnes { .. } | DataError::Floats { .. } => &["data.source", "data.stored"],
            DataError::Split { .. } | DataError::Splits { .. } => &["data.limit"],
            DataError::Images { .. } => &["data.size", "data.color"],
            DataError::StoredBytes { .. } | DataError::Outside { .. } | DataError::Limit { .. } => &[],
            DataError::Unset | DataError::Cache(_) | DataError::NoLabels => &[],
            _ => &["data.source"],
        };
        [&[self.key()], others].concat()
    }
}

/// A file of images.
#[derive(Clone, Debug)]
pub struct ShapedFile {
    /// The file.
    pub file: PathBuf,
    /// The shape of its images.
    pub shape: ImageShape,
    /// The type of their values.
    pub type_name: &'static str,
}

fn other_shape([test, train]: &[ShapedFile; 2]) -> String {
    let (test_file, train_file) = (test.file.display(), train.file.display());
    if test.shape == train.shape {
        let (test, train) = (test.type_name, train.type_name);
        return format!("`{test_file}` holds {test}, but `{train_file}` holds {train}; both must have the same type");
    }
    let (test, train) = (test.shape, train.shape);
    format!(
        "`{test_file}` holds images of {test}, but `{train_file}` holds images of {train}; both must have the same shape"
    )
}

fn given(held: &Held) -> String {
    match held {
        Held::Images(count) => grouped(count),
        Held::Fraction(fraction) => fraction.to_string(),
    }
}

/// Images that cannot be prepared.
#[derive(Debug)]
pub struct Unprepared {
    /// The file or folder.
    pub name: PathBuf,
    /// The number of all images.
    pub count: usize,
    /// What is wrong with the first of them, each with its name.
    pub faults: Vec<String>,
    /// The number of images with faults that are not listed.
    pub more: usize,
}

/// One fault as a sentence, several as a list.
impl fmt::Display for Unprepared {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unprepared { name, count, faults, more } = self;
        if let ([fault], 0) = (&**faults, more) {
            return write!(to, "{fault}");
        }
        let number = faults.len() + more;
        write!(to, "{} of the {} in `{}` cannot be used:", grouped(number), counted(count, "image"), name.display())?;
        faults.iter().try_for_each(|fault| write!(to, "\n  {fault}"))?;
        if *more > 0 { write!(to, "\n  and {} more", grouped(more)) } else { Ok(()) }
    }
}

fn stored_bytes(role: FileRole, file: &Path, [low, high]: [f64; 2]) -> String {
    let file = file.display();
    match role {
        FileRole::Training | FileRole::Validation | FileRole::Test => format!(
            "`data.stored` must be two whole numbers from 0 to 255, because `{file}` holds bytes, found [{low}, {high}]"
        ),
        FileRole::Trained => format!(
            "`{file}` holds bytes, but the model was trained on values from {low} to {high}; write the images as 32-bit floats with \
             these values"
        ),
    }
}

/// What to do about floats that are not from 0 to 1.
fn interval_advice(low: f32, high: f32) -> &'static str {
    match low.abs().max(high.abs()) {
        ..=1.0 => "if they have another interval, write it in `[data]`, such as `stored = [-1, 1]`",
        ..=255.0 if low >= 0.0 => "if they have another interval, write it in `[data]`, such as `stored = [0, 255]`",
        ..=1e5 => "if they have another interval, write it in `[data]`: `stored = [lowest, highest]`",
        _ => {
            "the file may be damaged, or written with another byte order: IDX files have the most significant byte first"
        }
    }
}

/// `images` is the number of images that are used, and whether they are the first ones; `None` if all are used.
fn zeros_and_ones(role: FileRole, file: &Path, are_floats: bool, images: Option<(usize, bool)>) -> String {
    let file = file.display();
    let what = match images {
        None => format!("`{file}` has"),
        Some((1, true)) => format!("the first image of `{file}` has"),
        Some((count, true)) => format!("the first {} of `{file}` have", counted(count, "image")),
        Some((1, false)) => format!("1 random image of `{file}` has"),
        Some((count, false)) => format!("{} of `{file}` have", counted(count, "random image")),
    };
    let advice = match role {
        FileRole::Training => {
            "so vaex would read white as 1/255; write `stored = [0, 1]` in `[data]` if 1 is white, or \
             `stored = [0, 255]` if the images really are that dark"
        }
        FileRole::Validation | FileRole::Test => {
            "unlike the training images; scale both to the same values, or write `stored = [0, 255]` in `[data]` if these \
             images really are that dark"
        }
        FileRole::Trained => "but the model was trained on values from 0 to 255; multiply them by 255",
    };
    let values = if are_floats { "only values from 0 to 1" } else { "only the values 0 and 1" };
    format!("{what} {values}, {advice}")
}

fn outside(role: FileRole, [low, high]: [f64; 2]) -> String {
    match role {
        FileRole::Training | FileRole::Validation | FileRole::Test => {
            format!("outside `data.stored` = [{low}, {high}]; correct `data.stored` or the file")
        }
        FileRole::Trained => {
            format!("but the model was trained on values from {low} to {high}; scale the images to these values")
        }
    }
}
