//! The files that are written during training: one type for each kind of file.

mod checkpoint;
mod event_log;
mod listener;
mod model;
mod pictures;
mod pictures_due;
mod posteriors;
mod record;
mod table;

use super::TrialError;
use super::session::Session;
use crate::metrics::Row;
use crate::train::Execute;

/// An event of training.
pub(super) enum TrainingEvent<'a> {
    /// Training starts, or resumes from a checkpoint.
    Started,
    /// No epoch is left, or none before a pause: files of the last epoch that were lost after its checkpoint must be written again.
    Recovered,
    /// Training is between two steps, and what was computed must be saved.
    Save,
    /// An epoch ended; its rows are already in `Session::past`.
    Epoch {
        /// Metrics of the training images.
        train: &'a Row,
        /// Metrics of the validation images, if there are any.
        validation: Option<&'a Row>,
        /// Whether pictures are drawn.
        draws: bool,
    },
    /// Training ended because something is not finite.
    Diverged {
        /// The rows of the last epoch; they are already in `Session::past`.
        rows: &'a [Row],
    },
    /// Training ended, and the weights are those of the best epoch, which is not the last one.
    BestRestored,
    /// Training ended after its last epoch, whose weights the trainer has.
    Finished,
}

/// Writes files during training.
pub(super) trait Writer<B: Execute> {
    /// Writes the files for an event.
    ///
    /// # Errors
    /// A file cannot be written, or the device failed.
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError>;
}

/// All writers, in the order in which they get each event.
///
/// A process may be killed between any two of them. A checkpoint has the seals of the event files, so these are flushed before it.
/// The table, whose rows a checkpoint has too, is after it: a trial with a table has had a checkpoint or a state. The record, which
/// counts the time until then, is last. The weights of a finished trial are written before the end of the event log, which is
/// final.
pub(super) fn writers<B: Execute>() -> [&'static dyn Writer<B>; 9] {
    [
        &listener::Listener,
        &event_log::Scalars,
        &pictures::Pictures,
        &posteriors::Posteriors,
        &model::ModelFile,
        &event_log::EndOfLog,
        &checkpoint::Checkpoint,
        &table::MetricsTable,
        &record::Record,
    ]
}
