//! Folders of pictures, and single pictures.

use super::collection::{Collection, is_picture, place_parts, visible};
use super::{Block, Encoded, Format, FormatError, Place, PlaceParts, Reader, Start, Wish};
use crate::data::column::RawColumn;
use crate::data::picture::is_picture_start;
use crate::folder::FileError;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Folders of pictures.
#[derive(Debug)]
pub(super) struct Folder;

impl Format for Folder {
    fn name(&self) -> &'static str {
        "folder of pictures"
    }

    fn has_names(&self) -> bool {
        true
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        start.is_folder
    }

    fn files(&self, place: &Place) -> Result<Vec<PathBuf>, FormatError> {
        let collection = collection(place)?;
        let all = collection.pictures().iter().map(String::as_str).chain(collection.metadata());
        Ok(all.map(|path| place.path.join(path)).collect())
    }

    fn parts(&self, place: &Place) -> Result<PlaceParts, FormatError> {
        place_parts(place, &paths(&place.path)?, |folder| Place::new(place.path.join(folder), None))
    }

    fn images(&self, place: &Place, _: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        let collection = collection(place)?;
        let metadata = collection.metadata().map(|file| place.path.join(file));
        let read = |path: PathBuf| std::fs::read(&path).map_err(FileError::at("read", &path));
        let metadata = metadata.map(read).transpose()?;
        let columns = collection.columns(metadata.as_deref())?;
        let files = collection.pictures().iter().map(|path| place.path.join(path)).collect();
        Ok(Box::new(Pictures { files, given: 0, columns }))
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        Err(FormatError::new(&place.path, "is a folder, not a file of labels"))
    }
}

/// Single pictures.
#[derive(Debug)]
pub(super) struct Picture;

impl Format for Picture {
    fn name(&self) -> &'static str {
        "picture"
    }

    fn has_names(&self) -> bool {
        true
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        is_picture_start(start.bytes) || (is_picture(start.path) && !start.is_folder)
    }

    fn images(&self, place: &Place, _: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        Ok(Box::new(Pictures { files: vec![place.path.clone()], given: 0, columns: Vec::new() }))
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        Err(FormatError::new(&place.path, "is a picture, not a file of labels"))
    }
}

fn collection(place: &Place) -> Result<Collection, FormatError> {
    Collection::of(&place.path, paths(&place.path)?)
}

/// The paths of all files below a folder, with `/`. Links are followed.
fn paths(folder: &Path) -> Result<Vec<String>, FormatError> {
    let mut paths = Vec::new();
    for entry in WalkDir::new(folder).follow_links(true) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_path_buf();
            let source = error.into_io_error().unwrap_or_else(|| io::Error::other("a link leads to a parent folder"));
            FileError { action: "read", path, source }
        })?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let Some(path) = path.to_str() else {
            return Err(FormatError::new(entry.path(), "has a name that is not UTF-8 text; rename it"));
        };
        paths.push(path.replace('\\', "/"));
    }
    Ok(visible(paths))
}

/// Pictures in files of their own.
struct Pictures {
    files: Vec<PathBuf>,
    given: usize,
    columns: Vec<RawColumn>,
}

impl Reader for Pictures {
    fn count(&self) -> Option<usize> {
        Some(self.files.len())
    }

    fn next(&mut self, most: usize) -> Result<Option<Block>, FormatError> {
        let end = self.files.len().min(self.given + most);
        let block = self.files.get(self.given..end).unwrap_or_default();
        let pictures: Vec<Encoded> = block.iter().map(|path| Encoded { name: path.clone(), bytes: None }).collect();
        self.given = end;
        Ok(Some(Block::Pictures(pictures)).filter(|_| !block.is_empty()))
    }

    fn finish(self: Box<Self>) -> Result<(Vec<RawColumn>, Vec<String>), FormatError> {
        Ok((self.columns, Vec::new()))
    }
}
