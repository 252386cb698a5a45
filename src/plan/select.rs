//! Selects the trials of a plan to run: `--only` and `--limit`.

use super::{Plan, value_text};
use crate::language::named_key;
use crate::settings::nearest;
use serde_json::Value;
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

impl Plan {
    /// Selects the trials that match every `KEY=VALUE` of `only`, and of these the first `limit`. `trial=ID` selects the
    /// trials whose id starts with ID.
    ///
    /// # Errors
    /// A text is not `KEY=VALUE`, its key does not exist in any trial, or no trial matches.
    pub fn select(&mut self, only: &[String], limit: Option<usize>) -> Result<(), String> {
        let mut chosen: Vec<usize> = match only {
            [] => (0..self.trials.len()).collect(),
            only => {
                let trials: Vec<_> = self.trials.iter().map(|trial| (trial.id(), trial.values())).collect();
                matching(&self.name, &trials, only)?
            }
        };
        chosen.truncate(limit.unwrap_or(usize::MAX));
        let chosen: BTreeSet<usize> = chosen.into_iter().collect();
        let others = self.trials.iter().enumerate().filter(|(index, _)| !chosen.contains(index));
        self.left_out = others.map(|(_, trial)| trial.id().to_owned()).collect();
        Ok(())
    }
}

/// The indices of the trials that match every `KEY=VALUE` of `only`, from their ids and the values of their specs; `trial=ID` matches
/// those whose id starts with ID. `name` is that of their experiment.
///
/// # Errors
/// A text is not `KEY=VALUE`, its key does not exist in any trial, or no trial matches.
pub fn matching<V: Borrow<BTreeMap<String, Value>>>(
    name: &str,
    trials: &[(&str, V)],
    only: &[String],
) -> Result<Vec<usize>, String> {
    let keys: BTreeSet<&String> = trials.iter().flat_map(|(_, values)| values.borrow().keys()).collect();
    let mut chosen: Vec<usize> = (0..trials.len()).collect();
    for text in only {
        let (key, wanted) = selector(text, &keys)?;
        let is_wanted = |(id, values): &(&str, V)| match key.as_str() {
            "trial" => id.starts_with(&wanted),
            key => matches_text(&value_text(values.borrow().get(key)), &wanted),
        };
        if !trials.iter().any(is_wanted) {
            let there = || trials.iter().map(|(_, values)| value_text(values.borrow().get(&key))).collect();
            let there = if key == "trial" { "`vaex plan` lists their ids".to_owned() } else { listed(&key, there()) };
            return Err(format!("no trial of `{name}` matches `--only {text}`: {there}"));
        }
        chosen.retain(|index| trials.get(*index).is_some_and(is_wanted));
    }
    match chosen.is_empty() {
        true => Err(format!("no trial of `{name}` matches all `--only` options together")),
        false => Ok(chosen),
    }
}

/// The key and the value of an argument of `--only`. The last part of a key is enough if no other key has the same last
/// part.
fn selector(text: &str, keys: &BTreeSet<&String>) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`--only {text}` is not KEY=VALUE"))?;
    let (key, value) = (key.trim(), value.trim().trim_matches(['"', '\'']).to_owned());
    if value.is_empty() {
        return Err(format!("`--only {text}` has no value"));
    }
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let mut ending = keys.iter().filter(|one| last(one) == key);
    if key == "trial" || keys.iter().any(|one| *one == key) {
        return Ok((key.to_owned(), value));
    }
    match (ending.next(), ending.next()) {
        (Some(key), None) => Ok(((*key).clone(), value)),
        _ => {
            let synonym = named_key(key).filter(|meant| keys.iter().any(|one| *one == meant)).map(str::to_owned);
            let whole = || nearest(key, keys.iter().map(|one| one.as_str()));
            let near = synonym.or_else(whole).or_else(|| {
                let near = nearest(&last(key), keys.iter().map(|one| one.rsplit('.').next().unwrap_or_default()))?;
                keys.iter().find(|one| last(one) == near).map(|one| (*one).clone())
            });
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Err(format!("`--only {text}`: no trial has a key `{key}`{near}"))
        }
    }
}

/// Whether a value matches the text of `--only`: `[64, 32]` matches `[64,32]`, and 1.0 matches 1.
fn matches_text(found: &str, wanted: &str) -> bool {
    let whole = |text: &str| text.parse::<i64>().ok();
    let number = |text: &str| text.parse::<f64>().ok();
    let bare = |text: &str| text.replace([' ', '"', '\''], "");
    found == wanted
        || match (whole(found), whole(wanted)) {
            (Some(found), Some(wanted)) => found == wanted,
            _ => number(found).is_some_and(|found| number(wanted) == Some(found)),
        }
        || wanted.starts_with('[') && bare(found) == bare(wanted)
}

/// The different values of a key, at most ten.
pub(super) fn listed(key: &str, values: Vec<String>) -> String {
    let mut different: Vec<String> = Vec::new();
    for value in values {
        if !different.contains(&value) {
            different.push(value);
        }
        if different.len() > 10 {
            different[10] = "...".to_owned();
            break;
        }
    }
    format!("`{key}` is {}", different.join(", "))
}
