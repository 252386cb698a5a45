//! What is written when something happens in a training: a small type for each kind of file.

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

/// What happens in a training.
pub(super) enum TrainingEvent<'a> {
    /// Training begins, or goes on from a checkpoint.
    Started,
    /// All epochs had ended before: what was lost of the last one's files since its checkpoint is to be made again.
    Recovered,
    /// Training stands between two steps of an epoch, and its state is to be kept.
    Paused,
    /// An epoch ended; its rows are those of the past already.
    Epoch {
        /// Of the training images.
        train: &'a Row,
        /// Of the validation images.
        validation: &'a Row,
    },
    /// Training ended, as something is not finite.
    Diverged {
        /// Of the epoch in which that was found; they are those of the past already.
        rows: &'a [Row],
    },
    /// Training ended after its last epoch.
    Finished,
}

/// Something that is written during a training.
pub(super) trait Writer<B: Execute> {
    /// Writes what an event asks for.
    ///
    /// # Errors
    /// A file cannot be written, or the device failed.
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError>;
}

/// All writers, in the order in which each event is told to them.
///
/// A process may be killed between any two. What whoever resumes must find comes before the checkpoint, from which that
/// one goes on; the record, which counts the time up to there, comes last. The weights of a finished trial come before the
/// event log says that it has ended, which it says for good.
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

/// Whether pictures are drawn at an event, and whether they also go into the event log.
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

/// How pictures are drawn after an epoch: after those that the spec says and the last.
struct PicturesDue {
    /// Whether they go into the event log, too.
    logged: bool,
    /// Whether it is the last epoch.
    is_last: bool,
}
