//! The files that are written during training: one type for each kind of file.

mod checkpoint;
mod event_log;
mod listener;
mod model;
mod pictures;
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
    /// All epochs were finished before: files of the last epoch that were lost after its checkpoint must be written again.
    Recovered,
    /// Training is between two steps of an epoch, and a checkpoint must be written.
    Paused,
    /// An epoch ended; its rows are already in `Session::past`.
    Epoch {
        /// Metrics of the training images.
        train: &'a Row,
        /// Metrics of the validation images.
        validation: &'a Row,
    },
    /// Training ended because something is not finite.
    Diverged {
        /// The rows of the last epoch; they are already in `Session::past`.
        rows: &'a [Row],
    },
    /// Training ended after its last epoch.
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
/// A process may be killed between any two of them. Files that a resumed trial needs are written before the checkpoint from
/// which it resumes. The record, which counts the time until then, is last. The weights of a finished trial are written
/// before the end of the event log, which is final.
pub(super) fn writers<B: Execute>() -> [&'static dyn Writer<B>; 9] {
    [
        &listener::Listener,
        &event_log::Scalars,
        &table::MetricsTable,
        &pictures::Pictures,
        &posteriors::Posteriors,
        &model::ModelFile,
        &event_log::EndOfLog,
        &checkpoint::Checkpoint,
        &record::Record,
    ]
}

/// Whether pictures are due at an event; `None` if not.
fn pictures_due<B: Execute>(event: &TrainingEvent<'_>, session: &Session<'_, '_, B>) -> Option<PicturesDue> {
    let logged = match event {
        TrainingEvent::Epoch { .. } => true,
        TrainingEvent::Recovered => session.log_is_new,
        _ => return None,
    };
    let (epoch, spec) = (session.trainer.epoch(), session.trial.spec());
    let is_due = spec.log.pictures_every.map_or(epoch.is_power_of_two(), |every| epoch.is_multiple_of(every));
    let is_last = epoch == spec.train.epochs;
    (is_due || is_last).then_some(PicturesDue { logged, is_last })
}

/// Pictures are drawn after the epochs that the spec asks for and after the last epoch.
struct PicturesDue {
    /// Whether they are also written to the event log.
    logged: bool,
    /// Whether it is the last epoch.
    is_last: bool,
}
