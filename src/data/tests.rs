//! Tests of loading, splitting and hashing images.

use super::source::idx_tests::{gzip, idx_file};
use super::*;
use crate::settings::Keys;
use std::path::PathBuf;

/// Keys of a `[data]` table; the others have their defaults.
#[derive(Clone, Debug, Default)]
struct Data {
    images: Option<PathBuf>,
    labels: Option<PathBuf>,
    test_images: Option<PathBuf>,
    test_labels: Option<PathBuf>,
    limit: Option<u64>,
    validation: Option<Validation>,
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
            path("test_images", &self.test_images),
            path("test_labels", &self.test_labels),
        ];
        let mut written: std::collections::BTreeMap<_, _> = paths.into_iter().flatten().collect();
        if self.images.is_some() {
            written.insert("data.source".to_owned(), "idx".into());
        }
        let (settings, found) = Keys::read(&written, |keys| keys.table("data", "", "", DataSettings::read));
        assert_eq!(found.problems, []);
        DataSettings {
            limit: self.limit,
            validation: self.validation.unwrap_or(settings.validation),
            stored: self.stored,
            binarize: self.binarize.unwrap_or(settings.binarize),
            ..settings
        }
    }
}

fn load(data: &Data, folder: &Path) -> Result<Dataset, DataError> {
    Dataset::load(&data.settings(), folder)
}

