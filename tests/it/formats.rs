//! Files of every format, written by the programs that people use: read as these programs read them; damaged, hostile and
//! unknown files: refused, with the messages in tests/formats/messages.txt.

use crate::harness::Workspace;
use crate::runs::only;
use npyz::TypeChar;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use toml::Value;
use vaex::data::{Cache, DataError, Dataset, Element, Files, Loaded, Part, ValuesRef};
use vaex::language::Spec;
use zip::ZipArchive;

/// A small file that takes longer hangs, even on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// tests/formats/expected.json, made by tests/formats/make_formats.py.
#[derive(Deserialize)]
struct Manifest {
    cases: Vec<Case>,
    refused: Vec<Refused>,
    hostile: Vec<Hostile>,
}

/// A file, and what another program reads from it.
#[derive(Deserialize)]
struct Case {
    name: String,
    path: String,
    settings: BTreeMap<String, toml::Value>,
    element: String,
    shape: [usize; 4],
    array: String,
    columns: Vec<ExpectedColumn>,
    tolerance: Tolerance,
    validation: Option<ExpectedPart>,
    test: Option<ExpectedPart>,
    #[serde(default)]
    notes: Vec<String>,
    /// Why vaex may read it differently.
    undecided: Option<String>,
}

/// How far values may be from those of the other program.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Tolerance {
    Exact(f64),
    Near { largest: f64, mean: f64 },
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct ExpectedColumn {
    name: String,
    size: u32,
    names: Option<Vec<String>>,
    values: Vec<u32>,
}

#[derive(Deserialize)]
struct ExpectedPart {
    array: String,
    columns: Vec<ExpectedColumn>,
}

/// A file that vaex does not read.
#[derive(Deserialize)]
struct Refused {
    path: String,
    settings: BTreeMap<String, toml::Value>,
    says: Vec<String>,
}

/// A damaged or hostile file.
#[derive(Deserialize)]
struct Hostile {
    path: String,
    settings: BTreeMap<String, toml::Value>,
    outcome: Verdict,
    says: Vec<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Refused,
    Either,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

fn manifest() -> Manifest {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

/// Loads the images of a path, with further keys of `[data]`; labels are relative to `folder`.
fn load(files: &mut Files, folder: &Path, path: &str, settings: &BTreeMap<String, Value>) -> Result<Loaded, String> {
    let mut written: BTreeMap<String, Value> = settings
        .iter()
        .filter(|(key, _)| *key != "stored")
        .map(|(key, value)| (format!("data.{key}"), value.clone()))
        .collect();
    written.insert("data.images".to_owned(), path.into());
    let (spec, found) = Spec::read(&written);
    assert_eq!(found.problems, [], "{path}");
    files.loaded(&spec.data, folder).map_err(|error: DataError| error.to_string())
}

/// Loads and checks the images of a path as [`load`] does, with all of them for training.
fn dataset(
    files: &mut Files,
    folder: &Path,
    path: &str,
    settings: &BTreeMap<String, Value>,
) -> Result<Dataset, String> {
    let mut written: BTreeMap<String, Value> =
        settings.iter().map(|(key, value)| (format!("data.{key}"), value.clone())).collect();
    written.extend([("data.images".to_owned(), path.into()), ("data.validation".to_owned(), 0.into())]);
    let (spec, found) = Spec::read(&written);
    assert_eq!(found.problems, [], "{path}");
    files.dataset(&spec.data, folder).map_err(|error: DataError| error.to_string())
}

/// The arrays of expected.npz, as 64-bit floats.
fn expected(archive: &mut ZipArchive<File>, name: &str) -> (Vec<u64>, Vec<f64>) {
    let file = npyz::NpyFile::new(archive.by_name(&format!("{name}.npy")).unwrap()).unwrap();
    let shape = file.shape().to_vec();
    let npyz::DType::Plain(kind) = file.dtype() else { panic!("{name} is not an array of numbers") };
    let values = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Uint, 1) => file.into_vec::<u8>().unwrap().into_iter().map(f64::from).collect(),
        (TypeChar::Float, 4) => file.into_vec::<f32>().unwrap().into_iter().map(f64::from).collect(),
        other => panic!("{name} has elements of the type {other:?}"),
    };
    (shape, values)
}

