//! The record of a trial in training.

use super::{TrainingEvent, Writer};
use crate::data::Split;
use crate::machine::peak_rss_mb;
use crate::train::Spread;
use crate::trial::TrialError;
use crate::trial::event::finite;
use crate::trial::session::Session;

/// trial.json: its metrics are brought up to date, so that a killed trial's are those of its last epoch.
pub(super) struct Record;

impl<B: Spread> Writer<B> for Record {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        let is_epoch = matches!(event, TrainingEvent::Epoch { .. });
        if is_epoch || matches!(event, TrainingEvent::Started | TrainingEvent::Diverged { .. }) {
            let train = || session.past.rows.iter().filter(|row| row.split == Split::Train);
            let seconds: f64 = train().map(|row| row.seconds).sum();
            let images: f64 = train().map(|row| row.images_per_second * row.seconds).sum();
            session.record.images_per_second = finite(images / seconds);
            session.record.seconds = session.clock.seconds();
            session.record.peak_rss_mb = peak_rss_mb();
        }
        if is_epoch {
            session.record.write(session.run.folder)?;
        }
        Ok(())
    }
}
