//! The folders of experiments and trials on the disk: the name of every file in them, how a file is written whole, how it is
//! told that one is damaged, and what killed processes leave.
//!
//! No name of a file in these folders stands anywhere else. The content of the files is the business of those who write them.

mod checksum;
mod error;
mod experiment;
mod leftovers;
mod seal;
mod submission;
mod trial;
mod whole;

pub use checksum::{checksum, digest, hexadecimal};
pub(crate) use error::room_needed;
pub use error::{FileError, is_full};
pub use experiment::{ExperimentFolder, TrialFolders};
pub use leftovers::remove_leftovers;
pub use seal::{BLANK_SEAL, DAMAGED, SEAL_NAME, SealPlace, damaged};
pub use submission::SubmissionFolder;
pub use trial::TrialFolder;
pub(crate) use whole::temporary;
pub use whole::{create_folder, write_whole};

use std::path::{Path, PathBuf};

/// The file that a process locks while it is at work in a folder, an experiment's or a trial's.
pub fn lock_file(folder: &Path) -> PathBuf {
    folder.join(".lock")
}
