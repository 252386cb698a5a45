//! Tests of the splits: their order, their sizes, and how images are drawn.

use super::*;
use crate::random::{Purpose, Stream, shuffled};

#[test]
fn the_last_training_images_are_held_out() {
    let data = Data { labels: Some("train-labels".into()), validation: Some(Held::Images(3)), ..idx("train") };
    let Dataset { train, validation, .. } = load(&data, folder().path()).unwrap();
    assert_eq!((train.len(), train.shape()), (7, ImageShape::grey(2, 3)));
    assert_eq!((validation.len(), validation.shape()), (3, ImageShape::grey(2, 3)));
    let mut scratch = Vec::new();
    assert_eq!(train.image(6, &mut scratch), ValuesRef::U8(&[36, 37, 38, 39, 40, 41]));
    assert_eq!(validation.image(0, &mut scratch), ValuesRef::U8(&[42, 43, 44, 45, 46, 47]));
    assert_eq!(labels(&train).unwrap(), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(labels(&validation).unwrap(), [7, 8, 9]);
    assert_eq!(bytes(&validation), (42..60).collect::<Vec<u8>>());
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let (one, other) = (train.image(6, &mut one).bytes().unwrap(), validation.image(0, &mut other).bytes().unwrap());
    assert_eq!(one.as_ptr_range().end, other.as_ptr(), "splitting copies the values");
    let middle = validation.slice(1..9);
    assert_eq!((middle.len(), bytes(&middle), labels(&middle)), (2, (48..60).collect(), Some(vec![8, 9])));
    assert!(validation.slice(3..9).is_empty() && !validation.is_empty());
}

#[test]
#[should_panic(expected = "image 7 of 7")]
fn an_image_of_the_other_split_cannot_be_had() {
    let data = Data { validation: Some(Held::Images(3)), ..idx("train") };
    let dataset = load(&data, folder().path()).unwrap();
    dataset.train.image(7, &mut Vec::new());
}

#[test]
fn fractions_are_rounded() {
    let fraction = |fraction| sizes(&Data { validation: Some(Held::Fraction(fraction)), ..idx("train") });
    assert_eq!([0.1, 0.14, 0.16, 0.94].map(fraction), [(9, 1), (9, 1), (8, 2), (1, 9)]);
}

#[test]
fn the_limit_comes_before_the_split() {
    let data = Data {
        labels: Some("train-labels".into()),
        limit: Some(6),
        validation: Some(Held::Fraction(0.5)),
        ..idx("train")
    };
    let Dataset { train, validation, .. } = load(&data, folder().path()).unwrap();
    assert_eq!((bytes(&train), bytes(&validation)), ((0..18).collect(), (18..36).collect()));
    assert_eq!((labels(&train), labels(&validation)), (Some(vec![0, 1, 2]), Some(vec![3, 4, 5])));
    assert_eq!(sizes(&Data { limit: Some(10), ..idx("train") }), (9, 1));
}

#[test]
fn test_images_are_cut_before_validation_images() {
    let data = |test, validation| Data {
        labels: Some("train-labels".into()),
        limit: Some(8),
        test: Some(test),
        validation,
        ..idx("train")
    };
    let split = |data: &Data| {
        let dataset = load(data, folder().path()).unwrap();
        [dataset.train, dataset.validation, dataset.test].map(|images| labels(&images).unwrap())
    };
    let counts = data(Held::Images(2), Some(Held::Images(3)));
    assert_eq!(split(&counts), [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7]]);
    // Both fractions are of the limited pool: 0.3 of 8 is 2.4.
    let fractions = data(Held::Fraction(0.3), Some(Held::Fraction(0.44)));
    assert_eq!(split(&fractions), [vec![0, 1], vec![2, 3, 4, 5], vec![6, 7]]);
    // The default of `validation` is 0.1.
    assert_eq!(split(&data(Held::Images(2), None)), [vec![0, 1, 2, 3, 4], vec![5], vec![6, 7]]);
    // None of one, or of both.
    let none = Some(Held::Images(0));
    assert_eq!(split(&data(Held::Images(2), none)), [vec![0, 1, 2, 3, 4, 5], vec![], vec![6, 7]]);
    assert_eq!(split(&data(Held::Images(0), none)), [(0..8).collect(), vec![], vec![]]);
}

