//! When pictures are drawn: after some epochs, after the last epoch, and of the weights that are kept.

use super::TrainingEvent;
use crate::train::Execute;
use crate::trial::session::Session;

/// Whether pictures are due at an event; `None` if not.
pub(super) fn pictures_due<B: Execute>(event: &TrainingEvent<'_>, session: &Session<'_, '_, B>) -> Option<PicturesDue> {
    let logged = match event {
        TrainingEvent::Epoch { draws, .. } => {
            return draws.then(|| PicturesDue { logged: true, is_last: session.is_at_end() });
        }
        TrainingEvent::Recovered => session.log_is_new,
        // The log has pictures of this epoch, or of none that was not due.
        TrainingEvent::BestRestored => return Some(PicturesDue { logged: false, is_last: true }),
        _ => return None,
    };
    let is_due = session.trial.spec().log.pictures.contain(session.trainer.epoch());
    let is_last = session.is_at_end();
    (is_due || is_last).then_some(PicturesDue { logged, is_last })
}

/// How pictures are drawn.
pub(super) struct PicturesDue {
    /// Whether they are also written to the event log.
    pub(super) logged: bool,
    /// Whether it is the last epoch.
    pub(super) is_last: bool,
}
