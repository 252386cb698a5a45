//! What can be wrong with the images that a spec asks for.

use super::{IdxError, Validation};
use crate::text::{counted, grouped};
use std::path::{Path, PathBuf};

/// What a file of images is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// `data.images`.
    Training,
    /// `data.test_images`.
    Test,
    /// A trained model, which knows the values of the images that it was trained on.
    Trained,
}

/// Data that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file that cannot be read, or is not what it should be.
    #[error("{problem}")]
    Idx {
        /// The spec key that names the file.
        key: &'static str,
        /// What is wrong with the file.
        problem: IdxError,
    },
    /// Labels of other images.
    #[error(
        "`{}` holds {}, but `{}` holds {}; give the labels of these images",
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
    /// Test images of another height or width.
    #[error(
        "`{}` holds images of {} x {} pixels, but `{}` of {} x {}; both must have the same sides",
        test_file.display(), test.0, test.1, train_file.display(), train.0, train.1
    )]
    Sides {
        /// The file of test images.
        test_file: PathBuf,
        /// Their height and width in pixels.
        test: (usize, usize),
        /// The file of training images.
        train_file: PathBuf,
        /// Their height and width in pixels.
        train: (usize, usize),
    },
    /// Bits, where grey values of up to 255 are expected.
    #[error("{}", zeros_and_ones(*role, file, (!all).then_some(*images)))]
    ZerosAndOnes {
        /// What the file is for.
        role: FileRole,
        /// The file.
        file: PathBuf,
        /// Images that are used of it, the first ones.
        images: usize,
        /// Whether these are all.
        all: bool,
    },
    /// A pixel with a value that it cannot have.
    #[error("`{}` has the value {value} in image {image} (counted from 0), {}", file.display(), outside(*role, *stored))]
    Outside {
        /// What the file is for.
        role: FileRole,
        /// The file.
        file: PathBuf,
        /// The first image with such a pixel.
        image: usize,
        /// The pixel's value.
        value: u8,
        /// The values that pixels can have.
        stored: [f64; 2],
    },
    /// A limit beyond the file.
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
    /// No images for training, or none for validation.
    #[error(
        "`data.validation` is {}, which holds out {} of {}; leave at least 1 for training and 1 for validation",
        given(validation),
        grouped(held),
        counted(images, "image")
    )]
    Split {
        /// The value given.
        validation: Validation,
        /// Images that it holds out.
        held: u64,
        /// Images that there are, after `limit`.
        images: usize,
    },
}

impl DataError {
    /// Whether a file that the spec names is not there.
    pub fn is_missing_file(&self) -> bool {
        let DataError::Idx { problem: IdxError::File(error), .. } = self else { return false };
        error.source.kind() == std::io::ErrorKind::NotFound
    }

    /// The dotted spec key that the error is about, as `data.images`. A key that is missing is named too.
    pub fn key(&self) -> &'static str {
        match self {
            DataError::Idx { key, .. } | DataError::LabelCount { key, .. } => key,
            DataError::ZerosAndOnes { role: FileRole::Test, .. } | DataError::Sides { .. } => "data.test_images",
            DataError::ZerosAndOnes { .. } => "data.images",
            DataError::Outside { .. } => "data.stored",
            DataError::Limit { .. } => "data.limit",
            DataError::Split { .. } => "data.validation",
        }
    }
}

fn given(validation: &Validation) -> String {
    match validation {
        Validation::Images(count) => grouped(count),
        Validation::Fraction(fraction) => fraction.to_string(),
    }
}

/// `images` is how many are used, where the file has more.
fn zeros_and_ones(role: FileRole, file: &Path, images: Option<usize>) -> String {
    let file = file.display();
    let what = match images {
        None => format!("`{file}` has"),
        Some(1) => format!("the first image of `{file}` has"),
        Some(count) => format!("the first {} of `{file}` have", counted(count, "image")),
    };
    let advice = match role {
        FileRole::Training => {
            "which vaex reads as 0 and 1/255; write `stored = [0, 1]` in `[data]` if 1 is white, or \
             `stored = [0, 255]` if the images are that dark"
        }
        FileRole::Test => {
            "unlike the training images; give both the same scale, or write `stored = [0, 255]` in `[data]` if these \
             images are that dark"
        }
        FileRole::Trained => "but the model was trained on values from 0 to 255; multiply them by 255",
    };
    format!("{what} only the values 0 and 1, {advice}")
}

fn outside(role: FileRole, [low, high]: [f64; 2]) -> String {
    match role {
        FileRole::Training | FileRole::Test => {
            format!("outside `data.stored` = [{low}, {high}]; correct `data.stored`, or the file")
        }
        FileRole::Trained => {
            format!("but the model was trained on values from {low} to {high}; give the images that scale")
        }
    }
}
