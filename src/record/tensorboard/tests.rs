//! Tests of the event files.

use super::metrics::tagged;
use super::*;
use crate::data::ImageShape;
use crate::metrics::{MetricKind, Row, Split, Value};
use crate::train::measure::{self, example};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tensorboard_proto::api::Status as SessionStatus;
use tensorboard_proto::plugin_hparams::HParamsPluginData;
use tensorboard_rs::masked_crc32c::masked_crc32c;

/// The events of a file, with verified checksums; an incomplete last record is left out.
fn events(path: &Path) -> Vec<Event> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = &bytes[..];
    let mut events = Vec::new();
    while rest.len() >= 12 {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap());
        let checksum = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
        assert_eq!(checksum(&rest[8..12]), masked_crc32c(&rest[..8]) as u32);
        let end = 12 + length as usize;
        let Some(tail) = rest.get(end..end + 4) else { break };
        assert_eq!(checksum(tail), masked_crc32c(&rest[12..end]) as u32);
        events.push(Event::parse_from_bytes(&rest[12..end]).unwrap());
        rest = &rest[end + 4..];
    }
    events
}

fn metrics(split: Split, step: u64) -> Row {
    let mut row = Row::new(step / 10, split, step, step * 16);
    example(1, split, &[("loss", 0.25 / step as f64)])
        .values()
        .for_each(|(metric, value)| row.set(metric, value.clone()));
    row
}

fn with_axes(mut row: Row, axes: Vec<f64>) -> Row {
    row.set(measure::all().find(|metric| metric.kind == MetricKind::List).unwrap(), Value::List(axes));
    row
}

fn hparams(seed: u64) -> BTreeMap<String, serde_json::Value> {
    [
        ("objective.kl_weight", json!(5e-4)),
        ("model.family", json!("conv")),
        ("model.channels", json!([32, 64])),
        ("train.clip", json!(null)),
        ("data.binarize", json!(false)),
        ("seed", json!(seed)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn value<'a>(events: &'a [Event], tag: &str, step: i64) -> &'a Summary_Value {
    let at_step = events.iter().filter(|event| event.get_step() == step);
    at_step.flat_map(|event| event.get_summary().get_value()).find(|value| value.get_tag() == tag).unwrap()
}

#[test]
fn events_are_read_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(folder.path(), 0).unwrap();
    writer.metrics(&metrics(Split::Train, 10)).unwrap();
    writer.metrics(&metrics(Split::Train, 20)).unwrap();
    writer.metrics(&metrics(Split::Validation, 20)).unwrap();
    writer.text("spec", &code_block("seed = 0\n```\n")).unwrap();
    let grid = Grid::tiles(ImageShape::grey(1, 2), 1, [&[0.0, 1.0][..]; 3], [0.0, 1.0]);
    writer.image("samples", 20, &grid, &grid.png().unwrap()).unwrap();
    writer.flush().unwrap();

    let events = events(writer.path());
    assert_eq!(events[0].get_file_version(), "brain.Event:2");
    assert!(events.iter().all(|event| event.get_wall_time() > 1.6e9));
    let first = value(&events, "2_train/loss", 10);
    assert_eq!(first.get_simple_value(), 0.025);
    assert_eq!(first.get_metadata().get_plugin_data().get_plugin_name(), "scalars");
    assert!(value(&events, "2_train/kl_nats", 10).get_metadata().get_summary_description().contains("nats"));
    let second = value(&events, "2_train/loss", 20);
    assert_eq!((second.get_simple_value(), second.has_metadata()), (0.0125, false));
    let histogram = value(&events, "kl_axis_nats/validation", 20);
    assert_eq!(histogram.get_tensor().get_float_val(), [0.0, 1.0, 4.5, 1.0, 2.0, 2.0]);
    let sizes: Vec<i64> =
        histogram.get_tensor().get_tensor_shape().get_dim().iter().map(|dim| dim.get_size()).collect();
    assert_eq!(sizes, [2, 3]);
    let image = value(&events, "samples", 20).get_image();
    assert_eq!((image.get_width(), image.get_height()), (2, 5));
    assert_eq!(image.get_encoded_image_string(), grid.png().unwrap());
    assert_eq!(value(&events, "spec", 0).get_tensor().get_string_val(), [b"    seed = 0\n    ```\n".to_vec()]);
}

