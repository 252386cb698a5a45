//! Data sets by name: where their files are looked for, and what is known about their images.

use super::files::{FileSet, Files};
use super::{Context, Loaded, Presence, Reading, Source};
use crate::data::format::FormatError;
use crate::data::picture::Layout;
use crate::data::prepare::Naming;
use crate::data::{DataError, ImageShape, identity};
use crate::folder::absolute;
use crate::settings::{Key, Keys, Kind, Role};
use crate::text::grouped;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The variable that names the folder of data sets.
const FOLDER_VARIABLE: &str = "VAEX_DATA";

const DATA_DIR: Key = Key::new(
    "data_dir",
    "The folder in which the files of a named data set are looked for. By default the folder in the variable `VAEX_DATA`, or \
     `vaex` in the data folder of the user; then `data` beside the spec, `~/.keras/datasets` and `/usr/share/datasets`.",
)
.also("root dataset_dir datadir")
.example("\"data\"")
.role(Role::File);

/// The key that the images are from, in messages.
const KEY: &str = "data.source";

/// A known data set.
#[derive(Debug)]
struct Set {
    title: &'static str,
    /// The folders below a folder of data sets in which its files can be.
    folders: &'static [&'static str],
    /// Its files, in the forms in which they are distributed.
    layouts: &'static [FileNames],
    /// Whether height and width are swapped in its files.
    transpose: bool,
    naming: Naming,
    /// The number of images of the pool, and of the test images.
    counts: [usize; 2],
    shape: ImageShape,
    /// The hash of the images of the pool, if it is known for certain.
    hash: Option<&'static str>,
    /// How to get it.
    help: &'static str,
}

