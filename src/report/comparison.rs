//! Compares the settings of an experiment: trials that differ only in the seed are one setting, and settings are sorted by a
//! metric that is comparable.

use super::columns::{MetricColumn, columns};
use super::numbers::{Summary, significant};
use super::significance;
use super::trial::{DATA_HASH, POSTERIOR};
use super::{Experiment, ReportedTrial};
use crate::evaluation::{self, Scope};
use crate::language::{description, determines};
use crate::launch::FrozenSearch;
use crate::metrics::{Metric, Split};
use crate::model::likelihood::{self, NatsOf};
use crate::objective;
use crate::plan::value_text;
use crate::record::evaluation::Evaluated;
use crate::record::trial::Status;
use crate::settings::Role;
use crate::text::counted;
use crate::train::measure::{self, EFFECTIVE_BETA, ELBO_NATS, LOSS};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The factor that makes lower values of a metric better.
fn sign(metric: &str) -> Option<f64> {
    measure::all().find(|one| one.name == metric)?.sign()
}

/// If the largest value of a swept key is at least this multiple of the smallest, its axis is logarithmic.
const DECADES: f64 = 20.0;

/// The settings of an experiment, best first.
pub(super) struct Comparison<'a> {
    /// Dotted keys that vary, without the seed.
    pub(super) varied: Vec<&'a str>,
    /// The split of the metrics: training only if no trial has validation metrics.
    pub(super) split: Split,
    /// The metric that the settings are sorted by.
    pub(super) sorted_by: &'static str,
    /// Whether the metrics of all trials are comparable.
    pub(super) is_comparable: bool,
    /// Notes for readers of the metrics.
    pub(super) notes: Vec<String>,
    /// The columns of its tables.
    pub(super) columns: Vec<&'static MetricColumn>,
    /// The settings, best first; settings without that metric are last.
    pub(super) settings: Vec<Setting<'a>>,
}

/// A note for each metric of the evaluation that trials were measured in with different settings: a mean over them means nothing.
pub fn measured_differently<'t>(trials: impl Iterator<Item = &'t ReportedTrial>) -> Vec<String> {
    let mut found: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    for result in results(trials) {
        let recipe = &result.recipe;
        let of_setting = evaluation::find(&recipe.metric).is_none_or(|metric| metric.scope() == Scope::Setting);
        if !of_setting && result.refused.is_none() {
            found.entry((&recipe.metric, recipe.of_images())).or_default().insert(recipe.settings_text());
        }
    }
    let several = found.into_iter().filter(|(_, settings)| settings.len() > 1);
    let note = |((metric, images), settings): ((&str, String), BTreeSet<String>)| {
        let settings = settings.into_iter().collect::<Vec<_>>().join(" and with ");
        format!(
            "warning: {metric}{images} was measured with {settings}: such values are not comparable; measure all trials alike with `vaex evaluate`"
        )
    };
    several.map(note).collect()
}

/// What the trials were measured in.
fn results<'t>(trials: impl Iterator<Item = &'t ReportedTrial>) -> impl Iterator<Item = &'t Evaluated> {
    trials.flat_map(|trial| &trial.evaluation).flat_map(|evaluation| &evaluation.results)
}

/// What readers of metrics should know about some of the trials: one note per metric.
fn remarks(trials: &[ReportedTrial]) -> Vec<String> {
    let mut found: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for trial in trials {
        for result in results(std::iter::once(trial)) {
            let recipe = &result.recipe;
            if let Some(remark) = evaluation::find(&recipe.metric).and_then(|metric| metric.remark(&result.details)) {
                let remark = format!("{}: {remark}", trial.record.trial);
                found.entry((&recipe.metric, recipe.of_images())).or_default().push(remark);
            }
        }
    }
    let note = |((metric, images), remarks): ((&str, String), Vec<String>)| {
        format!("warning: {metric}{images}, {} of {}; {}", remarks.len(), counted(trials.len(), "trial"), remarks[0])
    };
    found.into_iter().map(note).collect()
}

/// Trials that differ only in the seed.
pub(super) struct Setting<'a> {
    pub(super) trials: Vec<&'a ReportedTrial>,
}

