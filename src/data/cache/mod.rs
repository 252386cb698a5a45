//! The cache of prepared images: a folder with one file per set of images, shared by all trials.
//!
//! The name of a file is a hash of the settings that change the images and of the files that they are from: path, size, time
//! of modification and inode.

mod file;
mod mapped;

pub(super) use file::{About, PreparedImage, Writer};
pub(super) use mapped::Mapped;

use crate::folder::{FileError, is_full, remove_if_present, room_needed};
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The variable that names the folder.
const FOLDER_VARIABLE: &str = "VAEX_CACHE";

/// The variable that sets the size limit, in gigabytes.
const LIMIT_VARIABLE: &str = "VAEX_CACHE_GB";

/// The size limit without [`LIMIT_VARIABLE`], in gigabytes.
const LIMIT_GB: f64 = 100.0;

/// The ending of the names of cache files.
const ENDING: &str = "images";

/// The ending of the names of unfinished files.
const PART: &str = "part";

/// The number of hexadecimal digits of a name.
const NAME_LENGTH: usize = 32;

/// The age at which an unfinished file is not written to any more, where file systems have no locks.
const OLD: Duration = Duration::from_secs(3600);

/// The pause between two attempts to get a lock.
const PAUSE: Duration = Duration::from_millis(50);

/// A folder of prepared images.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
    /// Whether the values of a file are checked before it is used.
    checks_values: bool,
}

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// There is no folder for it.
    #[error("there is no folder for prepared images: set {FOLDER_VARIABLE} to one, or set HOME")]
    NoFolder,
    /// The size limit is not a number.
    #[error("{LIMIT_VARIABLE} must be a number of gigabytes, 0 or more, found {text:?}")]
    Limit {
        /// Its text.
        text: String,
    },
    /// Others could change the files.
    #[error("{}: {reason}, so prepared images in it could be changed by others; {help}", folder.display())]
    NotOwn {
        /// The folder.
        folder: PathBuf,
        /// Who could change them.
        reason: &'static str,
        /// What to do.
        help: String,
    },
    /// A file or the folder cannot be read or written.
    #[error("{error}{}", if is_full(&error.source) { format!("; remove prepared images with `vaex clean --cache`, or set {FOLDER_VARIABLE} to a folder on another disk") } else { format!("; prepared images are kept in {}, which {FOLDER_VARIABLE} can change", folder.display()) })]
    File {
        /// The folder of the cache.
        folder: PathBuf,
        /// The file, and why it cannot be used.
        error: FileError,
    },
}

/// A file of the cache.
#[derive(Debug)]
pub struct CachedFile {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was last used.
    pub used: SystemTime,
    /// The files or folders that the images are from; empty if the file is damaged.
    pub sources: Vec<String>,
}

impl Cache {
    /// The folder that the environment names, or else that of the platform.
    pub fn of_environment() -> Cache {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let of_user = || {
            let base = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
            let of_home = |home: PathBuf| match cfg!(target_os = "macos") {
                true => home.join("Library/Caches"),
                false => home.join(".cache"),
            };
            Some(base.or_else(|| variable("HOME").map(of_home))?.join("vaex"))
        };
        Cache { folder: variable(FOLDER_VARIABLE).or_else(of_user), checks_values: false }
    }

    /// A cache in this folder.
    pub fn in_folder(folder: &Path) -> Cache {
        Cache { folder: Some(folder.to_path_buf()), checks_values: false }
    }

    /// The same cache, in which the values of a file are checked before it is used. Only a process that uses the values should
    /// check them, because that reads the whole file.
    #[must_use]
    pub fn checking_values(self) -> Cache {
        Cache { checks_values: true, ..self }
    }

    /// The folder.
    pub fn folder(&self) -> Result<&Path, CacheError> {
        self.folder.as_deref().ok_or(CacheError::NoFolder)
    }