/// The files of a data set: paths without the ending `.gz`, empty where there is none.
#[derive(Debug)]
struct FileNames {
    /// Whether the names of the files say which data set it is.
    is_unique: bool,
    images: &'static str,
    labels: &'static str,
    test: [&'static str; 2],
}

impl FileNames {
    /// One file or folder, which has all parts.
    const fn whole(images: &'static str) -> FileNames {
        FileNames { is_unique: true, images, labels: "", test: ["", ""] }
    }
}

/// In place of a file: the folder itself.
const FOLDER: &str = ".";

const IDX: FileNames = FileNames {
    is_unique: false,
    images: "train-images-idx3-ubyte",
    labels: "train-labels-idx1-ubyte",
    test: ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
};
const IDX_WITH_DOTS: FileNames = FileNames {
    is_unique: false,
    images: "train-images.idx3-ubyte",
    labels: "train-labels.idx1-ubyte",
    test: ["t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"],
};

static MNIST_SET: Set = Set {
    title: "MNIST",
    folders: &["mnist", "MNIST/raw", "MNIST"],
    layouts: &[IDX, IDX_WITH_DOTS, FileNames::whole("mnist.npz")],
    transpose: false,
    naming: Naming::NONE,
    counts: [60_000, 10_000],
    shape: ImageShape::grey(28, 28),
    hash: Some("6e3cd70f17964348f06cb58d295f60a2"),
    help: "`torchvision.datasets.MNIST(FOLDER, download=True)` in Python writes FOLDER/MNIST/raw, \
           `keras.datasets.mnist.load_data()` writes ~/.keras/datasets/mnist.npz",
};

static FASHION_SET: Set = Set {
    title: "Fashion-MNIST",
    folders: &["fashion-mnist", "FashionMNIST/raw", "FashionMNIST"],
    layouts: &[IDX, IDX_WITH_DOTS],
    naming: Naming { classes: &super::fashion_mini::CLASSES, ..Naming::NONE },
    hash: Some("94bedd5080355c90261326e6b2207d8c"),
    help: "`torchvision.datasets.FashionMNIST(FOLDER, download=True)` in Python writes FOLDER/FashionMNIST/raw, \
           `keras.datasets.fashion_mnist.load_data()` writes ~/.keras/datasets/fashion-mnist; on Debian: apt install \
           dataset-fashion-mnist",
    ..MNIST_SET
};

static KMNIST_SET: Set = Set {
    title: "KMNIST",
    folders: &["kmnist", "KMNIST/raw", "KMNIST"],
    layouts: &[
        IDX,
        IDX_WITH_DOTS,
        FileNames {
            is_unique: true,
            images: "kmnist-train-imgs.npz",
            labels: "kmnist-train-labels.npz",
            test: ["kmnist-test-imgs.npz", "kmnist-test-labels.npz"],
        },
    ],
    naming: Naming { classes: &["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"], ..Naming::NONE },
    hash: None,
    help: "`torchvision.datasets.KMNIST(FOLDER, download=True)` in Python writes FOLDER/KMNIST/raw",
    ..MNIST_SET
};

static EMNIST_SET: Set = Set {
    title: "EMNIST (balanced)",
    folders: &["emnist", "EMNIST/raw", "EMNIST", "gzip", "emnist/gzip"],
    layouts: &[FileNames {
        is_unique: true,
        images: "emnist-balanced-train-images-idx3-ubyte",
        labels: "emnist-balanced-train-labels-idx1-ubyte",
        test: ["emnist-balanced-test-images-idx3-ubyte", "emnist-balanced-test-labels-idx1-ubyte"],
    }],
    transpose: true,
    naming: Naming {
        classes: &[
            "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K",
            "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b", "d", "e", "f", "g",
            "h", "n", "q", "r", "t",
        ],
        ..Naming::NONE
    },
    counts: [112_800, 18_800],
    shape: ImageShape::grey(28, 28),
    hash: None,
    help: "`torchvision.datasets.EMNIST(FOLDER, split=\"balanced\", download=True)` in Python writes FOLDER/EMNIST/raw; for the \
           other splits of EMNIST, name the files with `images`, and set `transpose = true`",
};

static CIFAR10_SET: Set = Set {
    title: "CIFAR-10",
    folders: &["cifar-10-batches-bin", "cifar10", "cifar10/cifar-10-batches-bin"],
    layouts: &[FileNames::whole(FOLDER)],
    transpose: false,
    naming: Naming {
        classes: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
        ..Naming::NONE
    },
    counts: [50_000, 10_000],
    shape: ImageShape { height: 32, width: 32, channels: 3 },
    hash: None,
    help: "download the \"binary version\" from the CIFAR page of the University of Toronto, and unpack it, which gives a folder \
           cifar-10-batches-bin; the Python version, which torchvision and Keras download, has pickles, which vaex does not \
           read",
};

static DSPRITES_SET: Set = Set {
    title: "dSprites",
    folders: &["dsprites", "dsprites-dataset"],
    layouts: &[
        FileNames::whole("dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"),
        FileNames::whole("dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5"),
    ],
    transpose: false,
    naming: Naming { are_bits: true, ..Naming::NONE },
    counts: [737_280, 0],
    shape: ImageShape::grey(64, 64),
    hash: None,
    help: "download dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz from github.com/google-deepmind/dsprites-dataset; \
           `source = \"sprites\"` renders similar images without a download",
};

static SHAPES3D_SET: Set = Set {
    title: "3D Shapes",
    folders: &["3dshapes", "3d-shapes"],
    layouts: &[FileNames::whole("3dshapes.h5")],
    transpose: false,
    naming: Naming {
        columns: &["floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"],
        ..Naming::NONE
    },
    counts: [480_000, 0],
    shape: ImageShape { height: 64, width: 64, channels: 3 },
    hash: None,
    help: "download 3dshapes.h5 as github.com/google-deepmind/3d-shapes says; `source = \"rooms\"` renders similar images \
           without a download",
};

static OMNIGLOT_SET: Set = Set {
    title: "Omniglot",
    folders: &["omniglot-py", "omniglot"],
    layouts: &[
        FileNames { is_unique: true, images: "images_background", labels: "", test: ["images_evaluation", ""] },
        FileNames { is_unique: true, images: "images_background.zip", labels: "", test: ["images_evaluation.zip", ""] },
    ],
    transpose: false,
    naming: Naming { columns: &["alphabet"], ..Naming::NONE },
    counts: [19_280, 13_180],
    shape: ImageShape::grey(105, 105),
    hash: None,
    help: "download images_background.zip and images_evaluation.zip from github.com/brendenlake/omniglot; set `size = 28` for \
           images as most papers use them",
};

macro_rules! kinds {
    ($($kind:ident, $name:literal, $doc:literal, $also:literal, $set:ident;)*) => {
        $(pub(super) static $kind: Kind<Arc<dyn Source>> = Kind::new($name, $doc, |keys| read(keys, $name, &$set)).also($also);)*
    };
}

kinds! {
    MNIST, "mnist", "MNIST: 60,000 and 10,000 handwritten digits, 28x28.", "digits", MNIST_SET;
    FASHION, "fashion-mnist", "Fashion-MNIST: 60,000 and 10,000 pictures of clothes, 28x28.",
        "fashion_mnist fashionmnist fmnist", FASHION_SET;
    KMNIST, "kmnist", "KMNIST: 60,000 and 10,000 Japanese characters, 28x28.", "kuzushiji", KMNIST_SET;
    EMNIST, "emnist", "EMNIST (balanced): 112,800 and 18,800 letters and digits, 28x28.", "letters", EMNIST_SET;
    CIFAR10, "cifar10", "CIFAR-10: 50,000 and 10,000 photographs, 32x32 in color.", "cifar cifar-10 cifar_10", CIFAR10_SET;
    DSPRITES, "dsprites", "dSprites: 737,280 shapes with five factors, 64x64.", "d-sprites d_sprites", DSPRITES_SET;
    SHAPES3D, "3dshapes", "3D Shapes: 480,000 rooms with six factors, 64x64 in color.", "shapes3d 3d-shapes 3d_shapes",
        SHAPES3D_SET;
    OMNIGLOT, "omniglot", "Omniglot: 19,280 and 13,180 characters of 50 alphabets, 105x105.", "", OMNIGLOT_SET;
}

fn read(keys: &mut Keys<'_>, name: &'static str, set: &'static Set) -> Arc<dyn Source> {
    Arc::new(Known { name, set, data_dir: keys.optional_path(DATA_DIR) })
}

/// A known data set, and the folder that the spec names.
#[derive(Debug)]
struct Known {
    name: &'static str,
    set: &'static Set,
    data_dir: Option<PathBuf>,
}

impl Source for Known {
    fn load(&self, context: &mut Context<'_>) -> Result<Loaded, DataError> {
        let set = self.set;
        let (_, found) = self.found(context.folder)?.ok_or_else(|| self.missing(context.folder))?;
        let has_changes = !context.changes.are_none();
        let mut changes = context.changes;
        // Files that are stored transposed are put right first; then the spec may swap them again.
        changes.transpose ^= set.transpose;
        let Context { folder, cache, .. } = *context;
        let mut own = Context { folder, changes, cache, watch: &mut *context.watch };
        let loaded = found.load_named(&mut own, set.naming)?;
        let parts = [Some(&loaded.pool), loaded.test.as_ref()];
        for (part, count) in parts.into_iter().zip(set.counts) {
            let Some(part) = part else { continue };
            let error = |what: String| {
                let what = format!(
                    "{what}; download it again, or name it with `images` instead of `source = \"{}\"`",
                    self.name
                );
                DataError::of_format(KEY, FormatError::new(&part.name, what))
            };
            let (images, shape) = (part.images.len(), part.images.shape());
            if images != count {
                return Err(error(format!("has {} images, but {} has {}", grouped(images), set.title, grouped(count))));
            }
            if !has_changes && shape != set.shape {
                return Err(error(format!("has images of {shape}, but those of {} are {}", set.title, set.shape)));
            }
        }
        let pool = &loaded.pool;
        if !has_changes && set.counts[0] == MNIST_SET.counts[0] {
            let hash = identity::of(&pool.images, &pool.images.slice(0..0));
            let other = [&MNIST_SET, &FASHION_SET].into_iter().find(|other| other.hash == Some(&*hash));
            let is_right = match set.hash {
                Some(own) => hash == own,
                None => other.is_none(),
            };
            if !is_right {
                let found = other.map_or(String::new(), |other| format!(", but those of {}", other.title));
                let what = format!(
                    "does not have the images of {}{found}; download it again, or name it with `images` instead of `source = \"{}\"`",
                    set.title, self.name
                );
                return Err(DataError::of_format(KEY, FormatError::new(&pool.name, what)));
            }
        }
        Ok(loaded)
    }

