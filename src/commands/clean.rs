//! `vaex clean`: removes files of an experiment by kind, and prepared images from the cache.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::format::bytes;
use super::shared::print::{complain, say};
use crate::data::{Cache, CachedFile};
use crate::folder::{ExperimentFolder, FileError, TrialFolder, is_event_file, is_picture};
use crate::launch::{Frozen, cluster, lock};
use crate::record::trial::{Status, TrialRecord};
use crate::text::counted;
use anyhow::bail;
use clap::Args;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;
use walkdir::WalkDir;

/// Remove files of an experiment by kind; without a kind, list what each would remove.
#[derive(Debug, Args)]
pub(super) struct CleanArgs {
    /// Experiment folder.
    #[arg(required_unless_present = "cache", conflicts_with = "cache")]
    folder: Option<PathBuf>,
    /// Remove the states of finished trials: without them, training for more epochs starts again.
    #[arg(long)]
    state: bool,
    /// Remove the pictures and the projector's points of finished trials.
    #[arg(long)]
    pictures: bool,
    /// Remove the TensorBoard logs of finished trials.
    #[arg(long)]
    events: bool,
    /// Remove the folders of failed trials, except for those that the next run resumes.
    #[arg(long)]
    failed: bool,
    /// Remove the folders of trials that are no longer in the plan, except for those that trials of the plan continue.
    #[arg(long)]
    not_in_plan: bool,
    /// Remove without asking.
    #[arg(long, short)]
    yes: bool,
    /// Remove the prepared images that no process uses; they are prepared again when they are needed.
    #[arg(long)]
    cache: bool,
}

impl Command for CleanArgs {
    fn run(&self) -> anyhow::Result<u8> {
        match &self.folder {
            Some(folder) => self.clean(folder),
            None => clean_cache(),
        }
    }
}

/// A kind of files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    State,
    Pictures,
    Events,
    Failed,
    NotInPlan,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::State, Kind::Pictures, Kind::Events, Kind::Failed, Kind::NotInPlan];

    fn option(self) -> &'static str {
        match self {
            Kind::State => "--state",
            Kind::Pictures => "--pictures",
            Kind::Events => "--events",
            Kind::Failed => "--failed",
            Kind::NotInPlan => "--not-in-plan",
        }
    }

    /// Whether it is a whole trial folder.
    fn is_folder(self) -> bool {
        matches!(self, Kind::Failed | Kind::NotInPlan)
    }
}

/// What can be removed of a trial.
struct Item {
    kind: Kind,
    folder: TrialFolder,
    /// Its status, and when it ended.
    ended: (Status, Option<f64>),
    /// Names relative to the trial folder, and sizes.
    files: Vec<(String, u64)>,
}

impl CleanArgs {
    fn is_chosen(&self, kind: Kind) -> bool {
        match kind {
            Kind::State => self.state,
            Kind::Pictures => self.pictures,
            Kind::Events => self.events,
            Kind::Failed => self.failed,
            Kind::NotInPlan => self.not_in_plan,
        }
    }

    fn clean(&self, folder: &Path) -> anyhow::Result<u8> {
        let experiment = ExperimentFolder::new(folder);
        if !experiment.has_plan()? {
            bail!("{} is not an experiment folder: it has no {}", folder.display(), ExperimentFolder::PLAN);
        }
        let _lock = lock::take(folder, Duration::ZERO)?;
        let items = items(&experiment)?;
        let is_listing = !Kind::ALL.iter().any(|kind| self.is_chosen(*kind));
        for kind in Kind::ALL {
            if is_listing || self.is_chosen(kind) {
                let of_kind: Vec<&Item> = items.iter().filter(|item| item.kind == kind).collect();
                say(&format!("{:15}{}", kind.option(), described(&of_kind)));
            }
        }
        if is_listing {
            say("nothing is removed: name the kinds that are to be removed");
            return Ok(DONE);
        }
        let chosen: Vec<&Item> = items.iter().filter(|item| self.is_chosen(item.kind)).collect();
        if chosen.is_empty() || !(self.yes || is_confirmed(folder)?) {
            say("nothing is removed");
            return Ok(DONE);
        }
        let mut removed = Vec::new();
        for item in chosen {
            let _lock = match lock::take(item.folder.path(), Duration::ZERO) {
                Ok(lock) => lock,
                Err(error) => {
                    complain(&format!("warning: {error}; its files stay"));
                    continue;
                }
            };
            // A task of a scheduler may have trained it meanwhile.
            if TrialRecord::read(&item.folder).is_ok_and(|record| (record.status, record.ended) == item.ended) {
                remove(item)?;
                removed.push(item);
            }
        }
        say(&format!("removed {}", described(&removed)));
        Ok(DONE)
    }
}