impl<'a> Setting<'a> {
    /// The setting's value of a key.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.trials.first()?.value(key)
    }

    /// The trials that are done; only their metrics count.
    pub(super) fn done(&self) -> impl Iterator<Item = &'a ReportedTrial> {
        self.trials.iter().copied().filter(|trial| trial.record.status == Status::Done)
    }

    /// The summary of a column over the trials that are done.
    pub(super) fn summary(&self, column: &MetricColumn, split: Split) -> Option<Summary> {
        Summary::of(&self.done().filter_map(|trial| column.of(trial, split)).collect::<Vec<f64>>())
    }

    /// The mean of a metric in the kept epochs; `None` if it is absent or NaN.
    fn mean(&self, name: &str, split: Split) -> Option<f64> {
        let values = self.done().filter_map(|trial| trial.kept(split)?.get(name));
        Summary::of(&values.collect::<Vec<f64>>()).map(|summary| summary.mean).filter(|mean| !mean.is_nan())
    }
}

/// The epochs whose metrics are shown of some trials, in words.
pub fn epochs_in_words<'t>(trials: impl Iterator<Item = &'t ReportedTrial>) -> &'static str {
    let keep_best = |trial: &ReportedTrial| trial.value("train.keep").is_some_and(|keep| keep == "best");
    let (best, last): (Vec<_>, Vec<_>) = trials.partition(|trial| keep_best(trial));
    match (best.is_empty(), last.is_empty()) {
        (true, _) => "the last epoch",
        (false, true) => "the best epoch",
        (false, false) => "the epoch that is kept",
    }
}

impl<'a> Comparison<'a> {
    pub(super) fn of(experiment: &'a Experiment) -> Comparison<'a> {
        let trials = &experiment.trials;
        let differing = differing_keys(&trials.iter().collect::<Vec<_>>());
        let varied = telling_keys(trials);
        let (settings, repeated) = settings(trials);
        let has_validation = trials.iter().any(|trial| trial.last(Split::Validation).is_some());
        let mut comparison = Comparison {
            varied: varied.into_iter().filter(|key| !is_identity(key)).collect(),
            split: if has_validation { Split::Validation } else { Split::Train },
            sorted_by: LOSS,
            is_comparable: true,
            notes: Vec::new(),
            columns: columns().iter().filter(|column| column.is_of(trials)).collect(),
            settings,
        };
        comparison.sort(&differing, trials, experiment.search.as_ref().and_then(FrozenSearch::metric));
        let (metric, split) = (comparison.sorted_by, comparison.split);
        let done: Vec<Vec<&ReportedTrial>> = comparison.settings.iter().map(|one| one.done().collect()).collect();
        comparison.notes.extend(significance::of_seeds(&done, metric, split));
        comparison.notes.extend(significance::of_images(&done));
        comparison.notes.extend(measured_differently(trials.iter()));
        comparison.notes.extend(remarks(trials));
        comparison.notes.extend(warnings(trials));
        if experiment.without_folder > 0 {
            let planned = counted(experiment.without_folder, "trial");
            let have = if experiment.without_folder == 1 { "has" } else { "have" };
            comparison.notes.push(format!("{planned} of the plan {have} not been started"));
        }
        if repeated > 0 {
            let repeated = counted(repeated, "trial");
            comparison.notes.push(format!("{repeated} left out: same seed, data and settings as another trial"));
        }
        comparison
    }

    /// The epochs that the metrics are of, in words.
    pub(super) fn of_epochs(&self) -> &'static str {
        epochs_in_words(self.settings.iter().flat_map(|setting| setting.trials.iter().copied()))
    }

