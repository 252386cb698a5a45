//! Sources of images: each kind has a file here and a line in [`SOURCES`].

mod fashion_mini;
mod files;
mod generated;
mod known;
mod rooms;
mod sprites;

pub(super) use fashion_mini::KIND as FASHION_MINI;
pub(super) use files::{IMAGES, KIND as FILES, given};

use super::cache::Cache;
use super::picture::{Changes, Layout};
use super::prepare::Preparing;
use super::split::{SplitMethod, TAIL};
use super::{DataError, DataSettings, Images};
use crate::settings::{Choices, Keys, Kind};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The kinds of sources.
pub(super) static SOURCES: Choices<Arc<dyn Source>> = Choices(&[
    &fashion_mini::KIND,
    &sprites::KIND,
    &rooms::KIND,
    &known::MNIST,
    &known::FASHION,
    &known::KMNIST,
    &known::EMNIST,
    &known::CIFAR10,
    &known::DSPRITES,
    &known::SHAPES3D,
    &known::OMNIGLOT,
    &files::KIND,
    &files::IDX,
]);

/// Whether the images of a source are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// They are part of vaex.
    BuiltIn,
    /// They are in this file or folder.
    Found(PathBuf),
    /// Some files are missing.
    Incomplete(String),
    /// They are in none of these folders.
    Missing {
        /// The folders.
        folders: Vec<PathBuf>,
        /// How to get them.
        help: &'static str,
    },
}

/// A source that has a name of its own.
#[derive(Clone, Debug)]
pub struct NamedSource {
    /// The name in a spec.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Whether its images are there.
    pub presence: Presence,
}

/// The sources that have names of their own; relative paths are relative to `folder`.
pub fn named_sources(folder: &Path) -> Vec<NamedSource> {
    let of = |kind: &&'static Kind<Arc<dyn Source>>| {
        let (source, _) = Keys::read(&Default::default(), |keys| (kind.read)(keys));
        Some(NamedSource { name: kind.word.name, about: kind.word.doc, presence: source.presence(folder)? })
    };
    SOURCES.0.iter().filter_map(of).collect()
}

/// A source of images. Two sources are equal if their `Debug` texts are equal.
pub trait Source: Debug + Send + Sync {
    /// Loads all images.
    ///
    /// # Errors
    /// A file cannot be read or is invalid.
    fn load(&self, context: &mut Context<'_>) -> Result<Loaded, DataError>;

    /// The default of `data.split`.
    fn split(&self) -> &'static Kind<SplitMethod> {
        &TAIL
    }

    /// The folder of data sets in which the images were found, if the spec does not name it: a saved spec must, because it is
    /// read in another folder.
    fn data_dir(&self, _folder: &Path) -> Option<PathBuf> {
        None
    }

    /// How the source reads arrays, for other images that a model of its images is used on.
    fn reading(&self) -> Reading {
        Reading { layout: Layout::FromSizes, transpose: false }
    }

    /// Whether the images are there; `None` for a source of files that the spec names.
    fn presence(&self, _folder: &Path) -> Option<Presence> {
        None
    }

    /// Checks the keys of the source together with the other keys of the table.
    fn check(&self, _data: &DataSettings, _keys: &mut Keys<'_>) {}
}

/// How arrays are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub(super) layout: Layout,
    /// Whether height and width are swapped in the files.
    pub(super) transpose: bool,
}

/// What a source needs to load its images.
pub struct Context<'a> {
    /// Relative paths are relative to this folder.
    pub(super) folder: &'a Path,
    /// What is done with every image.
    pub(super) changes: Changes,
    pub(super) cache: &'a Cache,
    /// Is told the progress of preparing images.
    pub(super) watch: &'a mut dyn FnMut(Preparing),
}

/// The images of a source.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The images that are split.
    pub pool: Part,
    /// The source's own validation images.
    pub validation: Option<Part>,
    /// The source's own test images.
    pub test: Option<Part>,
}

/// A part of the images of a source.
#[derive(Clone, Debug)]
pub struct Part {
    /// The spec key that names the images.
    pub key: &'static str,
    /// The file, or the name of the source if it has no file.
    pub name: PathBuf,
    /// The format of the files, or how the images are made.
    pub format: &'static str,
    /// What the user should know about the files.
    pub notes: Vec<String>,
    /// The images.
    pub images: Images,
}
