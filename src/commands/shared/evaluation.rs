//! What `vaex evaluate` and its tasks measure, and the evaluation of one trial.

use super::prepared;
use super::print::explain;
use super::signals::STOP;
use crate::evaluation::{EvaluateSettings, METRICS, SPLITS, Scope, find};
use crate::folder::TrialFolder;
use crate::language::Spec;
use crate::launch::lock;
use crate::report::collect;
use crate::settings::{Words, nearest, other_name};
use crate::trained::{EvaluationEnd, Trained, evaluate_setting};
use crate::trial::Event;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Question {
    /// Images to measure; default: `evaluate.split` of the spec, else the test images or, without any, the validation images.
    #[arg(long, value_parser = PossibleValuesParser::new(SPLITS.names()))]
    split: Option<String>,
    /// What to measure; default: `evaluate.metrics` of the spec, else everything that applies except the slow `nll`,
    /// `mig_sampled` and `frechet_labels`.
    #[arg(long, value_delimiter = ',', value_name = "NAME,...", value_parser = known)]
    metrics: Vec<&'static str>,
    /// Importance samples per image for `nll`; default: `evaluate.nll_samples` of the spec, else 5000.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(EvaluateSettings::SAMPLES))]
    nll_samples: Option<u64>,
    /// Number of images for `nll`, the first ones of the split; default: `evaluate.nll_images` of the spec, else all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    nll_images: Option<u64>,
}

/// The name of a metric, if there is such a metric.
fn known(name: &str) -> Result<&'static str, String> {
    if let Some(metric) = find(name) {
        return Ok(metric.word().name);
    }
    let words = || METRICS.iter().map(|metric| metric.word());
    let near = other_name(words(), name).map(str::to_owned).or_else(|| nearest(name, words().map(|word| word.name)));
    let names: Vec<&str> = words().map(|word| word.name).collect();
    Err(match near {
        Some(near) => format!("there is no metric of this name; did you mean {near}?"),
        None => format!("there is no metric of this name; the metrics are {}", names.join(", ")),
    })
}

impl Question {
    /// The settings for a trial: those of its spec, with these options instead of its keys.
    pub(crate) fn settings(&self, spec: &Spec) -> EvaluateSettings {
        let mut settings = spec.evaluate.clone().unwrap_or_default();
        settings.split = self.split.as_deref().and_then(EvaluateSettings::split_of_name).or(settings.split);
        if !self.metrics.is_empty() {
            settings.metrics = Some(self.metrics.clone());
        }
        settings.nll_samples = self.nll_samples.unwrap_or(settings.nll_samples);
        settings.nll_images = self.nll_images.or(settings.nll_images);
        settings
    }

    /// Whether metrics are named.
    pub(crate) fn names_metrics(&self) -> bool {
        !self.metrics.is_empty()
    }

    /// The options, for another process.
    pub(crate) fn options(&self) -> Vec<OsString> {
        let metrics = (!self.metrics.is_empty()).then(|| self.metrics.join(","));
        let options = [
            ("--split", self.split.clone()),
            ("--metrics", metrics),
            ("--nll-samples", self.nll_samples.map(|samples| samples.to_string())),
            ("--nll-images", self.nll_images.map(|images| images.to_string())),
        ];
        options.into_iter().filter_map(|(name, value)| Some([name.into(), value?.into()])).flatten().collect()
    }
}

/// Measures the scores that belong to the settings of an experiment: those that compare its seeds. What cannot be measured is
/// explained. Returns whether everything was.
pub(crate) fn evaluate_settings(experiment: &Path, question: &Question, again: bool) -> anyhow::Result<bool> {
    let mut files = prepared::checked_files();
    let mut measure = |folders: &[PathBuf]| -> anyhow::Result<()> {
        let settings = question.settings(Trained::open(&folders[0])?.spec());
        if !settings.chosen().any(|measure| measure.scope() == Scope::Setting) {
            return Ok(());
        }
        let _locks = folders.iter().map(|folder| lock::take(folder, lock::PATIENCE)).collect::<Result<Vec<_>, _>>()?;
        evaluate_setting(folders, &mut files, &settings, again)?;
        Ok(())
    };
    let mut is_complete = true;
    for folders in collect(experiment)?.done_by_setting().iter().filter(|folders| folders.len() > 1) {
        if let Err(error) = measure(folders) {
            explain(&error);
            is_complete = false;
        }
    }
    Ok(is_complete)
}

/// Evaluates a trial in this process.
pub(crate) fn evaluate(
    folder: &Path,
    question: &Question,
    (threads, again): (Option<usize>, bool),
    emit: &mut dyn FnMut(Event),
) -> anyhow::Result<(EvaluationEnd, EvaluateSettings)> {
    // Another process may train the trial again: its weights and its record are read when it has ended.
    let _lock = lock::take(TrialFolder::new(folder).path(), lock::PATIENCE)?;
    let trained = Trained::open(folder)?;
    let mut trained = match threads {
        Some(threads) => trained.with_threads(threads)?,
        None => trained,
    };
    let settings = question.settings(trained.spec());
    let end = trained.evaluate(&mut prepared::checked_files(), &settings, again, &STOP, emit)?;
    Ok((end, settings))
}