#[test]
fn files_of_held_out_images_are_splits() {
    let validated = Data {
        validation_images: Some("test".into()),
        validation_labels: Some("test-labels.gz".into()),
        limit: Some(5),
        ..idx("train")
    };
    let Dataset { train, validation, test, .. } = load(&validated, folder().path()).unwrap();
    assert_eq!((bytes(&train), labels(&train)), ((0..30).collect(), None));
    assert_eq!((bytes(&validation), labels(&validation)), ((100..124).collect(), Some(vec![9, 8, 7, 6])));
    assert!(test.is_empty());
    // `validation` and `test` are cut from the pool if files do not replace them.
    let tested = Data {
        test_images: Some("test".into()),
        test_labels: Some("test-labels".into()),
        validation: Some(Held::Images(2)),
        limit: Some(5),
        ..idx("train")
    };
    let Dataset { train, validation, test, .. } = load(&tested, folder().path()).unwrap();
    assert_eq!((bytes(&train), bytes(&validation)), ((0..18).collect(), (18..30).collect()));
    assert_eq!((bytes(&test), labels(&test)), ((100..124).collect(), Some(vec![9, 8, 7, 6])));
    let both = Data { validation: None, test_labels: None, validation_images: Some("test".into()), ..tested };
    let dataset = load(&both, folder().path()).unwrap();
    assert_eq!([&dataset.train, &dataset.validation, &dataset.test].map(Images::len), [5, 4, 4]);
    let cut = Data { test_images: None, test: Some(Held::Images(1)), ..both };
    let dataset = load(&cut, folder().path()).unwrap();
    assert_eq!([&dataset.train, &dataset.validation, &dataset.test].map(Images::len), [4, 4, 1]);
}

#[test]
fn a_random_split_belongs_to_its_own_seed() {
    let folder = folder();
    let data = |split_seed| Data {
        labels: Some("train-labels".into()),
        split: Some(SplitMethod::Random),
        split_seed,
        limit: Some(8),
        test: Some(Held::Images(2)),
        validation: Some(Held::Images(3)),
        ..idx("train")
    };
    let split = |split_seed| {
        let dataset = load(&data(split_seed), folder.path()).unwrap();
        let splits = [dataset.train, dataset.validation, dataset.test];
        for images in &splits {
            // The labels follow their images: image i has the values 6 i to 6 i + 5.
            let first: Vec<u32> = bytes(images).chunks(6).map(|image| u32::from(image[0] / 6)).collect();
            assert_eq!(labels(images).unwrap(), first);
        }
        splits.map(|images| labels(&images).unwrap())
    };
    // The hash of the data, and so the id of a trial, depends on this order.
    assert_eq!(split(0), [vec![4, 6, 8], vec![0, 5, 3], vec![2, 1]]);
    assert_eq!(split(0).concat(), shuffled(Stream::new(0, Purpose::Split, 0, 0), 10)[..8]);
    assert_ne!(split(0), split(1));
}

#[test]
fn every_split_has_the_same_share_of_each_label() {
    let folder = folder();
    // 40 images of label 0, then 20 of label 1.
    let classes: Vec<u8> = (0..60).map(|image| u8::from(image >= 40)).collect();
    std::fs::write(folder.path().join("many"), idx_file(&[60, 2, 3], &[5; 360])).unwrap();
    std::fs::write(folder.path().join("classes"), idx_file(&[60], &classes)).unwrap();
    let data = Data {
        labels: Some("classes".into()),
        split: Some(SplitMethod::Stratified),
        test: Some(Held::Fraction(0.2)),
        validation: Some(Held::Images(6)),
        ..idx("many")
    };
    let shares = |data: &Data| {
        let dataset = load(data, folder.path()).unwrap();
        assert_eq!(dataset.ordered_by, None);
        [dataset.train, dataset.validation, dataset.test].map(|images| {
            let labels = labels(&images).unwrap();
            [0, 1].map(|class| labels.iter().filter(|label| **label == class).count())
        })
    };
    assert_eq!(shares(&data), [[28, 14], [4, 2], [8, 4]]);
    // Also of the limited pool.
    assert_eq!(shares(&Data { limit: Some(30), ..data.clone() }), [[12, 6], [4, 2], [4, 2]]);
    let message = "`data.split` is \"stratified\", but the images have no labels; use \"random\", or add `labels`";
    let unlabelled = Data { labels: None, ..data };
    let error = load(&unlabelled, folder.path()).unwrap_err();
    assert_eq!((error.to_string(), error.key()), (message.to_owned(), "data.split"));
}

