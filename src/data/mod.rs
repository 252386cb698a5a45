//! The images of an experiment: loads, checks and splits them, and maps their values to the input of the network.

mod binarize;
mod cache;
mod column;
mod draws;
mod error;
mod format;
mod identity;
mod images;
mod kinds;
mod picture;
mod prepare;
mod settings;
mod shape;
mod source;
mod split;
mod store;
mod values;

pub use binarize::{Binarize, PixelMap};
pub use cache::{Cache, CacheError, CachedFile};
pub use column::Column;
pub(crate) use draws::Draws;
pub use error::{DataError, FileRole, ShapedFile, Unprepared};
pub use format::{FileImages, ImageFormat, add_format};
pub use images::Images;
pub use picture::{Changes, Color, Crop};
pub use prepare::Preparing;
pub use settings::{DataSettings, STORED_DOTTED};
pub use shape::ImageShape;
pub use source::{Context, Loaded, NamedSource, Part, Presence, Reading, Source, named_sources};
pub use split::{Held, SplitMethod};
pub use values::{BYTES, Element, Extent, Values, ValuesRef};

use crate::metrics::Split;
use format::FormatError;
use picture::Layout;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The files and folders that a path of a spec stands for, relative to the working directory; empty if there are none.
pub fn input_files(path: &Path) -> Vec<PathBuf> {
    let places = format::expand(Path::new(""), path).unwrap_or_default();
    places.into_iter().map(|place| place.path).collect()
}

/// The images of an experiment.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The training images; at least one.
    pub train: Images,
    /// The validation images, of the same shape; there may be none.
    pub validation: Images,
    /// The test images, of the same shape; there may be none.
    pub test: Images,
    /// The interval of the values of these images, which is mapped to `range`.
    pub stored: [f64; 2],
    /// Whether any training or validation value is neither black nor white.
    pub is_grey: bool,
    /// The column by which the pool is ordered, if it is, and if images were cut from its end.
    pub ordered_by: Option<String>,
    /// The hash of the training and validation images, 32 hex digits: a hash of the hashes of the images in order. It depends
    /// neither on the names and the format of files nor on labels, because training does not use labels.
    pub hash: String,
    with_labels: Arc<OnceLock<String>>,
}

impl Dataset {
    /// Loads and splits the images of `data`, as [`Files::dataset`], with the cache that the environment names.
    ///
    /// # Errors
    /// As [`Files::dataset`].
    pub fn load(data: &DataSettings, folder: &Path) -> Result<Dataset, DataError> {
        Files::default().dataset(data, folder)
    }

    /// The images that pictures show, and their split: validation images, or training images if there are none.
    pub fn shown(&self) -> (&Images, Split) {
        match self.validation.is_empty() {
            true => (&self.train, Split::Train),
            false => (&self.validation, Split::Validation),
        }
    }

    /// No images, for values in an interval.
    pub(crate) fn empty(shape: ImageShape, stored: [f64; 2]) -> Dataset {
        let none = Images::new(Vec::<u8>::new(), shape);
        Dataset {
            train: none.clone(),
            validation: none.clone(),
            test: none,
            stored,
            is_grey: false,
            ordered_by: None,
            hash: String::new(),
            with_labels: Arc::default(),
        }
    }

    /// The hash of the images of all splits, with their labels, 32 hex digits: of what metrics are measured on.
    pub fn hash_with_labels(&self) -> &str {
        self.with_labels.get_or_init(|| identity::with_labels([&self.train, &self.validation, &self.test]))
    }

    /// Whether these images have a hash that a trial saved, possibly with an earlier version of vaex.
    pub fn has_hash(&self, noted: &str) -> bool {
        self.hash == noted || identity::earlier(&[&self.train, &self.validation]).contains(&noted.to_owned())
    }
}

/// Loads data sets, and keeps the images that were loaded for the next data set.
pub struct Files {
    cache: Cache,
    watch: Box<dyn FnMut(Preparing) + Send>,
    loaded: Vec<(String, Loaded)>,
}

impl Default for Files {
    /// With the cache that the environment names, and without a report of the progress.
    fn default() -> Files {
        Files::new(Cache::of_environment(), |_| {})
    }
}

impl Files {
    /// Prepared images are in `cache`; `watch` is told the progress of preparing them.
    pub fn new(cache: Cache, watch: impl FnMut(Preparing) + Send + 'static) -> Files {
        Files { cache, watch: Box::new(watch), loaded: Vec::new() }
    }

