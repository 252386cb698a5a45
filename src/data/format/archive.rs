//! Zip and tar archives of pictures in folders.

use super::collection::{
    Collection, checked_member, common_folder, encoded, is_metadata, is_picture, place_parts, visible,
};
use super::zip_file::{self, MEMBER_LIMIT, ZipFile};
use super::{BLOCK_BYTES, Block, Format, FormatError, Place, PlaceParts, Reader, Start, Wish};
use crate::data::column::{RawColumn, RawValues};
use crate::folder::FileError;
use flate2::read::MultiGzDecoder;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The largest number of bytes of an encoded picture.
const PICTURE_BYTES: u64 = 1 << 28;

/// The largest number of bytes of pictures that are kept in memory, of a compressed archive.
const HELD_BYTES: u64 = 8 << 30;

/// Reads the members of an archive.
trait Members: Send {
    /// The paths of all files, with `/`.
    fn paths(&self) -> Vec<String>;

    /// The content of a file, at most `most` bytes.
    fn read(&mut self, member: &str, most: u64) -> Result<Vec<u8>, FormatError>;
}

/// Opens an archive, to read its files or only to list them.
type Open = fn(&Path, Purpose) -> Result<Box<dyn Members>, FormatError>;

/// What an archive is opened for: a compressed one, whose files cannot be found again, is kept in memory to read them.
#[derive(Clone, Copy, PartialEq)]
enum Purpose {
    List,
    Read,
}

/// Zip archives of pictures.
#[derive(Debug)]
pub(super) struct Zip;

/// Tar archives of pictures, plain or gzipped.
#[derive(Debug)]
pub(super) struct Tar;

impl Format for Zip {
    fn name(&self) -> &'static str {
        "zip archive of pictures"
    }

    fn has_names(&self) -> bool {
        true
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        zip_file::is_zip(start.bytes)
    }

    fn parts(&self, place: &Place) -> Result<PlaceParts, FormatError> {
        archive_parts(open_zip, place)
    }

    fn images(&self, place: &Place, _: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        archive_images(open_zip, place)
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        Err(FormatError::new(&place.path, "is an archive, not a file of labels"))
    }
}

impl Format for Tar {
    fn name(&self) -> &'static str {
        "tar archive of pictures"
    }

    fn has_names(&self) -> bool {
        true
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        start.unzipped.get(257..262) == Some(b"ustar")
    }

    fn parts(&self, place: &Place) -> Result<PlaceParts, FormatError> {
        archive_parts(open_tar, place)
    }

    fn images(&self, place: &Place, _: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        archive_images(open_tar, place)
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        Err(FormatError::new(&place.path, "is an archive, not a file of labels"))
    }
}

/// The files of an archive that matter, and the folder that they are in.
fn listed(members: &dyn Members, place: &Place) -> Result<(String, Vec<String>), FormatError> {
    let paths = members.paths();
    if paths.iter().any(|path| path.ends_with("/data.pkl")) {
        let what =
            "is a PyTorch file of Python objects, which vaex does not read; save the array as npy with numpy.save";
        return Err(FormatError::new(&place.path, what));
    }
    let paths = visible(paths);
    let folder = match &place.key {
        None => common_folder(&paths),
        Some(key) => format!("{}/", key.trim_matches('/')),
    };
    let below: Vec<String> = paths.iter().filter_map(|path| path.strip_prefix(&folder)).map(str::to_owned).collect();
    match (&place.key, below.is_empty()) {
        (Some(key), true) => Err(FormatError::new(&place.path, format!("has no folder `{key}`"))),
        _ => Ok((folder, below)),
    }
}

fn archive_parts(open: Open, place: &Place) -> Result<PlaceParts, FormatError> {
    let (folder, paths) = listed(&*open(&place.path, Purpose::List)?, place)?;
    place_parts(place, &paths, |part| place.with_key(&format!("{folder}{part}")))
}

