//! The folders of experiments and trials on disk: the name of every file in them, atomic writes, checksums, and the removal
//! of temporary files that killed processes left.
//!
//! No other module contains the name of a file in these folders. The modules that write the files define their content.

mod arrays;
mod checksum;
mod error;
mod experiment;
mod leftovers;
mod seal;
mod submission;
mod trial;
mod whole;

pub use arrays::{Arrays, ArraysError, Stored, differences};
pub use checksum::{checksum, digest, digest_number, hexadecimal};
pub(crate) use error::room_needed;
pub use error::{FileError, causes_full_disk, exists, is_full};
pub use experiment::{ExperimentFolder, TrialFolders};
pub use leftovers::{remove_if_present, remove_leftovers};
pub use seal::{BLANK_SEAL, DAMAGED, SEAL_NAME, SealPlace, damaged};
pub use submission::SubmissionFolder;
pub use trial::{TrialFolder, is_event_file, is_picture};
pub(crate) use whole::temporary;
pub use whole::{create_folder, write_unsynced, write_whole};

use std::path::{Path, PathBuf};

/// A path as an absolute one, or unchanged if the working directory is unknown.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Where a path leads, without links and relative parts, or the path itself if there is nothing.
pub fn without_links(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The lock file of an experiment folder or a trial folder.
pub fn lock_file(folder: &Path) -> PathBuf {
    folder.join(".lock")
}
