//! The trials of a sweep: resolves and checks every combination of its points.

use super::expect::expected;
use super::problems::{Repeated, is_hidden, locate, locate_unused};
use super::resolve::{ResolvedPoint, Resolver};
use super::trial::same;
use super::{Plan, Problem, Searching, Trial, search};
use crate::language::diagnostics::{Diagnostic, Diagnostics};
use crate::language::sweep::{HARD_LIMIT, Pattern, Point};
use crate::language::{Document, Search};
use crate::settings::as_json;
use crate::text::{counted, grouped};
use rayon::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// How many points are resolved at a time.
const AT_A_TIME: usize = 256;

/// The plan of all trials, or all errors in them.
pub(super) fn plan(resolver: Resolver) -> Result<Plan, Diagnostics> {
    let document = resolver.document().clone();
    let sweep = document.sweep();
    let mut faults = document.faults().to_vec();
    if sweep.count().is_none_or(|count| count > u128::from(sweep.limit)) {
        faults.push(too_many(&document));
        return Err(Diagnostics::new(document.sources(), faults));
    }
    let points = sweep.count().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let (mut trials, mut choices, mut known): (Vec<Trial>, Vec<usize>, BTreeSet<String>) = Default::default();
    let (mut unused, mut found): (BTreeMap<_, _>, Vec<Repeated>) = (BTreeMap::new(), Vec::new());
    let (mut count, mut excluded) = (0, vec![0usize; sweep.exclude.len()]);
    let has_faults = !faults.is_empty();
    // Several at a time are resolved by all cores, but not all of them, which would take much memory.
    let resolved = (0..points.div_ceil(AT_A_TIME)).flat_map(|group| {
        let numbers = (group * AT_A_TIME)..points.min((group + 1) * AT_A_TIME);
        resolve(&resolver, numbers)
    });
    for (Resolved { number, choice, matching, unused: of_point, .. }, trial) in resolved {
        matching.iter().zip(&mut excluded).for_each(|(matches, count)| *count += usize::from(*matches));
        // An excluded point has none.
        let Some(trial) = trial else { continue };
        count += 1;
        for problem in of_point.iter().filter(|problem| !is_hidden(&document, &choice, problem)) {
            let uses = unused.entry(problem.keys.clone()).or_insert((problem.clone(), choice.clone(), 0));
            uses.2 += 1;
        }
        let (trial, problems) = match trial {
            Ok(trial) => {
                let of_search = document.search().map(|search| search::problems(&document, search, &trial));
                (Some(trial), of_search.unwrap_or_default())
            }
            Err(problems) => (None, problems),
        };
        let warnings = trial.iter().flat_map(Trial::problems).map(|problem| (problem.clone(), true));
        for (problem, is_warning) in problems.into_iter().map(|problem| (problem, false)).chain(warnings) {
            if let Some(item) = locate(&document, &choice, &problem) {
                Repeated::add(&mut found, &document, number, &problem, Diagnostic { is_warning, ..item });
            }
        }
        // Equal trials, for example from a value listed twice, are kept once.
        if let Some(trial) = trial
            && known.insert(trial.id().to_owned())
        {
            choices.push(number);
            // The trials of a refused sweep would only take memory. A key that no trial has used so far is probably an error.
            let is_refused = has_faults
                || !found.iter().all(Repeated::is_warning)
                || unused.values().any(|(_, _, uses)| *uses == count);
            match is_refused {
                true => trials = Vec::new(),
                false => trials.push(trial),
            }
        }
    }
    let (mut warnings, mut all) = (Vec::new(), faults);
    for (problem, choice, uses) in unused.into_values() {
        if uses == count {
            let item = locate_unused(&document, &choice, &problem);
            item.into_iter().for_each(|item| if item.is_warning { &mut warnings } else { &mut all }.push(item));
        }
    }
    for item in found.into_iter().map(|found| found.into_diagnostic(count, sweep.is_partial)) {
        if item.is_warning { &mut warnings } else { &mut all }.push(item);
    }
    for (pattern, _) in sweep.exclude.iter().zip(&excluded).filter(|(_, excluded)| **excluded == 0) {
        // No warning if a source of higher priority sets one of the keys: the pattern was written for other values.
        let settled =
            |key: &String| document.entry(key).is_some_and(|entry| document.is_later(&entry.key, &pattern.location));
        if !pattern.values.keys().any(settled) {
            let item = Diagnostic::at(&pattern.location, "this `[[sweep.exclude]]` matches no trial");
            warnings.push(Diagnostic { is_warning: true, ..item.with_help("correct its values, or remove it") });
        }
    }
    if count == 0 && all.is_empty() {
        let place = sweep.exclude.first().map(|pattern| pattern.location.clone());
        let help = "remove this table, or add keys to it so that it matches fewer trials";
        all.push(Diagnostic::new(place, "every trial is excluded").with_help(help));
    }
    if !all.is_empty() {
        return Err(Diagnostics::new(document.sources(), all));
    }
    if trials.len() < choices.len() {
        // A later trial used the key.
        trials.clear();
        for number in &choices {
            let choice = sweep.choice(*number);
            let point = resolver.point(&choice);
            let trial = resolver.trial(point).map_err(|problems| {
                let located = problems.iter().filter_map(|problem| locate(&document, &choice, problem));
                Diagnostics::new(document.sources(), located)
            });
            trials.push(trial?);
        }
    }
    let name = trials.first().map(|trial| trial.name().to_owned()).unwrap_or_default();
    let mut varied = sweep.keys();
    // A search may vary keys that none of these trials has.
    let searched: Vec<String> = document.search().into_iter().flat_map(Search::keys).cloned().collect();
    varied.retain(|key| !searched.contains(key));
    varied.splice(0..0, searched);
    let (expected, found) = expected(&document, &trials, &|path| resolver.whole_path(path));
    let (of_expected, faults): (Vec<Diagnostic>, Vec<Diagnostic>) = found.into_iter().partition(|item| item.is_warning);
    if !faults.is_empty() {
        return Err(Diagnostics::new(document.sources(), faults));
    }
    warnings.extend(of_expected);
    let warnings = Diagnostics::new(document.sources(), warnings);
    let (combinations, left_out) = (count, BTreeSet::new());
    let search = document.search().map(|search| Searching::new(search.clone(), &trials, resolver));
    Ok(Plan { name, trials, choices, combinations, varied, left_out, document, expected, search, warnings })
}