/// Compares a part with what the other program reads: what is different.
fn differences(part: &Part, (shape, values): (Vec<u64>, Vec<f64>), tolerance: Tolerance) -> Option<String> {
    let images = &part.images;
    let own: Vec<u64> =
        [&[images.len()], &images.shape().sizes()[..]].concat().iter().map(|size| *size as u64).collect();
    if own != shape {
        return Some(format!("shape {own:?}, expected {shape:?}"));
    }
    let (mut scratch, mut found) = (Vec::new(), Vec::new());
    for index in 0..images.len() {
        match images.image(index, &mut scratch) {
            ValuesRef::U8(bytes) => found.extend(bytes.iter().map(|value| f64::from(*value))),
            ValuesRef::F32(floats) => found.extend(floats.iter().map(|value| f64::from(*value))),
        }
    }
    let differences: Vec<f64> = found.iter().zip(&values).map(|(own, other)| (own - other).abs()).collect();
    let largest = differences.iter().copied().fold(0.0, f64::max);
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let is_near = match tolerance {
        Tolerance::Exact(most) => largest <= most,
        Tolerance::Near { largest: most, mean: most_mean } => largest <= most && mean <= most_mean,
    };
    (!is_near).then(|| format!("values differ by {largest} at most, {mean} on average"))
}

fn columns(part: &Part) -> Vec<ExpectedColumn> {
    let of = |column: &vaex::data::Column| ExpectedColumn {
        name: column.name.clone(),
        size: column.size,
        names: column.names().map(<[String]>::to_vec),
        values: part.images.values_of(column),
    };
    in_order(part.images.columns().iter().map(of))
}

/// Columns by name: their order is free.
fn in_order(columns: impl Iterator<Item = ExpectedColumn>) -> Vec<ExpectedColumn> {
    let mut columns: Vec<ExpectedColumn> = columns.collect();
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    columns
}

fn element(name: &str) -> Element {
    match name {
        "bits" => Element::Bit,
        "bytes" => Element::Byte,
        "floats" => Element::Float,
        other => panic!("unknown element {other}"),
    }
}

/// What is wrong with the images of a case.
fn faults(case: &Case, loaded: &Loaded, archive: &mut ZipArchive<File>) -> Vec<String> {
    let mut faults = Vec::new();
    let pool = &loaded.pool;
    let shape = case.shape.map(|size| size as u64).to_vec();
    let (array_shape, values) = expected(archive, &case.array);
    assert_eq!(array_shape, shape, "{}: the manifest and its array differ", case.name);
    faults.extend(differences(pool, (shape, values), case.tolerance));
    if pool.images.element() != element(&case.element) {
        faults.push(format!("{:?}, expected {}", pool.images.element(), case.element));
    }
    if columns(pool) != in_order(case.columns.iter().cloned()) {
        faults.push(format!("columns {:?}, expected {:?}", columns(pool), case.columns));
    }
    let parts = [("validation", &loaded.validation, &case.validation), ("test", &loaded.test, &case.test)];
    for (name, own, other) in parts {
        match (own, other) {
            (None, None) => {}
            (Some(own), Some(other)) => {
                faults.extend(
                    differences(own, expected(archive, &other.array), case.tolerance).map(|f| format!("{name}: {f}")),
                );
                if columns(own) != in_order(other.columns.iter().cloned()) {
                    faults.push(format!("{name}: columns {:?}, expected {:?}", columns(own), other.columns));
                }
            }
            (own, other) => faults.push(format!("{name}: {}, expected {}", own.is_some(), other.is_some())),
        }
    }
    for note in &case.notes {
        if !pool.notes.iter().any(|own| own.contains(note)) {
            faults.push(format!("no note on {note}: {:?}", pool.notes));
        }
    }
    faults
}