/// `40 files of 10 trials, 12.30 MB`.
fn described(items: &[&Item]) -> String {
    let trials: BTreeSet<&Path> = items.iter().map(|item| item.folder.path()).collect();
    let files = items.iter().flat_map(|item| &item.files);
    let size: u64 = files.clone().map(|(_, size)| size).sum();
    format!("{} of {}, {}", counted(files.count(), "file"), counted(trials.len(), "trial"), bytes(size as f64))
}

/// All that can be removed. The files of a trial whose folder can be removed are in the item of the folder only.
fn items(experiment: &ExperimentFolder) -> anyhow::Result<Vec<Item>> {
    let plan = Frozen::read(experiment)?;
    let planned: BTreeSet<&str> = plan.trials.iter().map(|trial| &*trial.id).collect();
    // A record that cannot be read is made again by the next run.
    let folders = experiment.trials()?;
    let records: Vec<(&TrialFolder, TrialRecord)> =
        folders.iter().filter_map(|folder| Some((folder, TrialRecord::read(folder).ok()?))).collect();
    let unfinished = records.iter().filter(|(_, one)| one.status != Status::Done && planned.contains(&*one.trial));
    // Trials of the plan begin with their state.
    let needed: BTreeSet<&str> = unfinished.flat_map(|(_, one)| &one.shorter).map(String::as_str).collect();
    let queued = cluster::active(experiment, &plan.name)?;
    let mut items = Vec::new();
    for (folder, record) in &records {
        if needed.contains(&*record.trial) || queued.contains_key(&record.trial) {
            continue;
        }
        let whole = match (planned.contains(&*record.trial), record.status) {
            (false, _) => Some(Kind::NotInPlan),
            // The next run would resume one that failed from outside.
            (true, Status::Failed) if !record.from_outside => Some(Kind::Failed),
            _ => None,
        };
        let files = files(folder)?;
        let mut add = |kind: Kind, is_of_kind: &dyn Fn(&str) -> bool| {
            let files: Vec<_> = files.iter().filter(|(name, _)| is_of_kind(name)).cloned().collect();
            if !files.is_empty() {
                items.push(Item { kind, folder: (*folder).clone(), ended: (record.status, record.ended), files });
            }
        };
        match whole {
            Some(kind) => add(kind, &|_| true),
            None if record.status == Status::Done => {
                add(Kind::State, &|name| name == TrialFolder::STATE);
                add(Kind::Pictures, &is_picture);
                add(Kind::Events, &is_event_file);
            }
            None => {}
        }
    }
    Ok(items)
}

/// The files of a trial folder: names relative to it, and sizes.
fn files(folder: &TrialFolder) -> Result<Vec<(String, u64)>, FileError> {
    let at = || FileError::at("read the folder", folder.path());
    let mut files = Vec::new();
    for entry in WalkDir::new(folder.path()).min_depth(1) {
        let entry = entry.map_err(|error| at()(error.into()))?;
        if !entry.file_type().is_dir() {
            let size = entry.metadata().map_err(|error| at()(error.into()))?.len();
            files.push((folder.name_of(entry.path()), size));
        }
    }
    Ok(files)
}

/// Asks the user.
fn is_confirmed(folder: &Path) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("cannot ask before removing: the input is not a terminal; use --yes to remove without asking");
    }
    complain(&format!("remove these files of {}? [y/N]", folder.display()));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// Removes an item. The caller holds the lock of the trial.
fn remove(item: &Item) -> anyhow::Result<()> {
    if item.kind.is_folder() {
        let path = item.folder.path();
        std::fs::remove_dir_all(path).map_err(FileError::at("remove", path))?;
        return Ok(());
    }
    // A file that the record lists, but that is missing, would be made again. Other kinds may have changed the record.
    let mut record = TrialRecord::read(&item.folder)?;
    record.files.retain(|name, _| !item.files.iter().any(|(removed, _)| removed == name));
    record.write(&item.folder)?;
    for (name, _) in &item.files {
        let path = item.folder.file(name);
        std::fs::remove_file(&path).map_err(FileError::at("remove", &path))?;
    }
    Ok(())
}

fn clean_cache() -> anyhow::Result<u8> {
    let cache = Cache::of_environment();
    let removed = cache.clean(0)?;
    for CachedFile { path, bytes: size, sources, .. } in &removed {
        let of = if sources.is_empty() { "damaged".to_owned() } else { sources.join(", ") };
        say(&format!("removed {}: {}, {of}", path.display(), bytes(*size as f64)));
    }
    let kept = cache.files()?;
    let sum = |files: &[CachedFile]| bytes(files.iter().map(|file| file.bytes as f64).sum());
    let kept = match kept.is_empty() {
        true => String::new(),
        false => format!("; {} of {} in use", counted(kept.len(), "file"), sum(&kept)),
    };
    say(&format!("removed {} of {}{kept}", counted(removed.len(), "file"), sum(&removed)));
    Ok(DONE)
}
