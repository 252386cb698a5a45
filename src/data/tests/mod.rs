//! Tests of loading, splitting and hashing images.

mod cached;
mod splits;
mod values;

use super::format::idx_tests::{gzip, idx_file};
use super::*;
use crate::settings::Keys;
use std::path::PathBuf;

/// Keys of a `[data]` table; the others have their defaults.
#[derive(Clone, Debug, Default)]
struct Data {
    images: Option<PathBuf>,
    labels: Option<PathBuf>,
    validation_images: Option<PathBuf>,
    validation_labels: Option<PathBuf>,
    test_images: Option<PathBuf>,
    test_labels: Option<PathBuf>,
    limit: Option<u64>,
    split: Option<SplitMethod>,
    split_seed: u64,
    validation: Option<Held>,
    test: Option<Held>,
    stored: Option<[f64; 2]>,
    binarize: Option<Binarize>,
}

impl Data {
    fn settings(&self) -> DataSettings {
        let path = |key: &str, path: &Option<PathBuf>| {
            path.as_ref().map(|path| (format!("data.{key}"), toml::Value::String(path.to_str().unwrap().to_owned())))
        };
        let paths = [
            path("images", &self.images),
            path("labels", &self.labels),
            path("validation_images", &self.validation_images),
            path("validation_labels", &self.validation_labels),
            path("test_images", &self.test_images),
            path("test_labels", &self.test_labels),
        ];
        let mut written: std::collections::BTreeMap<_, _> = paths.into_iter().flatten().collect();
        let held = |held: Held| match held {
            Held::Images(count) => toml::Value::Integer(count as i64),
            Held::Fraction(fraction) => toml::Value::Float(fraction),
        };
        written.extend(self.validation.map(|validation| ("data.validation".to_owned(), held(validation))));
        written.extend(self.test.map(|test| ("data.test".to_owned(), held(test))));
        if self.images.is_some() {
            written.insert("data.source".to_owned(), "idx".into());
        }
        let (settings, found) = Keys::read(&written, |keys| keys.table("data", "", "", DataSettings::read));
        assert_eq!(found.problems, []);
        DataSettings {
            limit: self.limit,
            split: self.split.unwrap_or(settings.split),
            split_seed: self.split_seed,
            stored: self.stored,
            binarize: self.binarize.unwrap_or(settings.binarize),
            ..settings
        }
    }
}

/// A loader whose prepared images are in this folder.
fn files(folder: &Path) -> Files {
    Files::new(Cache::in_folder(&folder.join("cache")), |_| {})
}

fn load(data: &Data, folder: &Path) -> Result<Dataset, DataError> {
    files(folder).dataset(&data.settings(), folder)
}

/// The bytes of all images.
fn bytes(images: &Images) -> Vec<u8> {
    let mut scratch = Vec::new();
    (0..images.len()).flat_map(|index| images.image(index, &mut scratch).bytes().unwrap().to_vec()).collect()
}

/// The values of the first column; `None` without columns.
fn labels(images: &Images) -> Option<Vec<u32>> {
    images.columns().first().map(|column| images.values_of(column))
}

/// A folder with training files of 10 images of 2 x 3 pixels, plain and gzipped, and held-out files of 4.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| {
        std::fs::write(folder.path().join(format!("{name}.gz")), gzip(&bytes)).unwrap();
        std::fs::write(folder.path().join(name), bytes).unwrap();
    };
    write("train", idx_file(&[10, 2, 3], &(0..60).collect::<Vec<u8>>()));
    write("train-labels", idx_file(&[10], &(0..10).collect::<Vec<u8>>()));
    write("test", idx_file(&[4, 2, 3], &(100..124).collect::<Vec<u8>>()));
    write("test-labels", idx_file(&[4], &[9, 8, 7, 6]));
    write("wide", idx_file(&[4, 3, 2], &[0; 24]));
    folder
}

fn idx(images: &str) -> Data {
    Data { images: Some(images.into()), ..Data::default() }
}

/// The error message without the folder, and the key.
fn error(data: &Data) -> (String, &'static str) {
    let folder = folder();
    let error = load(data, folder.path()).unwrap_err();
    (error.to_string().replace(&format!("{}/", folder.path().display()), ""), error.key())
}

