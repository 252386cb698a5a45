//! Zip files: the members of npz files and of archives of pictures.

use super::FormatError;
use crate::folder::FileError;
use crate::text::grouped;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::result::ZipError;

/// The largest number of members of an archive.
pub(super) const MEMBER_LIMIT: usize = 10_000_000;

/// The largest ratio of decompressed to stored bytes of more than [`BOMB_FLOOR`] bytes. That of dSprites, whose images are
/// nearly empty, is 113.
const BOMB_RATIO: u64 = 500;
const BOMB_FLOOR: u64 = 256 << 20;

/// Whether so few stored bytes cannot be images that take so many bytes in memory.
pub(super) fn is_bomb(bytes: u64, stored: u64) -> bool {
    bytes > stored.saturating_mul(BOMB_RATIO).max(BOMB_FLOOR)
}

/// An open zip file.
pub(super) struct ZipFile {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    /// The names of the files in it, without folders.
    names: Vec<String>,
}

/// Whether a file that starts so is a zip file.
pub(super) fn is_zip(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06")
}

impl ZipFile {
    pub(super) fn open(path: &Path) -> Result<ZipFile, FormatError> {
        let file = File::open(path).map_err(FileError::at("read", path))?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| problem(path, "", error))?;
        if archive.len() > MEMBER_LIMIT {
            return Err(FormatError::new(path, "has more than 10 million files"));
        }
        let names = archive.file_names().filter(|name| !name.ends_with('/')).map(str::to_owned).collect();
        Ok(ZipFile { path: path.to_path_buf(), archive, names })
    }

    /// The names of the files in it, without folders.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// The content of a file, at most `most` bytes.
    pub(super) fn content(&mut self, name: &str, most: u64) -> Result<Vec<u8>, FormatError> {
        let mut content = Vec::new();
        let (path, size) = (self.path.clone(), self.read(name, most, |input| input.read_to_end(&mut content))?);
        match content.len() as u64 == size {
            true => Ok(content),
            false => Err(FormatError::new(&path, format!("ends inside of `{name}`; download it again"))),
        }
    }

    /// Reads a file with `read`. Returns the size that its header gives.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        most: u64,
        read: impl FnOnce(&mut dyn Read) -> std::io::Result<T>,
    ) -> Result<u64, FormatError> {
        let path = &self.path;
        let file = self.archive.by_name(name).map_err(|error| problem(path, name, error))?;
        let (size, packed) = (file.size(), file.compressed_size());
        if file.is_symlink() {
            let what =
                format!("has a link, `{name}`, which vaex does not follow; unpack the archive and use the folder");
            return Err(FormatError::new(path, what));
        }
        if size > most {
            let what =
                format!("has the file `{name}` of {} bytes, more than the maximum of {}", grouped(size), grouped(most));
            return Err(FormatError::new(path, what));
        }
        if is_bomb(size, packed) {
            let what = format!(
                "claims that `{name}` has {} bytes, but only {} compressed bytes are there, too few for images",
                grouped(size),
                grouped(packed)
            );
            return Err(FormatError::new(path, what));
        }
        let mut file = file.take(size);
        let whole = |file: &mut std::io::Take<zip::read::ZipFile<'_, _>>| {
            let value = read(file)?;
            // The checksum is compared at the end of the file.
            let is_at_end = file.limit() == 0;
            file.set_limit(1);
            match is_at_end && file.read(&mut [0])? > 0 {
                true => Err(std::io::Error::other("it has more bytes than the archive says")),
                false => Ok(value),
            }
        };
        whole(&mut file)
            .map_err(|error| FormatError::new(path, format!("is damaged in `{name}` ({error}); download it again")))?;
        Ok(size)
    }
}

/// The error of the zip reader in words.
fn problem(path: &Path, name: &str, error: ZipError) -> FormatError {
    match error {
        ZipError::Io(source) => FileError { action: "read", path: path.to_path_buf(), source }.into(),
        ZipError::FileNotFound => FormatError::new(path, format!("has no file `{name}`")),
        ZipError::UnsupportedArchive(what) => FormatError::new(
            path,
            format!("uses a feature of zip that vaex does not read ({what}); pack it again with: zip -r"),
        ),
        ZipError::CompressionMethodNotSupported(_) => FormatError::new(
            path,
            format!("has `{name}` in a compression that vaex does not read; pack it again with: zip -r"),
        ),
        other => FormatError::new(path, format!("is a damaged zip file ({other}); download it again")),
    }
}