#[test]
fn files_are_read_as_the_programs_that_wrote_them_read_them() {
    let cache = tempfile::tempdir().unwrap();
    let mut files = Files::new(Cache::in_folder(cache.path()), |_| {});
    let mut archive = ZipArchive::new(File::open(folder().join("expected.npz")).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for case in manifest().cases {
        let faults = match load(&mut files, &folder().join("files"), &case.path, &case.settings) {
            Ok(loaded) => faults(&case, &loaded, &mut archive),
            Err(_) if case.undecided.is_some() => Vec::new(),
            Err(error) => vec![error],
        };
        wrong.extend(faults.into_iter().map(|fault| format!("{}: {fault}", case.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn other_files_are_refused_with_the_reason_and_the_remedy() {
    let Manifest { refused, hostile, .. } = manifest();
    let cache = tempfile::tempdir().unwrap();
    let mut files = Files::new(Cache::in_folder(cache.path()), |_| {});
    let (mut messages, mut wrong) = (BTreeMap::new(), Vec::new());
    let unread = refused.into_iter().map(|file| {
        let Refused { path, settings, says } = file;
        ("files", Hostile { path, settings, says, outcome: Verdict::Refused })
    });
    for (below, file) in unread.chain(hostile.into_iter().map(|file| ("hostile", file))) {
        let (root, name) = (folder().join(below), format!("{below}/{} {:?}", file.path, file.settings));
        let start = Instant::now();
        let loaded = dataset(&mut files, &root, &file.path, &file.settings);
        if start.elapsed() > LONG {
            wrong.push(format!("{name} takes {:?}", start.elapsed()));
        }
        match loaded {
            Ok(_) if file.outcome == Verdict::Refused => wrong.push(format!("{name} was read")),
            Ok(_) => {}
            Err(message) => {
                let lower = message.to_lowercase();
                let missing = file.says.iter().filter(|word| !lower.contains(&word.to_lowercase()));
                wrong.extend(missing.map(|word| format!("{name} does not say {word:?}: {message}")));
                messages.insert(name, message.replace(folder().to_str().unwrap(), "[FORMATS]"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let text: String = messages.iter().map(|(name, message)| format!("{name}\n  {message}\n")).collect();
    snapbox::assert_data_eq!(text, snapbox::file!("../formats/messages.txt").raw());
}

/// A file of each format, other images for its model, and further lines of `[data]`.
const OF_EACH_FORMAT: [(&str, &str, &str); 12] = [
    (
        "idx/train-images-idx3-ubyte.gz",
        "idx/train-images-idx3-ubyte.gz",
        "labels = \"idx/train-labels-idx1-ubyte.gz\"\nvalidation = 1",
    ),
    ("npy/f4-nchw.npy", "npy/f4-nchw.npy", "validation = 1"),
    ("npz/medmnist.npz", "npz/medmnist.npz:test_images", ""),
    ("folders/parts", "folders/parts/test", ""),
    ("archives/classes.zip", "archives/classes.zip", "validation = 1"),
    ("archives/parts.tar", "archives/parts.tar:test", ""),
    ("parquet/hf-mnist.parquet", "parquet/hf-mnist.parquet", "validation = 1"),
    ("parquet/columns.parquet", "parquet/columns.parquet", "size = [2, 3]\nvalidation = 1"),
    ("tables/kaggle-mnist.csv", "tables/kaggle-mnist.csv", "size = [6, 5]\nvalidation = 1"),
    ("cifar-10-batches-bin", "cifar-10-batches-bin/test_batch.bin", "validation = 0.25"),
    ("hdf5/3dshapes.h5:/images", "hdf5/3dshapes.h5:/images", "validation = 1"),
    ("png/gray-8", "png/gray-8", "validation = 0"),
];

#[test]
fn trials_are_planned_and_trained_on_files_of_each_format_and_other_files_are_embedded() {
    let mut workspace = Workspace::new();
    let files = folder().join("files");
    for (number, (path, others, data)) in OF_EACH_FORMAT.into_iter().enumerate() {
        let (root, name) = (files.display(), format!("format{number}"));
        let data = data.replace("labels = \"", &format!("labels = \"{root}/"));
        let spec = format!(
            "name = \"{name}\"\n[data]\nimages = \"{root}/{path}\"\nsplit = \"random\"\n{data}\n[model]\nfamily = \"mlp\"\nhidden = [4]\n\
             likelihood = \"gaussian\"\n[train]\nepochs = 1\nbatch_size = 1\n"
        );
        workspace.write("spec.toml", spec);
        let planned = workspace.succeed(&["plan", "spec.toml"]);
        assert!(planned.contains("1 trial"), "{path}: {planned}");
        workspace.succeed(&["run", "spec.toml"]);
        let images = format!("{root}/{others}");
        let trial = only(&workspace, &format!("runs/{name}"));
        let trial = trial.to_str().unwrap();
        let wrote = workspace.succeed(&["embed", trial, "--data", &images, "-o", "embedded.csv"]);
        let table = std::fs::read_to_string(workspace.path("embedded.csv")).unwrap();
        assert!(wrote.contains("posteriors of") && table.lines().count() > 1, "{path}: {wrote}");
        workspace.succeed(&["reconstruct", trial, "--data", &images, "-o", "reconstructed.png"]);
    }
}
