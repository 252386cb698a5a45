//! The trial that a command is about: a folder, the beginning of an id, or the best one of an experiment.

use super::print::complain;
use crate::launch::folders;
use crate::plan::{Plan, Trial};
use crate::record::trial::RECORD_FILE;
use crate::report;
use crate::trial::names;
use anyhow::{Context, anyhow, bail};
use clap::Args;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

#[derive(Debug, Args)]
pub(crate) struct TrialChoice {
    /// A trial's folder, the beginning of a trial's id, or with --best an experiment's folder.
    #[arg(value_name = "TRIAL")]
    trial: PathBuf,
    /// The best trial of an experiment, as `vaex report` sorts them.
    #[arg(long)]
    best: bool,
    /// Where ids are looked up.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
}

impl TrialChoice {
    /// The trial's folder.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        let given = self.trial.display();
        if self.best {
            let report = report::collect(&self.trial)?;
            report.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}")));
            if report.experiments.len() > 1 {
                bail!("{given} has {} experiments: give the folder of one", report.experiments.len());
            }
            let none = || format!("{given} has no trial that is done");
            return report.best().map(|trial| trial.folder.clone()).with_context(none);
        }
        folder(&self.trial, &self.runs).map_err(|error| match self.trial.is_dir() {
            true => anyhow!("{error}; for an experiment's folder see --best"),
            false => error,
        })
    }
}

/// The folder of a trial that is given by its folder, or by the beginning of its id.
pub(crate) fn folder(given: &Path, runs: &Path) -> anyhow::Result<PathBuf> {
    if given.join(RECORD_FILE).exists() {
        return Ok(given.to_path_buf());
    }
    if given.is_dir() {
        bail!("{} is no trial's folder: it has no {RECORD_FILE}", given.display());
    }
    let start = given.to_string_lossy();
    let folders =
        WalkDir::new(runs).follow_links(true).min_depth(1).max_depth(2).sort_by_file_name().into_iter().flatten();
    let named = folders.map(walkdir::DirEntry::into_path).filter(|folder| folder.join(RECORD_FILE).exists());
    // By the whole name too, as `vaex run` shows the best one.
    let is_meant = |folder: &Path| {
        folder.file_name() == Some(given.as_os_str()) || folders::id(folder).is_some_and(|id| id.starts_with(&*start))
    };
    let mut found: Vec<PathBuf> = named.filter(|folder| is_meant(folder)).collect();
    // A link to an experiment's folder leads to the same trials.
    let mut places = BTreeSet::new();
    found.retain(|folder| places.insert(std::fs::canonicalize(folder).unwrap_or_else(|_| folder.clone())));
    match &*found {
        [folder] => Ok(folder.clone()),
        [] if !runs.is_dir() => {
            bail!("{start} is no folder, and no id can be looked up: there is no folder {}", runs.display())
        }
        [] => bail!("{start} is no folder, and no trial's id in {} begins so", runs.display()),
        several => {
            let several: Vec<String> = several.iter().map(|folder| format!("\n  {}", folder.display())).collect();
            bail!("{} trials' ids in {} begin with {start}:{}", several.len(), runs.display(), several.concat())
        }
    }
}

/// The plan of the spec in a trial's folder, and its only trial, whose id is known.
pub(crate) fn prepared_trial(folder: &Path, id: &str) -> anyhow::Result<(Plan, Trial)> {
    let path = folder.join(names::SPEC);
    let plan = Plan::read(&path, &[])?;
    match plan.trials() {
        [trial] if trial.id() == id => Ok((plan.clone(), trial.clone())),
        _ => bail!(
            "{} is not the spec of trial {id}, or its data has changed, or another version of vaex trained it",
            path.display()
        ),
    }
}
