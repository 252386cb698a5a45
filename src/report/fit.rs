//! What fits on the page: the best settings, and their curves with as many epochs as there is room for.

use super::comparison::{Comparison, Setting};
use super::numbers::rounded;
use super::{ReportedTrial, json};
use crate::metrics::Split;
use crate::text::counted;
use crate::train::measure;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Bytes of the settings and their trials on a page.
const SETTINGS: usize = 1_500_000;
/// Bytes of the learning curves on a page.
const CURVES: usize = 1_200_000;
/// Bytes of the trials of an experiment that are not in its plan.
const UNPLANNED: usize = 100_000;
/// Largest numbers of epochs of a learning curve, in the order in which they are tried; of longer curves, only every n-th epoch is
/// shown.
const EPOCHS: [u64; 4] = [200, 100, 50, 25];

/// A setting and its trials, as the page shows them.
pub(super) struct Entry {
    setting: Value,
    trials: Vec<Value>,
}

/// Values and their sizes in bytes, up to the first one that does not fit.
pub(super) struct Measured<T> {
    values: Vec<T>,
    sizes: Vec<usize>,
}

impl<T> Measured<T> {
    fn until_full(bytes: usize, values: impl Iterator<Item = T>, size: impl Fn(&T) -> usize) -> Measured<T> {
        let mut used = 0;
        let sized = values.map_while(|value| {
            let size = size(&value);
            let fits = used <= bytes;
            used += size;
            fits.then_some((value, size))
        });
        let (values, sizes) = sized.unzip();
        Measured { values, sizes }
    }
}

/// The settings of an experiment, best first, of which not all fit.
pub(super) fn entries(comparison: &Comparison, trial: impl Fn(&ReportedTrial) -> Value) -> Measured<Entry> {
    let entry = |one: &Setting| Entry {
        setting: json::setting(one, comparison),
        trials: one.trials.iter().map(|one| trial(one)).collect(),
    };
    Measured::until_full(SETTINGS, comparison.settings.iter().map(entry), size)
}

/// Adds the settings that fit to each experiment, the best ones first. The others are left out of the comparisons.
pub(super) fn add_settings(comparisons: &mut [Comparison], all: Vec<Measured<Entry>>, experiments: &mut [Value]) {
    let numbers = fitting(all.iter().map(|entries| &*entries.sizes), SETTINGS);
    for (((comparison, entries), value), number) in comparisons.iter_mut().zip(all).zip(experiments).zip(numbers) {
        let left_out: usize = comparison.settings.iter().skip(number).map(|setting| setting.trials.len()).sum();
        if left_out > 0 {
            let worst = counted(left_out, "trial");
            let note = format!("the page has the best settings; the {worst} of the others are in trials.parquet only");
            value["notes"].as_array_mut().into_iter().for_each(|notes| notes.push(note.clone().into()));
        }
        comparison.settings.truncate(number);
        let (settings, trials): (Vec<Value>, Vec<Vec<Value>>) =
            entries.values.into_iter().take(number).map(|entry| (entry.setting, entry.trials)).unzip();
        value["settings"] = settings.into();
        value["trials"] = trials.into_iter().flatten().collect();
    }
}

fn size(entry: &Entry) -> usize {
    entry.setting.to_string().len() + entry.trials.iter().map(|trial| trial.to_string().len()).sum::<usize>()
}

/// How many of the first items of each list fit into `bytes` together. Small lists are whole, if possible.
fn fitting<'s>(sizes: impl Iterator<Item = &'s [usize]>, bytes: usize) -> Vec<usize> {
    let sizes: Vec<&[usize]> = sizes.collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|index| sizes[*index].iter().sum::<usize>());
    let (mut left, mut numbers) = (bytes, vec![0; sizes.len()]);
    for (place, index) in order.into_iter().enumerate() {
        let mut share = left / (sizes.len() - place);
        numbers[index] = sizes[index]
            .iter()
            .take_while(|size| share.checked_sub(**size).inspect(|rest| share = *rest).is_some())
            .count();
        left -= sizes[index].iter().take(numbers[index]).sum::<usize>();
    }
    numbers
}

/// The trials of an experiment that are not in its plan, as many as fit.
pub(super) fn unplanned(trials: impl Iterator<Item = Value>) -> Value {
    let mut size = 0;
    let fits = |trial: &Value| {
        size += trial.to_string().len();
        size <= UNPLANNED
    };
    trials.take_while(fits).collect()
}

