//! The scores of settings, which compare trials that differ in the seed only.

use super::evaluate::{evaluated, split_of, weights_of};
use super::{Trained, TrainedError};
use crate::data::Files;
use crate::evaluation::{self, EvaluateSettings, Measured, Scope};
use crate::folder::TrialFolder;
use crate::metrics::Value;
use crate::record::evaluation::{Evaluation, Recipe};
use crate::scores::points::Codes;
use crate::scores::posterior::kl_by_axis;
use crate::scores::udr::{ModelCodes, UdrSettings};
use crate::tensor::backend::Host;
use crate::train::{Chosen, Execute, Worker};
use std::path::PathBuf;
use std::time::Instant;

/// A trial of a setting, with what the scores of the setting need.
struct OfSetting {
    folder: TrialFolder,
    recipe: Recipe,
    codes: Codes,
    kl: Vec<f64>,
}

/// Measures the scores that belong to a setting: those that compare its trials, which are done and differ in the seed only. The
/// results are written to each of them; the caller holds their locks. Returns whether anything was measured.
///
/// # Errors
/// A trial cannot be read, its images cannot be read or have changed, or a file cannot be written.
pub fn evaluate_setting(
    folders: &[PathBuf],
    files: &mut Files,
    settings: &EvaluateSettings,
    again: bool,
) -> Result<bool, TrainedError> {
    let Some(measure) = settings.chosen().find(|measure| measure.scope() == Scope::Setting) else { return Ok(false) };
    let start = Instant::now();
    let mut own_settings = measure.settings(settings);
    let (mut trials, mut data) = (Vec::new(), None);
    for path in folders {
        let mut trained = Trained::open(path)?;
        if !trained.is_variational() {
            return Ok(false);
        }
        own_settings["split"] = serde_json::json!(split_of(&trained.record, settings));
        // All trials of a setting have the same images.
        if data.is_none() {
            trained.load_own_images(files)?;
            data = Some(trained.worker.dataset.hash_with_labels().to_owned());
        }
        trials.push((trained.record.trial.clone(), weights_of(&TrialFolder::new(path), &trained.record)?));
    }
    own_settings["trials"] = serde_json::json!(trials);
    let recipe = |weights: &str| Recipe {
        metric: measure.word().name.to_owned(),
        split: None,
        recipe: measure.recipe(),
        settings: own_settings.clone(),
        weights: weights.to_owned(),
        data: data.clone().unwrap_or_default(),
    };
    let is_known = |(path, (_, weights)): (&PathBuf, &(String, String))| {
        Evaluation::read(&TrialFolder::new(path))
            .is_ok_and(|known| known.is_some_and(|known| known.find(&recipe(weights)).is_some()))
    };
    if !again && folders.iter().zip(&trials).all(is_known) {
        return Ok(false);
    }
    let points = UdrSettings::default().points;
    let mut models = Vec::new();
    for (path, (_, weights)) in folders.iter().zip(&trials) {
        let mut trained = Trained::open(path)?;
        trained.load_own_images(files)?;
        let split = split_of(&trained.record, settings);
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
        let codes = |values| Codes { latent, values };
        let codes = (codes(mean), codes(log_variance));
        let Ok(kl) = kl_by_axis(&codes.0, &codes.1) else { return Ok(false) };
        models.push(OfSetting { folder: TrialFolder::new(path), recipe: recipe(weights), codes: codes.0, kl });
    }
    let all: Vec<ModelCodes<'_>> =
        models.iter().map(|model| ModelCodes { codes: &model.codes, kl: &model.kl }).collect();
    let outcome = evaluation::of_models(&all, settings.seed);
    let seconds = start.elapsed().as_secs_f64() / folders.len() as f64;
    for (number, model) in models.iter().enumerate() {
        let (measured, refused) = match &outcome {
            Ok(scores) => {
                let value = scores.scores.get(number).copied().map(Value::Number);
                let details = serde_json::json!({ "kept_axes": scores.kept_axes.get(number) });
                (Measured { values: vec![value], details, ..Measured::default() }, None)
            }
            Err(error) => (Measured::default(), Some(error.to_string())),
        };
        let mut known = Evaluation::read(&model.folder)?.unwrap_or_default();
        known.trial.clone_from(&trials[number].0);
        known.set(evaluated(model.recipe.clone(), measured, refused, seconds));
        known.write(&model.folder)?;
    }
    Ok(true)
}