    /// The best trial of the best setting that has a trial with the metric; `None` without validation metrics, because training
    /// metrics select the trial that fits its own images best.
    pub(super) fn best(&self) -> Option<&'a ReportedTrial> {
        if self.split == Split::Train {
            return None;
        }
        let (name, sign) = (self.sorted_by, sign(self.sorted_by)?);
        self.settings.iter().find_map(|setting| {
            let values = setting.done().filter_map(|trial| Some((sign * trial.kept(self.split)?.get(name)?, trial)));
            let values = values.filter(|(value, _)| !value.is_nan());
            values.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, trial)| trial)
        })
    }

    /// Whether the axis of a key is logarithmic: in a search that draws it so, or by its values.
    pub(super) fn is_logarithmic(&self, experiment: &Experiment, key: &str) -> bool {
        let mut axes = experiment.search.iter().flat_map(|search| &search.axes);
        self.spans_decades(key) || axes.any(|axis| axis.name == key && axis.domain.is_log())
    }

    /// Whether the values of a key are positive and either span a large range, or have approximately equal ratios, as in a sweep on
    /// a logarithmic scale.
    fn spans_decades(&self, key: &str) -> bool {
        let values: Option<Vec<f64>> = self.settings.iter().map(|setting| setting.value(key)?.as_f64()).collect();
        let Some(mut values) = values.filter(|values| values.iter().all(|value| *value > 0.0)) else { return false };
        values.sort_by(f64::total_cmp);
        values.dedup();
        let (Some(low), Some(high)) = (values.first(), values.last()) else { return false };
        // Equal ratios and equal differences can be distinguished with at least three values; values close to one another have both.
        let is_even = |place: fn(f64) -> f64| {
            let steps: Vec<f64> = values.windows(2).map(|pair| place(pair[1]) - place(pair[0])).collect();
            steps.len() > 1 && steps.iter().all(|step| (step / steps[0] - 1.0).abs() < 0.1)
        };
        *high >= DECADES * low || (is_even(f64::ln) && !is_even(|value| value))
    }

    /// The last segment of a key if it is unambiguous, else the whole key.
    pub(super) fn short(&self, key: &'a str) -> &'a str {
        let last = |key: &'a str| key.rsplit('.').next().unwrap_or(key);
        let heads = self.columns.iter().map(|column| column.head).chain(["seeds"]);
        let others = self.varied.iter().filter(|other| **other != key).map(|other| last(other));
        if heads.chain(others).any(|other| other == last(key)) { key } else { last(key) }
    }

    /// Sorts the settings. Adds notes on what they are sorted by and on what is not comparable.
    fn sort(&mut self, differing: &BTreeSet<&str>, trials: &[ReportedTrial], searched: Option<&'static Metric>) {
        let why_not_loss = self.why_not_loss(differing);
        self.sorted_by = match (searched, &why_not_loss) {
            (Some(metric), _) => &metric.name,
            (None, Some(_)) => ELBO_NATS,
            (None, None) => LOSS,
        };
        let mut ranked: Vec<_> =
            self.settings.drain(..).map(|one| (rank(&one, self.sorted_by, self.split), one)).collect();
        ranked.sort_by(|((one, rank), _), ((other, other_rank), _)| one.cmp(other).then(rank.total_cmp(other_rank)));
        self.settings.extend(ranked.into_iter().map(|(_, setting)| setting));
        // Those that a search stopped early are last; the further they came, the earlier.
        let place = |setting: &Setting<'a>| {
            let pruned = setting.trials.iter().find_map(|trial| trial.pruned())?;
            Some((Reverse(pruned.epoch), pruned.rank))
        };
        self.settings.sort_by_key(place);
        if self.settings.len() > 1 {
            self.notes.push(match why_not_loss {
                _ if searched.is_some() => {
                    let first = if sign(self.sorted_by) == Some(-1.0) { "highest" } else { "lowest" };
                    format!("sorted by {}, {first} first: the metric of the search", self.sorted_by)
                }
                Some(why) => format!("sorted by {ELBO_NATS}, highest first: {LOSS} is not comparable, because {why}"),
                None => format!("sorted by {LOSS}, lowest first"),
            });
        }
        let by_elbo = self.sorted_by == ELBO_NATS && self.settings.len() > 1;
        if let Some(note) = trials.iter().find_map(note_on_bound).filter(|_| by_elbo) {
            self.notes.push(note);
        }
        let cautions = cautions(differing, trials, by_elbo);
        self.is_comparable = cautions.is_empty();
        self.notes.extend(cautions);
        if !by_elbo && !differing.contains(POSTERIOR) && trials.iter().any(ReportedTrial::is_plain) {
            self.notes.push(WITHOUT_KL.to_owned());
        }
    }

    /// Why the losses of the settings have different units; `None` if they have the same unit.
    fn why_not_loss(&self, differing: &BTreeSet<&str>) -> Option<String> {
        let has_sizes = self.settings.iter().flat_map(|setting| &setting.trials).any(|trial| {
            trial.value("objective.kind").and_then(Value::as_str).is_some_and(objective::depends_on_sizes)
        });
        let decides = |key: &&&str| objective::changes_unit_of_loss(key, has_sizes);
        let keys: Vec<&str> = differing.iter().filter(decides).copied().collect();
        // Only varied keys are named, not keys that merely follow from them.
        let varied: Vec<&str> = keys.iter().copied().filter(|key| self.varied.contains(key)).collect();
        let keys = if varied.is_empty() { keys } else { varied };
        // With a mean over latent axes, the weight of the KL depends on the latent size and on the image size.
        let betas: BTreeSet<String> = self
            .settings
            .iter()
            .flat_map(Setting::done)
            .filter_map(|trial| Some(significant(trial.kept(self.split)?.get(EFFECTIVE_BETA)?, 6)))
            .collect();
        match (keys.is_empty(), betas.len()) {
            (true, 0 | 1) => None,
            (true, _) => Some(format!("{EFFECTIVE_BETA} varies")),
            (false, _) => Some(format!("{} {}", keys.join(", "), if keys.len() == 1 { "varies" } else { "vary" })),
        }
    }
}