#[test]
fn a_pool_in_the_order_of_its_labels_is_known() {
    let ordered_by = |data: Data| load(&data, folder().path()).unwrap().ordered_by;
    let ordered = Data { labels: Some("train-labels".into()), ..idx("train") };
    assert_eq!(ordered_by(ordered.clone()), Some("label".to_owned()));
    assert_eq!(
        ordered_by(Data { test: Some(Held::Images(1)), validation: Some(Held::Images(0)), ..ordered.clone() }),
        Some("label".to_owned())
    );
    // Nothing is cut, there is no order, or there are no labels.
    for data in [
        Data { validation: Some(Held::Images(0)), ..ordered.clone() },
        Data { validation_images: Some("test".into()), ..ordered.clone() },
        Data { split: Some(SplitMethod::Random), ..ordered },
        Data {
            images: Some("test".into()),
            labels: Some("test-labels".into()),
            validation: Some(Held::Images(1)),
            ..Data::default()
        },
        idx("train"),
        Data::default(),
    ] {
        assert_eq!(ordered_by(data.clone()), None, "{data:?}");
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
    let (all, none) = ("training needs at least 1 image", "it must hold out at least 1 image, or be 0");
    let (images, fraction) = (Held::Images, Held::Fraction);
    for (held, limit, start, end) in [
        (images(10), 10, "10, which holds out 10 of 10 images", all),
        (images(5000), 10, "5,000, which holds out 5,000 of 10 images", all),
        (fraction(0.04), 10, "0.04, which holds out 0 of 10 images", none),
        (fraction(0.96), 10, "0.96, which holds out 10 of 10 images", all),
        (fraction(0.5), 1, "0.5, which holds out 1 of 1 image", all),
    ] {
        let data = Data { limit: Some(limit), ..idx("train") };
        let validated = Data { validation: Some(held), ..data.clone() };
        assert_eq!(error(&validated), (format!("`data.validation` is {start}; {end}"), "data.validation"));
        let tested = Data { test: Some(held), validation: Some(images(0)), ..data };
        assert_eq!(error(&tested), (format!("`data.test` is {start}; {end}"), "data.test"));
    }
    // The default of `validation` leaves nothing of a single image.
    let tested = Data { test: Some(images(10)), ..idx("train") };
    assert_eq!(error(&tested), (format!("`data.test` is 10, which holds out 10 of 10 images; {all}"), "data.test"));
    let both = Data { test: Some(fraction(0.4)), validation: Some(images(6)), ..idx("train") };
    let message = format!("`data.validation` holds out 6 and `data.test` 4 of 10 images; {all}");
    assert_eq!(error(&both), (message, "data.validation"));
}

#[test]
fn a_split_has_one_source() {
    let problems = |keys: &[(&str, toml::Value)]| {
        let all = [("data.images", toml::Value::from("a"))].into_iter().chain(keys.iter().cloned());
        let written = all.map(|(key, value)| (key.to_owned(), value)).collect();
        let problems = Keys::read(&written, |keys| keys.table("data", "", "", DataSettings::read)).1.problems;
        problems.into_iter().map(|one| (one.message, one.help, one.keys)).collect::<Vec<_>>()
    };
    let path = toml::Value::from("b");
    for count in [toml::Value::Integer(0), toml::Value::Integer(5), toml::Value::Float(0.5)] {
        for (split, others) in [("validation", vec![]), ("test", vec![("data.validation", toml::Value::Float(0.1))])] {
            let (cut, file) = (format!("data.{split}"), format!("data.{split}_images"));
            let message = format!("`{cut}` and `{file}` are both set: a split has one source");
            let keys: Vec<_> = others.into_iter().chain([(&*cut, count.clone()), (&*file, path.clone())]).collect();
            let [(found, help, places)] = &problems(&keys)[..] else { panic!("{:?}", problems(&keys)) };
            assert_eq!((found, help.as_deref()), (&message, Some("remove one of them")));
            assert_eq!(*places, [&*cut, &*file]);
        }
    }
    let tested =
        |others: &[(&'static str, toml::Value)]| problems(&[&[("data.test_images", path.clone())], others].concat());
    let message = "`data.test_images` is the test split, but the spec has no validation split, so nothing could be selected without \
                   the test images";
    let help = "add `validation = 0.1`, which holds out a tenth of `images`; or write `validation_images` instead of `test_images`, \
                as vaex 0.1 used them";
    assert_eq!(tested(&[]), [(message.to_owned(), Some(help.to_owned()), vec!["data.test_images"])]);
    for (key, value) in [
        ("data.validation", toml::Value::Float(0.1)),
        ("data.validation", toml::Value::Integer(0)),
        ("data.validation_images", path.clone()),
    ] {
        assert_eq!(tested(&[(key, value)]), []);
    }
}
