//! TensorBoard event files: scalars, the KL of each latent axis, pictures, text and hyperparameters of a trial.
//!
//! The file is append-only. A killed process leaves an incomplete last record, which TensorBoard ignores. A trial that
//! resumes opens another file, whose first events say from which step on TensorBoard must drop the events of older files.

use super::images::Grid;
use crate::folder::{FileError, TrialFolder, checksum, hexadecimal, room_needed};
use crate::machine::host_name;
use crate::metrics::{Metric, Row, Split, Value};
use crate::record::trial::now;
use crate::train::measure;
use protobuf::well_known_types::Value as ProtobufValue;
use protobuf::{Message, RepeatedField};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tensorboard_proto::api::Status as SessionStatus;
use tensorboard_proto::event::{Event, SessionLog, SessionLog_SessionStatus};
use tensorboard_proto::layout::{Category, Chart, Layout, MultilineChartContent};
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionEndInfo, SessionStartInfo};
use tensorboard_proto::summary::{Summary, Summary_Image, Summary_Value, SummaryMetadata};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::tensor_shape::TensorShapeProto_Dim;
use tensorboard_proto::types::DataType;
use tensorboard_rs::record_writer::RecordWriter;

/// The length and the checksum of an event file when a checkpoint was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSeal {
    bytes: u64,
    sha256: String,
}

impl LogSeal {
    /// Whether the file still begins with that content; more may follow.
    pub fn holds(&self, path: &Path) -> bool {
        let found = File::open(path).and_then(|file| checksum(file.take(self.bytes)));
        found.is_ok_and(|(sha256, bytes)| LogSeal { bytes, sha256 } == *self)
    }
}

/// The number of files that this process has opened: the last part of their names.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// An event file that is being written. Events are buffered until [`EventWriter::flush`].
pub struct EventWriter {
    path: PathBuf,
    file: BufWriter<File>,
    /// The number of bytes written so far, and their checksum.
    bytes: u64,
    hash: Sha256,
    /// Tags that were written already: TensorBoard reads the metadata of a tag from its first event only.
    described: HashSet<String>,
    /// Bytes that may not have been passed to the operating system yet.
    unflushed: u64,
}

impl EventWriter {
    /// Creates a new event file in `folder`; existing files are not changed.
    ///
    /// `start_step` is the number of optimiser steps that the trial has taken: 0 at its start, that of the checkpoint if it
    /// resumes. TensorBoard drops the events of older files after that step.
    ///
    /// # Errors
    /// The file cannot be created or written.
    pub fn create(folder: &Path, start_step: u64) -> Result<EventWriter, FileError> {
        let path = event_file(&TrialFolder::new(folder))?;
        let file = File::create_new(&path).map_err(FileError::at("create", &path))?;
        let (file, hash) = (BufWriter::new(file), Sha256::new());
        let mut writer = EventWriter { path, file, bytes: 0, hash, described: HashSet::new(), unflushed: 0 };
        let mut version = Event::new();
        version.set_file_version("brain.Event:2".to_owned());
        writer.event(0, version)?;
        writer.session_start(start_step)?;
        Ok(writer)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The metrics of an epoch and split as scalars, `1_validation/loss` and so on, at the step `row.step`; lists as
    /// histograms, `kl_axis_nats/validation`, in which bucket [i, i + 1) has the value of axis i.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn metrics(&mut self, row: &Row) -> Result<(), FileError> {
        let mut values = Vec::new();
        for (metric, tag, value) in tagged(row) {
            match value {
                Value::List(axes) => values.extend(self.by_axis(metric, &tag, axes)),
                Value::Number(_) | Value::Count(_) => {
                    values.extend(value.number().map(|value| self.scalar(&tag, value, &metric.doc)));
                }
            }
        }
        self.summary(row.step, values)
    }

