//! What `vaex evaluate` and its tasks measure, and the evaluation of one trial.

use super::prepared;
use super::print::explain;
use super::signals::STOP;
use super::trial::WeightsChoice;
use crate::evaluation::{EvaluateSettings, METRICS, SPLITS, Scope, find};
use crate::folder::{ExperimentFolder, TrialFolder};
use crate::language::Spec;
use crate::launch::lock;
use crate::plan::{Plan, Trial};
use crate::record::trial::{Status, TrialRecord};
use crate::report::collect;
use crate::settings::{Words, nearest, other_name};
use crate::trained::{DueScores, EvaluationEnd, Trained};
use crate::trial::Event;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

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
    #[command(flatten)]
    pub(crate) weights: WeightsChoice,
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
        let weights = self.weights.option().into_iter().flatten().map(OsString::from);
        options
            .into_iter()
            .filter_map(|(name, value)| Some([name.into(), value?.into()]))
            .flatten()
            .chain(weights)
            .collect()
    }
}

/// The trials of a setting, all done, and what is asked of them.
pub(crate) struct OfSetting {
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) settings: EvaluateSettings,
    /// The hash of their images and labels, if it is known.
    pub(crate) data: Option<String>,
}

/// The settings of a folder of experiments, and what is asked of each.
pub(crate) fn settings_of(folder: &Path, question: &Question) -> anyhow::Result<Vec<OfSetting>> {
    let all = collect(folder)?.done_by_setting();
    let several = all.into_iter().filter(|folders| folders.len() > 1);
    several
        .map(|folders| {
            let settings = question.settings(Trained::open(&folders[0])?.spec());
            Ok(OfSetting { folders, settings, data: None })
        })
        .collect()
}

/// The settings of the selected trials of a plan whose `[evaluate]` asks for scores of settings.
pub(crate) fn settings_of_plan(plan: &Plan, experiment: &ExperimentFolder) -> anyhow::Result<Vec<OfSetting>> {
    let asks = |settings: &EvaluateSettings| settings.chosen().any(|measure| measure.scope() == Scope::Setting);
    let mut all: BTreeMap<String, OfSetting> = BTreeMap::new();
    let asking = |trial: &&Trial| trial.spec().evaluate.as_ref().is_some_and(asks);
    let trials: Vec<&Trial> = plan.selected().filter(asking).collect();
    if trials.is_empty() {
        return Ok(Vec::new());
    }
    let folders = experiment.trials()?;
    for trial in trials {
        let Some(folder) = folders.find(trial.id()) else { continue };
        let is_done = TrialRecord::read(folder).is_ok_and(|record| record.status == Status::Done);
        let Some(settings) = trial.spec().evaluate.clone().filter(|_| is_done) else { continue };
        let data = Some(trial.dataset().hash_with_labels().to_owned());
        let one = all.entry(trial.setting_hash()).or_insert(OfSetting { folders: Vec::new(), settings, data });
        one.folders.push(folder.path().to_path_buf());
    }
    Ok(all.into_values().collect())
}

/// Measures the scores that belong to settings: those that compare their seeds. What cannot be measured is explained. Returns
/// whether everything was.
pub(crate) fn evaluate_settings(all: anyhow::Result<Vec<OfSetting>>, again: bool) -> bool {
    let mut files = prepared::checked_files();
    let mut measure = |OfSetting { folders, settings, data }: &OfSetting| -> anyhow::Result<bool> {
        let Some(due) = DueScores::of(folders, &mut files, settings, again, data.as_deref())? else { return Ok(true) };
        // In a fixed order, so that two commands do not wait for one another.
        let mut sorted: Vec<&PathBuf> = folders.iter().collect();
        sorted.sort();
        let locks = sorted.into_iter().map(|folder| lock::take(folder, lock::PATIENCE));
        let _locks = locks.collect::<Result<Vec<_>, _>>()?;
        Ok(due.measure(&mut files, &STOP)?)
    };
    let all = match all {
        Ok(all) => all,
        Err(error) => {
            explain(&error);
            return false;
        }
    };
    all.iter().fold(true, |is_complete, one| {
        is_complete
            & (!STOP.load(Ordering::Relaxed)
                && measure(one).unwrap_or_else(|error| {
                    explain(&error);
                    false
                }))
    })
}

/// Evaluates a trial in this process.
pub(crate) fn evaluate(
    folder: &Path,
    question: &Question,
    (threads, again): (Option<usize>, bool),
    emit: &mut dyn FnMut(Event),
) -> anyhow::Result<(EvaluationEnd, EvaluateSettings, TrialFolder)> {
    // Another process may train the trial again: its weights and its record are read when it has ended.
    let _lock = lock::take(TrialFolder::new(folder).path(), lock::PATIENCE)?;
    let trained = Trained::with_weights(folder, question.weights.weights())?;
    let mut trained = match threads {
        Some(threads) => trained.with_threads(threads)?,
        None => trained,
    };
    let settings = question.settings(trained.spec());
    let end = trained.evaluate(&mut prepared::checked_files(), &settings, again, &STOP, emit)?;
    Ok((end, settings, trained.evaluation_folder()))
}
