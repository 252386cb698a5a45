//! From the paths of a spec to files of known formats.

use super::{FORMATS, Format, FormatError, START_BYTES, Start};
use crate::folder::{FileError, absolute};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file or folder, and an array in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::data) struct Place {
    pub(in crate::data) path: PathBuf,
    /// The name of an array in the file, written after a colon.
    pub(in crate::data) key: Option<String>,
}

impl Place {
    pub(in crate::data) fn new(path: impl Into<PathBuf>, key: Option<String>) -> Place {
        Place { path: path.into(), key }
    }

    /// The same place with an absolute path.
    pub(in crate::data) fn absolute(&self) -> Place {
        Place { path: absolute(&self.path), key: self.key.clone() }
    }

    /// The same file with another array.
    pub(in crate::data) fn with_key(&self, key: &str) -> Place {
        Place { path: self.path.clone(), key: Some(key.to_owned()) }
    }
}

/// As in a spec: `file.npz:key`.
impl std::fmt::Display for Place {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}", self.path.display())?;
        self.key.iter().try_for_each(|key| write!(to, ":{key}"))
    }
}

/// The places that a path of a spec stands for.
pub(in crate::data) type Expanded = Vec<Place>;

/// The places of a path of a spec: a file or folder, `file:key`, or a pattern with `*`, `?` or `[`.
///
/// # Errors
/// There is no such file.
pub(in crate::data) fn expand(folder: &Path, path: &Path) -> Result<Expanded, FormatError> {
    let whole = folder.join(path);
    let source = match whole.symlink_metadata() {
        Ok(_) => return Ok(vec![Place::new(whole, None)]),
        Err(source) => source,
    };
    let unreadable = |source| FormatError::from(FileError { action: "read", path: whole.clone(), source });
    let Some(text) = whole.to_str() else { return Err(unreadable(source)) };
    if let Some((file, key)) = text.rsplit_once(':')
        && Path::new(file).is_file()
    {
        return Ok(vec![Place::new(file, Some(key.to_owned()))]);
    }
    if !text.contains(['*', '?', '[']) {
        return Err(unreadable(source));
    }
    // Only the path of the spec is a pattern, not the folder of the spec.
    let pattern = match (folder.to_str(), path.to_str()) {
        (Some(folder), Some(path)) if !folder.is_empty() && !Path::new(path).is_absolute() => {
            format!("{}/{path}", glob::Pattern::escape(folder.trim_end_matches('/')))
        }
        _ => text.to_owned(),
    };
    let pattern = glob::glob(&pattern)
        .map_err(|error| FormatError::Content(format!("the pattern `{text}` is invalid: {error}").into()))?;
    let mut places = Vec::new();
    for found in pattern {
        let path = found.map_err(|error| {
            let path = error.path().to_path_buf();
            FileError { action: "read", path, source: error.into() }
        })?;
        places.push(Place::new(path, None));
    }
    if places.is_empty() {
        return Err(FormatError::Content(format!("no file matches the pattern `{text}`").into()));
    }
    Ok(places)
}

/// The format of a file or folder.
///
/// # Errors
/// It cannot be read, or has no known format.
pub(in crate::data) fn detect(path: &Path) -> Result<&'static dyn Format, FormatError> {
    let metadata = std::fs::metadata(path).map_err(FileError::at("read", path))?;
    let is_folder = metadata.is_dir();
    let bytes = if is_folder { Vec::new() } else { start_of(path)? };
    let unzipped = match bytes.starts_with(&[0x1f, 0x8b]) {
        true => unzipped(&bytes),
        false => bytes.clone(),
    };
    let start = Start { path, is_folder, bytes: &bytes, unzipped: &unzipped };
    if !is_folder && bytes.is_empty() {
        return Err(FormatError::new(path, "is empty; download it again"));
    }
    let all = super::own::added().into_iter().chain(FORMATS.iter().copied());
    all.into_iter().find(|format| format.recognizes(&start)).ok_or_else(|| super::refused::error(&start))
}

fn start_of(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(FileError::at("read", path))?;
    file.take(START_BYTES as u64).read_to_end(&mut bytes).map_err(FileError::at("read", path))?;
    Ok(bytes)
}

/// The start of a gzipped file after decompression, as far as the bytes go.
fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut unzipped = vec![0; START_BYTES];
    let (mut decoder, mut length) = (flate2::read::GzDecoder::new(bytes), 0);
    // The end of the bytes is not the end of the file, so an error only ends the start.
    while let Ok(count) = decoder.read(&mut unzipped[length..]) {
        length += count;
        if count == 0 || length == START_BYTES {
            break;
        }
    }
    unzipped.truncate(length);
    unzipped
}