/// The keys that distinguish trials: the keys that their experiments vary, and the keys that differ between trials with equal
/// values of these. Keys that merely follow from a varied key, such as defaults of a model family, are not included.
fn telling_keys(trials: &[ReportedTrial]) -> BTreeSet<&str> {
    let listed: BTreeSet<&str> = trials.iter().flat_map(|trial| &trial.record.varied).map(String::as_str).collect();
    let mut groups: BTreeMap<Vec<String>, Vec<&ReportedTrial>> = BTreeMap::new();
    for trial in trials {
        let value = |key: &&str| trial.record.spec.get(*key).map(Value::to_string).unwrap_or_default();
        groups.entry(listed.iter().map(value).collect()).or_default().push(trial);
    }
    let mut telling: BTreeSet<&str> = groups.values().flat_map(|group| differing_keys(group)).collect();
    telling.extend(&listed);
    let mut alike: BTreeMap<Vec<String>, BTreeSet<&str>> = BTreeMap::new();
    for trial in trials {
        let value = |key: &&str| value_text(trial.record.spec.get(*key));
        alike.entry(telling.iter().map(value).collect()).or_default().insert(&trial.record.data_hash);
    }
    if alike.values().any(|hashes| hashes.len() > 1) {
        telling.insert(DATA_HASH);
    }
    telling
}

/// The sort key of a setting: first what is not comparable (plain autoencoders last, densities after probabilities), then a
/// number of which the lowest is best.
fn rank(setting: &Setting, metric: &str, split: Split) -> ((bool, NatsOf), f64) {
    let is_plain = setting.trials.first().is_some_and(|trial| trial.is_plain());
    let nats = setting.value("model.likelihood").and_then(Value::as_str).and_then(likelihood::nats_of);
    let kind = (is_plain, nats.unwrap_or(NatsOf::Bits));
    // NaN and missing values are last.
    (kind, setting.mean(metric, split).zip(sign(metric)).map_or(f64::NAN, |(mean, sign)| sign * mean))
}

/// What the posterior "none" means for the metrics.
const WITHOUT_KL: &str =
    "trials with posterior none have no KL: their elbo_nats is only the reconstruction, not a bound";

/// A note on a trial whose objective has a bound of its own.
fn note_on_bound(trial: &ReportedTrial) -> Option<String> {
    let kind = trial.value("objective.kind")?.as_str()?;
    let bound = objective::BOUND_NATS.name;
    let has_bound = objective::terms_of(kind).iter().any(|term| term.name == bound);
    has_bound.then(|| {
        format!("the bound of {kind} is {bound}, which is tighter than {ELBO_NATS}; the order is that of {ELBO_NATS}")
    })
}

/// Notes on metrics that are not comparable. `by_elbo` says whether settings are sorted by the ELBO.
fn cautions(differing: &BTreeSet<&str>, trials: &[ReportedTrial], by_elbo: bool) -> Vec<String> {
    let posteriors_differ = differing.contains(POSTERIOR);
    let of_pixels = |key: &&str| key.starts_with("data.") && !is_found_by_hash(key);
    let data = data_hashes(trials).len() > 1 || differing.iter().any(of_pixels);
    let likelihoods = trials.iter().filter_map(|trial| trial.record.spec.get("model.likelihood")?.as_str());
    let kinds: BTreeSet<NatsOf> = likelihoods.filter_map(likelihood::nats_of).collect();
    let titles: Vec<&str> = kinds.into_iter().map(NatsOf::title).collect();
    let of_likelihoods = format!("likelihoods are not comparable ({}): sorted separately", titles.join(" and "));
    let cautions = [
        (titles.len() > 1, of_likelihoods.as_str()),
        (posteriors_differ, &format!("{WITHOUT_KL}; sorted last")),
        (!posteriors_differ && by_elbo && trials.iter().any(ReportedTrial::is_plain), WITHOUT_KL),
        (data, "the data vary: metrics of different images are not comparable"),
    ];
    let applying = cautions.into_iter().filter(|(applies, _)| *applies);
    applying.map(|(_, caution)| caution.to_owned()).collect()
}