#[test]
fn tags_are_in_the_order_in_which_tensorboard_is_to_show_them() {
    let tags = |split| -> Vec<String> {
        let row = metrics(split, 10);
        tagged(&row).filter(|(metric, ..)| metric.kind != MetricKind::List).map(|(_, tag, _)| tag).collect()
    };
    // Python sorts the columns by code point too.
    let columns: BTreeSet<String> = [tags(Split::Train), tags(Split::Validation)].concat().into_iter().collect();
    assert_eq!(columns.len(), tags(Split::Train).len() + tags(Split::Validation).len());
    let (results, others): (Vec<&str>, Vec<&str>) =
        columns.iter().map(String::as_str).partition(|tag| tag.starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(
        results,
        [
            "1_validation/active_units",
            "1_validation/elbo_nats",
            "1_validation/kl_nats",
            "1_validation/loss",
            "1_validation/recon_nats",
            "2_train/active_units",
            "2_train/elbo_nats",
            "2_train/grad_norm",
            "2_train/kl_nats",
            "2_train/loss",
            "2_train/recon_nats",
        ]
    );
    for tag in ["images_per_second/train", "images_per_second/validation", "schedule/effective_beta"] {
        assert!(others.contains(&tag), "{others:?}");
    }
}

#[test]
fn values_that_are_not_finite_are_written_but_not_as_histogram() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(folder.path(), 0).unwrap();
    let mut diverged = with_axes(metrics(Split::Train, 10), vec![1.0, f64::NAN]);
    diverged.set(measure::all().find(|metric| metric.name == "loss").unwrap(), Value::Number(f64::NAN));
    writer.metrics(&diverged).unwrap();
    writer.metrics(&with_axes(metrics(Split::Train, 20), vec![])).unwrap();
    writer.flush().unwrap();
    let events = events(writer.path());
    assert!(value(&events, "2_train/loss", 10).get_simple_value().is_nan());
    let values = events.iter().flat_map(|event| event.get_summary().get_value());
    assert!(!values.into_iter().any(|value| value.get_tag().contains("kl_axis")));
}

#[test]
fn hyperparameters_are_in_the_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(folder.path(), 0).unwrap();
    writer.hparams_start("one", &hparams(3)).unwrap();
    writer.hparams_end(false).unwrap();
    writer.flush().unwrap();
    let events = events(writer.path());
    let data = |tag: &str| -> HParamsPluginData {
        let plugin = value(&events, tag, 0).get_metadata().get_plugin_data();
        assert_eq!(plugin.get_plugin_name(), "hparams");
        HParamsPluginData::parse_from_bytes(plugin.get_content()).unwrap()
    };
    let start = data("_hparams_/session_start_info");
    let start = start.get_session_start_info();
    let mut keys: Vec<&str> = start.get_hparams().keys().map(String::as_str).collect();
    keys.sort();
    assert_eq!(keys, ["data.binarize", "model.channels", "model.family", "objective.kl_weight", "seed"]);
    assert_eq!(start.get_hparams()["objective.kl_weight"].get_number_value(), 5e-4);
    assert_eq!(start.get_hparams()["model.channels"].get_string_value(), "[32,64]");
    let end = data("_hparams_/session_end_info");
    assert_eq!(end.get_session_end_info().get_status(), SessionStatus::STATUS_FAILURE);
}

#[test]
fn a_seal_holds_while_a_file_begins_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(folder.path(), 0).unwrap();
    writer.text("spec", &"long ".repeat(1000)).unwrap();
    let (name, seal) = writer.seal().unwrap();
    let path = folder.path().join(name);
    assert!(!seal.holds(&path), "not all of it is in the file yet");
    writer.flush().unwrap();
    assert!(seal.holds(&path));
    writer.layout().unwrap();
    writer.flush().unwrap();
    assert!(seal.holds(&path));
    let content = std::fs::read(&path).unwrap();
    let bytes = seal.bytes as usize;
    assert!((5000..content.len()).contains(&bytes));
    for place in [0, bytes / 2, bytes - 1] {
        let mut damaged = content.clone();
        damaged[place] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert!(!seal.holds(&path), "{place}");
    }
    std::fs::write(&path, &content[..bytes]).unwrap();
    assert!(seal.holds(&path));
    std::fs::write(&path, &content[..bytes - 1]).unwrap();
    assert!(!seal.holds(&path));
    std::fs::remove_file(&path).unwrap();
    assert!(!seal.holds(&path));
}

#[test]
fn a_resumed_trial_opens_a_later_file_and_drops_events_after_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<PathBuf> =
        [0, 0, 40].map(|step| EventWriter::create(folder.path(), step).unwrap().path().to_owned()).to_vec();
    assert!(names.is_sorted() && names[0] != names[1] && names[1] != names[2], "{names:?}");
    for (name, first_void) in names.iter().zip([0, 0, 41]) {
        let events = events(name);
        assert_eq!(events[1].get_session_log().get_status(), SessionLog_SessionStatus::START);
        assert_eq!(events[1].get_step(), first_void);
    }
}

#[test]
fn errors_name_the_folder() {
    let error = EventWriter::create(Path::new("/no/such/folder"), 0).err().unwrap();
    assert!(error.to_string().starts_with("cannot read the folder /no/such/folder: "), "{error}");
}