fn sizes(data: &Data) -> (usize, usize) {
    let dataset = load(data, folder().path()).unwrap();
    (dataset.train.len(), dataset.validation.len())
}

#[test]
fn fashion_mini_needs_no_files() {
    let dataset = Files::new(Cache::in_folder(Path::new("/nowhere/cache")), |_| {})
        .dataset(&Data::default().settings(), Path::new("/nowhere"))
        .unwrap();
    assert_eq!((dataset.train.len(), dataset.validation.len()), (1800, 200));
    assert_eq!(dataset.train.shape(), ImageShape::grey(28, 28));
    assert_eq!(labels(&dataset.train).unwrap()[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
    assert_eq!(dataset.hash, "191a1ea2c5227266976ed7df00533987");
    // The hash that version 0.1.0 saved.
    assert!(dataset.has_hash("35b8668cd9e378794ad09bd6853a288a"));
}

#[test]
fn the_hash_is_of_the_content() {
    let folder = folder();
    let hash = |data: &Data| load(data, folder.path()).unwrap().hash;
    let plain = idx("train");
    let same = [
        idx("train.gz"),
        Data { limit: Some(10), binarize: Some(Binarize::Static), stored: Some([0.0, 60.0]), ..plain.clone() },
        Data { labels: Some("train-labels".into()), ..plain.clone() },
        Data { labels: Some("other-labels".into()), ..plain.clone() },
        Data { test_images: Some("test".into()), validation: Some(Held::Fraction(0.1)), ..plain.clone() },
        // The order of the pool, cut by hand.
        Data { validation_images: Some("last".into()), images: Some("first".into()), ..plain.clone() },
    ];
    let validated = Data { validation_images: Some("test".into()), ..plain.clone() };
    let others = [
        plain.clone(),
        Data { validation: Some(Held::Images(1)), ..idx("wide") },
        Data { validation: Some(Held::Images(1)), ..idx("zeros") },
        Data { limit: Some(9), ..plain.clone() },
        Data { validation: Some(Held::Images(2)), ..plain.clone() },
        validated.clone(),
        Data { images: Some("flipped".into()), ..plain.clone() },
        Data { split: Some(SplitMethod::Random), ..plain.clone() },
        Data { split: Some(SplitMethod::Random), split_seed: 1, ..plain.clone() },
    ];
    let mut pixels: Vec<u8> = (0..60).collect();
    pixels[33] ^= 1;
    std::fs::write(folder.path().join("flipped"), idx_file(&[10, 2, 3], &pixels)).unwrap();
    std::fs::write(folder.path().join("first"), idx_file(&[9, 2, 3], &(0..54).collect::<Vec<u8>>())).unwrap();
    std::fs::write(folder.path().join("last"), idx_file(&[1, 2, 3], &(54..60).collect::<Vec<u8>>())).unwrap();
    std::fs::write(folder.path().join("zeros"), idx_file(&[4, 2, 3], &[0; 24])).unwrap();
    std::fs::write(folder.path().join("other-labels"), idx_file(&[10], &[1; 10])).unwrap();
    same.iter().for_each(|data| assert_eq!(hash(data), hash(&plain), "{data:?}"));
    // Test images are neither training nor validation images.
    let without_last = Data { limit: Some(9), ..plain.clone() };
    assert_eq!(hash(&Data { test: Some(Held::Images(1)), ..plain.clone() }), hash(&without_last));
    let with_labels = Data { validation_labels: Some("test-labels".into()), ..validated.clone() };
    assert_eq!(hash(&with_labels), hash(&validated));
    assert_eq!(hash(&plain), "4e26b29bc906d0726844d9011b3f9446");
    // The hash that version 0.1.0 saved.
    assert!(load(&plain, folder.path()).unwrap().has_hash("8c37e55f1dbe848565f1c0ccb4f371f8"));
    let hashes: std::collections::BTreeSet<_> = others.iter().map(hash).collect();
    assert_eq!(hashes.len(), others.len());
    assert!(hashes.iter().all(|hash| hash.len() == 32 && hash.chars().all(|digit| digit.is_ascii_hexdigit())));
}

/// Trials of versions in which labels were part of the hash are still recognized.
#[test]
fn the_hash_with_labels_is_known_too() {
    let folder = folder();
    let labelled = |labels: &str| load(&Data { labels: Some(labels.into()), ..idx("train") }, folder.path()).unwrap();
    std::fs::write(folder.path().join("other-labels"), idx_file(&[10], &[1; 10])).unwrap();
    let dataset = labelled("train-labels");
    let earlier = "d220c84c6e5a8fa6b87133a136ea09a3";
    assert!(dataset.has_hash(&dataset.hash) && dataset.has_hash(earlier));
    assert!(!labelled("other-labels").has_hash(earlier));
    assert!(!load(&idx("train"), folder.path()).unwrap().has_hash(earlier));
}

#[test]
fn keys_that_do_not_fit_together_are_refused() {
    let problems = |keys: &[&str]| {
        let written = keys.iter().map(|key| ((*key).to_owned(), toml::Value::String("idx".to_owned()))).collect();
        Keys::read(&written, |keys| keys.table("data", "", "", DataSettings::read)).1.problems
    };
    let messages =
        |keys: &[&str]| problems(keys).into_iter().map(|one| (one.message, one.keys[0].to_owned())).collect::<Vec<_>>();
    for (source, what) in [("idx", "an IDX file"), ("files", "a file or folder")] {
        let written = [("data.source".to_owned(), toml::Value::String(source.to_owned()))].into();
        let problems = Keys::read(&written, |keys| keys.table("data", "", "", DataSettings::read)).1.problems;
        let message = format!("`data.source = \"{source}\"` needs `data.images`, the path of {what} of images");
        let found: Vec<_> = problems.into_iter().map(|one| (one.message, one.keys[0])).collect();
        assert_eq!(found, [(message, "data.images")]);
    }
    for split in ["validation", "test"] {
        let key = format!("data.{split}_labels");
        let message = format!("`{key}` is set, but `data.{split}_images` is not; set both or neither");
        assert_eq!(messages(&["data.source", "data.images", &key]), [(message, key.clone())]);
    }
    assert_eq!(messages(&["data.source", "data.images", "data.labels"]), []);
}

#[test]
fn files_that_do_not_fit_together_are_refused() {
    assert_eq!(
        error(&Data { labels: Some("test-labels".into()), ..idx("train.gz") }),
        (
            "`test-labels` holds 4 labels, but `train.gz` holds 10 images; use the label file of these images".into(),
            "data.labels"
        )
    );
    let held_out = Data { validation_images: Some("test".into()), ..idx("train") };
    assert_eq!(
        error(&Data { validation_labels: Some("train-labels".into()), ..held_out }),
        (
            "`train-labels` holds 10 labels, but `test` holds 4 images; use the label file of these images".into(),
            "data.validation_labels"
        )
    );
    assert_eq!(
        error(&Data { validation_images: Some("wide".into()), ..idx("train") }),
        (
            "`wide` holds images of 3x2, but `train` holds images of 2x3; both must have the same shape".into(),
            "data.validation_images"
        )
    );
    // Test images too.
    let tested = Data { test_images: Some("wide".into()), validation: Some(Held::Images(1)), ..idx("train") };
    assert_eq!(
        error(&tested),
        (
            "`wide` holds images of 3x2, but `train` holds images of 2x3; both must have the same shape".into(),
            "data.test_images"
        )
    );
}

#[test]
fn errors_of_a_file_name_its_key() {
    let file = |name: &str| Some(PathBuf::from(name));
    let absent = |name| format!("cannot read {name}: No such file or directory (os error 2)");
    let data = idx("train");
    let validated = Data { validation: Some(Held::Images(1)), ..data.clone() };
    for (data, name, key) in [
        (idx("a"), "a", "data.images"),
        (Data { labels: file("b"), ..data.clone() }, "b", "data.labels"),
        (Data { validation_images: file("c"), ..data.clone() }, "c", "data.validation_images"),
        (
            Data { validation_images: file("test"), validation_labels: file("d"), ..data.clone() },
            "d",
            "data.validation_labels",
        ),
        (Data { test_images: file("e"), ..validated.clone() }, "e", "data.test_images"),
        (Data { test_images: file("test"), test_labels: file("f"), ..validated }, "f", "data.test_labels"),
    ] {
        assert_eq!(error(&data), (absent(name), key));
    }
}