    fn data_dir(&self, folder: &Path) -> Option<PathBuf> {
        let (root, _) = self.found(folder).ok()??;
        self.data_dir.is_none().then_some(root)
    }

    fn reading(&self) -> Reading {
        Reading { layout: Layout::FromSizes, transpose: self.set.transpose }
    }

    fn presence(&self, folder: &Path) -> Option<Presence> {
        Some(match self.found(folder) {
            Ok(Some((_, files))) => Presence::Found(files.first().unwrap_or_default()),
            Ok(None) => Presence::Missing { folders: self.searched(folder), help: self.set.help },
            Err(error) => Presence::Incomplete(error.to_string()),
        })
    }
}

impl Known {
    /// The folders in which the files are looked for, as absolute paths: whoever reads the files found there joins them to the
    /// folder of the spec.
    fn searched(&self, folder: &Path) -> Vec<PathBuf> {
        if let Some(data_dir) = &self.data_dir {
            return vec![absolute(&folder.join(data_dir))];
        }
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = variable("HOME");
        let of_user = || match variable("XDG_DATA_HOME").filter(|path| path.is_absolute()) {
            Some(base) => Some(base.join("vaex")),
            None if cfg!(target_os = "macos") => Some(home.clone()?.join("Library/Application Support/vaex")),
            None => Some(home.clone()?.join(".local/share/vaex")),
        };
        let keras = variable("KERAS_HOME").or_else(|| Some(home.clone()?.join(".keras")));
        let keras = keras.map(|keras| keras.join("datasets"));
        let first = variable(FOLDER_VARIABLE).or_else(of_user);
        let last = [folder.join("data"), PathBuf::from("/usr/share/datasets")];
        let [beside, debian] = last;
        first.into_iter().chain([beside]).chain(keras).chain([debian]).map(|path| absolute(&path)).collect()
    }