    /// Loads and splits the images of `data`; relative paths are relative to `folder`.
    ///
    /// The pool is put in the order of `split`. Its first `limit` images are used. Test images are cut from its end, then
    /// validation images. A split that the source has itself is used if the spec does not cut it from the pool.
    ///
    /// # Errors
    /// A file cannot be read or is invalid; there are too few images; a value is outside `stored`.
    pub fn dataset(&mut self, data: &DataSettings, folder: &Path) -> Result<Dataset, DataError> {
        let Loaded { pool, validation, test } = self.loaded(data, folder)?;
        let own = [
            validation.filter(|_| data.validation.is_none()).map(|part| (part, FileRole::Validation)),
            test.filter(|_| data.test.is_none()).map(|part| (part, FileRole::Test)),
        ];
        let arranged = split::arranged(&pool.images, data.split, data.split_seed)?;
        let limited = match data.limit.map(usize::try_from) {
            None => arranged,
            Some(Ok(limit)) if limit <= arranged.len() => arranged.slice(0..limit),
            Some(_) => {
                let limit = data.limit.unwrap_or_default();
                return Err(DataError::Limit { limit, file: pool.name, images: arranged.len() });
            }
        };
        let nothing = Held::Images(0);
        let held = data.validation.unwrap_or(if own[0].is_some() { nothing } else { settings::HELD_OUT });
        let cut = split::cut(&limited, held, data.test.unwrap_or(nothing))?;
        let is_cut = cut.train.len() < limited.len();
        let is_tail = is_cut && data.split == SplitMethod::Tail;
        let ordered_by = if is_tail { split::ordered_by(&limited) } else { None };
        let (stored, is_given) = (limited.interval(data.stored), data.stored.is_some());
        check_values((stored, is_given), (&limited, data.split), (FileRole::Training, &pool))?;
        for (part, role) in own.iter().flatten() {
            check_kind(part, &pool)?;
            check_values((stored, is_given), (&part.images, SplitMethod::Tail), (*role, part))?;
        }
        let [validation, test] = own.map(|part| part.map(|(part, _)| part.images));
        let (train, validation) = (cut.train, validation.unwrap_or(cut.validation));
        let test = test.unwrap_or(cut.test);
        let is_grey = [&train, &validation].iter().any(|images| images.are_grey(stored));
        let hash = identity::of(&train, &validation);
        Ok(Dataset { train, validation, test, stored, is_grey, ordered_by, hash, with_labels: Arc::default() })
    }

    /// The images of a source, loaded once.
    ///
    /// # Errors
    /// A file cannot be read or is invalid.
    pub fn loaded(&mut self, data: &DataSettings, folder: &Path) -> Result<Loaded, DataError> {
        let name = format!("{folder:?} {:?} {:?}", data.source, data.changes);
        if let Some((_, loaded)) = self.loaded.iter().find(|(known, _)| *known == name) {
            return Ok(loaded.clone());
        }
        let mut context = Context { folder, changes: data.changes, cache: &self.cache, watch: &mut *self.watch };
        let loaded = data.source.load(&mut context)?;
        self.loaded.push((name, loaded.clone()));
        Ok(loaded)
    }

    /// Images to use with a model that was trained on images of this shape, whose values were in the interval `stored`: those
    /// of some files, changed as `data` says. Paths are relative to the working directory.
    ///
    /// # Errors
    /// A file cannot be read or is invalid, or the values do not match those that the model was trained on.
    pub fn images_alike(
        &mut self,
        (stored, shape): ([f64; 2], ImageShape),
        data: &DataSettings,
        images: &Path,
        labels: Option<&Path>,
    ) -> Result<Images, DataError> {
        let mut changes = data.changes;
        let Reading { layout, transpose } = data.source.reading();
        // The shape is known only if nothing is changed.
        let layout = if changes.are_none() && !transpose { Layout::OfShape(shape, layout.is_planar()) } else { layout };
        changes.transpose ^= transpose;
        let source: Arc<dyn Source> = source::given(images, labels, layout);
        let data = DataSettings { source, changes, ..data.clone() };
        let pool = self.loaded(&data, Path::new(""))?.pool;
        if data.dequantize && pool.images.element() != Element::Byte {
            let what = format!(
                "has {}, but the model was trained with `dequantize`, which needs bytes; use the original images",
                pool.images.element().name()
            );
            return Err(DataError::of_format(pool.key, FormatError::new(&pool.name, what)));
        }
        check_values((stored, false), (&pool.images, SplitMethod::Tail), (FileRole::Trained, &pool))?;
        Ok(pool.images)
    }
}

/// Checks that the images of a split have the shape and type of the pool.
fn check_kind(part: &Part, pool: &Part) -> Result<(), DataError> {
    let kind = |part: &Part| (part.images.shape(), part.images.element());
    if kind(part) == kind(pool) {
        return Ok(());
    }
    let shaped = |part: &Part| {
        let (shape, element) = kind(part);
        ShapedFile { file: part.name.clone(), shape, type_name: element.name() }
    };
    Err(DataError::Shape { key: part.key, files: Box::new([shaped(part), shaped(pool)]) })
}

/// Checks that values are inside `stored`, and, if it is the default for bytes, that they are not just values from 0 to 1.
/// `images` are those of the part that are used, taken from it in the order of `split`.
fn check_values(
    (stored, is_given): ([f64; 2], bool),
    (images, split): (&Images, SplitMethod),
    (role, part): (FileRole, &Part),
) -> Result<(), DataError> {
    let (key, file) = (part.key, || part.name.clone());
    let are_floats = images.element() == Element::Float;
    // A `stored` in the wrong order is reported as a separate error.
    let is_interval = stored[0] < stored[1];
    if !are_floats && is_interval && !settings::is_of_bytes(stored) {
        return Err(DataError::StoredBytes { role, file: file(), stored });
    }
    match images.outside(stored) {
        _ if !is_given && stored == BYTES && images.are_at_most_one() => Err(DataError::ZerosAndOnes {
            key,
            role,
            file: file(),
            are_floats,
            images: images.len(),
            all: images.len() == part.images.len(),
            are_first: split == SplitMethod::Tail,
        }),
        Some(_) if !is_given && are_floats && role != FileRole::Trained => {
            let Extent { low, high, .. } = images.extent();
            Err(DataError::Floats { key, file: file(), low, high })
        }
        Some((image, value)) if is_interval => Err(DataError::Outside { role, file: file(), image, value, stored }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
