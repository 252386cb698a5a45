//! Posteriors of validation images: histograms in the event log and, after the last epoch, points for the projector.

use super::pictures_due::{PicturesDue, pictures_due};
use super::{TrainingEvent, Writer};
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
        let (images, step) = (&trial.dataset().validation, session.trainer.steps());
        let points = projector::points(images.shape());
        let Encoded { inputs, posterior } = session.trainer.encode(points.max(1))?;
        if logged {
            let mean = "Posterior means of validation images, over all latent axes.";
            log.add(|log| log.histogram("posterior/mean", step, &posterior.mean, mean));
            let deviation = "Posterior standard deviations of validation images, over all latent axes.";
            log.add(|log| log.histogram("posterior/deviation", step, &posterior.deviation, deviation));
        }
        if is_last && points > 0 {
            let [low, high] = trial.spec().data.range;
            let points = Points {
                codes: &posterior.mean,
                latent: trial.architecture().latent,
                labels: images.labels(),
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
