//! Every trial of an experiment, resolved and checked: whoever holds a [`Trial`] holds something that can run.

mod checks;
mod grid;
mod id;
mod problems;
mod resolve;
mod select;
mod trial;

pub use crate::settings::Problem;
pub use id::NUMERICS;
pub use resolve::{ResolvedPoint, Resolver};
pub use trial::{Trial, value_text};

use crate::folder::FileError;
use crate::language::diagnostics::{Diagnostics, Location};
use crate::language::{Document, Override, ReadError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The spec file cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// The spec, or the data that it names, is wrong.
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
    /// The number of each trial's choice in the sweep.
    choices: Vec<usize>,
    /// Trials that the sweep asks for, those that are the same counted each.
    combinations: usize,
    varied: Vec<String>,
    /// Ids of trials that are not to run now.
    left_out: BTreeSet<String>,
    document: Arc<Document>,
    warnings: Diagnostics,
}

/// Where the value of a resolved spec came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file and its line, or an argument.
    Written(String),
    /// The same, where the sweep gives it.
    Swept(String),
    /// Nobody wrote it.
    Default,
}

impl Plan {
    /// Reads a spec file, applies what the command line sets, and checks every trial.
    ///
    /// # Errors
    /// The file cannot be read; all that is wrong with it, or with the data, at once.
    pub fn read(path: &Path, overrides: &[Override]) -> Result<Plan, PlanError> {
        let document = Document::read(path, overrides)?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("."));
        Ok(grid::plan(Resolver::new(document, &stem, folder))?)
    }

    /// What deserves a look, and stops nothing.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// The trials that are to run now.
    pub fn selected(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| !self.left_out.contains(trial.id()))
    }

    /// Where a trial's values came from, by dotted key.
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

    /// The experiment's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every trial, in the order of the sweep: its first key varies slowest.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// Trials that the sweep asks for, before those that come to the same are made one.
    pub fn combinations(&self) -> usize {
        self.combinations
    }

    /// The dotted keys that vary.
    pub fn varied(&self) -> &[String] {
        &self.varied
    }
}
