//! The source `idx`: IDX files of images and labels, the file format of MNIST.

use super::idx_file::{Array, Content, Element, IdxError, read_file};
use super::{Loaded, Source, Unset};
use crate::data::{DataError, ImageShape, Images, Values};
use crate::settings::{Choices, Key, Keys, Kind, Role};
use crate::text::grouped;
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
    layout: Layout,
}

/// Which of four axes of a file has the channels. Images in memory have them last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Layout {
    /// The axis whose size is 1 or 3, if there is only one.
    FromSizes,
    /// The last axis.
    Nhwc,
    /// The second axis.
    Nchw,
    /// The axis that gives images of this shape, or else as [`Layout::FromSizes`].
    OfShape(ImageShape),
}

static AUTO: Kind<Layout> =
    Kind::new("auto", "The axis whose size is 1 or 3; an error if both are.", |_| Layout::FromSizes).also("any none");
static NHWC: Kind<Layout> =
    Kind::new("nhwc", "(images, height, width, channels), as TensorFlow has them.", |_| Layout::Nhwc)
        .also("hwc channels_last last");
static NCHW: Kind<Layout> =
    Kind::new("nchw", "(images, channels, height, width), as PyTorch has them.", |_| Layout::Nchw)
        .also("chw channels_first first");
static LAYOUTS: Choices<Layout> = Choices(&[&AUTO, &NHWC, &NCHW]);

const LAYOUT: Key = Key::new("layout", "The order of the axes of image files with channels, which have four axes.")
    .also("data_format image_format channel_order channels_first channels_last")
    .example("\"nchw\"")
    .role(Role::Data);
const IMAGES: Key = Key::new(
    "images",
    "IDX file of training images, plain or gzipped: grey, or with 3 channels. The path is relative to the spec file.",
)
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
    let layout = keys.choice(LAYOUT, &LAYOUTS, &AUTO);
    let message = || "`data.test_labels` is set, but `data.test_images` is not; set both or neither".to_owned();
    keys.require(test_labels.is_none() || test_images.is_some(), &["data.test_labels"], message, "");
    match images {
        Some(images) => Arc::new(Idx { images, labels, test_images, test_labels, layout }),
        None => Arc::new(Unset),
    }
}

impl Source for Idx {
    fn training(&self, folder: &Path, most: usize) -> Result<Loaded, DataError> {
        let labels = ("data.labels", self.labels.as_deref());
        read_pair(folder, ("data.images", &self.images), labels, most, self.layout)
    }

