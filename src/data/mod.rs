//! The images of an experiment: loaded, checked, split into training and validation, and made ready for a network.

mod binarize;
mod error;
mod fashion_mini;
mod idx;

pub use binarize::Pixels;
pub use error::{DataError, Role};
pub use idx::IdxError;

use crate::files::hexadecimal;
use crate::language::{Data, Source, Validation};
use idx::{Array, Content};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Images of one split: (Images, Height, Width) row-major, each pixel one of 0..=255. A clone shares the pixels.
#[derive(Clone, Debug)]
pub struct Images {
    pixels: Arc<Vec<u8>>,
    labels: Option<Arc<Vec<u8>>>,
    /// Which images of `pixels` and `labels` these are.
    range: Range<usize>,
    height: usize,
    width: usize,
}

impl Images {
    /// Reads up to `most` images of an IDX file, the first ones, and their labels of another; relative to the working
    /// directory.
    ///
    /// # Errors
    /// A file can't be read, is no IDX file of images or labels, or there is not one label an image.
    pub fn read(images: &Path, labels: Option<&Path>, most: usize) -> Result<Images, DataError> {
        let labels = ("labels", &labels.map(Path::to_path_buf));
        Ok(read_pair(Path::new(""), ("images", &images.to_path_buf()), labels, most)?.into_images())
    }

    /// As [`Images::read`], of images to use with a model that was trained on others.
    ///
    /// # Errors
    /// As there; pixels cannot be of the kind that the model was trained on.
    pub fn read_alike(trained: &Data, images: &Path, labels: Option<&Path>, most: usize) -> Result<Images, DataError> {
        let read = Images::read(images, labels, most)?;
        let whole = match trained.stored.is_none() && read.are_zeros_and_ones() {
            // The others may tell that these are just dark.
            true => Images::read(images, None, usize::MAX)?,
            false => read.clone(),
        };
        check_values(trained, &whole, (Role::Trained, images), whole.len())?;
        Ok(read)
    }

    /// From pixels (Images, Height, Width) and labels (Images).
    ///
    /// Panics where an image has no pixels, where pixels do not fill their last image, or where there is not one label
    /// an image.
    pub fn new(pixels: Vec<u8>, labels: Option<Vec<u8>>, height: usize, width: usize) -> Images {
        assert!(height > 0 && width > 0, "an image must have pixels");
        assert!(pixels.len().is_multiple_of(height * width), "pixels must fill their last image");
        let count = pixels.len() / (height * width);
        assert!(labels.as_ref().is_none_or(|labels| labels.len() == count), "each image must have one label");
        Images { pixels: Arc::new(pixels), labels: labels.map(Arc::new), range: 0..count, height, width }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none. A loaded split has at least one.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Height of each image in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width of each image in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height * Width.
    pub fn pixels_per_image(&self) -> usize {
        self.height * self.width
    }

    /// All pixels: (Images, Height, Width), row-major.
    pub fn pixels(&self) -> &[u8] {
        let size = self.pixels_per_image();
        &self.pixels[self.range.start * size..self.range.end * size]
    }

    /// One image: (Height, Width), row-major. Panics unless `index` is below [`Images::len`].
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.pixels_per_image();
        &self.pixels()[index * size..][..size]
    }

    /// One label an image: (Images).
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_ref().map(|labels| &labels[self.range.clone()])
    }

    /// Whether no pixel is other than 0 and 1, and at least one is 1: whoever wrote them hardly means grey values up to 255.
    pub fn are_zeros_and_ones(&self) -> bool {
        let pixels = self.pixels();
        !pixels.iter().any(|pixel| *pixel > 1) && pixels.contains(&1)
    }

    /// The first pixel whose value is outside of `stored`: its image's index, and the value.
    pub fn outside(&self, [low, high]: [f64; 2]) -> Option<(usize, u8)> {
        let bounds = u8_at_least(low)..=u8_at_most(high);
        let index = self.find(|pixel| !bounds.contains(&pixel))?;
        Some((index / self.pixels_per_image(), self.pixels().get(index).copied()?))
    }

    /// Whether a pixel is neither of the two values.
    fn are_grey(&self, [low, high]: [f64; 2]) -> bool {
        let (low, high) = (u8_at_least(low), u8_at_most(high));
        self.find(|pixel| pixel != low && pixel != high).is_some()
    }

    /// Where the first pixel is for which something holds.
    fn find(&self, holds: impl Fn(u8) -> bool) -> Option<usize> {
        // A piece without one is passed over without a branch a pixel.
        let pieces = self.pixels().chunks(4096).enumerate();
        let mut with = pieces.filter(|(_, piece)| piece.iter().fold(false, |any, &pixel| any | holds(pixel)));
        let (number, piece) = with.next()?;
        Some(4096 * number + piece.iter().position(|&pixel| holds(pixel))?)
    }

    /// Some of these images, which share the pixels. What is beyond [`Images::len`] is left out.
    pub fn slice(&self, range: Range<usize>) -> Images {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        Images { range: self.range.start + start..self.range.start + end, ..self.clone() }
    }
}

