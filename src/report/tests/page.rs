//! Tests of the page.

use super::*;

/// The page's data of the first experiment, and the length of the page.
fn page(folder: &Path) -> (serde_json::Value, usize) {
    let page = html::page(&collect(folder).unwrap(), Place::Own(folder));
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    (data["experiments"][0].clone(), page.len())
}

#[test]
fn metrics_of_other_data_or_likelihoods_are_not_comparable() {
    let is_comparable = |change: fn(&mut TrialRecord)| {
        let root = tempfile::tempdir().unwrap();
        let mut other = record("t1", Status::Done, 1.0, 0);
        change(&mut other);
        for record in [record("t0", Status::Done, 1.0, 0), other] {
            write(root.path(), &record, Some(&curve(1.0, 2.0, 3.0)));
        }
        page(root.path()).0["comparable"] == json!(true)
    };
    assert!(is_comparable(|other| drop(other.spec.insert("seed".to_owned(), json!(1)))));
    assert!(!is_comparable(|other| other.data_hash = "other".to_owned()));
    assert!(!is_comparable(|other| drop(other.spec.insert("data.binarize".to_owned(), json!("static")))));
    // The images are the same, although the limit differs.
    assert!(is_comparable(|other| drop(other.spec.insert("data.limit".to_owned(), json!(300)))));
    assert!(!is_comparable(|other| drop(other.spec.insert("model.likelihood".to_owned(), json!("gaussian")))));
}

#[test]
fn axes_are_logarithmic_if_the_sweep_was() {
    let is_logarithmic = |values: &[f64]| {
        let root = tempfile::tempdir().unwrap();
        for (index, value) in values.iter().enumerate() {
            write(root.path(), &record(&format!("t{index}"), Status::Done, *value, 0), Some(&curve(1.0, 2.0, 3.0)));
        }
        page(root.path()).0["log"] == json!(["objective.kl_weight"])
    };
    assert!(is_logarithmic(&[1e-3, 0.0031622776601683794, 1e-2]) && is_logarithmic(&[1.0, 2.0, 4.0, 8.0]));
    assert!(is_logarithmic(&[0.1, 0.15, 2.0]) && is_logarithmic(&[1e-3, 3e-3, 1e-2]));
    assert!(!is_logarithmic(&[1.0, 2.0, 3.0]) && !is_logarithmic(&[100.0, 101.0, 102.0]));
    assert!(!is_logarithmic(&[1.0, 2.0]) && !is_logarithmic(&[0.0, 1.0, 100.0]));
}

#[test]
fn seeds_keep_the_same_epochs_of_long_curves() {
    let root = tempfile::tempdir().unwrap();
    for (seed, epochs) in [(0, 403), (1, 254)] {
        let rows: Vec<Row> = (1..=epochs).map(|epoch| row(epoch, Split::Train, 1.0, 2.0, 3.0)).collect();
        write(root.path(), &record(&format!("t{seed}"), Status::Done, 1.0, seed), Some(&rows));
    }
    let (experiment, _) = page(root.path());
    let epochs = |trial: usize| -> Vec<u64> {
        serde_json::from_value(experiment["trials"][trial]["curves"]["train"]["epoch"].clone()).unwrap()
    };
    // Every third epoch, and the last epochs of both: each epoch has all seeds that reached it.
    let expected =
        |last: u64| (1..=last).filter(|epoch| epoch % 3 == 0 || [254, 403].contains(epoch)).collect::<Vec<_>>();
    assert_eq!((epochs(0), epochs(1)), (expected(403), expected(254)));
}

#[test]
fn a_page_stays_small_whatever_its_pictures() {
    let root = tempfile::tempdir().unwrap();
    let mut dice = crate::random::Stream::new(0, crate::random::Purpose::Samples, 0, 0);
    for index in 0..30u64 {
        // The loss grows with the index: the last trials are the worst. `<` takes six bytes in the page.
        let record = TrialRecord {
            error: Some("<".repeat(2000)),
            ..record(&format!("t{index:02}"), Status::Done, 1.0 + index as f64, 0)
        };
        let metrics = curve(index as f64, 100.0 + index as f64, 1.0);
        let folder = write(root.path(), &record, Some(&metrics));
        let noise: Vec<f32> = (0..3 * 250 * 250).map(|_| dice.below(256) as f32).collect();
        let tiles: Vec<&[f32]> = noise.chunks(250 * 250).collect();
        crate::record::Grid::tiles(crate::data::ImageShape::grey(250, 250), 3, tiles, [0.0, 255.0])
            .write(&folder.join("images/samples.png"))
            .unwrap();
    }
    let (experiment, length) = page(root.path());
    assert!((4_000_000..5_000_000).contains(&length), "{length}");
    assert!(experiment["tiles"].is_u64(), "{}", experiment["tiles"]);
    let has_picture: Vec<bool> =
        (0..30).map(|index| experiment["trials"][index]["pictures"]["samples"].is_string()).collect();
    let count = has_picture.iter().filter(|has| **has).count();
    assert!(has_picture.is_sorted_by(|one, other| one >= other) && (5..30).contains(&count), "{has_picture:?}");
}