    /// The first folder of data sets that has the files, and the files.
    ///
    /// # Errors
    /// Some of the files are there, and others are not.
    fn found(&self, folder: &Path) -> Result<Option<(PathBuf, Files)>, DataError> {
        for root in self.searched(folder) {
            for layout in self.set.layouts {
                let at_root = layout.is_unique || self.data_dir.is_some();
                // The folder itself comes last: its files may be those of another data set.
                for below in self.set.folders.iter().chain(at_root.then_some(&"")) {
                    if let Some(files) = found_in(&root.join(below), layout)? {
                        return Ok(Some((root, files)));
                    }
                }
            }
        }
        Ok(None)
    }

    fn missing(&self, folder: &Path) -> DataError {
        let folders: Vec<String> = self.searched(folder).iter().map(|path| path.display().to_string()).collect();
        let what = format!(
            "{} is not in {}. To get it: {}. Then set `data_dir` or {FOLDER_VARIABLE} to the folder",
            self.set.title,
            folders.join(", "),
            self.set.help
        );
        DataError::of_format(KEY, FormatError::Content(what.into()))
    }
}

/// The files of a layout in a folder; `None` if the images are not there.
fn found_in(folder: &Path, layout: &FileNames) -> Result<Option<Files>, DataError> {
    let file = |name: &str| {
        let endings = ["", ".gz"];
        match name {
            FOLDER => Some(folder.to_path_buf()),
            _ => endings.into_iter().map(|ending| folder.join(format!("{name}{ending}"))).find(|path| path.exists()),
        }
    };
    // A folder of CIFAR files is known by the first of them.
    let is_there = layout.images != FOLDER || folder.join("data_batch_1.bin").is_file();
    let Some(images) = file(layout.images).filter(|_| is_there) else { return Ok(None) };
    let beside = |name: &str| match (name, file(name)) {
        ("", _) => Ok(None),
        (_, Some(path)) => Ok(Some(path)),
        (_, None) => {
            let what = format!("is there, but {name} is not beside it; download the data set again");
            Err(DataError::of_format(KEY, FormatError::new(&images, what)))
        }
    };
    let set = |images: PathBuf, labels: Option<PathBuf>| FileSet {
        keys: [KEY; 2],
        images: vec![images],
        labels: labels.into_iter().collect(),
    };
    let (labels, [test, test_labels]) = (beside(layout.labels)?, layout.test.map(beside));
    let (test, test_labels) = (test?, test_labels?);
    let test = test.map(|images| set(images, test_labels));
    Ok(Some(Files::new(set(images.clone(), labels), None, test)))
}
