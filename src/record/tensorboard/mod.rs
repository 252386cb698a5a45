//! TensorBoard event files: scalars, the KL of each latent axis, pictures, text and hyperparameters of a trial.
//!
//! The file is append-only. A killed process leaves an incomplete last record, which TensorBoard ignores. A trial that
//! resumes opens another file, whose first events say from which step on TensorBoard must drop the events of older files.

mod histogram;
mod hparams;
mod layout;
mod metrics;
mod seal;

pub use seal::LogSeal;

use super::images::Grid;
use crate::folder::{FileError, TrialFolder, hexadecimal, room_needed};
use crate::machine::host_name;
use crate::record::trial::now;
use protobuf::{Message, RepeatedField};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tensorboard_proto::event::{Event, SessionLog, SessionLog_SessionStatus};
use tensorboard_proto::summary::{Summary, Summary_Image, Summary_Value, SummaryMetadata};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::tensor_shape::TensorShapeProto_Dim;
use tensorboard_proto::types::DataType;
use tensorboard_rs::record_writer::RecordWriter;

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
    /// `start_step` is the number of optimizer steps that the trial has taken: 0 at its start, that of the checkpoint if it
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

    /// A picture; `png` is the same picture as a PNG file. Usual tags: `reconstructions`, `samples`, `manifold`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn image(&mut self, tag: &str, step: u64, grid: &Grid, png: &[u8]) -> Result<(), FileError> {
        let mut image = Summary_Image::new();
        let number = |size: usize| i32::try_from(size).unwrap_or(i32::MAX);
        image.set_width(number(grid.shape.width));
        image.set_height(number(grid.shape.height));
        // 1 is grey, 3 is RGB.
        image.set_colorspace(number(grid.shape.channels));
        image.set_encoded_image_string(png.to_vec());
        let mut value = self.value(tag, "images", "");
        value.set_image(image);
        self.summary(step, vec![value])
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

/// Markdown that shows `text` unchanged.
pub fn code_block(text: &str) -> String {
    // Indented, not fenced: the text may contain a fence.
    text.lines().map(|line| format!("    {line}\n")).collect()
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

/// The path of a new event file, which sorts after those in `folder`.
fn event_file(folder: &TrialFolder) -> Result<PathBuf, FileError> {
    // TensorBoard reads the files of a folder in the order of their names. The file of a resumed trial must be the last, even
    // if the trial resumes within a second or the clock was set back.
    let latest = folder.latest_event_seconds()?;
    let seconds = (now() as u64).max(latest.map_or(0, |latest| latest.saturating_add(1)));
    Ok(folder.event_file(seconds, &host_name(), std::process::id(), OPENED.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests;
