//! The search of a plan: checks it together with the trials, and makes the trials of proposed settings.

use super::checks::without_full_weight;
use super::{Problem, ResolvedPoint, Resolver, Trial};
use crate::folder::digest;
use crate::language::sweep::{Block, Point};
use crate::language::{Document, Search, description};
use crate::metrics::Metric;
use crate::objective;
use crate::search::{Rules, Setting, Space};
use crate::settings::{Role, as_json};
use crate::train::measure::{BITS_PER_DIM, ELBO_NATS, LOSS};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// The search of a plan.
#[derive(Clone)]
pub struct Searching {
    search: Search,
    /// The seeds of each setting; without any, the trial has that of the spec.
    seeds: Block,
    rules: Rules,
    hash: String,
    /// The spec as one file.
    standalone: String,
    resolver: Arc<Resolver>,
}

impl fmt::Debug for Searching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Searching").field("search", &self.search).finish_non_exhaustive()
    }
}

/// A proposed setting with its trials.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// The setting, without values that do not apply.
    pub setting: Setting,
    /// Its values, by dotted key.
    pub values: BTreeMap<String, Value>,
    /// A trial for each seed, or why the setting cannot be trained.
    pub trials: Result<Vec<Trial>, String>,
}

impl Searching {
    pub(super) fn new(search: Search, trials: &[Trial], resolver: Resolver) -> Searching {
        let document = resolver.document();
        let seeds = document.sweep().seeds.clone();
        let epochs = trials.iter().map(|trial| trial.spec().train.epochs).max().unwrap_or(1);
        // Neither paths nor names, so that the spec as one file has the same hash.
        let matters = |key: &String| {
            description().key(key).is_some_and(|key| matches!(key.role(), Role::Training | Role::Network))
        };
        let written = document.with_values([]);
        let base = written.iter().filter(|(key, _)| matters(key));
        let base: BTreeMap<String, Value> = base.map(|(key, value)| (key.clone(), as_json(value))).collect();
        let seeds_text = seeds.iter().flatten().map(|one| format!("{:?}", one.value)).collect::<Vec<_>>().join(" ");
        let first = trials.first().map(|trial| trial.id().to_owned()).unwrap_or_default();
        let base = serde_json::to_string(&base).unwrap_or_default();
        let text = [search.definition(), base, seeds_text, first];
        let hash = digest(&text.each_ref().map(|text| text.as_bytes()), 32);
        let rules = search.rules(epochs);
        let data_dir = trials.first().and_then(|trial| {
            let found = trial.spec().settings().iter().find(|setting| setting.key == "data.data_dir")?;
            (!written.contains_key(found.key)).then(|| (found.key.to_owned(), found.value.clone()))
        });
        let name = trials.first().map(Trial::name).unwrap_or_default();
        let standalone = document.standalone(name, &Vec::from_iter(data_dir), &|path| resolver.whole_path(path));
        Searching { search, seeds, rules, hash, standalone, resolver: Arc::new(resolver) }
    }

    /// The definition of the search.
    pub fn search(&self) -> &Search {
        &self.search
    }

    /// Its rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The metric by which settings are compared.
    pub fn metric(&self) -> &'static Metric {
        self.search.metric
    }

    /// The hash of all that proposals depend on, apart from results.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The spec as one file: the tasks of a scheduler read it.
    pub fn standalone(&self) -> &str {
        &self.standalone
    }

    /// The number of seeds of each setting.
    pub fn seeds(&self) -> usize {
        self.seeds.len().max(1)
    }

    /// The space.
    pub fn space(&self) -> Box<Space> {
        self.search.axes().into()
    }

    /// A setting that is proposed, with its trials.
    pub fn proposed(&self, setting: &Setting) -> Proposed {
        let (point, setting) = self.search.point(setting);
        let (mut trials, mut problems) = (Vec::new(), Vec::new());
        let (mut applying, mut used) = (setting.clone(), BTreeSet::new());
        let seeds: Vec<Option<&Point>> =
            if self.seeds.is_empty() { vec![None] } else { self.seeds.iter().map(Some).collect() };
        for seed in seeds {
            let choice: Vec<&Point> = [&point].into_iter().chain(seed).collect();
            let resolved: ResolvedPoint = self.resolver.point(&choice);
            applying = self.search.applying(&setting, &|key| resolved.applies(key));
            used.extend(self.search.keys().filter(|key| resolved.applies(key)).cloned());
            match self.resolver.trial(resolved) {
                Ok(trial) => trials.push(trial),
                Err(of_trial) => problems.extend(of_trial),
            }
        }
        let written = point.iter().filter(|one| used.contains(&one.key));
        let written = written.filter_map(|one| Some((one.key.clone(), as_json(one.value.as_ref()?))));
        let trials = match problems.first() {
            None => Ok(trials),
            Some(problem) => Err(problem.message.clone()),
        };
        Proposed { setting: applying, values: written.collect(), trials }
    }
}