/// The least byte that is not below a value; there is one for each value up to 255.
fn u8_at_least(value: f64) -> u8 {
    value.ceil() as u8
}

/// The largest byte that is not above a value; there is one for each value from 0 on.
fn u8_at_most(value: f64) -> u8 {
    value.floor() as u8
}

/// The images of an experiment.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The images to train on; at least one.
    pub train: Images,
    /// The images held out, of the same sides; at least one.
    pub validation: Images,
    /// Whether a pixel is neither of the values that stand for black and white.
    pub is_grey: bool,
    /// 32 hex digits of a SHA-256 over what trials are trained and measured on: sides, counts and pixels of both splits.
    /// It does not depend on how files are named or compressed, nor on labels, which change nothing of a training.
    pub hash: String,
}

impl Dataset {
    /// Loads and splits the images that `data` asks for; its relative paths are relative to `folder`.
    ///
    /// The first `limit` training images are kept, and then the last of these held out for validation, unless
    /// `test_images` are given. A fraction is rounded to the nearest number of images.
    ///
    /// Of a file no more is read than is used.
    ///
    /// # Errors
    /// A file cannot be read or is not what it should be; there are fewer images than are asked for; pixels are not what
    /// `stored` says.
    pub fn load(data: &Data, folder: &Path) -> Result<Dataset, DataError> {
        Files::default().dataset(data, folder)
    }

    /// Whether these are the images that a trial has noted the hash of.
    pub fn has_hash(&self, noted: &str) -> bool {
        // Early trials took the labels into it.
        self.hash == noted || hash(&[&self.train, &self.validation], Images::labels) == noted
    }
}

/// Files of images, of which each is kept as far as it was read.
#[derive(Debug, Default)]
pub struct Files {
    read: Vec<(Data, Whole)>,
}

/// The images of a source as far as they were needed, and its test images.
#[derive(Clone, Debug)]
struct Whole {
    file: PathBuf,
    /// Images that there are in the file.
    count: usize,
    images: Images,
    test: Option<(PathBuf, Images)>,
}

impl Files {
    /// As [`Dataset::load`], for several datasets of the same files.
    ///
    /// # Errors
    /// As there.
    pub fn dataset(&mut self, data: &Data, folder: &Path) -> Result<Dataset, DataError> {
        let whole = self.whole(data, folder)?;
        let train = match data.limit {
            None => whole.images,
            Some(limit) => match usize::try_from(limit).ok().filter(|&count| count <= whole.count) {
                None => return Err(DataError::Limit { limit, file: whole.file, images: whole.count }),
                Some(0) => return Err(DataError::ZeroLimit),
                Some(count) => whole.images.slice(0..count),
            },
        };
        check_values(data, &train, (Role::Training, &whole.file), whole.count)?;
        let (train, validation) = match whole.test {
            Some((file, test)) => {
                check_values(data, &test, (Role::Test, &file), test.len())?;
                (train, test)
            }
            None => split(&train, data.validation)?,
        };
        let is_grey = [&train, &validation].iter().any(|images| images.are_grey(data.stored()));
        let hash = hash(&[&train, &validation], |_| None);
        Ok(Dataset { train, validation, is_grey, hash })
    }

    fn whole(&mut self, data: &Data, folder: &Path) -> Result<Whole, DataError> {
        let plain = Data::default();
        // What names the files, and nothing else.
        let paths = Data {
            limit: None,
            validation: plain.validation,
            stored: plain.stored,
            binarize: plain.binarize,
            range: plain.range,
            ..data.clone()
        };
        let mut most = data.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let known = self.read.iter().position(|(known, _)| *known == paths);
        let earlier = known.and_then(|index| self.read.get(index)).map(|(_, whole)| whole);
        if let Some(whole) = earlier {
            if most.min(whole.count) <= whole.images.len() {
                return Ok(whole.clone());
            }
            // Whoever comes again with a larger limit may come with many.
            most = most.max(2 * whole.images.len());
        }
        let whole = match data.source {
            Source::FashionMini => embedded(data, most)?.into_whole(None),
            Source::Idx => read_files(data, folder, most, earlier.and_then(|whole| whole.test.clone()))?,
        };
        match known.and_then(|index| self.read.get_mut(index)) {
            Some(known) => known.1 = whole.clone(),
            None => self.read.push((paths, whole.clone())),
        }
        Ok(whole)
    }
}