/// The warnings of the plan. Warnings that differ only in numbers are listed once, with the number of trials.
fn warnings(trials: &[ReportedTrial]) -> Vec<String> {
    let mut kinds: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for warning in trials.iter().flat_map(|trial| &trial.record.warnings) {
        let kind = warning.chars().filter(|c| !c.is_ascii_digit() && !".,-".contains(*c)).collect();
        kinds.entry(kind).or_insert((warning, 0)).1 += 1;
    }
    let text = |(warning, count): (&str, usize)| match count == trials.len() {
        true => format!("warning: {warning}"),
        false => format!("warning: {warning} (in {count} of {})", counted(trials.len(), "trial")),
    };
    kinds.into_values().map(text).collect()
}

/// Keys that distinguish the trials of a setting, but not settings.
fn is_identity(key: &str) -> bool {
    ["seed", "name"].contains(&key)
}

/// Whether a key selects the images: the hash of the data then replaces it.
fn is_found_by_hash(key: &str) -> bool {
    description().key(key).is_some_and(|key| key.role() == Role::Data)
}

fn data_hashes<'a>(trials: impl IntoIterator<Item = &'a ReportedTrial>) -> BTreeSet<&'a str> {
    trials.into_iter().map(|trial| trial.record.data_hash.as_str()).collect()
}

/// The dotted keys whose values differ (a missing value counts as a value), without the seed and without keys that do not
/// affect results.
fn differing_keys<'a>(trials: &[&'a ReportedTrial]) -> BTreeSet<&'a str> {
    let keys: BTreeSet<&str> = trials.iter().flat_map(|trial| trial.record.spec.keys()).map(String::as_str).collect();
    let values = |key: &str| trials.iter().map(|trial| value_text(trial.record.spec.get(key))).collect::<BTreeSet<_>>();
    let same_data = data_hashes(trials.iter().copied()).len() < 2;
    let matters = |key: &str| determines(key) && !(same_data && is_found_by_hash(key));
    keys.into_iter().filter(|key| !is_identity(key) && matters(key) && values(key).len() > 1).collect()
}

/// Groups trials by everything that determines their results except the seed, so that means are over seeds only. Also returns
/// how many trials are left out because their seed is already in the setting.
fn settings(trials: &[ReportedTrial]) -> (Vec<Setting<'_>>, usize) {
    type Identity<'a> = (u64, &'a str, Vec<(&'a str, String)>);
    let mut settings: BTreeMap<Identity, Setting> = BTreeMap::new();
    for trial in trials {
        let matters = |key: &str| !is_identity(key) && determines(key) && !is_found_by_hash(key);
        let spec = trial.record.spec.iter().filter(|(key, value)| matters(key) && !value.is_null());
        let spec = spec.map(|(key, value)| (key.as_str(), value_text(Some(value)))).collect();
        let setting = settings.entry((trial.record.numerics, &trial.record.data_hash, spec));
        setting.or_insert_with(|| Setting { trials: Vec::new() }).trials.push(trial);
    }
    let mut settings: Vec<Setting> = settings.into_values().collect();
    for setting in &mut settings {
        let order: BTreeMap<&str, usize> =
            setting.trials.iter().enumerate().map(|(index, trial)| (&*trial.record.trial, index)).collect();
        // Of trials with the same seed, one that is done is kept, if there is one.
        setting.trials.sort_by_key(|trial| trial.record.status != Status::Done);
        let mut seeds = BTreeSet::new();
        setting.trials.retain(|trial| seeds.insert(value_text(trial.value("seed"))));
        setting.trials.sort_by_key(|trial| order.get(&*trial.record.trial));
    }
    let kept: usize = settings.iter().map(|setting| setting.trials.len()).sum();
    (settings, trials.len() - kept)
}
