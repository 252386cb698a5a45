//! Formats whose files a library of other people reads: its panics at damaged files are errors.

use super::{Block, Format, FormatError, Place, PlaceParts, Reader, Start, Wish};
use crate::data::column::RawColumn;
use crate::guard::guarded;
use std::path::PathBuf;

/// A format that is read by a library.
#[derive(Debug)]
pub(super) struct Foreign<F>(pub(super) F);

impl<F: Format> Foreign<F> {
    fn of(&self, place: &Place) -> OfFile {
        OfFile { path: place.path.clone(), format: self.0.name() }
    }
}

impl<F: Format> Format for Foreign<F> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        self.0.recognizes(start)
    }

    fn has_names(&self) -> bool {
        self.0.has_names()
    }

    fn files(&self, place: &Place) -> Result<Vec<PathBuf>, FormatError> {
        self.of(place).read(|| self.0.files(place))
    }

    fn parts(&self, place: &Place) -> Result<PlaceParts, FormatError> {
        self.of(place).read(|| self.0.parts(place))
    }

    fn images(&self, place: &Place, wish: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        let of = self.of(place);
        let reader = of.read(|| self.0.images(place, wish))?;
        Ok(Box::new(ForeignReader { reader, of }))
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        self.of(place).read(|| self.0.labels(place))
    }
}

/// What a library reads.
struct OfFile {
    path: PathBuf,
    format: &'static str,
}

impl OfFile {
    fn read<T>(&self, work: impl FnOnce() -> Result<T, FormatError>) -> Result<T, FormatError> {
        guarded(work).unwrap_or_else(|panic| {
            let what = format!(
                "cannot be read as {}: its reader failed ({panic}); the file is probably damaged: download it or write it again",
                self.format
            );
            Err(FormatError::new(&self.path, what))
        })
    }
}

/// The images of such a file.
struct ForeignReader {
    reader: Box<dyn Reader>,
    of: OfFile,
}

impl Reader for ForeignReader {
    fn count(&self) -> Option<usize> {
        self.reader.count()
    }

    fn next(&mut self, most: usize) -> Result<Option<Block>, FormatError> {
        self.of.read(|| self.reader.next(most))
    }

    fn finish(self: Box<Self>) -> Result<(Vec<RawColumn>, Vec<String>), FormatError> {
        let ForeignReader { reader, of } = *self;
        of.read(|| reader.finish())
    }
}
