//! The sources `files` and `idx`: image files of any format that vaex reads.

use super::{Context, Loaded, Part, Reading, Source};
use crate::data::format::{self, Expanded, Format, FormatError, PlaceParts};
use crate::data::picture::Layout;
use crate::data::prepare::{Naming, Request};
use crate::data::split::Held;
use crate::data::{DataError, DataSettings, Images};
use crate::settings::{Choices, Key, Keys, Kind, Role};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(in crate::data) static KIND: Kind<Arc<dyn Source>> =
    Kind::new("files", "Files of any format that vaex reads; the format is detected.", |keys| {
        read(keys, "files", None)
    })
    .also("file folder path npz npy hdf5 h5 parquet csv zip tar cifar image_folder imagefolder");

pub(super) static IDX: Kind<Arc<dyn Source>> =
    Kind::new("idx", "IDX files, the file format of MNIST, plain or gzipped.", |keys| {
        read(keys, "idx", Some(format::IDX))
    })
    .also("ubyte");

/// Files of images, and of labels.
#[derive(Debug)]
pub(super) struct Files {
    /// The format that all files must have.
    format: Option<&'static dyn Format>,
    layout: Layout,
    images: FileSet,
    validation: Option<FileSet>,
    test: Option<FileSet>,
    /// Whether images with parts are an error: the files are not of a spec, so it is not clear which part is meant.
    are_whole: bool,
}