    /// The images of this name. If there is no intact file, `prepare` writes one; other processes that need the same images
    /// wait for it, and `waits` is called once in these.
    pub(super) fn get<E: From<CacheError>>(
        &self,
        name: &str,
        waits: &mut dyn FnMut(),
        prepare: impl FnOnce(Writer) -> Result<Prepared, E>,
    ) -> Result<Mapped, E> {
        let folder = self.folder()?;
        let path = folder.join(format!("{name}.{ENDING}"));
        let at = |action, path: &Path| {
            let (folder, at) = (folder.to_path_buf(), path.to_path_buf());
            move |source| CacheError::File { folder, error: FileError { action, path: at, source } }
        };
        create(folder).map_err(at("create the folder", folder))?;
        check_folder(folder)?;
        // An invalid limit is reported before hours of work.
        let limit = limit()?;
        if let Some(mapped) = self.intact(&path).map_err(at("read", &path))? {
            return Ok(mapped);
        }
        let lock = folder.join(format!("{name}.lock"));
        let held = take(&lock, waits).map_err(at("lock", &lock))?;
        // Another process may have prepared them in the meantime.
        if let Some(mapped) = self.intact(&path).map_err(at("read", &path))? {
            return Ok(mapped);
        }
        // On a file system without locks, another process may write the same images.
        let part = folder.join(format!("{name}.{}.{PART}", std::process::id()));
        remove_parts(folder, name);
        let write = || -> Result<Mapped, E> {
            let writer = File::create(&part).and_then(Writer::new).map_err(at("write", &part))?;
            let Prepared { writer, shape, element, columns, notes, sources } = prepare(writer)?;
            let about = About { shape, element, columns: &columns, notes: &notes, sources: &sources };
            let bytes = writer.bytes();
            let written = writer.finish(&about).map_err(|error| room_needed(error, &part, bytes));
            written.map_err(at("write", &part))?;
            // Opened before it has its name: a file in use is not removed.
            let gone = || io::Error::other("it was changed by another program while it was written");
            let opened = Mapped::open(&part).and_then(|opened| opened.ok_or_else(gone)).map_err(at("read", &part))?;
            std::fs::rename(&part, &path).map_err(at("write", &path))?;
            Ok(opened)
        };
        let written = write();
        let _ = std::fs::remove_file(&part);
        drop(held);
        let opened = written?;
        // The open file is in use, so it is kept even if it alone exceeds the limit.
        self.clean(limit)?;
        Ok(opened)
    }

    /// The error of a write to the cache.
    pub(super) fn write_error(&self, error: io::Error, writer: &Writer) -> CacheError {
        let folder = self.folder.clone().unwrap_or_default();
        let source = room_needed(error, &folder.join("images"), writer.bytes());
        CacheError::File { error: FileError { action: "write to", path: folder.clone(), source }, folder }
    }

    /// The file, if it is there and intact. A damaged file stays, until another one takes its place.
    fn intact(&self, path: &Path) -> io::Result<Option<Mapped>> {
        let opened = match Mapped::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        match opened.filter(|mapped| !self.checks_values || mapped.is_intact()) {
            Some(mapped) => {
                // The time of use decides which file is removed first; in a folder of another user it stays.
                let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
                Ok(Some(mapped))
            }
            None => Ok(None),
        }
    }

    /// The files of the cache, the last used one first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn files(&self) -> Result<Vec<CachedFile>, CacheError> {
        let folder = self.folder()?;
        let list = || -> io::Result<Vec<CachedFile>> {
            let mut files = Vec::new();
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if !is_own(&path) {
                    continue;
                }
                let metadata = match std::fs::metadata(&path) {
                    // Another process may remove files at the same time.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    metadata => metadata?,
                };
                let sources = Mapped::open(&path).ok().flatten().map(|mapped| mapped.sources().to_vec());
                let (bytes, used, sources) = (metadata.len(), metadata.modified()?, sources.unwrap_or_default());
                files.push(CachedFile { path, bytes, used, sources });
            }
            files.sort_by_key(|file| std::cmp::Reverse(file.used));
            Ok(files)
        };
        match list() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            files => files.map_err(|source| CacheError::File {
                folder: folder.to_path_buf(),
                error: FileError { action: "read", path: folder.to_path_buf(), source },
            }),
        }
    }

    /// Removes the files that were not used for the longest time, until at most `most` bytes are left. Files that a process
    /// uses are kept. Returns the removed files.
    ///
    /// # Errors
    /// The folder cannot be read, or a file cannot be removed.
    pub fn clean(&self, most: u64) -> Result<Vec<CachedFile>, CacheError> {
        let (folder, files) = (self.folder()?, self.files()?);
        remove_unfinished(folder);
        let (mut sum, mut removed) = (files.iter().map(|file| file.bytes).sum::<u64>(), Vec::new());
        for file in files.into_iter().rev() {
            if sum <= most {
                break;
            }
            let is_used =
                File::open(&file.path).is_ok_and(|open| matches!(open.try_lock(), Err(TryLockError::WouldBlock)));
            if is_used {
                continue;
            }
            remove_if_present(&file.path).map_err(|error| CacheError::File { folder: folder.to_path_buf(), error })?;
            sum -= file.bytes;
            removed.push(file);
        }
        Ok(removed)
    }
}

