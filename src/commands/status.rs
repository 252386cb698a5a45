//! `vaex status`: how the trials of an experiment stand.

use super::{DONE, StatusArgs, WRONG, explain, plain_table, say};
use crate::launch::{self, Frozen, State, lock};
use crate::plan::value_text;
use anyhow::bail;
use comfy_table::CellAlignment;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<u8> {
    let experiments = experiments(&args.folder)?;
    let mut all = Vec::new();
    let mut worst = DONE;
    for experiment in &experiments {
        let plan = match Frozen::read(experiment) {
            Ok(plan) => plan,
            // The others may be in order.
            Err(error) => {
                explain(&error.into());
                worst = WRONG;
                continue;
            }
        };
        let states = launch::states(experiment, &plan)?;
        if args.json {
            all.push(json(experiment, &plan, &states));
        } else {
            say(&text(experiment, &plan, &states));
        }
    }
    if args.json {
        say(&serde_json::Value::from(all).to_string());
    }
    Ok(worst)
}

/// The folder itself where it has a plan, or those in it that have one.
pub(super) fn experiments(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        bail!("{} is not a folder", folder.display());
    }
    let has_plan = |folder: &PathBuf| folder.join(launch::PLAN_FILE).exists();
    if has_plan(&folder.to_path_buf()) {
        return Ok(vec![folder.to_path_buf()]);
    }
    let folders = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = folders.filter(has_plan).collect();
    folders.sort();
    match folders.is_empty() {
        true => bail!("{} is no experiment's folder: it has no {}", folder.display(), launch::PLAN_FILE),
        false => Ok(folders),
    }
}

/// How many trials are in each phase, `3 done, 1 running`.
fn counts(states: &[State]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for state in states {
        match counts.iter_mut().find(|(name, _)| *name == state.phase.name()) {
            Some((_, count)) => *count += 1,
            None => counts.push((state.phase.name(), 1)),
        }
    }
    counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

fn text(experiment: &Path, plan: &Frozen, states: &[State]) -> String {
    let mut table = plain_table();
    let varied = plan.varied.iter().map(|key| key.rsplit('.').next().unwrap_or(key));
    table.set_header(["trial"].into_iter().chain(varied).chain([
        "state",
        "epoch",
        "validation loss",
        "seconds",
        "where",
    ]));
    for state in states {
        let record = state.record.as_ref();
        let values = plan.varied.iter().map(|key| value_text(record.and_then(|record| record.spec.get(key))));
        let epochs = record.and_then(|record| record.spec.get("train.epochs")?.as_u64()).unwrap_or_default();
        let [epoch, loss] = match state.epoch {
            Some((epoch, loss)) => [format!("{epoch}/{epochs}"), format!("{loss:.4}")],
            None => [format!("0/{epochs}"), "-".to_owned()],
        };
        let begun = record.filter(|record| record.seconds > 0.0);
        let seconds = begun.map_or("-".to_owned(), |record| format!("{:.1}", record.seconds));
        let at = match &state.task {
            Some(task) => task.name.clone(),
            None => begun.map_or("-".to_owned(), |record| record.host.clone()),
        };
        let row = [state.phase.name().to_owned(), epoch, loss, seconds, at];
        table.add_row([state.id.clone()].into_iter().chain(values).chain(row));
    }
    let columns = plan.varied.len();
    for (index, column) in table.column_iter_mut().enumerate().skip(1) {
        let is_text = index == columns + 1 || index == columns + 5;
        column.set_cell_alignment(if is_text { CellAlignment::Left } else { CellAlignment::Right });
    }
    let mut text = format!("{}: {}\n\n{table}", plan.name, counts(states)).replace("\\\n", "\n");
    for State { id, error, .. } in states {
        if let Some(error) = error {
            text.push_str(&format!("\n{id}: {error}").replace("\\\n", "\n"));
        }
    }
    if let Some(holder) = lock::holder(experiment) {
        let holder = holder.map_or("a process".to_owned(), |holder| holder.to_string());
        text.push_str(&format!("\nat work: {holder}").replace("\\\n", "\n"));
    }
    text.push('\n');
    text
}

fn json(experiment: &Path, plan: &Frozen, states: &[State]) -> serde_json::Value {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    states.iter().for_each(|state| *counts.entry(state.phase.name()).or_default() += 1);
    let trials = states.iter().map(|state| {
        let record = state.record.as_ref();
        serde_json::json!({
            "trial": state.id,
            "state": state.phase.name(),
            "epoch": state.epoch.map(|(epoch, _)| epoch),
            "validation_loss": state.epoch.map(|(_, loss)| loss),
            "seconds": record.map(|record| record.seconds),
            "host": record.map(|record| &record.host),
            "task": state.task.as_ref().map(|task| &task.name),
            "error": state.error,
        })
    });
    let trials: Vec<_> = trials.collect();
    let folder = experiment.to_string_lossy();
    serde_json::json!({ "name": plan.name, "folder": folder, "counts": counts, "trials": trials })
}