    /// A picture; `png` is the same picture as a PNG file. Usual tags: `reconstructions`, `samples`, `manifold`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn image(&mut self, tag: &str, step: u64, grid: &Grid, png: &[u8]) -> Result<(), FileError> {
        let mut image = Summary_Image::new();
        image.set_width(i32::try_from(grid.width).unwrap_or(i32::MAX));
        image.set_height(i32::try_from(grid.height).unwrap_or(i32::MAX));
        image.set_colorspace(1);
        image.set_encoded_image_string(png.to_vec());
        let mut value = self.value(tag, "images", "");
        value.set_image(image);
        self.summary(step, vec![value])
    }

    /// A histogram of numbers, with equal buckets from the smallest to the largest. Numbers that are not finite are left out;
    /// without numbers, nothing is written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn histogram(&mut self, tag: &str, step: u64, numbers: &[f32], description: &str) -> Result<(), FileError> {
        let buckets = buckets(numbers);
        if buckets.is_empty() {
            return Ok(());
        }
        let mut counts = tensor(DataType::DT_FLOAT, &[buckets.len(), 3]);
        counts.set_float_val(buckets.concat());
        let mut value = self.value(tag, "histograms", description);
        value.set_tensor(counts);
        self.summary(step, vec![value])
    }

    /// The layout of the Custom Scalars tab: the charts of [`Metric::layout`], each with its metrics for both splits.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn layout(&mut self) -> Result<(), FileError> {
        let mut charts: Vec<(&str, Vec<String>)> = Vec::new();
        for metric in measure::all() {
            let Some(title) = metric.layout else { continue };
            let tags = [Split::Validation, Split::Train].into_iter().filter_map(|split| metric.tag(split));
            match charts.iter_mut().find(|(one, _)| *one == title) {
                Some((_, all)) => all.extend(tags),
                None => charts.push((title, tags.collect())),
            }
        }
        let chart = |(title, tags): (&str, Vec<String>)| {
            let mut lines = MultilineChartContent::new();
            lines.set_tag(tags.into());
            let mut chart = Chart::new();
            chart.set_title(title.to_owned());
            chart.set_multiline(lines);
            chart
        };
        let mut category = Category::new();
        category.set_title("Nats per image".to_owned());
        category.set_chart(charts.into_iter().map(chart).collect());
        let mut layout = Layout::new();
        layout.set_category(RepeatedField::from_vec(vec![category]));
        let bytes = layout.write_to_bytes().map_err(io::Error::from).map_err(FileError::at("write", &self.path))?;
        let mut content = tensor(DataType::DT_STRING, &[]);
        content.set_string_val(RepeatedField::from_vec(vec![bytes]));
        let mut value = self.value("custom_scalars__config__", "custom_scalars", "");
        value.set_tensor(content);
        self.summary(0, vec![value])
    }

    /// A text in Markdown, at step 0. Use [`code_block`] for text that is not Markdown.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn text(&mut self, tag: &str, markdown: &str) -> Result<(), FileError> {
        let mut tensor = tensor(DataType::DT_STRING, &[]);
        tensor.set_string_val(RepeatedField::from_vec(vec![markdown.as_bytes().to_vec()]));
        let mut value = self.value(tag, "text", "");
        value.set_tensor(tensor);
        self.summary(0, vec![value])
    }

    /// The hyperparameters of the trial, for TensorBoard's HParams tab, which averages the metrics of a `group`. Lists are
    /// shown as JSON, nulls are left out.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn hparams_start(
        &mut self,
        group: &str,
        hparams: &BTreeMap<String, serde_json::Value>,
    ) -> Result<(), FileError> {
        let mut info = SessionStartInfo::new();
        info.set_group_name(group.to_owned());
        info.set_start_time_secs(now());
        let shown = hparams.iter().filter_map(|(key, value)| Some((key.clone(), hparam(value)?)));
        info.set_hparams(shown.collect());
        let mut data = HParamsPluginData::new();
        data.set_session_start_info(info);
        self.hparams("_hparams_/session_start_info", &data)
    }

    /// The end of the trial, and whether it was a success.
    ///
    /// TensorBoard keeps the first such record of a trial, so it must only be written for a final end: a trial that was
    /// interrupted and may resume has none, and its status is shown as unknown.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn hparams_end(&mut self, success: bool) -> Result<(), FileError> {
        let mut info = SessionEndInfo::new();
        info.set_status(if success { SessionStatus::STATUS_SUCCESS } else { SessionStatus::STATUS_FAILURE });
        info.set_end_time_secs(now());
        let mut data = HParamsPluginData::new();
        data.set_session_end_info(info);
        self.hparams("_hparams_/session_end_info", &data)
    }

    /// Passes everything written so far to the operating system, so that TensorBoard can read it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&mut self) -> Result<(), FileError> {
        let flushed = self.file.flush();
        self.checked(flushed)?;
        self.unflushed = 0;
        Ok(())
    }

    /// The file's name, and its seal after a flush; `None` if it has no name.
    pub fn seal(&self) -> Option<(String, LogSeal)> {
        let name = self.path.file_name()?.to_string_lossy().into_owned();
        Some((name, LogSeal { bytes: self.bytes, sha256: hexadecimal(self.hash.clone()) }))
    }

    /// TensorBoard takes the first start event as the start of the trial; at a later one, it drops the events from its step on.
    fn session_start(&mut self, steps_taken: u64) -> Result<(), FileError> {
        let mut log = SessionLog::new();
        log.set_status(SessionLog_SessionStatus::START);
        let mut event = Event::new();
        event.set_session_log(log);
        let first_void_step = if steps_taken == 0 { 0 } else { steps_taken.saturating_add(1) };
        self.event(first_void_step, event)
    }

    fn scalar(&mut self, tag: &str, value: f64, description: &str) -> Summary_Value {
        let mut scalar = self.value(tag, "scalars", description);
        scalar.set_simple_value(value as f32);
        scalar
    }

    /// A list as a histogram; `None` if it is empty or has a number that is not finite.
    fn by_axis(&mut self, metric: &Metric, tag: &str, axes: &[f64]) -> Option<Summary_Value> {
        // A bucket that is not finite breaks the whole chart.
        if axes.is_empty() || axes.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut buckets = tensor(DataType::DT_FLOAT, &[axes.len(), 3]);
        let bucket = |(axis, &value): (usize, &f64)| [axis as f32, (axis + 1) as f32, value as f32];
        buckets.set_float_val(axes.iter().enumerate().flat_map(bucket).collect());
        let mut value = self.value(tag, "histograms", &format!("{} Bucket i is axis i.", metric.doc));
        value.set_tensor(buckets);
        Some(value)
    }

    fn hparams(&mut self, tag: &str, data: &HParamsPluginData) -> Result<(), FileError> {
        let content = data.write_to_bytes().map_err(io::Error::from).map_err(FileError::at("write", &self.path))?;
        let mut value = Summary_Value::new();
        value.set_tag(tag.to_owned());
        // Always with metadata, which has the content. The value itself is empty.
        let mut metadata = metadata("hparams", "");
        metadata.mut_plugin_data().set_content(content);
        value.set_metadata(metadata);
        value.set_tensor(tensor(DataType::DT_FLOAT, &[0]));
        self.summary(0, vec![value])
    }

    /// A new, empty value of `tag`; with metadata if it is the first value of the tag.
    fn value(&mut self, tag: &str, plugin: &str, description: &str) -> Summary_Value {
        let mut value = Summary_Value::new();
        value.set_tag(tag.to_owned());
        if self.described.insert(tag.to_owned()) {
            value.set_metadata(metadata(plugin, description));
        }
        value
    }

    fn summary(&mut self, step: u64, values: Vec<Summary_Value>) -> Result<(), FileError> {
        let mut summary = Summary::new();
        summary.set_value(RepeatedField::from_vec(values));
        let mut event = Event::new();
        event.set_summary(summary);
        self.event(step, event)
    }

    fn event(&mut self, step: u64, mut event: Event) -> Result<(), FileError> {
        event.set_step(i64::try_from(step).unwrap_or(i64::MAX));
        event.set_wall_time(now());
        let bytes = event.write_to_bytes().map_err(io::Error::from).map_err(FileError::at("write", &self.path))?;
        let mut record = Vec::new();
        RecordWriter::new(&mut record).write(&bytes).map_err(FileError::at("write", &self.path))?;
        self.hash.update(&record);
        self.bytes += record.len() as u64;
        self.unflushed += record.len() as u64;
        let written = self.file.write_all(&record);
        self.checked(written)
    }

    fn checked<T>(&self, result: io::Result<T>) -> Result<(), FileError> {
        let result = result.map_err(|error| room_needed(error, &self.path, self.unflushed));
        result.map(drop).map_err(FileError::at("write", &self.path))
    }
}

