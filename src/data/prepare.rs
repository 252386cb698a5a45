//! Prepares images: reads them from their files, changes them, and writes them to the cache.

use super::cache::{Cache, Prepared, PreparedImage, Writer};
use super::column::RawColumn;
use super::error::{DataError, Unprepared};
use super::format::{Block, Encoded, Expanded, Format, FormatError, Wish, detect};
use super::kinds::Kinds;
use super::picture::{Changes, Layout, Picture, decode};
use super::store::{ImageHash, hash_of};
use super::values::{Element, Extent, ValuesRef};
use super::{ImageShape, cache};
use crate::folder::{FileError, absolute, digest};
use crate::guard::guarded;
use crate::text::counted;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// The largest number of images that are in memory at a time, and of their bytes.
const BLOCK: usize = 512;
const BLOCK_BYTES: usize = 64 << 20;

/// The number of images of the first block, whose size is not known.
const FIRST_BLOCK: usize = 4;

/// The number of faults that a message lists.
const LISTED: usize = 20;

/// The version of what preparing does: a change of any prepared value raises it.
const VERSION: u64 = 1;

/// The progress of preparing images.
#[derive(Clone, Debug)]
pub enum Preparing {
    /// Another process prepares the same images.
    Waits {
        /// The files or the folder.
        what: PathBuf,
    },
    /// This process prepares images.
    Images {
        /// The files or the folder.
        what: PathBuf,
        /// The number of prepared images.
        done: usize,
        /// The number of all images, if it is known.
        count: Option<usize>,
    },
    /// This process prepares no more images.
    Ended,
    /// What the user should know about the files that were read.
    Note(String),
}

/// Images to prepare.
pub(super) struct Request<'a> {
    /// The spec key that names the images, and that of the labels.
    pub(super) keys: [&'static str; 2],
    pub(super) images: &'a Expanded,
    /// The files of labels; empty if there are none.
    pub(super) labels: &'a Expanded,
    pub(super) layout: Layout,
    pub(super) changes: Changes,
    /// The format that all files must have, if the spec says so.
    pub(super) format: Option<&'static dyn Format>,
    pub(super) naming: Naming,
}

/// What is known of files, but not written in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Naming {
    /// The names of the columns, if it has as many as the files.
    pub(super) columns: &'static [&'static str],
    /// The names of the values of the first column.
    pub(super) classes: &'static [&'static str],
    /// Whether bytes are bits.
    pub(super) are_bits: bool,
}

impl Naming {
    /// No names.
    pub(super) const NONE: Naming = Naming { columns: &[], classes: &[], are_bits: false };

    fn apply(self, columns: &mut [RawColumn]) {
        if columns.len() == self.columns.len() {
            columns.iter_mut().zip(self.columns).for_each(|(column, name)| column.name = (*name).to_owned());
        }
        if let [column, ..] = columns
            && !self.classes.is_empty()
        {
            column.names = Some(self.classes.iter().map(|name| (*name).to_owned()).collect());
        }
    }
}