/// The rows of the page's setup, by group and name: the values and their number.
fn setup(folder: &Path) -> std::collections::BTreeMap<String, (serde_json::Value, u64)> {
    let (experiment, _) = page(folder);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let row = |row: &serde_json::Value| {
        let name = format!("{}/{}", text(&row["group"]), text(&row["name"]));
        (name, (row["values"].clone(), row["count"].as_u64().unwrap()))
    };
    experiment["setup"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn the_page_shows_the_setup() {
    let root = tempfile::tempdir().unwrap();
    let setup = setup(&sweep(root.path()));
    for (row, value) in [
        ("data/binarize", json!(false)),
        ("data/training images", json!(1800)),
        ("data/validation images", json!(200)),
        ("data/height × width", json!("28 × 28 pixels")),
        ("model/channels", json!([32, 64])),
        ("model/parameters", json!(550_629)),
        ("objective/effective beta", json!(0.392)),
        ("machine/vaex", json!("0.1.0")),
        ("machine/threads", json!(2)),
    ] {
        assert_eq!(setup[row], (json!([value]), 1), "{row}");
    }
    assert_eq!(setup["objective/kl_weight"], (json!([5e-5, 5e-4, 0.5]), 3));
    assert_eq!(setup["train/seed"], (json!([0, 1, 2]), 3));
    assert_eq!(setup.keys().filter(|row| row.ends_with("/seed")).count(), 1, "{setup:?}");
    assert_eq!(setup["machine/processor"], (json!([]), 0), "not recorded");
}

#[test]
fn different_values_are_listed_and_shortened() {
    let root = tempfile::tempdir().unwrap();
    for index in 0..20_u64 {
        let mut record = record(&format!("t{index}"), Status::Done, 20.0 - index as f64, 0);
        record.spec.insert("data.images".to_owned(), json!(format!("/somewhere/{}/images.gz", index % 2)));
        record.spec.insert("data.labels".to_owned(), json!(format!("/somewhere/{}.gz", index % 2)));
        if index == 3 {
            record.spec.insert("train.clip_norm".to_owned(), json!(1.0));
        }
        record.git_commit = Some("0123456789abcdef".to_owned());
        record.git_dirty = Some(index == 3);
        // Only trials that are done have their final effective beta.
        if index == 5 {
            record.status = Status::Running;
        }
        let beta = if index == 5 { 0.1 } else { 0.392 + 1e-12 * index as f64 };
        let rows = curve(1.0, 2.0, 3.0).into_iter().map(|row| with_beta(row, beta));
        write(root.path(), &record, Some(&rows.collect::<Vec<_>>()));
    }
    let setup = setup(root.path());
    assert_eq!(setup["objective/kl_weight"], (json!([1.0, 2.0, 3.0, 4.0, 5.0, 20.0]), 20));
    assert_eq!(setup["objective/effective beta"], (json!([0.392]), 1));
    assert_eq!(setup["data/labels"], (json!(["0.gz", "1.gz"]), 2));
    assert_eq!(setup["data/images"], (json!(["/somewhere/0/images.gz", "/somewhere/1/images.gz"]), 2), "one name");
    assert_eq!(setup["train/clip_norm"], (json!([1.0, null]), 2));
    assert_eq!(setup["machine/vaex"], (json!(["0.1.0 (0123456789)", "0.1.0 (0123456789, modified)"]), 2));
}

#[test]
fn records_of_earlier_versions_lack_the_sizes_of_the_data() {
    let root = tempfile::tempdir().unwrap();
    let folder = write(root.path(), &record("t0", Status::Done, 1.0, 0), Some(&curve(1.0, 2.0, 3.0)));
    let path = TrialFolder::new(&folder).record();
    let mut earlier: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for field in ["train_images", "validation_images", "height", "width"] {
        assert!(earlier.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    earlier["checksum"] = crate::folder::BLANK_SEAL.into();
    let mut bytes = serde_json::to_vec_pretty(&earlier).unwrap();
    crate::folder::SealPlace::First.seal(&mut bytes).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let read = TrialRecord::read(&TrialFolder::new(&folder)).unwrap();
    assert_eq!([read.train_images, read.validation_images, read.height, read.width], [None; 4]);
    // Each training image was seen once per epoch.
    let setup = setup(root.path());
    assert_eq!(setup["data/training images"], (json!([1600]), 1));
    assert_eq!(setup["data/validation images"], (json!([]), 0));
}

#[test]
fn a_page_recognizes_its_folder_without_its_path() {
    assert_eq!([b"".as_slice(), b"a", b"foobar"].map(html::fnv1a), [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968]);
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().canonicalize().unwrap().join("runs");
    write(&folder, &record("t0", Status::Done, 1.0, 0), Some(&curve(1.0, 2.0, 3.0)));
    let expected = format!("\"{:08x}\"", html::fnv1a(folder.to_str().unwrap().as_bytes()));
    for spelled in [folder.clone(), folder.join("."), folder.join("../runs/")] {
        let page = html::page(&collect(&folder).unwrap(), Place::Own(&spelled));
        assert!(page.contains(&expected), "{}", spelled.display());
    }
}

#[test]
fn a_page_says_if_epochs_or_tiles_are_left_out() {
    let root = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (1..=403).map(|epoch| row(epoch, Split::Train, 1.0, 2.0, 3.0)).collect();
    write(root.path(), &record("t0", Status::Done, 1.0, 0), Some(&rows));
    let (experiment, _) = page(root.path());
    assert_eq!((&experiment["epoch_step"], &experiment["tiles"]), (&json!(3), &json!(null)));
}