/// The first images of a file, with their labels.
struct Loaded {
    file: PathBuf,
    images: Array,
    labels: Option<Vec<u8>>,
}

impl Loaded {
    fn into_whole(self, test: Option<(PathBuf, Images)>) -> Whole {
        Whole { file: self.file.clone(), count: self.size(0), images: self.into_images(), test }
    }

    fn into_images(self) -> Images {
        let (height, width) = self.sides();
        Images::new(self.images.bytes, self.labels, height, width)
    }

    /// Images, Height, Width of the file; zeros where the array is none of images, which the reader rules out.
    fn size(&self, axis: usize) -> usize {
        self.images.sizes.get(axis).copied().unwrap_or(0)
    }

    fn sides(&self) -> (usize, usize) {
        (self.size(1), self.size(2))
    }
}

fn embedded(data: &Data, most: usize) -> Result<Loaded, DataError> {
    let keys = [
        ("data.images", &data.images),
        ("data.labels", &data.labels),
        ("data.test_images", &data.test_images),
        ("data.test_labels", &data.test_labels),
    ];
    if let Some((key, _)) = keys.into_iter().find(|(_, file)| file.is_some()) {
        return Err(DataError::FileNotRead { key });
    }
    let (images, labels) =
        fashion_mini::load(most).map_err(|problem| DataError::Idx { key: "data.source", problem })?;
    Ok(Loaded { file: PathBuf::from("fashion-mini"), images, labels: Some(labels.bytes) })
}

/// Up to `most` images of the training file, and the test file where there is one, `known` where it was read before.
fn read_files(data: &Data, folder: &Path, most: usize, known: Option<(PathBuf, Images)>) -> Result<Whole, DataError> {
    let Some(images) = &data.images else {
        return Err(DataError::NoImages);
    };
    if data.test_images.is_none() && data.test_labels.is_some() {
        return Err(DataError::TestLabelsAlone);
    }
    let train = read_pair(folder, ("data.images", images), ("data.labels", &data.labels), most)?;
    let Some(test_images) = data.test_images.as_ref().filter(|_| known.is_none()) else {
        return Ok(train.into_whole(known));
    };
    let keys = (("data.test_images", test_images), ("data.test_labels", &data.test_labels));
    let test = read_pair(folder, keys.0, keys.1, usize::MAX)?;
    if test.sides() != train.sides() {
        return Err(DataError::Sides {
            test: test.sides(),
            train: train.sides(),
            test_file: test.file,
            train_file: train.file,
        });
    }
    Ok(train.into_whole(Some((test.file.clone(), test.into_images()))))
}

