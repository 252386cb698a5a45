//! All trials of an experiment, resolved and checked: every [`Trial`] can run.

mod checks;
mod expect;
mod grid;
mod id;
mod initial;
mod problems;
mod resolve;
mod search;
mod select;
mod trial;

pub use crate::settings::Problem;
pub use expect::Expected;
pub use id::NUMERICS;
pub use resolve::{ResolvedPoint, Resolver};
pub use search::{Proposed, Searching};
pub use select::matching;
pub use trial::{Trial, assignment_text, value_text};

use crate::data::Files;
use crate::folder::FileError;
use crate::language::diagnostics::{Diagnostics, Location};
use crate::language::{Document, Override, ReadError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Why a plan cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The spec file cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// There are errors in the spec or in its data.
    #[error(transparent)]
    Spec(#[from] Diagnostics),
}

impl From<ReadError> for PlanError {
    fn from(error: ReadError) -> PlanError {
        match error {
            ReadError::File(error) => PlanError::Read(error),
            ReadError::Syntax(error) => PlanError::Spec(error),
        }
    }
}

/// An experiment that can run.
#[derive(Clone, Debug)]
pub struct Plan {
    name: String,
    trials: Vec<Trial>,
    /// The number of each trial in the sweep, for [`Sweep::choice`](crate::language::sweep::Sweep::choice).
    choices: Vec<usize>,
    /// The number of combinations in the sweep; equal trials are counted separately.
    combinations: usize,
    varied: Vec<String>,
    /// The ids of trials that are not selected to run.
    left_out: BTreeSet<String>,
    document: Arc<Document>,
    expected: Vec<Expected>,
    search: Option<Searching>,
    warnings: Diagnostics,
}

/// The origin of a value of a resolved spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written in a file (with the line) or in an argument.
    Written(String),
    /// The same, for a value of the sweep.
    Swept(String),
    /// The default.
    Default,
}

impl Plan {
    /// Reads a spec file, applies the overrides, and checks every trial.
    ///
    /// # Errors
    /// The file cannot be read, or there are errors in it or in the data; all of them are reported together.
    pub fn read(path: &Path, overrides: &[Override]) -> Result<Plan, PlanError> {
        Plan::with_files(path, overrides, Files::default())
    }

    /// As [`Plan::read`], with images from `files`.
    ///
    /// # Errors
    /// As [`Plan::read`].
    pub fn with_files(path: &Path, overrides: &[Override], files: Files) -> Result<Plan, PlanError> {
        let document = Document::read(path, overrides)?;
        Plan::of_document(path, document, files)
    }

    /// As [`Plan::read`], of a text. `path` is its name in messages; its stem is the name of the experiment, unless the text has one.
    ///
    /// # Errors
    /// As [`Plan::read`].
    pub fn of_text(path: &Path, text: &str, overrides: &[Override]) -> Result<Plan, PlanError> {
        Plan::of_document(path, Document::of_text(path, text.to_owned(), overrides)?, Files::default())
    }

    fn of_document(path: &Path, document: Document, files: Files) -> Result<Plan, PlanError> {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("."));
        Ok(grid::plan(Resolver::new(document, &stem, folder, files))?)
    }

    /// The warnings.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// What the experiment is expected to give.
    pub fn expected(&self) -> &[Expected] {
        &self.expected
    }

    /// The search, if the spec has one. The trials of the plan are then those whose settings do not depend on results.
    pub fn search(&self) -> Option<&Searching> {
        self.search.as_ref()
    }

    /// The trials that are selected to run.
    pub fn selected(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| !self.left_out.contains(trial.id()))
    }

    /// Whether one of them is trained on a GPU.
    pub fn needs_gpu(&self) -> bool {
        self.selected().any(|trial| trial.spec().train.device.is_gpu())
    }

    /// The origins of the values of a trial, by dotted key.
    pub fn origins(&self, trial: &Trial) -> impl Fn(&str) -> Origin {
        let document = self.document.clone();
        let index = self.trials.iter().position(|one| one.id() == trial.id());
        let choice = index.and_then(|index| self.choices.get(index)).map(|number| document.sweep().choice(*number));
        let assignments = choice.into_iter().flatten().flatten();
        let swept: BTreeMap<String, Location> =
            assignments.map(|assignment| (assignment.key.clone(), assignment.location.clone())).collect();
        move |key| match (swept.get(key), document.entry(key)) {
            (Some(location), _) => Origin::Swept(document.place(location)),
            (None, Some(entry)) => Origin::Written(document.place(&entry.key)),
            (None, None) => Origin::Default,
        }
    }

    /// The number of trials to train, with those that a search has still to propose; `None` if it ends by the clock.
    pub fn trial_count(&self) -> Option<usize> {
        match &self.search {
            None => Some(self.selected().count()),
            Some(search) => Some(usize::try_from(search.rules().settings?).ok()?.saturating_mul(search.seeds())),
        }
    }

    /// The experiment's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every trial, in the order of the sweep: its first key varies slowest.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The number of combinations in the sweep, before duplicates are removed.
    pub fn combinations(&self) -> usize {
        self.combinations
    }

    /// The dotted keys that vary.
    pub fn varied(&self) -> &[String] {
        &self.varied
    }
}
