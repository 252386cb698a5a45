//! Posteriors of the images that pictures show: histograms in the event log and, after the last epoch, points for the projector.

use super::pictures_due::{PicturesDue, pictures_due};
use super::{TrainingEvent, Writer};
use crate::data::Column;
use crate::record::projector::{self, Points};
use crate::train::{Encoded, Execute};
use crate::trial::TrialError;
use crate::trial::session::Session;

/// The histograms, and the projector's files.
pub(super) struct Posteriors;

impl<B: Execute> Writer<B> for Posteriors {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        let Some(PicturesDue { logged, is_last }) = pictures_due(event, session) else { return Ok(()) };
        let (trial, log, folder) = (session.trial, &mut session.log, session.run.folder);
        let ((images, split), step) = (trial.dataset().shown(), session.trainer.steps());
        let points = projector::points(images.shape());
        let Encoded { inputs, posterior } = session.trainer.encode(points.max(1))?;
        if logged {
            let split = split.in_words();
            let mean = format!("Posterior means of {split} images, over all latent axes.");
            log.add(|log| log.histogram("posterior/mean", step, &posterior.mean, &mean));
            let deviation = format!("Posterior standard deviations of {split} images, over all latent axes.");
            log.add(|log| log.histogram("posterior/deviation", step, &posterior.deviation, &deviation));
        }
        if is_last && points > 0 {
            let [low, high] = trial.spec().data.range;
            let named = |column: &Column| {
                let values = images.slice(0..points).values_of(column);
                let names = values.into_iter().map(|value| column.name_of(value).into_owned());
                (column.name.clone(), names.collect())
            };
            let columns: Vec<(String, Vec<String>)> = images.columns().iter().map(named).collect();
            let points = Points {
                codes: &posterior.mean,
                latent: trial.architecture().latent,
                columns: &columns,
                images: &inputs,
                shape: images.shape(),
                range: [low as f32, high as f32],
            };
            // These files are for TensorBoard too: an error does not stop training.
            log.add(|_| points.write(folder));
        }
        Ok(())
    }
}