/// Number of buckets of a histogram.
const BUCKETS: usize = 40;

/// Lower edge, upper edge and count of equal buckets.
fn buckets(numbers: &[f32]) -> Vec<[f32; 3]> {
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let (low, high) =
        finite().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), number| (low.min(number), high.max(number)));
    let width = (f64::from(high) - f64::from(low)) / BUCKETS as f64;
    if finite().next().is_none() {
        return Vec::new();
    }
    if width == 0.0 {
        return vec![[low, high, finite().count() as f32]];
    }
    let edge = |index: usize| (f64::from(low) + width * index as f64) as f32;
    let mut buckets: Vec<[f32; 3]> = (0..BUCKETS).map(|index| [edge(index), edge(index + 1), 0.0]).collect();
    for number in finite() {
        let index = ((f64::from(number) - f64::from(low)) / width) as usize;
        buckets[index.min(BUCKETS - 1)][2] += 1.0;
    }
    buckets
}

/// Markdown that shows `text` unchanged.
pub fn code_block(text: &str) -> String {
    // Indented, not fenced: the text may contain a fence.
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// The values of a row that TensorBoard shows, with their tags.
fn tagged(row: &Row) -> impl Iterator<Item = (&'static Metric, String, &Value)> {
    row.values().filter_map(|(metric, value)| Some((metric, metric.tag(row.split)?, value)))
}

fn metadata(plugin: &str, description: &str) -> SummaryMetadata {
    let mut metadata = SummaryMetadata::new();
    metadata.mut_plugin_data().set_plugin_name(plugin.to_owned());
    metadata.set_summary_description(description.to_owned());
    metadata
}

/// A tensor of `shape` without values.
fn tensor(dtype: DataType, shape: &[usize]) -> TensorProto {
    let mut tensor = TensorProto::new();
    tensor.set_dtype(dtype);
    for &size in shape {
        let mut dim = TensorShapeProto_Dim::new();
        dim.set_size(size as i64);
        tensor.mut_tensor_shape().mut_dim().push(dim);
    }
    // Also if there are no axes: a missing shape is not the shape of a scalar.
    tensor.mut_tensor_shape();
    tensor
}

fn hparam(value: &serde_json::Value) -> Option<ProtobufValue> {
    let mut hparam = ProtobufValue::new();
    match value {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(flag) => hparam.set_bool_value(*flag),
        serde_json::Value::Number(number) => hparam.set_number_value(number.as_f64()?),
        serde_json::Value::String(text) => hparam.set_string_value(text.clone()),
        nested => hparam.set_string_value(nested.to_string()),
    }
    Some(hparam)
}

/// The path of a new event file, which sorts after those in `folder`.
fn event_file(folder: &TrialFolder) -> Result<PathBuf, FileError> {
    // TensorBoard reads the files of a folder in the order of their names. The file of a resumed trial must be the last, even
    // if the trial resumes within a second or the clock was set back.
    let latest = folder.latest_event_seconds()?;
    let seconds = (now() as u64).max(latest.map_or(0, |latest| latest.saturating_add(1)));
    Ok(folder.event_file(seconds, &host_name(), std::process::id(), OPENED.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::MetricKind;
    use crate::train::measure::example;
    use serde_json::json;
    use std::collections::BTreeSet;
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
        let grid = Grid::tiles(1, 2, 1, [&[0.0, 1.0][..]; 3], [0.0, 1.0]);
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
}
