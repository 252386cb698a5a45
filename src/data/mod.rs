//! The images of an experiment: loads, checks and splits them, and maps their values to the input of the network.

mod binarize;
mod error;
mod identity;
mod images;
mod settings;
mod shape;
mod source;

pub use binarize::{Binarize, PixelMap};
pub use error::{DataError, FileRole, ShapedFile};
pub use images::{Images, Values, ValuesRef};
pub use settings::{BYTES, DataSettings, STORED_DOTTED, Validation};
pub use shape::ImageShape;
pub use source::{Loaded, Source};

use std::path::Path;
use std::sync::Arc;

/// The images of an experiment.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The training images; at least one.
    pub train: Images,
    /// The validation images, of the same shape; at least one.
    pub validation: Images,
    /// The interval of the values of these images, which is mapped to `range`.
    pub stored: [f64; 2],
    /// Whether any value is neither black nor white.
    pub is_grey: bool,
    /// The hash of the images, 32 hex digits: a hash of the hashes of the images in order. It depends neither on the names and
    /// the compression of files nor on labels, because training does not use labels.
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
    /// A file cannot be read or is invalid; it has too few images; a value is outside `stored`.
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
        let (stored, is_given) = (train.interval(data.stored), data.stored.is_some());
        check_values((stored, is_given), &train, (FileRole::Training, key, &file), count)?;
        let (train, validation) = match test {
            Some(Loaded { key, file, images: test, .. }) => {
                check_values((stored, is_given), &test, (FileRole::Test, key, &file), test.len())?;
                (train, test)
            }
            None => split(&train, data.validation)?,
        };
        let is_grey = [&train, &validation].iter().any(|images| images.are_grey(stored));
        let hash = identity::of(&train, &validation);
        Ok(Dataset { train, validation, stored, is_grey, hash })
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
        let kind = |loaded: &Loaded| (loaded.images.shape(), loaded.images.file_values().type_name());
        if let Some(test) = test.as_ref().filter(|test| kind(test) != kind(&training)) {
            let shaped = |loaded: &Loaded| {
                let (shape, type_name) = kind(loaded);
                ShapedFile { file: loaded.file.clone(), shape, type_name }
            };
            return Err(DataError::Shape { key: test.key, files: Box::new([shaped(test), shaped(&training)]) });
        }
        let whole = Whole { training, test };
        match known.and_then(|index| self.read.get_mut(index)) {
            Some(known) => known.1 = whole.clone(),
            None => self.read.push((data.source.clone(), whole.clone())),
        }
        Ok(whole)
    }
}

/// Checks that values are inside `stored`, and, if it is the default for bytes, that they are not just values from 0 to 1.
/// `count` is the number of images in the file.
fn check_values(
    (stored, is_given): ([f64; 2], bool),
    images: &Images,
    (role, key, file): (FileRole, &'static str, &Path),
    count: usize,
) -> Result<(), DataError> {
    let file = || file.to_path_buf();
    // A `stored` in the wrong order is reported as a separate error.
    let is_interval = stored[0] < stored[1];
    if !images.are_floats() && is_interval && !settings::is_of_bytes(stored) {
        return Err(DataError::StoredBytes { role, file: file(), stored });
    }
    match images.outside(stored) {
        _ if !is_given && stored == settings::BYTES && images.are_at_most_one() => Err(DataError::ZerosAndOnes {
            key,
            role,
            file: file(),
            are_floats: images.are_floats(),
            images: images.len(),
            all: images.len() == count,
        }),
        Some((image, value)) if !is_given && images.are_floats() && role != FileRole::Trained => {
            Err(DataError::Floats { key, file: file(), image, value })
        }
        Some((image, value)) if is_interval => Err(DataError::Outside { role, file: file(), image, value, stored }),
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