/// Errors of a search together with its trials, of which some are known.
pub(super) fn problems(document: &Document, search: &Search, trial: &Trial) -> Vec<Problem> {
    let epochs = trial.spec().train.epochs;
    let mut problems = Vec::new();
    let static_key = |key: &str| description().key(key).map(|key| key.dotted.as_str());
    if let Some(least) = search.min_epochs {
        let rules = search.rules(epochs);
        // The last one is the end of the training, not a comparison that stops.
        let inner = rules.rungs.split_last().map_or(&[][..], |(_, inner)| inner);
        if least >= epochs {
            let message = format!(
                "`search.stop.min_epochs` is {least}, but `train.epochs` is {epochs}: no setting would be stopped"
            );
            let help = "lower `min_epochs`, raise `train.epochs`, or remove `[search.stop]`";
            problems.push(Problem::new(&["search.stop.min_epochs", "train.epochs"], message, help));
        } else if let Some(rung) = without_full_weight(trial.spec(), trial.training(), inner) {
            let message = format!(
                "the rung at epoch {rung} is inside the warm-up of the KL weight or of the capacity: settings would be compared by \
                 how slowly they warm up"
            );
            let help = "raise `min_epochs` above the warm-up, or shorten the warm-up";
            let keys = ["search.stop.min_epochs", "objective.kl_warmup_epochs", "objective.capacity_steps"];
            problems.push(Problem::new(&keys, message, help));
        }
        if search.keys().any(|key| key == "train.epochs") {
            let message =
                "`train.epochs` is searched, but `[search.stop]` compares settings after equal numbers of epochs";
            problems.push(Problem::new(
                &["train.epochs"],
                message,
                "remove it from `[search.space]`, or remove `[search.stop]`",
            ));
        }
    }
    if trial.dataset().validation.is_empty() {
        let message = "a search compares settings on the validation images, but there are none";
        problems.push(Problem::new(
            &["data.validation", "search.metric", "search.trials", "search.hours"],
            message,
            "set `data.validation`",
        ));
    }
    let name = &*search.metric.name;
    if name == BITS_PER_DIM && !trial.training().has_bits_per_dim() {
        let message =
            "the trials have no `bits_per_dim`: it is that of a probability or of dequantized values, with a KL";
        problems.push(Problem::new(&["search.metric"], message, "set `search.metric` to \"validation_elbo_nats\""));
    }
    if !document.expectations().is_empty() {
        let message = "`[[expect]]` names the setting of a sweep, but a search proposes its settings itself";
        problems.push(Problem::new(&["search.trials", "search.hours"], message, "remove `[[expect]]` or `[search]`"));
    }
    for key in search.keys() {
        let Some(known) = static_key(key) else { continue };
        let is_of_data = key.starts_with("data.") || description().key(key).is_some_and(|key| key.role() == Role::Data);
        if is_of_data {
            let message = format!("`{key}` is searched, but metrics of different images are not comparable");
            problems.push(Problem::new(&[known], message, "compare data in a sweep, each by itself"));
        } else if ["model.likelihood", "model.posterior"].contains(&key.as_str()) {
            let message = format!("`{key}` is searched, but metrics of different values of it are not comparable");
            problems.push(Problem::new(&[known], message, "run one search for each value"));
        } else if name == LOSS && changes_unit_of_loss(key, trial) {
            let message = format!("`{key}` is searched, but losses of different values of it are not comparable");
            let help =
                format!("set `search.metric` to \"validation_{ELBO_NATS}\", or another metric whose unit is fixed");
            problems.push(Problem::new(&[known, "search.metric"], message, help));
        }
    }
    problems
}

/// Whether losses of trials that differ in a key have different units.
fn changes_unit_of_loss(key: &str, trial: &Trial) -> bool {
    let depends_on_sizes = objective::depends_on_sizes(trial.spec().objective.kind.name());
    objective::changes_unit_of_loss(key, depends_on_sizes)
}