/// The points of some numbers; each with its trial or its errors, unless it is excluded.
fn resolve(resolver: &Resolver, numbers: Range<usize>) -> Vec<(Resolved<'_>, Option<Result<Trial, Vec<Problem>>>)> {
    if numbers.len() == 1 {
        // The process of a trial has one; it would start a thread for each core.
        let one = numbers.map(|number| {
            let mut one = Resolved::new(resolver, number);
            let trial = one.point.take().map(|point| resolver.trial(point));
            (one, trial)
        });
        return one.collect();
    }
    let points: Vec<Resolved<'_>> = numbers.into_par_iter().map(|number| Resolved::new(resolver, number)).collect();
    // Images are read one after the other.
    let datasets: Vec<_> = points.iter().map(|one| one.point.as_ref().map(|point| resolver.dataset(point))).collect();
    let trials = points.into_par_iter().zip(datasets).map(|(mut one, dataset)| {
        let trial = one.point.take().zip(dataset).map(|(point, dataset)| resolver.trial_of(point, dataset));
        (one, trial)
    });
    trials.collect()
}

/// A point of the sweep.
struct Resolved<'d> {
    number: usize,
    choice: Vec<&'d Point>,
    /// For each pattern of what is excluded, whether the point matches.
    matching: Vec<bool>,
    /// Keys that were written but do not apply.
    unused: Vec<Problem>,
    /// `None` if it is excluded.
    point: Option<ResolvedPoint>,
}

impl Resolved<'_> {
    /// Resolves the point of a number.
    fn new(resolver: &Resolver, number: usize) -> Resolved<'_> {
        let sweep = resolver.document().sweep();
        let choice = sweep.choice(number);
        let mut point = resolver.point(&choice);
        let matching: Vec<bool> = match sweep.exclude.as_slice() {
            [] => Vec::new(),
            patterns => {
                let values = point.spec.values();
                patterns.iter().map(|pattern| matches(pattern, &values)).collect()
            }
        };
        let unused = std::mem::take(&mut point.unused);
        let point = (!matching.contains(&true)).then_some(point);
        Resolved { number, choice, matching, unused, point }
    }
}

/// Whether a trial matches a pattern: for each key, it has one of the values.
fn matches(pattern: &Pattern, values: &BTreeMap<String, Value>) -> bool {
    pattern.values.iter().all(|(key, any)| any.iter().any(|value| same(&as_json(value), values.get(key))))
}

/// The error for a sweep with too many trials.
fn too_many(document: &Document) -> Diagnostic {
    let (sweep, count) = (document.sweep(), document.sweep().count());
    let found = match count.filter(|count| *count < 10u128.pow(30)) {
        Some(count) => counted(count, "trial"),
        None => "more than 10^30 trials".to_owned(),
    };
    let message = format!("the sweep has {found}, but its limit is {}", grouped(sweep.limit));
    let help = match count.is_some_and(|count| count <= u128::from(HARD_LIMIT)) {
        true => "use fewer values, split the experiment, or raise `sweep.limit`".to_owned(),
        false => format!("use fewer values, or `[sweep.random]`; the maximum is {} trials", grouped(HARD_LIMIT)),
    };
    Diagnostic::new(sweep.longest(), message).with_help(help)
}