/// A folder with training files of 10 images of 2 x 3 pixels, plain and gzipped, and test files of 4.
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
fn the_last_training_images_are_held_out() {
    let data = Data { labels: Some("train-labels".into()), validation: Some(Validation::Images(3)), ..idx("train") };
    let Dataset { train, validation, .. } = load(&data, folder().path()).unwrap();
    assert_eq!((train.len(), train.shape()), (7, ImageShape::grey(2, 3)));
    assert_eq!((validation.len(), validation.shape()), (3, ImageShape::grey(2, 3)));
    assert_eq!(train.image(6), ValuesRef::U8(&[36, 37, 38, 39, 40, 41]));
    assert_eq!(validation.image(0), ValuesRef::U8(&[42, 43, 44, 45, 46, 47]));
    assert_eq!(train.labels().unwrap(), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(validation.labels().unwrap(), [7, 8, 9]);
    assert_eq!(validation.values(), ValuesRef::U8(&(42..60).collect::<Vec<u8>>()));
    let (Values::U8(one), Values::U8(other)) = (train.file_values(), validation.file_values()) else { unreachable!() };
    assert!(Arc::ptr_eq(one, other), "splitting copies the values");
    let middle = validation.slice(1..9);
    assert_eq!((middle.len(), middle.image(1), middle.labels()), (2, validation.image(2), Some(&[8, 9][..])));
    assert!(validation.slice(3..9).is_empty() && !validation.is_empty());
}

#[test]
#[should_panic(expected = "out of range")]
fn an_image_of_the_other_split_cannot_be_had() {
    let data = Data { validation: Some(Validation::Images(3)), ..idx("train") };
    let dataset = load(&data, folder().path()).unwrap();
    dataset.train.image(7);
}

#[test]
fn fractions_are_rounded() {
    let fraction = |fraction| sizes(&Data { validation: Some(Validation::Fraction(fraction)), ..idx("train") });
    assert_eq!([0.1, 0.14, 0.16, 0.94].map(fraction), [(9, 1), (9, 1), (8, 2), (1, 9)]);
}

#[test]
fn the_limit_comes_before_the_split() {
    let data = Data {
        labels: Some("train-labels".into()),
        limit: Some(6),
        validation: Some(Validation::Fraction(0.5)),
        ..idx("train")
    };
    let Dataset { train, validation, .. } = load(&data, folder().path()).unwrap();
    assert_eq!(
        (train.values(), validation.values()),
        (ValuesRef::U8(&(0..18).collect::<Vec<u8>>()), ValuesRef::U8(&(18..36).collect::<Vec<u8>>()))
    );
    assert_eq!((train.labels(), validation.labels()), (Some(&[0, 1, 2][..]), Some(&[3, 4, 5][..])));
    assert_eq!(sizes(&Data { limit: Some(10), ..idx("train") }), (9, 1));
}

#[test]
fn files_are_kept_for_other_datasets() {
    let (folder, mut files) = (folder(), Files::default());
    let limited = |limit| Data {
        labels: Some("train-labels".into()),
        validation: Some(Validation::Images(1)),
        limit,
        ..idx("train")
    };
    // Fewer, more, all, too many: the same as if each were read separately.
    for limit in [Some(4), Some(3), Some(8), None, Some(2)] {
        let (kept, alone) =
            (files.dataset(&limited(limit).settings(), folder.path()), load(&limited(limit), folder.path()));
        let (kept, alone) = (kept.unwrap(), alone.unwrap());
        assert_eq!((kept.train.values(), kept.train.labels()), (alone.train.values(), alone.train.labels()));
        assert_eq!((kept.validation.values(), kept.hash), (alone.validation.values(), alone.hash));
    }
    std::fs::remove_file(folder.path().join("train")).unwrap();
    assert_eq!(files.dataset(&limited(Some(9)).settings(), folder.path()).unwrap().train.len(), 8);
    let error = files.dataset(&limited(Some(11)).settings(), folder.path()).unwrap_err();
    assert!(error.to_string().starts_with("`data.limit` is 11, but"), "{error}");
}

#[test]
fn test_images_are_the_validation_split() {
    let data = Data {
        test_images: Some("test".into()),
        test_labels: Some("test-labels.gz".into()),
        limit: Some(5),
        validation: Some(Validation::Fraction(7.0)),
        ..idx("train")
    };
    let Dataset { train, validation, .. } = load(&data, folder().path()).unwrap();
    assert_eq!((train.values(), train.labels()), (ValuesRef::U8(&(0..30).collect::<Vec<u8>>()), None));
    assert_eq!(validation.values(), ValuesRef::U8(&(100..124).collect::<Vec<u8>>()));
    assert_eq!(validation.labels().unwrap(), [9, 8, 7, 6]);
}

#[test]
fn fashion_mini_needs_no_files() {
    let dataset = load(&Data::default(), Path::new("/nowhere")).unwrap();
    assert_eq!((dataset.train.len(), dataset.validation.len()), (1800, 200));
    assert_eq!(dataset.train.shape(), ImageShape::grey(28, 28));
    assert_eq!(dataset.train.labels().unwrap()[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
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
    ];
    let tested = Data { test_images: Some("test".into()), ..plain.clone() };
    let others = [
        plain.clone(),
        Data { validation: Some(Validation::Images(1)), ..idx("wide") },
        Data { validation: Some(Validation::Images(1)), ..idx("zeros") },
        Data { limit: Some(9), ..plain.clone() },
        Data { validation: Some(Validation::Images(2)), ..plain.clone() },
        tested.clone(),
        Data { images: Some("flipped".into()), ..plain.clone() },
    ];
    let mut pixels: Vec<u8> = (0..60).collect();
    pixels[33] ^= 1;
    std::fs::write(folder.path().join("flipped"), idx_file(&[10, 2, 3], &pixels)).unwrap();
    std::fs::write(folder.path().join("zeros"), idx_file(&[4, 2, 3], &[0; 24])).unwrap();
    std::fs::write(folder.path().join("other-labels"), idx_file(&[10], &[1; 10])).unwrap();
    same.iter().for_each(|data| assert_eq!(hash(data), hash(&plain), "{data:?}"));
    let with_labels = Data { test_labels: Some("test-labels".into()), ..tested.clone() };
    assert_eq!(hash(&with_labels), hash(&tested));
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

/// A folder with files of 4 images of 2 x 2 pixels.
fn scales() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, pixels: [u8; 16]| {
        std::fs::write(folder.path().join(name), gzip(&idx_file(&[4, 2, 2], &pixels))).unwrap();
    };
    write("bits", [0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1]);
    write("zeros", [0; 16]);
    write("late", [0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 2, 0, 0]);
    write("black-and-white", [0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0]);
    write("grey", [0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 254, 0]);
    folder
}

#[test]
fn zeros_and_ones_are_not_read_as_greys() {
    let folder = scales();
    let load = |data: Data| {
        let data = Data { validation: Some(Validation::Images(1)), ..data };
        load(&data, folder.path())
            .map_err(|error| (error.to_string().replace(&format!("{}/", folder.path().display()), ""), error.key()))
    };
    let advice = "so vaex would read white as 1/255; write `stored = [0, 1]` in `[data]` if 1 is white, or \
                  `stored = [0, 255]` if the images really are that dark";
    let message = format!("`bits` has only the values 0 and 1, {advice}");
    assert_eq!(load(idx("bits")).unwrap_err(), (message, "data.images"));
    for limit in [2, 3] {
        let message = format!("the first {limit} images of `late` have only the values 0 and 1, {advice}");
        assert_eq!(load(Data { limit: Some(limit), ..idx("late") }).unwrap_err(), (message, "data.images"));
    }
    assert!(load(idx("late")).is_ok() && load(idx("zeros")).is_ok() && load(idx("black-and-white")).is_ok());
    for stored in [[0.0, 1.0], [0.0, 255.0]] {
        assert!(load(Data { stored: Some(stored), ..idx("bits") }).is_ok());
    }
    let tested = |train: &str, stored| Data { test_images: Some("bits".into()), stored, ..idx(train) };
    let message = "`bits` has only the values 0 and 1, unlike the training images; scale both to the same values, or write \
                   `stored = [0, 255]` in `[data]` if these images really are that dark";
    assert_eq!(load(tested("grey", None)).unwrap_err(), (message.into(), "data.test_images"));
    assert!(load(tested("bits", Some([0.0, 1.0]))).is_ok() && load(tested("grey", Some([0.0, 255.0]))).is_ok());
}

#[test]
fn values_outside_of_what_is_stored_are_refused() {
    let folder = scales();
    let load = |images: &str, test: Option<&str>, stored| {
        let data = Data {
            test_images: test.map(PathBuf::from),
            stored: Some(stored),
            validation: Some(Validation::Images(1)),
            ..idx(images)
        };
        load(&data, folder.path()).map_err(|error| {
            assert_eq!(error.key(), "data.stored");
            error.to_string().replace(&format!("{}/", folder.path().display()), "")
        })
    };
    let message = "`late` has the value 2 in image 3 (counted from 0), outside `data.stored` = [0, 1]; correct \
                   `data.stored` or the file";
    assert_eq!(load("late", None, [0.0, 1.0]).unwrap_err(), message);
    assert_eq!(load("bits", Some("late"), [0.0, 1.0]).unwrap_err(), message);
    let message = "`grey` has the value 0 in image 0 (counted from 0), outside `data.stored` = [16, 235]; correct \
                   `data.stored` or the file";
    assert_eq!(load("grey", None, [16.0, 235.0]).unwrap_err(), message);
    assert!(load("late", None, [0.0, 2.0]).is_ok() && load("grey", None, [0.0, 255.0]).is_ok());
    // An invalid `stored` is an error of the spec.
    assert!(load("grey", None, [1.0, 0.0]).is_ok() && load("grey", None, [f64::NAN, 1.0]).is_ok());
}

#[test]
fn images_for_a_model_must_be_of_its_scale() {
    let folder = scales();
    let read = |file: &str, stored: Option<[f64; 2]>, most| {
        let trained = (stored.unwrap_or(settings::BYTES), ImageShape::grey(2, 2));
        Images::read_alike(trained, &folder.path().join(file), None, most)
            .map(|images| images.len())
            .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    };
    let bits = "`bits` has only the values 0 and 1, but the model was trained on values from 0 to 255; multiply them \
                by 255";
    for most in [2, usize::MAX] {
        assert_eq!(read("bits", None, most), Err(bits.into()));
    }
    let outside = "`late` has the value 2 in image 3 (counted from 0), but the model was trained on values from 0 to 1; \
                   scale the images to these values";
    assert_eq!(read("late", Some([0.0, 1.0]), usize::MAX), Err(outside.into()));
    assert_eq!(read("bits", Some([0.0, 1.0]), usize::MAX), Ok(4));
    // The rest of the file shows that these are dark grey values.
    assert_eq!((read("late", None, 2), read("grey", None, 3)), (Ok(2), Ok(3)));
}

#[test]
fn grey_is_what_is_neither_black_nor_white() {
    let folder = scales();
    let is_grey = |file: &str, stored| {
        let data = Data { stored, validation: Some(Validation::Images(1)), ..idx(file) };
        load(&data, folder.path()).unwrap().is_grey
    };
    // The last pixels are in the validation images.
    assert!(is_grey("grey", None) && is_grey("late", Some([0.0, 3.0])) && is_grey("bits", Some([0.0, 255.0])));
    assert!(!is_grey("black-and-white", None) && !is_grey("bits", Some([0.0, 1.0])) && !is_grey("zeros", None));
    assert!(load(&Data::default(), folder.path()).unwrap().is_grey);
}

#[test]
fn a_pixel_is_found_wherever_it_is() {
    for index in [0, 1, 4095, 4096, 9999] {
        let mut pixels = vec![0u8; 10_000];
        pixels[index] = 3;
        let images = Images::new(pixels, None, ImageShape::grey(10, 10));
        assert_eq!(images.outside([0.0, 2.0]), Some((index / 100, 3.0)));
        assert_eq!((images.outside([0.0, 3.0]), images.are_grey([0.0, 3.0])), (None, false));
        assert!(images.are_grey([0.0, 2.0]) && !images.are_at_most_one());
    }
}

#[test]
fn of_files_no_more_is_kept_than_is_used() {
    let (folder, mut files) = (folder(), Files::default());
    let limited = |limit| Data { labels: Some("train-labels.gz".into()), limit, ..idx("train.gz") };
    let mut held = |limit| {
        files
            .dataset(&Data { validation: Some(Validation::Images(1)), ..limited(limit) }.settings(), folder.path())
            .unwrap();
        files
            .read
            .iter()
            .map(|(_, whole)| (whole.training.images.file_values().len() / 6, whole.training.count))
            .collect::<Vec<_>>()
    };
    assert_eq!(held(Some(2)), [(2, 10)]);
    // Limits that grow step by step do not read a large file once per limit.
    assert_eq!(held(Some(3)), [(4, 10)]);
    assert_eq!(held(Some(4)), [(4, 10)]);
    assert_eq!(held(Some(5)), [(8, 10)]);
    assert_eq!(held(None), [(10, 10)]);
}

#[test]
fn keys_that_do_not_fit_together_are_refused() {
    let problems = |keys: &[&str]| {
        let written = keys.iter().map(|key| ((*key).to_owned(), toml::Value::String("idx".to_owned()))).collect();
        Keys::read(&written, |keys| keys.table("data", "", "", DataSettings::read)).1.problems
    };
    let messages = |keys: &[&str]| problems(keys).into_iter().map(|one| (one.message, one.keys[0])).collect::<Vec<_>>();
    let message = r#"`data.source = "idx"` needs `data.images`, the path of an IDX file of training images"#;
    assert_eq!(messages(&["data.source"]), [(message.to_owned(), "data.images")]);
    let message = "`data.test_labels` is set, but `data.test_images` is not; set both or neither";
    assert_eq!(
        messages(&["data.source", "data.images", "data.test_labels"]),
        [(message.to_owned(), "data.test_labels")]
    );
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
    let test = Data { test_images: Some("test".into()), ..idx("train") };
    assert_eq!(
        error(&Data { test_labels: Some("train-labels".into()), ..test }),
        (
            "`train-labels` holds 10 labels, but `test` holds 4 images; use the label file of these images".into(),
            "data.test_labels"
        )
    );
    assert_eq!(
        error(&Data { test_images: Some("wide".into()), ..idx("train") }),
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
    for (data, name, key) in [
        (idx("a"), "a", "data.images"),
        (Data { labels: file("b"), ..data.clone() }, "b", "data.labels"),
        (Data { test_images: file("c"), ..data.clone() }, "c", "data.test_images"),
        (Data { test_images: file("test"), test_labels: file("d"), ..data }, "d", "data.test_labels"),
    ] {
        assert_eq!(error(&data), (absent(name), key));
    }
}

#[test]
fn limits_and_splits_that_cannot_be_are_refused() {
    for (limit, message) in [
        (11, "`data.limit` is 11, but `train` holds 10 images; lower it or remove it"),
        (u64::MAX, "`data.limit` is 18,446,744,073,709,551,615, but `train` holds 10 images; lower it or remove it"),
    ] {
        assert_eq!(error(&Data { limit: Some(limit), ..idx("train") }), (message.into(), "data.limit"));
    }
    assert_eq!(
        error(&Data { limit: Some(2001), ..Data::default() }),
        ("`data.limit` is 2,001, but `fashion-mini` holds 2,000 images; lower it or remove it".into(), "data.limit")
    );
    let advice = "training and validation need at least 1 image each";
    for (validation, limit, start) in [
        (Validation::Images(0), 10, "`data.validation` is 0, which holds out 0 of 10 images"),
        (Validation::Images(10), 10, "`data.validation` is 10, which holds out 10 of 10 images"),
        (Validation::Images(5000), 10, "`data.validation` is 5,000, which holds out 5,000 of 10 images"),
        (Validation::Fraction(0.04), 10, "`data.validation` is 0.04, which holds out 0 of 10 images"),
        (Validation::Fraction(0.96), 10, "`data.validation` is 0.96, which holds out 10 of 10 images"),
        (Validation::Fraction(0.5), 1, "`data.validation` is 0.5, which holds out 1 of 1 image"),
    ] {
        let data = Data { validation: Some(validation), limit: Some(limit), ..idx("train") };
        assert_eq!(error(&data), (format!("{start}; {advice}"), "data.validation"));
    }
}
