//! `vaex run --verify-repro TRIAL`: trains a finished trial again in a temporary folder and compares all bits.

use super::arguments::RunArgs;
use crate::commands::shared::exit::{DONE, FAILED, INTERRUPTED};
use crate::commands::shared::print::say;
use crate::commands::shared::progress::{Progress, say_event};
use crate::commands::shared::schedulers::Launcher;
use crate::commands::shared::signals::{self, STOP};
use crate::commands::shared::trial::prepared_trial;
use crate::data::Cache;
use crate::folder::{self, TrialFolder};
use crate::launch::{self, Options};
use crate::metrics::Row;
use crate::plan::{NUMERICS, value_text};
use crate::record::tables::read_metrics;
use crate::record::trial::{Status, TrialRecord};
use crate::train::measure::LOSS;
use crate::trial;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;

pub(super) fn run(folder: &Path, args: &RunArgs) -> anyhow::Result<u8> {
    let files = TrialFolder::new(folder);
    if !files.has_record()? {
        bail!("{} is not a trial folder: it has no {}", folder.display(), TrialFolder::RECORD);
    }
    if args.submit.launcher != Launcher::Local || args.submit.print || args.submit.wait {
        bail!("--verify-repro runs on this machine only; remove the options of the scheduler");
    }
    let record = TrialRecord::read(&files)?;
    if record.numerics != NUMERICS {
        let (folder, version) = (folder.display(), &record.version);
        bail!(
            "{folder} was trained by vaex {version}, and this version of vaex does not give bit-identical results; see CHANGELOG.md"
        );
    }
    let (plan, _) = prepared_trial(&files, &record.trial, Cache::of_environment())?;
    if record.status != Status::Done {
        bail!("{} is {}; only a trial that is done can be verified", folder.display(), record.status.name());
    }
    if let Some(path) = trial::fault(&files, &record) {
        bail!("{} is damaged or missing", path.display());
    }
    let elsewhere = tempfile::tempdir().context("cannot create a temporary folder")?;
    let options = Options { runs: elsewhere.path().to_path_buf(), ..args.options() };
    signals::stop_then_exit()?;
    let launch = launch::prepare(&plan, &options, &BTreeMap::new())?;
    let mut progress = Progress::new(&plan, args.json);
    let summary = launch.run(&STOP, &mut |event| progress.show(&event));
    progress.finish();
    if STOP.load(Ordering::Relaxed) {
        return Ok(INTERRUPTED);
    }
    let again = launch::folder(&plan, &options.runs).trials()?;
    let again = again.find(&record.trial).context("the second training created no trial folder")?;
    let record_again = TrialRecord::read(again)?;
    if summary.done == 0 {
        bail!("the second training failed: {}", record_again.error.as_deref().unwrap_or("without an error message"));
    }
    let mut differences = folder::differences(&files.model(), &again.model())?;
    if let [true, true] = [&files, again].map(|folder| folder.last_model().exists()) {
        differences.extend(folder::differences(&files.last_model(), &again.last_model())?);
    }
    let rows = [&files, again].map(|folder| read_metrics(&folder.metrics()));
    let [before, after] = rows;
    differences.extend(in_metrics(&before?, &after?));
    if args.json {
        let result = serde_json::json!({ "event": "verified", "trial": record.trial, "differences": differences });
        say_event(result);
    } else if differences.is_empty() {
        say(&format!("{}: reproduced; all weights and all metrics of every epoch are bit-identical", record.trial));
    } else {
        say(&format!("{}: not reproduced; these results differ:", record.trial));
        differences.iter().for_each(|difference| say(&format!("  {difference}")));
        environment_differences(&record, &record_again)?.iter().for_each(|line| say(&format!("  {line}")));
    }
    Ok(if differences.is_empty() { DONE } else { FAILED })
}

/// The first epoch whose metrics differ, except for timings; `None` if all are equal.
fn in_metrics(before: &[Row], after: &[Row]) -> Option<String> {
    // A row that another version wrote may lack a metric.
    let text = |row: &Row, other: &Row| {
        let of_both = row.values().filter(|(metric, _)| !metric.is_timing && other.value(&metric.name).is_some());
        let values = of_both.map(|(metric, value)| (&metric.name, value)).collect::<Vec<_>>();
        format!("{:?}", (row.epoch, row.split, row.step, row.images_seen, values))
    };
    if before.len() != after.len() {
        return Some(format!("{}: {} rows before, {} now", TrialFolder::METRICS, before.len(), after.len()));
    }
    let (one, other) = before.iter().zip(after).find(|(one, other)| text(one, other) != text(other, one))?;
    let (epoch, split) = (one.epoch, one.split.name());
    let [one, other] = [one, other].map(|row| row.get(LOSS).unwrap_or(f64::NAN));
    Some(format!("{}: from epoch {epoch} ({split} loss {one} before, {other} now)", TrialFolder::METRICS))
}

/// Differences between the environments of the two trainings, which may explain why the results differ.
fn environment_differences(before: &TrialRecord, after: &TrialRecord) -> anyhow::Result<Vec<String>> {
    let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    let keys = ["version", "git_commit", "git_dirty", "lock_hash", "processor", "gpu", "host", "threads"];
    let differs = keys.into_iter().filter(|key| before[key] != after[key]);
    let line = |key: &str| format!("{key}: {} before, {} now", value_text(before.get(key)), value_text(after.get(key)));
    Ok(differs.map(line).collect())
}
