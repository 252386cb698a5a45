//! The images of an experiment: loads, checks and splits them, and maps their pixels to the input of the network.

mod binarize;
mod error;
mod identity;
mod settings;
mod source;

pub use binarize::{Binarize, PixelMap};
pub use error::{DataError, FileRole};
pub use settings::{DataSettings, Validation};
pub use source::{Loaded, Source};

use source::read_pair;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Images of one split: (Images, Height, Width), row-major, pixels in 0..=255. Clones share the pixels.
#[derive(Clone, Debug)]
pub struct Images {
    pixels: Arc<Vec<u8>>,
    labels: Option<Arc<Vec<u8>>>,
    /// The range of these images in `pixels` and `labels`.
    range: Range<usize>,
    height: usize,
    width: usize,
}

impl Images {
    /// Reads the first images of an IDX file, at most `most`, and their labels from another IDX file. Relative paths are
    /// relative to the working directory.
    ///
    /// # Errors
    /// A file cannot be read or is not an IDX file of images or labels, or the numbers of images and labels differ.
    pub fn read(images: &Path, labels: Option<&Path>, most: usize) -> Result<Images, DataError> {
        Ok(read_pair(Path::new(""), ("images", images), ("labels", labels), most)?.images)
    }

    /// As [`Images::read`], for images to use with a trained model.
    ///
    /// # Errors
    /// As [`Images::read`]; or the pixel values do not match those that the model was trained on.
    pub fn read_alike(
        trained: &DataSettings,
        images: &Path,
        labels: Option<&Path>,
        most: usize,
    ) -> Result<Images, DataError> {
        let read = Images::read(images, labels, most)?;
        let is_default = trained.stored == settings::STORED;
        let whole = match is_default && read.are_zeros_and_ones() {
            // The other images of the file can show that these are just dark.
            true => Images::read(images, None, usize::MAX)?,
            false => read.clone(),
        };
        let trained = DataSettings { is_stored_given: !is_default, ..trained.clone() };
        check_values(&trained, &whole, (FileRole::Trained, "data.images", images), whole.len())?;
        Ok(read)
    }

    /// Images from pixels (Images, Height, Width) and labels (Images).
    ///
    /// # Panics
    /// Height or width is 0, the last image is incomplete, or the numbers of images and labels differ.
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

    /// Whether there are no images. A loaded split has at least one.
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

    /// One image: (Height, Width), row-major.
    ///
    /// # Panics
    /// `index` is not below [`Images::len`].
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.pixels_per_image();
        &self.pixels()[index * size..][..size]
    }

    /// The labels: (Images).
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_ref().map(|labels| &labels[self.range.clone()])
    }

    /// Whether all pixels are 0 or 1, and at least one is 1. The images are then probably binary, not grey values up to 255.
    pub fn are_zeros_and_ones(&self) -> bool {
        let pixels = self.pixels();
        !pixels.iter().any(|pixel| *pixel > 1) && pixels.contains(&1)
    }

    /// The first pixel outside `stored`: the index of its image, and its value.
    pub fn outside(&self, [low, high]: [f64; 2]) -> Option<(usize, u8)> {
        let bounds = u8_at_least(low)..=u8_at_most(high);
        let index = self.find(|pixel| !bounds.contains(&pixel))?;
        Some((index / self.pixels_per_image(), self.pixels().get(index).copied()?))
    }

    /// Whether any pixel has neither of the two values.
    fn are_grey(&self, [low, high]: [f64; 2]) -> bool {
        let (low, high) = (u8_at_least(low), u8_at_most(high));
        self.find(|pixel| pixel != low && pixel != high).is_some()
    }

    /// The index of the first pixel for which `holds` is true.
    fn find(&self, holds: impl Fn(u8) -> bool) -> Option<usize> {
        // Chunks without such a pixel are skipped without a branch per pixel.
        let pieces = self.pixels().chunks(4096).enumerate();
        let mut with = pieces.filter(|(_, piece)| piece.iter().fold(false, |any, &pixel| any | holds(pixel)));
        let (number, piece) = with.next()?;
        Some(4096 * number + piece.iter().position(|&pixel| holds(pixel))?)
    }

    /// A range of these images; they share the pixels. The part of the range beyond [`Images::len`] is ignored.
    pub fn slice(&self, range: Range<usize>) -> Images {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        Images { range: self.range.start + start..self.range.start + end, ..self.clone() }
    }
}

/// The smallest byte that is not below a value of at most 255.
fn u8_at_least(value: f64) -> u8 {
    value.ceil() as u8
}

/// The largest byte that is not above a value of at least 0.
fn u8_at_most(value: f64) -> u8 {
    value.floor() as u8
}

/// The images of an experiment.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The training images; at least one.
    pub train: Images,
    /// The validation images, of the same height and width; at least one.
    pub validation: Images,
    /// Whether any pixel is neither black nor white.
    pub is_grey: bool,
    /// The hash of the images, 32 hex digits: a hash of the hashes of the images in order. It depends neither on the names and the compression of files
    /// nor on labels, because training does not use labels.
    pub hash: String,
}