fn archive_images(open: Open, place: &Place) -> Result<Box<dyn Reader>, FormatError> {
    let mut members = open(&place.path, Purpose::Read)?;
    let (folder, paths) = listed(&*members, place)?;
    let has_classes: BTreeSet<String> = paths.iter().filter(|path| path.ends_with(CLASS)).cloned().collect();
    let collection = Collection::of(&place.path, paths)?;
    let metadata = match collection.metadata() {
        Some(file) => Some(members.read(&format!("{folder}{file}"), PICTURE_BYTES)?),
        None => None,
    };
    let mut columns = collection.columns(metadata.as_deref())?;
    let classes: Vec<String> = collection.pictures().iter().map(|path| class_file(path)).collect();
    if columns.is_empty() && classes.iter().all(|file| has_classes.contains(file)) {
        columns.push(classes_of(&mut *members, &folder, &classes, place)?);
    }
    let pictures = collection.pictures().iter().map(|path| format!("{folder}{path}")).collect();
    Ok(Box::new(Pictures { archive: place.path.clone(), members, pictures, given: 0, columns }))
}

/// The ending of the file beside a picture that has its class, in archives of WebDataset.
const CLASS: &str = ".cls";

/// The file with the class of a picture: the name of a sample ends at the first dot.
fn class_file(picture: &str) -> String {
    let start = picture.rfind('/').map_or(0, |slash| slash + 1);
    let end = picture[start..].find('.').map_or(picture.len(), |dot| start + dot);
    format!("{}{CLASS}", &picture[..end])
}

/// The column of the classes in files of their own.
fn classes_of(
    members: &mut dyn Members,
    folder: &str,
    files: &[String],
    place: &Place,
) -> Result<RawColumn, FormatError> {
    let mut classes = Vec::new();
    for file in files {
        let file = format!("{folder}{file}");
        let content = members.read(&file, PICTURE_BYTES)?;
        let class = std::str::from_utf8(&content).ok().and_then(|text| text.trim().parse::<i64>().ok());
        let what = || FormatError::new(&place.path, format!("has no whole number in `{file}`, the class of a picture"));
        classes.push(class.ok_or_else(what)?);
    }
    Ok(RawColumn::new("label", RawValues::Whole(classes)))
}

/// The pictures of an archive, in order.
struct Pictures {
    archive: PathBuf,
    members: Box<dyn Members>,
    pictures: Vec<String>,
    given: usize,
    columns: Vec<RawColumn>,
}

impl Reader for Pictures {
    fn count(&self) -> Option<usize> {
        Some(self.pictures.len())
    }

    fn next(&mut self, most: usize) -> Result<Option<Block>, FormatError> {
        let (mut pictures, mut bytes) = (Vec::new(), 0);
        while pictures.len() < most && bytes < BLOCK_BYTES {
            let Some(name) = self.pictures.get(self.given) else { break };
            let content = self.members.read(name, PICTURE_BYTES)?;
            bytes += content.len();
            pictures.push(encoded(&self.archive, name, content));
            self.given += 1;
        }
        Ok(Some(pictures).filter(|pictures| !pictures.is_empty()).map(Block::Pictures))
    }

    fn finish(self: Box<Self>) -> Result<(Vec<RawColumn>, Vec<String>), FormatError> {
        Ok((self.columns, Vec::new()))
    }
}

/// The files of a zip archive, with the names that they have in it, by path.
struct ZipMembers {
    file: ZipFile,
    names: BTreeMap<String, String>,
}

fn open_zip(path: &Path, _: Purpose) -> Result<Box<dyn Members>, FormatError> {
    let file = ZipFile::open(path)?;
    let mut names = BTreeMap::new();
    for name in file.names() {
        names.insert(checked_member(path, &name)?, name);
    }
    Ok(Box::new(ZipMembers { file, names }))
}

