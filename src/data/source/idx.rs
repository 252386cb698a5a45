//! The source `idx`: IDX files of images and labels, the file format of MNIST.

use super::idx_file::{Array, Content, IdxError, read_file};
use super::{Loaded, Source, Unset};
use crate::data::{DataError, Images};
use crate::settings::{Key, Keys, Kind, Role};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) static KIND: Kind<Arc<dyn Source>> =
    Kind::new("idx", "IDX files, the file format of MNIST, plain or gzipped.", read)
        .also("mnist emnist kmnist ubyte file");

/// IDX files of training images, and optionally of labels and test images.
#[derive(Debug)]
struct Idx {
    images: PathBuf,
    labels: Option<PathBuf>,
    test_images: Option<PathBuf>,
    test_labels: Option<PathBuf>,
}

const IMAGES: Key =
    Key::new("images", "IDX file of training images, plain or gzipped. The path is relative to the spec file.")
        .also("path file filename data_path train_data train_images training_images")
        .example("\"train-images-idx3-ubyte.gz\"")
        .role(Role::File);
const LABELS: Key = Key::new("labels", "IDX file of the labels of the training images.")
    .also("targets train_labels training_labels")
    .example("\"train-labels-idx1-ubyte.gz\"")
    .role(Role::File);
const TEST_IMAGES: Key = Key::new(
    "test_images",
    "IDX file of held-out images, for example the test set; all of them are used as validation images. Without it, the last \
     training images are the validation images.",
)
.also("val_images valid_images validation_images eval_images")
.example("\"t10k-images-idx3-ubyte.gz\"")
.role(Role::File);
const TEST_LABELS: Key = Key::new("test_labels", "IDX file of the labels of `test_images`.")
    .also("val_labels valid_labels validation_labels eval_labels")
    .example("\"t10k-labels-idx1-ubyte.gz\"")
    .role(Role::File);

fn read(keys: &mut Keys<'_>) -> Arc<dyn Source> {
    let images = keys.optional_path(IMAGES);
    keys.require(
        images.is_some(),
        &["data.images", "data.source"],
        || "`data.source = \"idx\"` needs `data.images`, the path of an IDX file of training images".to_owned(),
        "add a line like images = \"train-images-idx3-ubyte.gz\"",
    );
    let (labels, test_images) = (keys.optional_path(LABELS), keys.optional_path(TEST_IMAGES));
    let test_labels = keys.optional_path(TEST_LABELS);
    let message = || "`data.test_labels` is set, but `data.test_images` is not; set both or neither".to_owned();
    keys.require(test_labels.is_none() || test_images.is_some(), &["data.test_labels"], message, "");
    match images {
        Some(images) => Arc::new(Idx { images, labels, test_images, test_labels }),
        None => Arc::new(Unset),
    }
}

impl Source for Idx {
    fn training(&self, folder: &Path, most: usize) -> Result<Loaded, DataError> {
        read_pair(folder, ("data.images", &self.images), ("data.labels", self.labels.as_deref()), most)
    }

    fn test(&self, folder: &Path) -> Result<Option<Loaded>, DataError> {
        let Some(images) = &self.test_images else { return Ok(None) };
        let labels = ("data.test_labels", self.test_labels.as_deref());
        read_pair(folder, ("data.test_images", images), labels, usize::MAX).map(Some)
    }

    fn has_test_images(&self) -> bool {
        self.test_images.is_some()
    }
}

impl IdxError {
    /// The error, for the file that this spec key names.
    pub(super) fn of_key(self, key: &'static str) -> DataError {
        match self {
            IdxError::File(error) => DataError::Unreadable { key, error },
            problem => DataError::Format { key, problem: problem.into() },
        }
    }
}

/// Reads the first images, at most `most`, and their labels. Both are given as spec key and file.
pub(in crate::data) fn read_pair(
    folder: &Path,
    images: (&'static str, &Path),
    labels: (&'static str, Option<&Path>),
    most: usize,
) -> Result<Loaded, DataError> {
    let read = |key, file: &Path, content| read_file(file, content, most).map_err(|problem| problem.of_key(key));
    let file = folder.join(images.1);
    let Array { sizes, bytes } = read(images.0, &file, Content::Images)?;
    // The reader checked the number of axes: the default 0 is never used.
    let size = |axis: usize| sizes.get(axis).copied().unwrap_or(0);
    let (count, height, width) = (size(0), size(1), size(2));
    let labels = match labels {
        (_, None) => None,
        (key, Some(labels)) => {
            let labels_file = folder.join(labels);
            let Array { sizes, bytes } = read(key, &labels_file, Content::Labels)?;
            let labels = sizes.first().copied().unwrap_or(0);
            if labels != count {
                return Err(DataError::LabelCount { key, labels_file, labels, images: count, images_file: file });
            }
            Some(bytes)
        }
    };
    Ok(Loaded { key: images.0, file, count, images: Images::new(bytes, labels, height, width) })
}