/// The images of one split, with the spec keys that name the files of images and of labels.
#[derive(Debug)]
pub(in crate::data) struct FileSet {
    pub(in crate::data) keys: [&'static str; 2],
    pub(in crate::data) images: Vec<PathBuf>,
    pub(in crate::data) labels: Vec<PathBuf>,
}

static AUTO: Kind<Layout> =
    Kind::new("auto", "The axis whose size is 1 or 3; an error if both are.", |_| Layout::FromSizes).also("any none");
static NHWC: Kind<Layout> =
    Kind::new("nhwc", "(images, height, width, channels), as TensorFlow has them.", |_| Layout::Nhwc)
        .also("hwc channels_last last");
static NCHW: Kind<Layout> =
    Kind::new("nchw", "(images, channels, height, width), as PyTorch has them.", |_| Layout::Nchw)
        .also("chw channels_first first");
static LAYOUTS: Choices<Layout> = Choices(&[&AUTO, &NHWC, &NCHW]);

const LAYOUT: Key = Key::new("layout", "The order of the axes of arrays with channels, which have four axes.")
    .also("data_format image_format channel_order channels_first channels_last")
    .example("\"nchw\"")
    .role(Role::Data);
/// The files of the pool.
pub(in crate::data) const IMAGES: Key = Key::new(
    "images",
    "The files of images: a path, a list of paths, a pattern such as `\"shard-*.tar\"`, an array in a file such as \
     `\"file.npz:key\"` or `\"file.h5:/images\"`, or a folder. Paths are relative to the spec file.",
)
.also("path file filename data_path train_data train_images training_images root folder")
.example("\"train-images-idx3-ubyte.gz\"")
.role(Role::File);
const LABELS: Key = Key::new(
    "labels",
    "The files of labels or factors of `images`, written as `images` is. By default the labels that the files of images have.",
)
.also("targets train_labels training_labels")
.example("\"train-labels-idx1-ubyte.gz\"")
.role(Role::File);
const VALIDATION_IMAGES: Key =
    Key::new("validation_images", "The files of the validation images, written as `images` is.")
        .also("val_images valid_images eval_images validation_data")
        .example("\"t10k-images-idx3-ubyte.gz\"")
        .role(Role::File);
const VALIDATION_LABELS: Key = Key::new("validation_labels", "The files of the labels of `validation_images`.")
    .also("val_labels valid_labels eval_labels")
    .example("\"t10k-labels-idx1-ubyte.gz\"")
    .role(Role::File);
const TEST_IMAGES: Key = Key::new("test_images", "The files of the test images, written as `images` is.")
    .also("test_data")
    .example("\"t10k-images-idx3-ubyte.gz\"")
    .role(Role::File);
const TEST_LABELS: Key = Key::new("test_labels", "The files of the labels of `test_images`.")
    .example("\"t10k-labels-idx1-ubyte.gz\"")
    .role(Role::File);

fn read(keys: &mut Keys<'_>, name: &str, format: Option<&'static dyn Format>) -> Arc<dyn Source> {
    let layout = keys.choice(LAYOUT, &LAYOUTS, &AUTO);
    let mut set = |dotted: [&'static str; 2], images: Key, labels: Key| {
        let (images, labels) = (keys.optional_paths(images), keys.optional_paths(labels));
        let message = || format!("`{}` is set, but `{}` is not; set both or neither", dotted[1], dotted[0]);
        keys.require(labels.is_none() || images.is_some(), &[dotted[1]], message, "");
        Some(FileSet { keys: dotted, images: images?, labels: labels.unwrap_or_default() })
    };
    let images = set(["data.images", "data.labels"], IMAGES, LABELS);
    let validation = set(["data.validation_images", "data.validation_labels"], VALIDATION_IMAGES, VALIDATION_LABELS);
    let test = set(["data.test_images", "data.test_labels"], TEST_IMAGES, TEST_LABELS);
    keys.require(
        images.is_some(),
        &["data.images", "data.source"],
        || {
            let files = if format.is_some() { "an IDX file" } else { "a file or folder" };
            format!("`data.source = \"{name}\"` needs `data.images`, the path of {files} of images")
        },
        "add a line like images = \"train-images-idx3-ubyte.gz\"",
    );
    match images {
        Some(images) => Arc::new(Files { format, layout, images, validation, test, are_whole: false }),
        None => Arc::new(Unset),
    }
}

/// Files that a command line names.
pub(in crate::data) fn given(images: &Path, labels: Option<&Path>, layout: Layout) -> Arc<dyn Source> {
    let labels = labels.map(Path::to_path_buf).into_iter().collect();
    let images = FileSet { keys: ["data.images", "data.labels"], images: vec![images.to_path_buf()], labels };
    Arc::new(Files { format: None, layout, images, validation: None, test: None, are_whole: true })
}

/// A source whose images the spec does not name, which is an error of the spec.
#[derive(Debug)]
struct Unset;

impl Source for Unset {
    fn load(&self, _: &mut Context<'_>) -> Result<Loaded, DataError> {
        Err(DataError::Unset)
    }
}

impl Files {
    /// Files of any format.
    pub(super) fn new(images: FileSet, validation: Option<FileSet>, test: Option<FileSet>) -> Files {
        Files { format: None, layout: Layout::FromSizes, images, validation, test, are_whole: false }
    }

    /// The first file of images.
    pub(super) fn first(&self) -> Option<PathBuf> {
        self.images.images.first().cloned()
    }

    /// Loads the images, and names their labels and factors.
    ///
    /// # Errors
    /// As [`Source::load`].
    pub(super) fn load_named(&self, context: &mut Context<'_>, naming: Naming) -> Result<Loaded, DataError> {
        let Files { format, layout, images, validation, test, are_whole } = self;
        let parts = match are_whole {
            true => Expansion { training: images.whole(context.folder)?, validation: None, test: None },
            false => images.parts(context.folder)?,
        };
        let mut part = |keys, images: &Expanded, labels: &Expanded| {
            let (layout, changes, format) = (*layout, context.changes, *format);
            let request = Request { keys, images, labels, layout, changes, format, naming };
            let (prepared, format) = request.prepared(context.cache, context.watch)?;
            let notes = prepared.notes().to_vec();
            Ok(Part { key: keys[0], name: request.name(), format, notes, images: Images::of(prepared) })
        };
        let labels = images.labels(context.folder)?;
        let pool = part(images.keys, &parts.training, &labels)?;
        let mut own = |set: &Option<FileSet>, of_source: Option<Expanded>| -> Result<Option<Part>, DataError> {
            match (set, of_source) {
                (Some(set), _) => {
                    let (images, labels) = (set.whole(context.folder)?, set.labels(context.folder)?);
                    part(set.keys, &images, &labels).map(Some)
                }
                (None, Some(of_source)) => part(images.keys, &of_source, &Vec::new()).map(Some),
                (None, None) => Ok(None),
            }
        };
        let (validation, test) = (own(validation, parts.validation)?, own(test, parts.test)?);
        let numbered = |part: Part| Part { images: part.images.numbered_as(&pool.images), ..part };
        let (validation, test) = (validation.map(numbered), test.map(numbered));
        Ok(Loaded { pool, validation, test })
    }
}

impl Source for Files {
    fn load(&self, context: &mut Context<'_>) -> Result<Loaded, DataError> {
        self.load_named(context, Naming::NONE)
    }