    fn test(&self, folder: &Path) -> Result<Option<Loaded>, DataError> {
        let Some(images) = &self.test_images else { return Ok(None) };
        let labels = ("data.test_labels", self.test_labels.as_deref());
        read_pair(folder, ("data.test_images", images), labels, usize::MAX, self.layout).map(Some)
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
    layout: Layout,
) -> Result<Loaded, DataError> {
    let read = |key, file: &Path, content| read_file(file, content, most).map_err(|problem| problem.of_key(key));
    let file = folder.join(images.1);
    let array = read(images.0, &file, Content::Images)?;
    let count = array.sizes.first().copied().unwrap_or(0);
    let shape_key = if matches!(layout, Layout::Nhwc | Layout::Nchw) { "data.layout" } else { images.0 };
    let (shape, is_turned) = shape_of(&file, &array.sizes, layout).map_err(|problem| problem.of_key(shape_key))?;
    let labels = match labels {
        (_, None) => None,
        (key, Some(labels)) => {
            let labels_file = folder.join(labels);
            let Array { sizes, bytes, .. } = read(key, &labels_file, Content::Labels)?;
            let labels = sizes.first().copied().unwrap_or(0);
            if labels != count {
                return Err(DataError::LabelCount { key, labels_file, labels, images: count, images_file: file });
            }
            Some(bytes)
        }
    };
    Ok(Loaded { key: images.0, file, count, images: Images::new(values_of(array, shape, is_turned), labels, shape) })
}

/// The shape of the images of a file, and whether the file has the channels before height and width.
fn shape_of(file: &Path, sizes: &[usize], layout: Layout) -> Result<(ImageShape, bool), IdxError> {
    let are_channels = |size: usize| [1, 3].contains(&size);
    // The reader checked the number of axes.
    let &[_, a, b, c] = sizes else {
        let size = |axis: usize| sizes.get(axis).copied().unwrap_or(0);
        return Ok((ImageShape::grey(size(1), size(2)), false));
    };
    let last = ImageShape { height: a, width: b, channels: c };
    let second = ImageShape { height: b, width: c, channels: a };
    let path = file.to_path_buf();
    let in_words = || sizes.iter().map(grouped).collect::<Vec<_>>().join(" x ");
    let none = |needed, help| IdxError::Channels { path: path.clone(), sizes: in_words(), needed, help };
    match layout {
        Layout::Nhwc if !are_channels(c) => Err(none(
            "with `layout = \"nhwc\"` the last axis must have 1 or 3 channels",
            "correct `layout` or remove it",
        )),
        Layout::Nchw if !are_channels(a) => Err(none(
            "with `layout = \"nchw\"` the second axis must have 1 or 3 channels",
            "correct `layout` or remove it",
        )),
        Layout::Nhwc => Ok((last, false)),
        Layout::Nchw => Ok((second, true)),
        Layout::OfShape(shape) if shape == last => Ok((last, false)),
        Layout::OfShape(shape) if shape == second => Ok((second, true)),
        Layout::FromSizes | Layout::OfShape(_) => match (are_channels(a), are_channels(c)) {
            (false, true) => Ok((last, false)),
            (true, false) => Ok((second, true)),
            // Neither reading has the shape of the model's images.
            (true, true) if layout != Layout::FromSizes => Ok((last, false)),
            (true, true) => Err(IdxError::Layout { path: path.clone(), sizes: in_words() }),
            (false, false) => Err(none(
                "the second or the last axis must have 1 or 3 channels",
                if [a, c].contains(&4) { "remove the alpha channel" } else { "change the order of the axes" },
            )),
        },
    }
}

/// The elements of a file, with the channels of each pixel together.
fn values_of(array: Array, shape: ImageShape, is_turned: bool) -> Values {
    match array.element {
        Element::U8 if is_turned => turned(&array.bytes, shape).into(),
        Element::U8 => array.bytes.into(),
        Element::F32 => {
            let floats: Vec<f32> = array.bytes.as_chunks().0.iter().map(|word| f32::from_be_bytes(*word)).collect();
            // Two copies of large files are enough.
            drop(array.bytes);
            if is_turned { turned(&floats, shape).into() } else { floats.into() }
        }
    }
}

/// From (Images, Channels, Height, Width) to (Images, Height, Width, Channels).
fn turned<V: Copy>(values: &[V], shape: ImageShape) -> Vec<V> {
    let (pixels, channels) = (shape.pixels(), shape.channels);
    let mut turned = Vec::with_capacity(values.len());
    for image in values.chunks_exact(shape.values()) {
        turned.extend((0..pixels).flat_map(|pixel| (0..channels).map(move |channel| image[channel * pixels + pixel])));
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error without the advice that all have.
    fn shape(sizes: &[usize], layout: Layout) -> Result<(ImageShape, bool), String> {
        shape_of(Path::new("x"), sizes, layout).map_err(|error| error.to_string())
    }

    #[test]
    fn the_axis_of_channels_has_size_1_or_3() {
        let rgb = ImageShape { height: 28, width: 20, channels: 3 };
        assert_eq!(shape(&[7, 28, 20], Layout::FromSizes), Ok((ImageShape::grey(28, 20), false)));
        assert_eq!(shape(&[7, 28, 20, 3], Layout::FromSizes), Ok((rgb, false)));
        assert_eq!(shape(&[7, 3, 28, 20], Layout::FromSizes), Ok((rgb, true)));
        assert_eq!(shape(&[7, 28, 20, 1], Layout::FromSizes), Ok((ImageShape::grey(28, 20), false)));
        assert_eq!(shape(&[7, 1, 28, 20], Layout::FromSizes), Ok((ImageShape::grey(28, 20), true)));
        let both = ImageShape { height: 3, width: 20, channels: 3 };
        assert_eq!(shape(&[7, 3, 20, 3], Layout::Nhwc), Ok((both, false)));
        assert_eq!(shape(&[7, 3, 20, 3], Layout::OfShape(both)), Ok((both, false)));
        let second = ImageShape { height: 20, width: 3, channels: 3 };
        assert_eq!(shape(&[7, 3, 20, 3], Layout::Nchw), Ok((second, true)));
        assert_eq!(shape(&[7, 3, 20, 3], Layout::OfShape(second)), Ok((second, true)));
        assert_eq!(shape(&[7, 28, 20, 3], Layout::OfShape(second)), Ok((rgb, false)));
        let error = |sizes: &[usize], layout| shape(sizes, layout).unwrap_err();
        assert_eq!(
            error(&[7, 3, 20, 3], Layout::FromSizes),
            "`x` has the sizes 7 x 3 x 20 x 3, where the second or the last axis can have the channels; write \
             `layout = \"nhwc\"` in `[data]` if it is the last one, `layout = \"nchw\"` if it is the second one"
        );
        let colors = "axis must have 1 or 3 channels, for grey or red, green and blue";
        for (sizes, layout, words, needed, help) in [
            ([7, 28, 20, 4], Layout::FromSizes, "28 x 20 x 4", "the second or the last", "remove the alpha channel"),
            (
                [3, 28, 20, 7],
                Layout::FromSizes,
                "28 x 20 x 7",
                "the second or the last",
                "change the order of the axes",
            ),
            (
                [7, 28, 20, 4],
                Layout::Nhwc,
                "28 x 20 x 4",
                "with `layout = \"nhwc\"` the last",
                "correct `layout` or remove it",
            ),
            (
                [7, 28, 20, 3],
                Layout::Nchw,
                "28 x 20 x 3",
                "with `layout = \"nchw\"` the second",
                "correct `layout` or remove it",
            ),
        ] {
            let message = format!("`x` has the sizes {} x {words}, but {needed} {colors}; {help}", sizes[0]);
            assert_eq!(error(&sizes, layout), message);
        }
        assert_eq!(shape(&[7, 3, 20, 3], Layout::OfShape(rgb)), Ok((both, false)));
    }

    #[test]
    fn channels_are_turned_to_the_end() {
        let shape = ImageShape { height: 1, width: 2, channels: 3 };
        let planes = [1, 2, 11, 12, 21, 22, 31, 32, 41, 42, 51, 52];
        assert_eq!(turned(&planes, shape), [1, 11, 21, 2, 12, 22, 31, 41, 51, 32, 42, 52]);
    }
}
