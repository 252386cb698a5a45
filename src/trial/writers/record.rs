//! The record of a trial in training.

use super::{TrainingEvent, Writer};
use crate::machine::peak_rss_mb;
use crate::metrics::Split;
use crate::train::Execute;
use crate::train::measure::{IMAGES_PER_SECOND, SECONDS};
use crate::trial::TrialError;
use crate::trial::event::finite;
use crate::trial::session::Session;

/// trial.json, written with each checkpoint. Its last version is written after training.
pub(super) struct Record;

impl<B: Execute> Writer<B> for Record {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        let is_saved = matches!(event, TrainingEvent::Save);
        let is_last = matches!(event, TrainingEvent::Diverged { .. } | TrainingEvent::Finished);
        if is_saved || is_last || matches!(event, TrainingEvent::Started) {
            let train = session.past.rows.iter().filter(|row| row.split == Split::Train);
            let timed = train.filter_map(|row| Some((row.get(IMAGES_PER_SECOND)?, row.get(SECONDS)?)));
            let seconds: f64 = timed.clone().map(|(_, seconds)| seconds).sum();
            let images: f64 = timed.map(|(speed, seconds)| speed * seconds).sum();
            session.record.images_per_second = finite(images / seconds);
            session.record.seconds = session.clock.seconds();
            session.record.peak_rss_mb = peak_rss_mb();
        }
        if is_saved {
            session.record.write(session.run.folder)?;
        }
        Ok(())
    }
}
