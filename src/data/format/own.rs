//! File formats of programs that use vaex as a library.

use super::{Block, FORMATS, Format, FormatError, Place, Reader, Start, Wish};
use crate::data::column::{RawColumn, RawValues};
use crate::data::values::{Element, Values};
use crate::folder::FileError;
use crate::guard::guarded;
use std::fmt::Debug;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A file format of images that a program adds to those of vaex.
///
/// `data.images` of a spec then takes such files, and what vaex does with images applies to them: splits, binarization, labels,
/// the cache of prepared images, evaluation and pictures.
pub trait ImageFormat: Debug + Send + Sync {
    /// The name of the format in messages. Prepared images are kept under it: a format that reads the same files in another way
    /// needs another name.
    fn name(&self) -> &'static str;

    /// Whether a file has this format; `start` is its first 16,384 bytes, or all if it is shorter.
    fn recognizes(&self, path: &Path, start: &[u8]) -> bool;

    /// Reads a whole file.
    ///
    /// # Errors
    /// What is wrong with the file and what to do, to be read after its name: "ends after 3 bytes; download it again".
    fn read(&self, path: &Path) -> Result<FileImages, String>;
}

/// The images of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileImages {
    /// Height, width and channels of each image; one channel is grey, three are RGB.
    pub shape: [usize; 3],
    /// The bytes of all images, (Images, Height, Width, Channels), row-major.
    pub values: Vec<u8>,
    /// Columns of labels or factors by name, with a whole number for each image.
    pub labels: Vec<(String, Vec<i64>)>,
}

static OWN: Mutex<Vec<&'static dyn Format>> = Mutex::new(Vec::new());

/// Adds a file format, which is asked before those of vaex. Call it before any spec is read.
///
/// The processes that train trials are started from the program that runs: a program whose `main` ends with [`start`](crate::start)
/// is vaex with one more format. Of several that recognize a file, the one that was added first reads it.
///
/// # Panics
/// There is a format of this name: prepared images would be mixed up.
pub fn add_format(format: impl ImageFormat + 'static) {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_known = own.iter().chain(FORMATS).any(|known| known.name() == format.name());
    assert!(!is_known, "there already is a file format `{}`", format.name());
    own.push(Box::leak(Box::new(Own(Box::new(format)))));
}

/// The formats that were added.
pub(super) fn added() -> Vec<&'static dyn Format> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A format that was added.
#[derive(Debug)]
struct Own(Box<dyn ImageFormat>);

impl Format for Own {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        !start.is_folder && self.0.recognizes(start.path, start.bytes)
    }

    fn images(&self, place: &Place, _: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        if let Some(key) = &place.key {
            let what = format!("is a file of the format {}, which has one array; remove `:{key}`", self.0.name());
            return Err(FormatError::new(&place.path, what));
        }
        // A file that cannot be read has the same error in every format.
        std::fs::File::open(&place.path).map_err(FileError::at("read", &place.path))?;
        let images = guarded(|| self.0.read(&place.path))
            .unwrap_or_else(|panic| Err(format!("cannot be read: its format `{}` panicked: {panic}", self.0.name())))
            .map_err(|what| FormatError::new(&place.path, what))?;
        let [height, width, channels] = images.shape;
        let size = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels)).unwrap_or(0);
        if ![1, 3].contains(&channels) {
            let what = format!("has images of {channels} channels; its format must give 1 or 3");
            return Err(FormatError::new(&place.path, what));
        }
        if size == 0 || images.values.is_empty() || images.values.len() % size != 0 {
            let what = format!(
                "has {} values, which are not whole images of {height}x{width}x{channels}; correct its format",
                images.values.len()
            );
            return Err(FormatError::new(&place.path, what));
        }
        let count = images.values.len() / size;
        if let Some((name, labels)) = images.labels.iter().find(|(_, labels)| labels.len() != count) {
            let what = format!("has {count} images, but {} values of `{name}`; correct its format", labels.len());
            return Err(FormatError::new(&place.path, what));
        }
        Ok(Box::new(Whole { count, images: Some(images), labels: Vec::new() }))
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        Err(FormatError::new(&place.path, "is a file of images; remove `data.labels`, or name a file of labels"))
    }
}