    fn reading(&self) -> Reading {
        Reading { layout: self.layout, transpose: false }
    }

    fn check(&self, data: &DataSettings, keys: &mut Keys<'_>) {
        let cut = |held: Option<Held>| held.is_some_and(|held| held != Held::Images(0));
        for (set, held, dotted) in [
            (&self.validation, data.validation, ["data.validation", "data.validation_images"]),
            (&self.test, data.test, ["data.test", "data.test_images"]),
        ] {
            let message = || format!("`{}` and `{}` are both set: a split has one source", dotted[0], dotted[1]);
            keys.require(set.is_none() || held.is_none(), &dotted, message, "remove one of them");
        }
        let is_selected = self.validation.is_some() || data.validation.is_some();
        keys.require(
            self.test.is_none() || is_selected || cut(data.test),
            &["data.test_images"],
            || {
                "`data.test_images` is the test split, but the spec has no validation split, so nothing could be selected \
                 without the test images"
                    .to_owned()
            },
            "add `validation = 0.1`, which holds out a tenth of `images`; or write `validation_images` instead of \
             `test_images`, as vaex 0.1 used them",
        );
    }
}

/// The places of the parts of a set of files.
struct Expansion {
    training: Expanded,
    validation: Option<Expanded>,
    test: Option<Expanded>,
}

impl FileSet {
    /// The files of images, of which none has parts: it would not be clear which part is meant.
    fn whole(&self, folder: &Path) -> Result<Expanded, DataError> {
        let Expansion { training, validation, test } = self.parts(folder)?;
        match validation.or(test).as_deref() {
            None => Ok(training),
            Some([]) => Ok(training),
            Some([part, ..]) => {
                let what = format!("has several parts; name one of them, as in `{part}`");
                let whole = expanded(folder, &self.images, self.keys[0])?;
                let name = whole.first().map(|place| place.path.clone()).unwrap_or_default();
                Err(DataError::of_format(self.keys[0], FormatError::new(&name, what)))
            }
        }
    }

    /// The files of labels.
    fn labels(&self, folder: &Path) -> Result<Expanded, DataError> {
        expanded(folder, &self.labels, self.keys[1])
    }

    /// The files of images, by part: each file or folder may have several.
    fn parts(&self, folder: &Path) -> Result<Expansion, DataError> {
        let mut all = Expansion { training: Vec::new(), validation: None, test: None };
        for place in expanded(folder, &self.images, self.keys[0])? {
            let parts = match place.key {
                Some(_) => Ok(PlaceParts { training: place, validation: None, test: None }),
                None => format::detect(&place.path).and_then(|format| format.parts(&place)),
            };
            let PlaceParts { training, validation, test } =
                parts.map_err(|error| DataError::of_format(self.keys[0], error))?;
            all.training.push(training);
            validation.into_iter().for_each(|place| all.validation.get_or_insert_default().push(place));
            test.into_iter().for_each(|place| all.test.get_or_insert_default().push(place));
        }
        Ok(all)
    }
}

fn expanded(folder: &Path, paths: &[PathBuf], key: &'static str) -> Result<Expanded, DataError> {
    let all: Result<Vec<Expanded>, FormatError> = paths.iter().map(|path| format::expand(folder, path)).collect();
    Ok(all.map_err(|error| DataError::of_format(key, error))?.concat())
}
