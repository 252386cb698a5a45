//! When pictures are drawn: after the epochs that the spec asks for, and after the last epoch.

use super::TrainingEvent;
use crate::train::Execute;
use crate::trial::session::Session;

/// Whether pictures are due at an event; `None` if not.
pub(super) fn pictures_due<B: Execute>(event: &TrainingEvent<'_>, session: &Session<'_, '_, B>) -> Option<PicturesDue> {
    let logged = match event {
        TrainingEvent::Epoch { .. } => true,
        TrainingEvent::Recovered => session.log_is_new,
        _ => return None,
    };
    let (epoch, spec) = (session.trainer.epoch(), session.trial.spec());
    let is_due = spec.log.pictures.contain(epoch);
    let is_last = epoch == spec.train.epochs;
    (is_due || is_last).then_some(PicturesDue { logged, is_last })
}

/// How pictures are drawn.
pub(super) struct PicturesDue {
    /// Whether they are also written to the event log.
    pub(super) logged: bool,
    /// Whether it is the last epoch.
    pub(super) is_last: bool,
}
