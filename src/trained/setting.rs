//! The scores of settings, which compare trials that differ in the seed only.

use super::evaluate::{evaluated, split_of, weights_of};
use super::{Trained, TrainedError};
use crate::data::Files;
use crate::evaluation::{self, EvaluateSettings, Measured, Scope};
use crate::folder::TrialFolder;
use crate::metrics::Value;
use crate::record::evaluation::{Evaluation, Recipe};
use crate::record::trial::TrialRecord;
use crate::scores::points::Codes;
use crate::scores::posterior::kl_by_axis;
use crate::scores::udr::{ModelCodes, UdrSettings};
use crate::tensor::backend::Host;
use crate::train::{Chosen, Execute, Worker};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The key of the posterior.
const POSTERIOR: &str = "model.posterior";

/// Scores of a setting that are due: of trials that are done and differ in the seed only.
pub struct DueScores {
    settings: EvaluateSettings,
    trials: Vec<OfSetting>,
}

/// A trial of a setting, and what determines its score.
struct OfSetting {
    folder: TrialFolder,
    id: String,
    recipe: Recipe,
}

impl DueScores {
    /// Those of the trials of some folders that are not known yet, or with `again` all; `None` if there are none. `data` is the hash
    /// of their images and labels; without it, the images are read.
    ///
    /// # Errors
    /// A trial cannot be read, or its images cannot be read or have changed.
    pub fn of(
        folders: &[PathBuf],
        files: &mut Files,
        settings: &EvaluateSettings,
        again: bool,
        data: Option<&str>,
    ) -> Result<Option<DueScores>, TrainedError> {
        let Some(measure) = settings.chosen().find(|measure| measure.scope() == Scope::Setting) else {
            return Ok(None);
        };
        let [first, _, ..] = folders else { return Ok(None) };
        let mut own_settings = measure.settings(settings);
        let mut trials = Vec::new();
        for path in folders {
            let folder = TrialFolder::new(path);
            let record = TrialRecord::read(&folder)?;
            if record.spec.get(POSTERIOR).is_some_and(|posterior| posterior == "none") {
                return Ok(None);
            }
            own_settings["split"] = serde_json::json!(split_of(&record, settings));
            let weights = weights_of(&folder, &record)?;
            trials.push((folder, record.trial, weights));
        }
        let known: Vec<(&String, &String)> = trials.iter().map(|(_, id, weights)| (id, weights)).collect();
        own_settings["trials"] = serde_json::json!(known);
        // All trials of a setting have the same images.
        let data = match data {
            Some(data) => data.to_owned(),
            None => {
                let mut trained = Trained::open(first)?;
                trained.load_own_images(files)?;
                trained.worker.dataset.hash_with_labels().to_owned()
            }
        };
        let of_setting = |(folder, id, weights): (TrialFolder, String, String)| {
            let recipe = Recipe {
                metric: measure.word().name.to_owned(),
                split: None,
                recipe: measure.recipe(),
                settings: own_settings.clone(),
                weights,
                data: data.clone(),
            };
            OfSetting { folder, id, recipe }
        };
        let trials: Vec<OfSetting> = trials.into_iter().map(of_setting).collect();
        let is_known = |trial: &OfSetting| {
            Evaluation::read(&trial.folder).is_ok_and(|all| all.is_some_and(|all| all.find(&trial.recipe).is_some()))
        };
        let is_due = again || !trials.iter().all(is_known);
        Ok(is_due.then(|| DueScores { settings: settings.clone(), trials }))
    }

    /// Measures them, and writes them to each of the trials; the caller holds their locks. Returns whether it was not stopped.
    ///
    /// # Errors
    /// A trial cannot be read, its images cannot be read or have changed, or a file cannot be written.
    pub fn measure(self, files: &mut Files, stop: &AtomicBool) -> Result<bool, TrainedError> {
        let start = Instant::now();
        let points = UdrSettings::default().points;
        let mut models = Vec::new();
        let mut refused = None;
        for OfSetting { folder, .. } in &self.trials {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let mut trained = Trained::open(folder.path())?;
            trained.load_own_images(files)?;
            let split = split_of(&trained.record, &self.settings);
            let latent = trained.architecture.latent;
            let count = trained.worker.images_of(split).len().min(points) as u32;
            let indices: Vec<u32> = (0..count).collect();
            let parts = indices.chunks(trained.micro_batch()).collect();
            let task = |worker: &Worker<Host>, indices: &[u32]| worker.posteriors(Chosen { split, indices });
            let (mut mean, mut log_variance) = (Vec::new(), Vec::new());
            for part in Host::execute(&trained.pool, &trained.worker, parts, task)? {
                mean.extend(part.mean);
                log_variance.extend(part.log_variance);
            }
            let [mean, log_variance] = [mean, log_variance].map(|values| Codes { latent, values });
            match kl_by_axis(&mean, &log_variance) {
                Ok(kl) => models.push((mean, kl)),
                Err(why) => refused = Some(why.to_string()),
            }
        }
        let all: Vec<ModelCodes<'_>> = models.iter().map(|(codes, kl)| ModelCodes { codes, kl }).collect();
        let outcome = match refused {
            Some(why) => Err(why),
            None => evaluation::of_models(&all, self.settings.seed).map_err(|error| error.to_string()),
        };
        let seconds = start.elapsed().as_secs_f64() / self.trials.len() as f64;
        for (number, OfSetting { folder, id, recipe }) in self.trials.into_iter().enumerate() {
            let (measured, refused) = match &outcome {
                Ok(scores) => {
                    let value = scores.scores.get(number).copied().map(Value::Number);
                    let details = serde_json::json!({ "kept_axes": scores.kept_axes.get(number) });
                    (Measured { values: vec![value], details, ..Measured::default() }, None)
                }
                Err(why) => (Measured::default(), Some(why.clone())),
            };
            let mut known = Evaluation::read(&folder)?.unwrap_or_default();
            known.trial = id;
            known.set(evaluated(recipe, measured, refused, seconds));
            known.write(&folder)?;
        }
        Ok(true)
    }
}
