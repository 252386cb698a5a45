//! TensorBoard event files: scalars, the KL by latent axis, pictures, text and hyperparameters of a trial.
//!
//! The file is append-only; a process that is killed leaves a torn last record, which TensorBoard passes over. A
//! trial that resumes opens a further file, whose first events say from which step on the older ones are void.

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

/// Files opened by this process: the last part of their names.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// An event file that is being written. Events are buffered: [`EventWriter::flush`] shows them to readers.
pub struct EventWriter {
    path: PathBuf,
    file: BufWriter<File>,
    /// What was written so far: how much, and its checksum.
    bytes: u64,
    hash: Sha256,
    /// Tags that were written already: a tag's metadata are read from its first event alone.
    described: HashSet<String>,
    /// Bytes that the system may not have yet.
    unflushed: u64,
}

impl EventWriter {
    /// Opens a new event file in `folder`; files that exist are left as they are.
    ///
    /// `start_step` is the number of optimiser steps that the trial has behind it: 0 at its start, the checkpoint's
    /// where it resumes. Events of older files at that step stay, those after it are dropped by TensorBoard.
    ///
    /// # Errors
    /// The file can't be created or written.
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

    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A picture, and its bytes as a PNG file. Usual tags: `reconstructions`, `samples`, `manifold`.
    ///
    /// # Errors
    /// The file can't be written.
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

    /// A text in Markdown, at step 0. See [`code_block`] for text that is to be shown as it is.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn text(&mut self, tag: &str, markdown: &str) -> Result<(), FileError> {
        let mut tensor = tensor(DataType::DT_STRING, &[]);
        tensor.set_string_val(RepeatedField::from_vec(vec![markdown.as_bytes().to_vec()]));
        let mut value = self.value(tag, "text", "");
        value.set_tensor(tensor);
        self.summary(0, vec![value])
    }

    /// Hands everything written so far to the operating system, where TensorBoard sees it.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn flush(&mut self) -> Result<(), FileError> {
        let flushed = self.file.flush();
        self.checked(flushed)?;
        self.unflushed = 0;
        Ok(())
    }

    /// The file's name, and how it is when everything is flushed.
    pub fn seal(&self) -> Option<(String, LogSeal)> {
        let name = self.path.file_name()?.to_string_lossy().into_owned();
        Some((name, LogSeal { bytes: self.bytes, sha256: hexadecimal(self.hash.clone()) }))
    }

    /// TensorBoard takes the first start of a trial as such; a later one drops the events from its step on.
    fn session_start(&mut self, steps_taken: u64) -> Result<(), FileError> {
        let mut log = SessionLog::new();
        log.set_status(SessionLog_SessionStatus::START);
        let mut event = Event::new();
        event.set_session_log(log);
        let first_void_step = if steps_taken == 0 { 0 } else { steps_taken.saturating_add(1) };
        self.event(first_void_step, event)
    }

    /// A value of `tag` that is yet to be set, with its metadata where it is the first of its tag.
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

/// Markdown that shows `text` as it is, whatever it holds.
pub fn code_block(text: &str) -> String {
    // Indented, not fenced: a fence could occur in the text.
    text.lines().map(|line| format!("    {line}\n")).collect()
}

fn metadata(plugin: &str, description: &str) -> SummaryMetadata {
    let mut metadata = SummaryMetadata::new();
    metadata.mut_plugin_data().set_plugin_name(plugin.to_owned());
    metadata.set_summary_description(description.to_owned());
    metadata
}

/// A tensor of `shape` that is yet to be filled.
fn tensor(dtype: DataType, shape: &[usize]) -> TensorProto {
    let mut tensor = TensorProto::new();
    tensor.set_dtype(dtype);
    for &size in shape {
        let mut dim = TensorShapeProto_Dim::new();
        dim.set_size(size as i64);
        tensor.mut_tensor_shape().mut_dim().push(dim);
    }
    // Also where there are no axes: a missing shape is not that of a scalar.
    tensor.mut_tensor_shape();
    tensor
}

/// A new event file, which sorts after those in `folder`.
fn event_file(folder: &TrialFolder) -> Result<PathBuf, FileError> {
    // TensorBoard reads a folder's files in the order of their names, so a resumed trial's must come last, even
    // when it resumes within a second or the clock was set back.
    let latest = folder.latest_event_seconds()?;
    let seconds = (now() as u64).max(latest.map_or(0, |latest| latest.saturating_add(1)));
    Ok(folder.event_file(seconds, &host_name(), std::process::id(), OPENED.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests;
