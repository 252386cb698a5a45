//! The trial that a command uses: given by its folder, by the start of its id, or as the best trial of an experiment.

use super::print::complain;
use crate::data::{Cache, Files};
use crate::folder::{TrialFolder, exists, without_links};
use crate::plan::{Plan, Trial};
use crate::record::trial::{Status, TrialRecord};
use crate::report;
use crate::trained::{Trained, Weights};
use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

#[derive(Debug, Args)]
pub(crate) struct TrialChoice {
    /// Trial folder, start of a trial id, or with --best an experiment folder.
    #[arg(value_name = "TRIAL")]
    trial: PathBuf,
    /// Use the best trial of an experiment, in the order of `vaex report`.
    #[arg(long)]
    best: bool,
    /// Folder in which trial ids are looked up.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct WeightsChoice {
    /// Weights to use; default: those that the trial keeps (`train.keep`).
    #[arg(long, value_name = "EPOCH")]
    weights: Option<WeightsWord>,
}

/// An epoch whose weights are used.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum WeightsWord {
    /// Those after the last epoch.
    Last,
    /// Those after the epoch with the lowest validation loss.
    Best,
}

impl WeightsChoice {
    pub(crate) fn weights(self) -> Weights {
        match self.weights {
            None => Weights::Kept,
            Some(WeightsWord::Last) => Weights::Last,
            Some(WeightsWord::Best) => Weights::Best,
        }
    }

    /// The option, for another process.
    pub(crate) fn option(self) -> Option<[&'static str; 2]> {
        let word = match self.weights? {
            WeightsWord::Last => "last",
            WeightsWord::Best => "best",
        };
        Some(["--weights", word])
    }
}

/// A trial, and which of its weights are used.
#[derive(Debug, Args)]
pub(crate) struct ModelChoice {
    #[command(flatten)]
    trial: TrialChoice,
    #[command(flatten)]
    weights: WeightsChoice,
}

impl ModelChoice {
    /// The trained model.
    pub(crate) fn open(&self) -> anyhow::Result<Trained> {
        Ok(Trained::with_weights(&self.trial.folder()?, self.weights.weights())?)
    }
}

impl TrialChoice {
    /// The folders of the selected trial or, for the folder of experiments without `--best`, of all trials that are done in it.
    pub(crate) fn folders(&self) -> anyhow::Result<Vec<PathBuf>> {
        if self.best || !self.trial.is_dir() || TrialFolder::new(&self.trial).has_record()? {
            return Ok(vec![self.folder()?]);
        }
        let report = report::collect(&self.trial)?;
        report.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}")));
        let trials = report.experiments.iter().flat_map(|experiment| &experiment.trials);
        let done = trials.filter(|trial| trial.record.status == Status::Done);
        let folders: Vec<PathBuf> = done.map(|trial| trial.folder.clone()).collect();
        match folders.is_empty() {
            true => bail!("{} has no trial that is done", self.trial.display()),
            false => Ok(folders),
        }
    }

    /// The folder or the id that was given.
    pub(crate) fn given(&self) -> &Path {
        &self.trial
    }

    /// The folder of the selected trial.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        let given = self.trial.display();
        if self.best {
            let report = report::collect(&self.trial)?;
            report.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}")));
            if report.experiments.len() > 1 {
                bail!("{given} has {} experiments; give the folder of one of them", report.experiments.len());
            }
            let none = || match report.lacks_validation() {
                true => format!(
                    "{given} has no validation images, so no trial is the best one: give the folder or the id of a trial"
                ),
                false => format!("{given} has no trial that is done"),
            };
            return report.best().map(|trial| trial.folder.clone()).with_context(none);
        }
        folder(&self.trial, &self.runs).map_err(|error| match self.trial.is_dir() {
            true => anyhow!("{error}; for an experiment folder, add --best"),
            false => error,
        })
    }
}

/// The folder of a trial that is given by its folder, by the folder's name or by the start of its id.
pub(crate) fn folder(given: &Path, runs: &Path) -> anyhow::Result<PathBuf> {
    if TrialFolder::new(given).has_record()? {
        return Ok(given.to_path_buf());
    }
    if given.is_dir() {
        bail!("{} is not a trial folder: it has no {}", given.display(), TrialFolder::RECORD);
    }
    let start = given.to_string_lossy();
    let (mut named, mut unreadable) = (Vec::new(), None);
    if exists(runs)? {
        for entry in WalkDir::new(runs).follow_links(true).min_depth(1).max_depth(2).sort_by_file_name() {
            match entry {
                Ok(entry) => match TrialFolder::new(entry.path()).has_record() {
                    Ok(true) => named.push(entry.into_path()),
                    Ok(false) => {}
                    Err(error) => unreadable = Some(anyhow!(error)),
                },
                // A link that leads nowhere, or to a parent folder, has no trial of its own.
                Err(error) if error.path().is_some_and(Path::is_symlink) => {}
                Err(error) => unreadable = Some(anyhow!(error)),
            }
        }
    }
    // The folder's name is accepted too, because `vaex run` prints it for the best trial.
    let is_match = |folder: &Path| {
        folder.file_name() == Some(given.as_os_str())
            || TrialFolder::new(folder).id().is_some_and(|id| id.starts_with(&*start))
    };
    let mut found: Vec<PathBuf> = named.into_iter().filter(|folder| is_match(folder)).collect();
    // A link to an experiment folder leads to the same trials.
    let mut places = BTreeSet::new();
    found.retain(|folder| places.insert(without_links(folder)));
    match &*found {
        [folder] => Ok(folder.clone()),
        // The trial may be in a folder that cannot be read.
        [] if let Some(error) = unreadable => Err(error),
        [] if !runs.is_dir() => {
            bail!("no folder `{start}`, and no folder `{}` to look up a trial id in", runs.display())
        }
        [] => bail!("no folder `{start}`, and no trial id in `{}` starts with it", runs.display()),
        several => {
            let several: Vec<String> = several.iter().map(|folder| format!("\n  {}", folder.display())).collect();
            bail!("{} trial ids in `{}` start with `{start}`:{}", several.len(), runs.display(), several.concat())
        }
    }
}

/// The plan of the spec in a trial folder, and its only trial, which must have the given id.
pub(crate) fn prepared_trial(folder: &TrialFolder, id: &str, cache: Cache) -> anyhow::Result<(Plan, Trial)> {
    let path = folder.spec();
    let plan = Plan::with_files(&path, &[], Files::new(cache, |_| {}))?;
    let [trial] = plan.trials() else { bail!("{} has another number of trials than one", path.display()) };
    if trial.id() == id {
        return Ok((plan.clone(), trial.clone()));
    }
    // A task on another machine may find other files under the same paths.
    if let Ok(record) = TrialRecord::read(folder)
        && !trial.dataset().has_hash(&record.data_hash)
    {
        bail!(
            "the images that {} names are not those that the trial was planned with: their hash is {}, but was {}; restore them, \
             or run the experiment again with the images that are there, which makes a new trial",
            path.display(),
            trial.dataset().hash,
            record.data_hash
        );
    }
    bail!(
        "{} now has another trial id than {id}: the spec changed, or an earlier version of vaex computed the id",
        path.display()
    )
}