/// Reads up to `most` images and their labels, each given as its spec key and its file.
fn read_pair(
    folder: &Path,
    images: (&'static str, &PathBuf),
    labels: (&'static str, &Option<PathBuf>),
    most: usize,
) -> Result<Loaded, DataError> {
    let read = |key, file: &Path, content| {
        idx::read_file(file, content, most).map_err(|problem| DataError::Idx { key, problem })
    };
    let file = folder.join(images.1);
    let mut loaded = Loaded { images: read(images.0, &file, Content::Images)?, labels: None, file };
    if let (key, Some(labels)) = labels {
        let labels_file = folder.join(labels);
        let Array { sizes, bytes } = read(key, &labels_file, Content::Labels)?;
        let count = sizes.first().copied().unwrap_or(0);
        if count != loaded.size(0) {
            return Err(DataError::LabelCount {
                key,
                labels_file,
                labels: count,
                images: loaded.size(0),
                images_file: loaded.file,
            });
        }
        loaded.labels = Some(bytes);
    }
    Ok(loaded)
}

/// Whether pixels are what a spec says, or what they hardly can be where it does not say. They are of a file with `count`
/// images.
fn check_values(data: &Data, images: &Images, (role, file): (Role, &Path), count: usize) -> Result<(), DataError> {
    let file = || file.to_path_buf();
    match data.stored {
        None if images.are_zeros_and_ones() => {
            Err(DataError::ZerosAndOnes { role, file: file(), images: images.len(), all: images.len() == count })
        }
        // One that does not rise is an error by itself.
        Some(stored) if stored[0] < stored[1] => match images.outside(stored) {
            Some((image, value)) => Err(DataError::Outside { role, file: file(), image, value, stored }),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Training and validation images.
fn split(images: &Images, validation: Validation) -> Result<(Images, Images), DataError> {
    let count = images.len();
    let held = match validation {
        Validation::Images(held) => held,
        Validation::Fraction(fraction) if fraction > 0.0 && fraction < 1.0 => (fraction * count as f64).round() as u64,
        Validation::Fraction(fraction) => return Err(DataError::Fraction { fraction }),
    };
    match usize::try_from(held) {
        Ok(held) if held > 0 && held < count => Ok((images.slice(0..count - held), images.slice(count - held..count))),
        _ => Err(DataError::Split { validation, held, images: count }),
    }
}

/// Of images, and of what `labels` gives of them: as of unlabelled ones where that is nothing.
fn hash(splits: &[&Images], labels: impl Fn(&Images) -> Option<&[u8]>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"vaex data 1");
    for images in splits {
        for size in [images.len(), images.height, images.width] {
            hasher.update((size as u64).to_le_bytes());
        }
        hasher.update(images.pixels());
        hasher.update([u8::from(labels(images).is_some())]);
        hasher.update(labels(images).unwrap_or_default());
    }
    let mut hash = hexadecimal(hasher);
    hash.truncate(32);
    hash
}

/// A whole number with a comma before each three digits: `47,040,016`.
pub(crate) fn grouped(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// As in `1 image`, `2,000 images`.
pub(crate) fn counted(number: impl std::fmt::Display, noun: &str) -> String {
    let number = grouped(number);
    if number == "1" { format!("{number} {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::idx::tests::{gzip, idx_file};
    use super::*;
    use crate::language::Binarize;

    /// A folder with training files of 10 images of 2 x 3 pixels, plain and gzipped, and test files of 4.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| {
            std::fs::write(folder.path().join(format!("{name}.gz")), gzip(&bytes)).unwrap();
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        write("train", idx_file(&[10, 2, 3], &(0..60).collect::<Vec<u8>>()));
        write("train-labels", idx_file(&[10], &(0..10).collect::<Vec<u8>>()));
        write("test", idx_file(&[4, 2, 3], &(100..124).collect::<Vec<u8>>()));
        write("test-labels", idx_file(&[4], &[9, 8, 7, 6]));
        write("wide", idx_file(&[4, 3, 2], &[0; 24]));
        folder
    }

    fn idx(images: &str) -> Data {
        Data { source: Source::Idx, images: Some(images.into()), ..Data::default() }
    }

    /// The message, without the folder, and the key.
    fn error(data: &Data) -> (String, &'static str) {
        let folder = folder();
        let error = Dataset::load(data, folder.path()).unwrap_err();
        (error.to_string().replace(&format!("{}/", folder.path().display()), ""), error.key())
    }

    fn sizes(data: &Data) -> (usize, usize) {
        let dataset = Dataset::load(data, folder().path()).unwrap();
        (dataset.train.len(), dataset.validation.len())
    }

    #[test]
    fn the_last_training_images_are_held_out() {
        let data = Data { labels: Some("train-labels".into()), validation: Validation::Images(3), ..idx("train") };
        let Dataset { train, validation, .. } = Dataset::load(&data, folder().path()).unwrap();
        assert_eq!((train.len(), train.height(), train.width(), train.pixels_per_image()), (7, 2, 3, 6));
        assert_eq!((validation.len(), validation.height(), validation.width()), (3, 2, 3));
        assert_eq!(
            (train.image(6), validation.image(0)),
            (&[36, 37, 38, 39, 40, 41][..], &[42, 43, 44, 45, 46, 47][..])
        );
        assert_eq!(train.labels().unwrap(), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(validation.labels().unwrap(), [7, 8, 9]);
        assert_eq!(validation.pixels(), (42..60).collect::<Vec<u8>>());
        assert!(Arc::ptr_eq(&train.pixels, &validation.pixels), "splitting copies the pixels");
        let middle = validation.slice(1..9);
        assert_eq!((middle.len(), middle.image(1), middle.labels()), (2, validation.image(2), Some(&[8, 9][..])));
        assert!(validation.slice(3..9).is_empty() && !validation.is_empty());
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn an_image_of_the_other_split_cannot_be_had() {
        let data = Data { validation: Validation::Images(3), ..idx("train") };
        let dataset = Dataset::load(&data, folder().path()).unwrap();
        dataset.train.image(7);
    }

    #[test]
    fn fractions_are_rounded() {
        let fraction = |fraction| sizes(&Data { validation: Validation::Fraction(fraction), ..idx("train") });
        assert_eq!([0.1, 0.14, 0.16, 0.94].map(fraction), [(9, 1), (9, 1), (8, 2), (1, 9)]);
    }

    #[test]
    fn the_limit_comes_before_the_split() {
        let data = Data {
            labels: Some("train-labels".into()),
            limit: Some(6),
            validation: Validation::Fraction(0.5),
            ..idx("train")
        };
        let Dataset { train, validation, .. } = Dataset::load(&data, folder().path()).unwrap();
        assert_eq!(
            (train.pixels(), validation.pixels()),
            (&(0..18).collect::<Vec<u8>>()[..], &(18..36).collect::<Vec<u8>>()[..])
        );
        assert_eq!((train.labels(), validation.labels()), (Some(&[0, 1, 2][..]), Some(&[3, 4, 5][..])));
        assert_eq!(sizes(&Data { limit: Some(10), ..idx("train") }), (9, 1));
    }

    #[test]
    fn files_are_kept_for_other_datasets() {
        let (folder, mut files) = (folder(), Files::default());
        let limited = |limit| Data {
            labels: Some("train-labels".into()),
            validation: Validation::Images(1),
            limit,
            ..idx("train")
        };
        // Fewer, more, all, too many: as if each were read by itself.
        for limit in [Some(4), Some(3), Some(8), None, Some(2)] {
            let (kept, alone) =
                (files.dataset(&limited(limit), folder.path()), Dataset::load(&limited(limit), folder.path()));
            let (kept, alone) = (kept.unwrap(), alone.unwrap());
            assert_eq!((kept.train.pixels(), kept.train.labels()), (alone.train.pixels(), alone.train.labels()));
            assert_eq!((kept.validation.pixels(), kept.hash), (alone.validation.pixels(), alone.hash));
        }
        std::fs::remove_file(folder.path().join("train")).unwrap();
        assert_eq!(files.dataset(&limited(Some(9)), folder.path()).unwrap().train.len(), 8);
        let error = files.dataset(&limited(Some(11)), folder.path()).unwrap_err();
        assert!(error.to_string().starts_with("`data.limit` is 11, but"), "{error}");
    }

    #[test]
    fn test_images_are_the_validation_split() {
        let data = Data {
            test_images: Some("test".into()),
            test_labels: Some("test-labels.gz".into()),
            limit: Some(5),
            validation: Validation::Fraction(7.0),
            ..idx("train")
        };
        let Dataset { train, validation, .. } = Dataset::load(&data, folder().path()).unwrap();
        assert_eq!((train.pixels(), train.labels()), (&(0..30).collect::<Vec<u8>>()[..], None));
        assert_eq!(validation.pixels(), (100..124).collect::<Vec<u8>>());
        assert_eq!(validation.labels().unwrap(), [9, 8, 7, 6]);
    }

    #[test]
    fn fashion_mini_needs_no_files() {
        let dataset = Dataset::load(&Data::default(), Path::new("/nowhere")).unwrap();
        assert_eq!((dataset.train.len(), dataset.validation.len()), (1800, 200));
        assert_eq!((dataset.train.height(), dataset.train.width()), (28, 28));
        assert_eq!(dataset.train.labels().unwrap()[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
        assert_eq!(dataset.hash, "35b8668cd9e378794ad09bd6853a288a");
    }

    #[test]
    fn the_hash_is_of_the_content() {
        let folder = folder();
        let hash = |data: &Data| Dataset::load(data, folder.path()).unwrap().hash;
        let plain = idx("train");
        let same = [
            idx("train.gz"),
            Data { limit: Some(10), binarize: Binarize::Static, stored: Some([0.0, 60.0]), ..plain.clone() },
            Data { labels: Some("train-labels".into()), ..plain.clone() },
            Data { labels: Some("other-labels".into()), ..plain.clone() },
        ];
        let tested = Data { test_images: Some("test".into()), ..plain.clone() };
        let others = [
            plain.clone(),
            Data { validation: Validation::Images(1), ..idx("wide") },
            Data { validation: Validation::Images(1), ..idx("zeros") },
            Data { limit: Some(9), ..plain.clone() },
            Data { validation: Validation::Images(2), ..plain.clone() },
            tested.clone(),
            Data { images: Some("flipped".into()), ..plain.clone() },
        ];
        let mut pixels: Vec<u8> = (0..60).collect();
        pixels[33] ^= 1;
        std::fs::write(folder.path().join("flipped"), idx_file(&[10, 2, 3], &pixels)).unwrap();
        std::fs::write(folder.path().join("zeros"), idx_file(&[4, 2, 3], &[0; 24])).unwrap();
        std::fs::write(folder.path().join("other-labels"), idx_file(&[10], &[1; 10])).unwrap();
        same.iter().for_each(|data| assert_eq!(hash(data), hash(&plain), "{data:?}"));
        let with_labels = Data { test_labels: Some("test-labels".into()), ..tested.clone() };
        assert_eq!(hash(&with_labels), hash(&tested));
        // As of unlabelled images from the first version on.
        assert_eq!(hash(&plain), "8c37e55f1dbe848565f1c0ccb4f371f8");
        let hashes: std::collections::BTreeSet<_> = others.iter().map(hash).collect();
        assert_eq!(hashes.len(), others.len());
        assert!(hashes.iter().all(|hash| hash.len() == 32 && hash.chars().all(|digit| digit.is_ascii_hexdigit())));
    }

    /// Folders of trials that were trained when labels were part of the hash are of use still.
    #[test]
    fn the_hash_with_labels_is_known_too() {
        let folder = folder();
        let load =
            |labels: &str| Dataset::load(&Data { labels: Some(labels.into()), ..idx("train") }, folder.path()).unwrap();
        std::fs::write(folder.path().join("other-labels"), idx_file(&[10], &[1; 10])).unwrap();
        let dataset = load("train-labels");
        let earlier = "d220c84c6e5a8fa6b87133a136ea09a3";
        assert!(dataset.has_hash(&dataset.hash) && dataset.has_hash(earlier));
        assert!(!load("other-labels").has_hash(earlier));
        assert!(!Dataset::load(&idx("train"), folder.path()).unwrap().has_hash(earlier));
    }

    /// A folder with files of 4 images of 2 x 2 pixels.
    fn scales() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, pixels: [u8; 16]| {
            std::fs::write(folder.path().join(name), gzip(&idx_file(&[4, 2, 2], &pixels))).unwrap();
        };
        write("bits", [0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1]);
        write("zeros", [0; 16]);
        write("late", [0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 2, 0, 0]);
        write("black-and-white", [0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0]);
        write("grey", [0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 254, 0]);
        folder
    }

    #[test]
    fn zeros_and_ones_are_not_read_as_greys() {
        let folder = scales();
        let load = |data: Data| {
            let data = Data { validation: Validation::Images(1), ..data };
            Dataset::load(&data, folder.path())
                .map_err(|error| (error.to_string().replace(&format!("{}/", folder.path().display()), ""), error.key()))
        };
        let advice = "which vaex reads as 0 and 1/255; write `stored = [0, 1]` in `[data]` if 1 is white, or \
                      `stored = [0, 255]` if the images are that dark";
        let message = format!("`bits` has only the values 0 and 1, {advice}");
        assert_eq!(load(idx("bits")).unwrap_err(), (message, "data.images"));
        for limit in [2, 3] {
            let message = format!("the first {limit} images of `late` have only the values 0 and 1, {advice}");
            assert_eq!(load(Data { limit: Some(limit), ..idx("late") }).unwrap_err(), (message, "data.images"));
        }
        assert!(load(idx("late")).is_ok() && load(idx("zeros")).is_ok() && load(idx("black-and-white")).is_ok());
        for stored in [[0.0, 1.0], [0.0, 255.0]] {
            assert!(load(Data { stored: Some(stored), ..idx("bits") }).is_ok());
        }
        let tested = |train: &str, stored| Data { test_images: Some("bits".into()), stored, ..idx(train) };
        let message = "`bits` has only the values 0 and 1, unlike the training images; give both the same scale, or write \
                       `stored = [0, 255]` in `[data]` if these images are that dark";
        assert_eq!(load(tested("grey", None)).unwrap_err(), (message.into(), "data.test_images"));
        assert!(load(tested("bits", Some([0.0, 1.0]))).is_ok() && load(tested("grey", Some([0.0, 255.0]))).is_ok());
    }

    #[test]
    fn values_outside_of_what_is_stored_are_refused() {
        let folder = scales();
        let load = |images: &str, test: Option<&str>, stored| {
            let data = Data {
                test_images: test.map(PathBuf::from),
                stored: Some(stored),
                validation: Validation::Images(1),
                ..idx(images)
            };
            Dataset::load(&data, folder.path()).map_err(|error| {
                assert_eq!(error.key(), "data.stored");
                error.to_string().replace(&format!("{}/", folder.path().display()), "")
            })
        };
        let message = "`late` has the value 2 in image 3 (counted from 0), outside `data.stored` = [0, 1]; correct \
                       `data.stored`, or the file";
        assert_eq!(load("late", None, [0.0, 1.0]).unwrap_err(), message);
        assert_eq!(load("bits", Some("late"), [0.0, 1.0]).unwrap_err(), message);
        let message = "`grey` has the value 0 in image 0 (counted from 0), outside `data.stored` = [16, 235]; correct \
                       `data.stored`, or the file";
        assert_eq!(load("grey", None, [16.0, 235.0]).unwrap_err(), message);
        assert!(load("late", None, [0.0, 2.0]).is_ok() && load("grey", None, [0.0, 255.0]).is_ok());
        // One that cannot be is an error of the spec.
        assert!(load("grey", None, [1.0, 0.0]).is_ok() && load("grey", None, [f64::NAN, 1.0]).is_ok());
    }

    #[test]
    fn images_for_a_model_must_be_of_its_scale() {
        let folder = scales();
        let read = |file: &str, stored, most| {
            let trained = Data { stored, ..idx("elsewhere") };
            Images::read_alike(&trained, &folder.path().join(file), None, most)
                .map(|images| images.len())
                .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
        };
        let bits = "`bits` has only the values 0 and 1, but the model was trained on values from 0 to 255; multiply them \
                    by 255";
        for most in [2, usize::MAX] {
            assert_eq!(read("bits", None, most), Err(bits.into()));
        }
        let outside = "`late` has the value 2 in image 3 (counted from 0), but the model was trained on values from 0 to 1; \
                       give the images that scale";
        assert_eq!(read("late", Some([0.0, 1.0]), usize::MAX), Err(outside.into()));
        assert_eq!(read("bits", Some([0.0, 1.0]), usize::MAX), Ok(4));
        // The rest of the file tells that these are dark greys.
        assert_eq!((read("late", None, 2), read("grey", None, 3)), (Ok(2), Ok(3)));
    }

    #[test]
    fn grey_is_what_is_neither_black_nor_white() {
        let folder = scales();
        let is_grey = |file: &str, stored| {
            let data = Data { stored, validation: Validation::Images(1), ..idx(file) };
            Dataset::load(&data, folder.path()).unwrap().is_grey
        };
        // The last pixels are validation's.
        assert!(is_grey("grey", None) && is_grey("late", Some([0.0, 3.0])) && is_grey("bits", Some([0.0, 255.0])));
        assert!(!is_grey("black-and-white", None) && !is_grey("bits", Some([0.0, 1.0])) && !is_grey("zeros", None));
        assert!(Dataset::load(&Data::default(), folder.path()).unwrap().is_grey);
    }

    #[test]
    fn a_pixel_is_found_wherever_it_is() {
        for index in [0, 1, 4095, 4096, 9999] {
            let mut pixels = vec![0; 10_000];
            pixels[index] = 3;
            let images = Images::new(pixels, None, 10, 10);
            assert_eq!(images.outside([0.0, 2.0]), Some((index / 100, 3)));
            assert_eq!((images.outside([0.0, 3.0]), images.are_grey([0.0, 3.0])), (None, false));
            assert!(images.are_grey([0.0, 2.0]) && !images.are_zeros_and_ones());
        }
    }

    #[test]
    fn of_files_no_more_is_kept_than_is_used() {
        let (folder, mut files) = (folder(), Files::default());
        let limited = |limit| Data { labels: Some("train-labels.gz".into()), limit, ..idx("train.gz") };
        let mut held = |limit| {
            files.dataset(&Data { validation: Validation::Images(1), ..limited(limit) }, folder.path()).unwrap();
            files.read.iter().map(|(_, whole)| (whole.images.pixels.len() / 6, whole.count)).collect::<Vec<_>>()
        };
        assert_eq!(held(Some(2)), [(2, 10)]);
        // Larger and larger limits do not read a large file again and again.
        assert_eq!(held(Some(3)), [(4, 10)]);
        assert_eq!(held(Some(4)), [(4, 10)]);
        assert_eq!(held(Some(5)), [(8, 10)]);
        assert_eq!(held(None), [(10, 10)]);
    }

    #[test]
    fn keys_that_do_not_fit_together_are_refused() {
        let none = Data { source: Source::Idx, ..Data::default() };
        assert_eq!(
            error(&none),
            (
                r#"`data.images` is missing: `data.source = "idx"` reads its images from that IDX file; name one"#
                    .into(),
                "data.images"
            )
        );
        let file = || Some("train".into());
        for (data, key) in [
            (Data { images: file(), ..Data::default() }, "data.images"),
            (Data { labels: file(), ..Data::default() }, "data.labels"),
            (Data { test_images: file(), ..Data::default() }, "data.test_images"),
            (Data { test_labels: file(), ..Data::default() }, "data.test_labels"),
        ] {
            let message = format!(
                r#"`{key}` names a file, but `data.source = "fashion-mini"` reads none; remove it, or set `data.source = "idx"`"#
            );
            assert_eq!(error(&data), (message, key));
        }
        assert_eq!(
            error(&Data { test_labels: Some("test-labels".into()), ..idx("train") }),
            (
                "`data.test_labels` is given without `data.test_images`, the images that it is about; give both or neither"
                    .into(),
                "data.test_labels"
            )
        );
    }

    #[test]
    fn files_that_do_not_fit_together_are_refused() {
        assert_eq!(
            error(&Data { labels: Some("test-labels".into()), ..idx("train.gz") }),
            (
                "`test-labels` holds 4 labels, but `train.gz` holds 10 images; give the labels of these images".into(),
                "data.labels"
            )
        );
        let test = Data { test_images: Some("test".into()), ..idx("train") };
        assert_eq!(
            error(&Data { test_labels: Some("train-labels".into()), ..test }),
            (
                "`train-labels` holds 10 labels, but `test` holds 4 images; give the labels of these images".into(),
                "data.test_labels"
            )
        );
        assert_eq!(
            error(&Data { test_images: Some("wide".into()), ..idx("train") }),
            (
                "`wide` holds images of 3 x 2 pixels, but `train` of 2 x 3; both must have the same sides".into(),
                "data.test_images"
            )
        );
    }

    #[test]
    fn errors_of_a_file_name_its_key() {
        let file = |name: &str| Some(PathBuf::from(name));
        let absent = |name| format!("cannot read {name}: No such file or directory (os error 2)");
        let data = idx("train");
        for (data, name, key) in [
            (idx("a"), "a", "data.images"),
            (Data { labels: file("b"), ..data.clone() }, "b", "data.labels"),
            (Data { test_images: file("c"), ..data.clone() }, "c", "data.test_images"),
            (Data { test_images: file("test"), test_labels: file("d"), ..data }, "d", "data.test_labels"),
        ] {
            assert_eq!(error(&data), (absent(name), key));
        }
    }

    #[test]
    fn limits_and_splits_that_cannot_be_are_refused() {
        for (limit, message) in [
            (11, "`data.limit` is 11, but `train` holds 10 images; lower it or remove it"),
            (
                u64::MAX,
                "`data.limit` is 18,446,744,073,709,551,615, but `train` holds 10 images; lower it or remove it",
            ),
            (0, "`data.limit` is 0; give at least 1, or remove it"),
        ] {
            assert_eq!(error(&Data { limit: Some(limit), ..idx("train") }), (message.into(), "data.limit"));
        }
        assert_eq!(
            error(&Data { limit: Some(2001), ..Data::default() }),
            (
                "`data.limit` is 2,001, but `fashion-mini` holds 2,000 images; lower it or remove it".into(),
                "data.limit"
            )
        );
        let advice = "leave at least 1 for training and 1 for validation";
        for (validation, limit, start) in [
            (Validation::Images(0), 10, "`data.validation` is 0, which holds out 0 of 10 images"),
            (Validation::Images(10), 10, "`data.validation` is 10, which holds out 10 of 10 images"),
            (Validation::Images(5000), 10, "`data.validation` is 5,000, which holds out 5,000 of 10 images"),
            (Validation::Fraction(0.04), 10, "`data.validation` is 0.04, which holds out 0 of 10 images"),
            (Validation::Fraction(0.96), 10, "`data.validation` is 0.96, which holds out 10 of 10 images"),
            (Validation::Fraction(0.5), 1, "`data.validation` is 0.5, which holds out 1 of 1 image"),
        ] {
            let data = Data { validation, limit: Some(limit), ..idx("train") };
            assert_eq!(error(&data), (format!("{start}; {advice}"), "data.validation"));
        }
        for (fraction, value) in [(1.0, "1"), (0.0, "0"), (-0.5, "-0.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let data = Data { validation: Validation::Fraction(fraction), ..idx("train") };
            let message =
                format!("`data.validation` is {value}; give a number of images, or a fraction above 0 and below 1");
            assert_eq!(error(&data), (message, "data.validation"));
        }
    }

    #[test]
    fn digits_are_grouped_in_threes() {
        assert_eq!([0, 12, 999, 1000, 47_040_016].map(grouped), ["0", "12", "999", "1,000", "47,040,016"]);
        assert_eq!([0, 1, 2000].map(|n| counted(n, "image")), ["0 images", "1 image", "2,000 images"]);
    }
}