impl Members for ZipMembers {
    fn paths(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn read(&mut self, member: &str, most: u64) -> Result<Vec<u8>, FormatError> {
        self.file.content(self.names.get(member).map_or(member, String::as_str), most)
    }
}

/// The files of a tar archive.
struct TarFile {
    path: PathBuf,
    file: BufReader<File>,
    members: BTreeMap<String, TarMember>,
}

/// A file of a tar archive: where its content is, or the content.
enum TarMember {
    At { start: u64, bytes: u64 },
    Held(Vec<u8>),
}

fn open_tar(path: &Path, purpose: Purpose) -> Result<Box<dyn Members>, FormatError> {
    let mut file = BufReader::new(File::open(path).map_err(FileError::at("read", path))?);
    let mut start = [0; 2];
    let is_gzipped = file.read_exact(&mut start).is_ok() && start == [0x1f, 0x8b];
    file.seek(SeekFrom::Start(0)).map_err(FileError::at("read", path))?;
    let bytes = file.get_ref().metadata().map_err(FileError::at("read", path))?.len();
    let members = match is_gzipped {
        true => {
            let mut archive = tar::Archive::new(MultiGzDecoder::new(&mut file));
            tar_members(path, archive.entries(), purpose == Purpose::Read, u64::MAX)?
        }
        false => {
            let mut archive = tar::Archive::new(&mut file);
            tar_members(path, archive.entries_with_seek(), false, bytes)?
        }
    };
    Ok(Box::new(TarFile { path: path.to_path_buf(), file, members }))
}

/// Whether a file may be read: pictures, metadata and classes.
fn matters(name: &str) -> bool {
    is_picture(Path::new(name)) || is_metadata(name) || name.ends_with(CLASS)
}

/// The files of a tar archive. Their contents are kept only if `holds`: then pictures cannot be read again.
fn tar_members<R: Read>(
    path: &Path,
    entries: std::io::Result<tar::Entries<'_, R>>,
    holds: bool,
    bytes: u64,
) -> Result<BTreeMap<String, TarMember>, FormatError> {
    let damaged = |error: std::io::Error| {
        FormatError::new(path, format!("is a damaged tar archive ({error}); download it again"))
    };
    let (mut members, mut held) = (BTreeMap::new(), 0);
    for entry in entries.map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if kind.is_symlink() || kind.is_hard_link() {
            let what =
                format!("has a link, `{name}`, which vaex does not follow; unpack the archive and use the folder");
            return Err(FormatError::new(path, what));
        }
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        if !kind.is_file() {
            let what = format!("has `{name}`, which is not a regular file; unpack the archive and use the folder");
            return Err(FormatError::new(path, what));
        }
        let name = checked_member(path, &name)?;
        let (start, size) = (entry.raw_file_position(), entry.size());
        let member = match holds {
            false if start.saturating_add(size) > bytes => {
                return Err(FormatError::new(path, format!("ends inside of `{name}`; download it again")));
            }
            false => TarMember::At { start, bytes: size },
            // Kept by name only.
            true if !matters(&name) => TarMember::Held(Vec::new()),
            true => {
                held += size;
                if held > HELD_BYTES {
                    return Err(FormatError::new(
                        path,
                        "has more than 8 GiB of files; decompress it with: gunzip FILE",
                    ));
                }
                let mut content = Vec::new();
                entry.by_ref().take(size).read_to_end(&mut content).map_err(damaged)?;
                if (content.len() as u64) < size {
                    return Err(FormatError::new(path, format!("ends inside of `{name}`; download it again")));
                }
                TarMember::Held(content)
            }
        };
        members.insert(name, member);
        if members.len() > MEMBER_LIMIT {
            return Err(FormatError::new(path, "has more than 10 million files"));
        }
    }
    Ok(members)
}

impl Members for TarFile {
    fn paths(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    fn read(&mut self, member: &str, most: u64) -> Result<Vec<u8>, FormatError> {
        let too_large = || FormatError::new(&self.path, format!("has the file `{member}` of more than {most} bytes"));
        match self.members.get(member) {
            None => Err(FormatError::new(&self.path, format!("has no file `{member}`"))),
            Some(TarMember::Held(content)) if content.len() as u64 > most => Err(too_large()),
            Some(TarMember::Held(content)) => Ok(content.clone()),
            Some(TarMember::At { bytes, .. }) if *bytes > most => Err(too_large()),
            Some(TarMember::At { start, bytes }) => {
                let mut content = vec![0; *bytes as usize];
                let read = self.file.seek(SeekFrom::Start(*start)).and_then(|_| self.file.read_exact(&mut content));
                read.map_err(FileError::at("read", &self.path))?;
                Ok(content)
            }
        }
    }
}