impl Dataset {
    /// Loads and splits the images of `data`; relative paths are relative to `folder`.
    ///
    /// The first `limit` training images are used. The last of these are held out for validation, unless `test_images` is
    /// set. A fraction is rounded to the nearest number of images.
    ///
    /// Only the part of a file that is used is read.
    ///
    /// # Errors
    /// A file cannot be read or is invalid; it has too few images; a pixel value is outside `stored`.
    pub fn load(data: &DataSettings, folder: &Path) -> Result<Dataset, DataError> {
        Files::default().dataset(data, folder)
    }

    /// Whether these images have a hash that a trial saved, possibly with an earlier version of vaex.
    pub fn has_hash(&self, noted: &str) -> bool {
        self.hash == noted || identity::earlier(&[&self.train, &self.validation]).contains(&noted.to_owned())
    }
}

/// A cache of image files; each is kept as far as it was read.
#[derive(Debug, Default)]
pub struct Files {
    read: Vec<(Arc<dyn Source>, Whole)>,
}

/// The training images of a source, as many as were needed so far, and its test images.
#[derive(Clone, Debug)]
struct Whole {
    training: Loaded,
    test: Option<Loaded>,
}

impl Files {
    /// As [`Dataset::load`], for several datasets from the same files.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn dataset(&mut self, data: &DataSettings, folder: &Path) -> Result<Dataset, DataError> {
        let Whole { training: Loaded { key, file, count, images }, test } = self.whole(data, folder)?;
        let train = match data.limit {
            None => images,
            Some(limit) => match usize::try_from(limit).ok().filter(|&limit| limit <= count) {
                None => return Err(DataError::Limit { limit, file, images: count }),
                Some(limit) => images.slice(0..limit),
            },
        };
        check_values(data, &train, (FileRole::Training, key, &file), count)?;
        let (train, validation) = match test {
            Some(Loaded { key, file, images: test, .. }) => {
                check_values(data, &test, (FileRole::Test, key, &file), test.len())?;
                (train, test)
            }
            None => split(&train, data.validation)?,
        };
        let is_grey = [&train, &validation].iter().any(|images| images.are_grey(data.stored));
        let hash = identity::of(&train, &validation);
        Ok(Dataset { train, validation, is_grey, hash })
    }

    fn whole(&mut self, data: &DataSettings, folder: &Path) -> Result<Whole, DataError> {
        let mut most = data.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let known = self.read.iter().position(|(known, _)| **known == *data.source);
        let earlier = known.and_then(|index| self.read.get(index)).map(|(_, whole)| whole);
        if let Some(whole) = earlier {
            if most.min(whole.training.count) <= whole.training.images.len() {
                return Ok(whole.clone());
            }
            // A limit that grew once may grow again: read more than needed.
            most = most.max(2 * whole.training.images.len());
        }
        let training = data.source.training(folder, most)?;
        let test = match earlier {
            Some(whole) => whole.test.clone(),
            None => data.source.test(folder)?,
        };
        let sides = |loaded: &Loaded| (loaded.images.height(), loaded.images.width());
        if let Some(test) = test.as_ref().filter(|test| sides(test) != sides(&training)) {
            return Err(DataError::Sides {
                key: test.key,
                test: sides(test),
                train: sides(&training),
                test_file: test.file.clone(),
                train_file: training.file,
            });
        }
        let whole = Whole { training, test };
        match known.and_then(|index| self.read.get_mut(index)) {
            Some(known) => known.1 = whole.clone(),
            None => self.read.push((data.source.clone(), whole.clone())),
        }
        Ok(whole)
    }
}

/// Checks that pixels are inside `stored`, and, if the spec does not set `stored`, that they are not just zeros and ones.
/// `count` is the number of images in the file.
fn check_values(
    data: &DataSettings,
    images: &Images,
    (role, key, file): (FileRole, &'static str, &Path),
    count: usize,
) -> Result<(), DataError> {
    let file = || file.to_path_buf();
    let stored = data.stored;
    match images.outside(stored) {
        _ if !data.is_stored_given && images.are_zeros_and_ones() => {
            Err(DataError::ZerosAndOnes { key, role, file: file(), images: images.len(), all: images.len() == count })
        }
        // A `stored` in the wrong order is reported as a separate error.
        Some((image, value)) if stored[0] < stored[1] => {
            Err(DataError::Outside { role, file: file(), image, value, stored })
        }
        _ => Ok(()),
    }
}

/// Splits images into training and validation images.
fn split(images: &Images, validation: Validation) -> Result<(Images, Images), DataError> {
    let count = images.len();
    let held = match validation {
        Validation::Images(held) => held,
        Validation::Fraction(fraction) => (fraction * count as f64).round() as u64,
    };
    match usize::try_from(held) {
        Ok(held) if held > 0 && held < count => Ok((images.slice(0..count - held), images.slice(count - held..count))),
        _ => Err(DataError::Split { validation, held, images: count }),
    }
}

#[cfg(test)]
mod tests;