impl Request<'_> {
    /// What the images are called in messages.
    pub(super) fn name(&self) -> PathBuf {
        match &**self.images {
            [one] => PathBuf::from(one.to_string()),
            [first, others @ ..] => match first.path.parent() {
                Some(folder) if folder != Path::new("") => folder.to_path_buf(),
                _ => PathBuf::from(format!("{first} and {} more", others.len())),
            },
            [] => PathBuf::new(),
        }
    }

    fn error(&self, error: FormatError) -> DataError {
        DataError::of_format(self.keys[0], error)
    }

    /// The prepared images, from the cache if they are there, and the name of their format.
    ///
    /// # Errors
    /// A file cannot be read or is invalid, or the cache cannot be used.
    pub(super) fn prepared(
        &self,
        cache: &Cache,
        watch: &mut dyn FnMut(Preparing),
    ) -> Result<(Arc<cache::Mapped>, &'static str), DataError> {
        let formats = self.formats()?;
        if let Some(labels) = self.labels.first().filter(|_| formats.iter().any(|format| format.has_names())) {
            let what = "has no names of pictures, so its order may be another one than that of the pictures; put them into \
                        folders by label, or write the labels into metadata.csv with a column `file_name`";
            return Err(DataError::of_format(self.keys[1], FormatError::new(&labels.path, what)));
        }
        let name = self.fingerprint(&formats)?;
        let what = self.name();
        let watch = std::cell::RefCell::new(watch);
        let mut waits = || (watch.borrow_mut())(Preparing::Waits { what: what.clone() });
        let prepare = |writer| {
            let result = self.write(cache, &formats, writer, &mut |event| (watch.borrow_mut())(event));
            (watch.borrow_mut())(Preparing::Ended);
            for note in result.iter().flat_map(|prepared| &prepared.notes) {
                (watch.borrow_mut())(Preparing::Note(note.clone()));
            }
            result
        };
        let format = formats.first().map_or("", |format| format.name());
        Ok((cache.get(&name, &mut waits, prepare).map(Arc::new)?, format))
    }

    /// The format of each file.
    fn formats(&self) -> Result<Vec<&'static dyn Format>, DataError> {
        let format = |path: &Path| {
            let found = detect(path).map_err(|error| self.error(error))?;
            match self.format {
                Some(wanted) if wanted.name() != found.name() => {
                    let (wanted, found) = (wanted.name(), found.name());
                    let what = format!(
                        "is not in the format {wanted}, but in the format {found}; correct the path, or remove `data.source`: vaex \
                         then finds the format itself"
                    );
                    Err(self.error(FormatError::new(path, what)))
                }
                _ => Ok(found),
            }
        };
        self.images.iter().map(|place| format(&place.path)).collect()
    }

    /// A hash of the settings that change the images and of the files that they depend on.
    fn fingerprint(&self, formats: &[&'static dyn Format]) -> Result<String, DataError> {
        let mut text = format!("{VERSION} {:?} {:?} {:?}\n", self.layout, self.changes, self.naming);
        for (place, format) in self.images.iter().zip(formats) {
            text.push_str(&format!("{} {:?}\n", format.name(), place.key));
            let files = format.files(place).map_err(|error| self.error(error))?;
            // In parallel: a folder may have a million files.
            let stamps: Vec<Result<String, FileError>> = files.par_iter().map(|file| stamp(file)).collect();
            for stamp in stamps {
                text.push_str(&stamp.map_err(|error| self.error(error.into()))?);
            }
        }
        for place in self.labels {
            let error = |error: FileError| DataError::of_format(self.keys[1], error.into());
            text.push_str(&format!("labels {:?}\n{}", place.key, stamp(&place.path).map_err(error)?));
        }
        Ok(digest(&[text.as_bytes()], 32))
    }

    /// Writes all images.
    fn write(
        &self,
        cache: &Cache,
        formats: &[&'static dyn Format],
        mut writer: Writer,
        watch: &mut dyn FnMut(Preparing),
    ) -> Result<Prepared, DataError> {
        let mut notes = Vec::new();
        let mut images = Images { request: self, kinds: Kinds::default(), count: 0, faults: Vec::new(), more: 0 };
        let mut columns: Vec<RawColumn> = Vec::new();
        let labels = self.read_labels()?;
        for (number, (place, format)) in self.images.iter().zip(formats).enumerate() {
            let wish = Wish { size: self.changes.size };
            let mut reader = format.images(place, &wish).map_err(|error| self.error(error))?;
            let of_file = if self.images.len() == 1 { reader.count() } else { None };
            while let Some(block) = reader.next(images.block()).map_err(|error| self.error(error))? {
                images.add(place.path.as_path(), block, cache, &mut writer)?;
                watch(Preparing::Images { what: self.name(), done: images.count, count: of_file });
            }
            let (of_file, said) = reader.finish().map_err(|error| self.error(error))?;
            notes.extend(said);
            append(&mut columns, of_file, number == 0)
                .map_err(|what| self.error(FormatError::new(&place.path, what)))?;
        }
        let count = images.count;
        let (shape, element) = images.finish()?;
        match labels {
            Some(of_labels) => columns = self.checked_labels(of_labels, count)?,
            None => {
                if let Some(column) = columns.iter().find(|column| column.values.len() != count) {
                    let what = format!(
                        "has {}, but {} in `{}`; correct the file, or give other labels with `{}`",
                        counted(count, "image"),
                        counted(column.values.len(), "label"),
                        column.name,
                        self.keys[1]
                    );
                    return Err(self.error(FormatError::new(&self.name(), what)));
                }
            }
        }
        self.naming.apply(&mut columns);
        make_unique(&mut columns);
        let columns = columns.into_iter().map(RawColumn::numbered).collect();
        // Whoever lists the cache is in another folder.
        let sources = self.images.iter().map(|place| place.absolute().to_string()).collect();
        Ok(Prepared { writer, shape, element, columns, notes, sources })
    }

    /// The columns of the files of labels; `None` without such files.
    fn read_labels(&self) -> Result<Option<Vec<RawColumn>>, DataError> {
        let mut columns = Vec::new();
        for (number, place) in self.labels.iter().enumerate() {
            let error = |error| DataError::of_format(self.keys[1], error);
            let of_file = detect(&place.path).and_then(|format| format.labels(place)).map_err(error)?;
            append(&mut columns, of_file, number == 0).map_err(|what| error(FormatError::new(&place.path, what)))?;
        }
        Ok(Some(columns).filter(|_| !self.labels.is_empty()))
    }

    fn checked_labels(&self, columns: Vec<RawColumn>, images: usize) -> Result<Vec<RawColumn>, DataError> {
        match columns.iter().map(|column| column.values.len()).find(|labels| *labels != images) {
            None => Ok(columns),
            Some(labels) => Err(DataError::LabelCount {
                key: self.keys[1],
                labels_file: self.labels.first().map(|place| place.path.clone()).unwrap_or_default(),
                labels,
                images,
                images_file: self.name(),
            }),
        }
    }
}

/// Gives columns of equal names different ones.
fn make_unique(columns: &mut [RawColumn]) {
    for index in 1..columns.len() {
        let (before, from) = columns.split_at_mut(index);
        let own = from[0].name.clone();
        let is_free = |name: &String| before.iter().all(|column| column.name != *name);
        let names = std::iter::once(own.clone()).chain((2..).map(|number| format!("{own}_{number}")));
        from[0].name = names.into_iter().find(is_free).unwrap_or(own);
    }
}

/// Appends the columns of another file; the error says how they differ.
fn append(columns: &mut Vec<RawColumn>, of_file: Vec<RawColumn>, is_first: bool) -> Result<(), String> {
    if is_first {
        *columns = of_file;
        return Ok(());
    }
    let are_same = columns.len() == of_file.len() && columns.iter().zip(&of_file).all(|(a, b)| a.name == b.name);
    if !are_same {
        return Err("has other labels than the files before it".to_owned());
    }
    for (column, other) in columns.iter_mut().zip(of_file) {
        if column.names != other.names {
            return Err(format!(
                "has other names of classes than the files before it, in the column `{}`",
                column.name
            ));
        }
        if !column.values.append(other.values) {
            return Err(format!(
                "has labels of another type than the files before it, in the column `{}`",
                column.name
            ));
        }
    }
    Ok(())
}

/// What changes when a file changes: its path, size, time of modification in nanoseconds, and inode.
fn stamp(path: &Path) -> Result<String, FileError> {
    let metadata = std::fs::metadata(path).map_err(FileError::at("read", path))?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    // Most paths are absolute already: a folder may have a million of them.
    let whole = if path.is_absolute() { path.to_path_buf() } else { absolute(path) };
    Ok(format!("{} {} {:?} {}\n", whole.display(), metadata.len(), modified, inode(&metadata)))
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> u64 {
    0
}

/// The images that were prepared so far, and what is wrong with them.
struct Images<'a> {
    request: &'a Request<'a>,
    kinds: Kinds,
    count: usize,
    faults: Vec<String>,
    /// The number of faults that are not listed.
    more: usize,
}

/// An image that was changed, with what is known about it.
type Ready = (Picture, ImageHash, Extent);

impl Images<'_> {
    /// The number of images of the next block.
    fn block(&self) -> usize {
        let bytes = self.kinds.first().map(|(shape, element)| shape.values() * element.bytes());
        bytes.map_or(FIRST_BLOCK, |bytes| (BLOCK_BYTES / bytes.max(1)).clamp(1, BLOCK))
    }

    /// Adds the images of a block.
    fn add(&mut self, file: &Path, block: Block, cache: &Cache, writer: &mut Writer) -> Result<(), DataError> {
        let (layout, changes) = (self.request.layout, self.request.changes);
        let first = self.count;
        let (names, ready): (Vec<String>, Vec<Result<Ready, String>>) = match block {
            Block::Array { axes, values, element } => {
                let size: usize = axes.iter().product();
                // Rows of numbers have their final size before they are transposed.
                let size_of_rows = changes.size.map(|[h, w]| if changes.transpose { [w, h] } else { [h, w] });
                let (shape, is_planar) = layout.shape(&axes, size_of_rows).map_err(|error| {
                    let key = if matches!(layout, Layout::Nhwc | Layout::Nchw) {
                        "data.layout"
                    } else {
                        self.request.keys[0]
                    };
                    DataError::of_format(key, FormatError::new(file, error.text(&axes)))
                })?;
                let is_bit = self.request.naming.are_bits && element == Element::Byte;
                let element = if is_bit { Element::Bit } else { element };
                let count = values.len() / size.max(1);
                let one = |index: usize| {
                    let part = match values.all().part(index * size..(index + 1) * size) {
                        ValuesRef::U8(bytes) => bytes.to_vec().into(),
                        ValuesRef::F32(floats) => floats.to_vec().into(),
                    };
                    ready(Layout::picture(shape, is_planar, part, element), changes)
                };
                let name = |index: usize| format!("image {} of `{}`", first + index, file.display());
                ((0..count).map(name).collect(), (0..count).into_par_iter().map(one).collect())
            }
            Block::Pictures(pictures) => {
                let one = |picture: &Encoded| {
                    let read;
                    let bytes = match &picture.bytes {
                        Some(bytes) => bytes,
                        None => {
                            read = std::fs::read(&picture.name).map_err(|error| format!("cannot be read: {error}"))?;
                            &read
                        }
                    };
                    let decoded = guarded(|| decode(bytes))
                        .map_err(|panic| format!("cannot be decoded ({panic}); replace it or remove it"))?;
                    ready(decoded.map_err(|error| error.to_string())?, changes)
                };
                let name = |picture: &Encoded| format!("`{}`", picture.name.display());
                (pictures.iter().map(name).collect(), pictures.par_iter().map(one).collect())
            }
        };
        for (name, ready) in names.into_iter().zip(ready) {
            if let Ok((picture, ..)) = &ready {
                self.kinds.add(picture.shape, picture.element, &name);
            }
            match ready {
                Ok((picture, hash, extent)) if self.faults.is_empty() && self.kinds.are_same() => {
                    let image = PreparedImage { values: picture.values.all(), hash, extent };
                    writer.push(&image).map_err(|error| cache.write_error(error, writer))?;
                }
                Ok(_) => {}
                Err(_) if self.faults.len() >= LISTED => self.more += 1,
                Err(what) => self.faults.push(format!("{name} {what}")),
            }
            self.count += 1;
        }
        Ok(())
    }

    fn finish(self) -> Result<(ImageShape, Element), DataError> {
        let name = self.request.name();
        let key = self.request.keys[0];
        if !self.faults.is_empty() {
            let unprepared = Unprepared { name, count: self.count, faults: self.faults, more: self.more };
            return Err(DataError::Images { key, unprepared });
        }
        let fault = |what: String| DataError::of_format(key, FormatError::new(&name, what));
        match self.kinds.difference() {
            Some(difference) => Err(fault(difference)),
            None => self.kinds.first().ok_or_else(|| fault("has no images".to_owned())),
        }
    }
}

/// Changes an image, and computes its hash and extent.
fn ready(picture: Picture, changes: Changes) -> Result<Ready, String> {
    if picture.element == Element::Bit
        && let Some(value) = picture.values.all().find(|value| value > 1.0)
    {
        return Err(format!("has the value {value}, but only 0 and 1 are expected; download the file again"));
    }
    let picture = changes.apply(picture)?;
    let values = picture.values.all();
    if let ValuesRef::F32(floats) = values
        && let Some(value) = floats.iter().find(|value| !value.is_finite())
    {
        return Err(format!("has the value {value}; all values must be finite numbers"));
    }
    let (hash, extent) = (hash_of(picture.shape, values), values.extent());
    Ok((picture, hash, extent))
}