/// Whether a file is one of prepared images, by its name.
fn is_own(path: &Path) -> bool {
    let is_name = |name: &str| name.len() == NAME_LENGTH && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = path.file_stem().and_then(|name| name.to_str());
    path.extension().is_some_and(|ending| ending == ENDING) && name.is_some_and(is_name)
}

/// Removes unfinished files of images that no process prepares. Errors are ignored: they are in nobody's way.
fn remove_unfinished(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.split('.').next());
        let Some(name) = name.filter(|_| path.extension().is_some_and(|ending| ending == PART)) else { continue };
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join(format!("{name}.lock")));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Removes unfinished files of these images, which killed processes left; the caller holds the lock.
fn remove_parts(folder: &Path, name: &str) {
    let is_part = |path: &PathBuf| {
        let own = path.file_name().and_then(|own| own.to_str());
        own.is_some_and(|own| own.starts_with(&format!("{name}.")) && own.ends_with(&format!(".{PART}")))
    };
    let paths = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_old = |path: &PathBuf| {
        let age = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?.elapsed().ok();
        age.filter(|age| *age > OLD)
    };
    paths.filter(is_part).filter(|path| is_old(path).is_some()).for_each(|path| drop(std::fs::remove_file(path)));
}

/// The size limit in bytes.
fn limit() -> Result<u64, CacheError> {
    let Some(text) = std::env::var_os(LIMIT_VARIABLE) else { return Ok((LIMIT_GB * 1e9) as u64) };
    let text = text.to_string_lossy().into_owned();
    match text.parse::<f64>() {
        Ok(limit) if limit >= 0.0 => Ok((limit * 1e9) as u64),
        _ => Err(CacheError::Limit { text }),
    }
}

/// A written cache file, without its trailer.
pub(super) struct Prepared {
    pub(super) writer: Writer,
    pub(super) shape: super::ImageShape,
    pub(super) element: super::values::Element,
    pub(super) columns: Vec<super::column::Column>,
    pub(super) notes: Vec<String>,
    pub(super) sources: Vec<String>,
}

/// Locks a file. `waits` is called once if another process holds the lock.
fn take(path: &Path, waits: &mut dyn FnMut()) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    let mut is_first = true;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            // A file system without locks: two processes may both prepare the images, and the last one wins.
            Err(TryLockError::Error(error)) if lacks_locks(&error) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if std::mem::take(&mut is_first) {
            waits();
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether the file system has no locks: NFS without a lock daemon says ENOLCK.
fn lacks_locks(error: &io::Error) -> bool {
    #[cfg(unix)]
    let says_so = error.raw_os_error() == Some(nix::errno::Errno::ENOLCK as i32);
    #[cfg(not(unix))]
    let says_so = false;
    says_so || error.kind() == ErrorKind::Unsupported
}

/// Creates the folder, for this user only.
#[cfg(unix)]
fn create(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Refuses a folder in which others can replace files.
#[cfg(unix)]
fn check_folder(folder: &Path) -> Result<(), CacheError> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(folder).map_err(|source| CacheError::File {
        folder: folder.to_path_buf(),
        error: FileError { action: "read", path: folder.to_path_buf(), source },
    })?;
    let own = nix::unistd::geteuid().as_raw();
    let fault = if metadata.uid() != own && metadata.uid() != 0 {
        Some(("it belongs to another user", format!("set {FOLDER_VARIABLE} to a folder of your own")))
    } else if metadata.mode() & 0o022 != 0 {
        let text = folder.display().to_string();
        Some(("other users can write to it", format!("run: chmod go-w {}", crate::text::shell_word(&text))))
    } else {
        None
    };
    match fault {
        Some((reason, help)) => Err(CacheError::NotOwn { folder: folder.to_path_buf(), reason, help }),
        None => Ok(()),
    }
}

#[cfg(not(unix))]
fn check_folder(_: &Path) -> Result<(), CacheError> {
    Ok(())
}