/// The images of a file that was read.
struct Whole {
    count: usize,
    images: Option<FileImages>,
    labels: Vec<(String, Vec<i64>)>,
}

impl Reader for Whole {
    fn count(&self) -> Option<usize> {
        Some(self.count)
    }

    fn next(&mut self, _: usize) -> Result<Option<Block>, FormatError> {
        let Some(FileImages { shape, values, labels }) = self.images.take() else { return Ok(None) };
        self.labels = labels;
        // Without an axis of one channel, none of the axes can be taken for it.
        let axes = if shape[2] == 1 { shape[..2].to_vec() } else { shape.to_vec() };
        Ok(Some(Block::Array { axes, values: Values::U8(values), element: Element::Byte }))
    }

    fn finish(self: Box<Self>) -> Result<(Vec<RawColumn>, Vec<String>), FormatError> {
        let columns = self.labels.into_iter().map(|(name, values)| RawColumn::new(name, RawValues::Whole(values)));
        Ok((columns.collect(), Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of images of 2x1x1 with a label each: what a file has is its text, as numbers.
    #[derive(Debug)]
    struct Numbers {
        labels: usize,
    }

    impl ImageFormat for Numbers {
        fn name(&self) -> &'static str {
            "numbers"
        }

        fn recognizes(&self, path: &Path, start: &[u8]) -> bool {
            path.extension().is_some_and(|ending| ending == "numbers") && start.first().is_some_and(u8::is_ascii_digit)
        }

        fn read(&self, path: &Path) -> Result<FileImages, String> {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
            let values = text.split(' ').map(str::parse).collect::<Result<_, _>>();
            let values = values.map_err(|_| "has a word that is not a number; correct it".to_owned())?;
            Ok(FileImages { shape: [2, 1, 1], values, labels: vec![("label".to_owned(), vec![5; self.labels])] })
        }
    }

    /// What is read of a text.
    fn read(text: &str, labels: usize) -> Result<(Vec<u8>, Vec<RawColumn>), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = folder.path().join("a.numbers");
        std::fs::write(&path, text).map_err(|error| error.to_string())?;
        let place = Place::new(&path, None);
        let shown = |error: FormatError| error.to_string().replace(&path.display().to_string(), "FILE");
        let mut reader = Own(Box::new(Numbers { labels })).images(&place, &Wish { size: None }).map_err(shown)?;
        let mut all = Vec::new();
        while let Some(Block::Array { values: Values::U8(values), axes, .. }) = reader.next(1).map_err(shown)? {
            assert_eq!(axes, [2, 1]);
            all.extend(values);
        }
        Ok((all, reader.finish().map_err(shown)?.0))
    }

    #[test]
    fn files_are_read_with_their_labels() {
        let (values, columns) = read("1 2 3 4", 2).unwrap();
        assert_eq!(values, [1, 2, 3, 4]);
        assert_eq!(columns, [RawColumn::new("label", RawValues::Whole(vec![5, 5]))]);
    }

    #[test]
    fn what_a_format_reads_is_checked() {
        let error = |text: &str, labels: usize| read(text, labels).unwrap_err();
        assert_eq!(error("1 x", 1), "`FILE` has a word that is not a number; correct it");
        assert_eq!(error("1 2 3", 1), "`FILE` has 3 values, which are not whole images of 2x1x1; correct its format");
        assert_eq!(error("1 2 3 4", 3), "`FILE` has 2 images, but 3 values of `label`; correct its format");
    }

    #[test]
    fn an_added_format_is_found_by_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let [own, other] = ["a.numbers", "b.numbers"].map(|name| folder.path().join(name));
        std::fs::write(&own, "7 8").unwrap();
        std::fs::write(&other, "x").unwrap();
        let name = |path: &Path| super::super::detect(path).map(|format| format.name());
        assert!(name(&own).is_err());
        add_format(Numbers { labels: 1 });
        assert_eq!(name(&own).unwrap(), "numbers");
        assert!(name(&other).is_err());
    }
}