/// Adds learning curves, with as many epochs as fit. If there is no room for all trials, those of the worst settings have none.
pub(super) fn add_curves(comparisons: &[Comparison], experiments: &mut [Value]) {
    let mut found = Vec::new();
    for epochs in EPOCHS {
        found = comparisons.iter().map(|comparison| curves_of(comparison, epochs)).collect::<Vec<_>>();
        if found.iter().flat_map(|(_, curves)| &curves.sizes).sum::<usize>() <= CURVES {
            break;
        }
    }
    let numbers = fitting(found.iter().map(|(_, curves)| &*curves.sizes), CURVES);
    let found = comparisons.iter().zip(found);
    for (((comparison, (step, curves)), value), number) in found.zip(experiments).zip(numbers) {
        value["epoch_step"] = json!(step);
        if number < best_first(comparison).count() {
            let note = format!("the page has the learning curves of the best {}", counted(number, "trial"));
            value["notes"].as_array_mut().into_iter().for_each(|notes| notes.push(note.clone().into()));
        }
        let trials = value["trials"].as_array_mut().into_iter().flatten();
        trials.zip(curves.values).take(number).for_each(|(trial, curves)| trial["curves"] = curves);
    }
}

/// The curves of the trials, best settings first, of which not all fit, with at most this number of epochs; and which epochs: every
/// n-th.
fn curves_of(comparison: &Comparison, epochs: u64) -> (u64, Measured<Value>) {
    let last = best_first(comparison).filter_map(ReportedTrial::last_epoch).max().unwrap_or(0);
    let step = last.div_ceil(epochs).max(1);
    let curves = comparison.settings.iter().flat_map(|setting| {
        let shown = shown_epochs(setting, epochs, step);
        setting.trials.iter().map(move |trial| curves(trial, &shown))
    });
    (step, Measured::until_full(CURVES, curves, |curves| curves.to_string().len()))
}

/// Every `step`-th epoch, and the last epochs of all trials of the setting: their mean needs the same epochs.
fn shown_epochs(setting: &Setting, epochs: u64, step: u64) -> BTreeSet<u64> {
    let last = setting.trials.iter().filter_map(|trial| trial.last_epoch());
    (1..=epochs).map(|index| index * step).chain(last).collect()
}

/// Columns of numbers by epoch, for each split.
fn curves(trial: &ReportedTrial, epochs: &BTreeSet<u64>) -> Value {
    let mut curves = Map::new();
    for split in Split::OF_EPOCHS {
        let places = trial.epochs.places().filter(|(_, epoch, of)| *of == split && epochs.contains(epoch));
        let (indices, epochs): (Vec<usize>, Vec<u64>) = places.map(|(index, epoch, _)| (index, epoch)).unzip();
        if indices.is_empty() {
            continue;
        }
        let mut columns = json!({ "epoch": epochs });
        for metric in measure::all().filter(|metric| metric.is_curve && metric.is_of(split)) {
            let numbers = trial.epochs.numbers(&metric.name).unwrap_or_default();
            let values = indices.iter().map(|index| numbers.get(*index).copied().flatten().and_then(rounded));
            columns[&*metric.name] = json!(values.collect::<Vec<_>>());
        }
        curves.insert(split.name().to_owned(), columns);
    }
    curves.into()
}

/// The trials of an experiment by setting, the best setting first: the order of the page's data.
pub(super) fn best_first<'a>(comparison: &Comparison<'a>) -> impl Iterator<Item = &'a ReportedTrial> {
    comparison.settings.iter().flat_map(|setting| setting.trials.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_small_list_does_not_need_is_left_for_the_others() {
        let lists = |counts: &[usize]| counts.iter().map(|count| vec![10; *count]).collect::<Vec<_>>();
        let fit = |counts: &[usize], bytes: usize| fitting(lists(counts).iter().map(|list| &**list), bytes);
        assert_eq!(fit(&[3, 2], 50), [3, 2]);
        assert_eq!(fit(&[9, 1, 9], 100), [4, 1, 5]);
        assert_eq!(fit(&[0, 5], 9), [0, 0]);
        assert_eq!(fit(&[], 9), [0; 0]);
    }

    #[test]
    fn values_end_with_the_first_that_does_not_fit() {
        let sizes = |bytes: usize| Measured::until_full(bytes, [4, 3, 5, 1].into_iter(), |size| *size).sizes;
        assert_eq!(sizes(13), [4, 3, 5, 1]);
        assert_eq!(sizes(7), [4, 3, 5]);
        assert_eq!(sizes(6), [4, 3]);
        assert_eq!(sizes(0), [4]);
    }
}
