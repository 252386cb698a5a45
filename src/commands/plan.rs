//! `vaex plan`: prints the trials of a spec as a table, or the whole spec of one trial.

use super::command::Command;
use super::shared::exit::{DONE, WRONG};
use super::shared::format::bytes;
use super::shared::print::{complain, explain_as, say, warn};
use super::shared::spec::SpecArgs;
use super::shared::terminal;
use crate::launch::{self, FrozenExpectation, Options, Prospect, Prospects};
use crate::plan::{Origin, Plan, Searching, Trial};
use crate::record::trial::Continued;
use crate::report::{Column, Table, significant};
use crate::search::{Method, Stop};
use crate::settings::written;
use crate::text::counted;
use crate::trial::{Prefix, estimate};
use clap::Args;
use indicatif::HumanDuration;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// An evaluation of more than so many times the operations of training is probably a mistake.
const TOO_LONG: f64 = 10.0;
const LONG_EVALUATION: &str = "warning: the evaluation takes more than ten times as long as the training; lower \
                               `evaluate.nll_samples`, or set `evaluate.nll_images`";

/// Billions of floating-point operations from which a plan says that the training is long. A core does 20 to 100 billions per second.
const MANY: f64 = 2e5;

/// How long `--measure` trains each kind of trial.
const MOMENT: Duration = Duration::from_millis(500);

/// List the trials of an experiment without training.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Spec file.
    spec_file: PathBuf,
    #[command(flatten)]
    spec: SpecArgs,
    /// Folder that holds the experiment folders, to find the trials that are done.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
    /// Train each kind of trial for half a second and estimate how long it will take. Trials for a GPU are left out.
    #[arg(long)]
    measure: bool,
    /// Print the whole spec of the first selected trial, with the origin of each value.
    #[arg(long, conflicts_with_all = ["json", "measure"])]
    resolved: bool,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

impl Command for PlanArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let plan = match self.spec.plan(&self.spec_file) {
            Ok(plan) => plan,
            Err(error) => {
                explain_as(&error, self.json);
                return Ok(WRONG);
            }
        };
        let folders = launch::folder(&plan, &self.runs).trials()?;
        if !self.json {
            warn(&plan);
        }
        if self.resolved {
            plan.selected().take(1).for_each(|trial| say(resolved(&plan, trial).trim_end()));
            return Ok(DONE);
        }
        let prospects = launch::prospects(&plan, &folders, &Options::default())?;
        let times = if self.measure { times(&plan, &prospects)? } else { BTreeMap::new() };
        if self.json {
            say(&json(&plan, &prospects, &times).to_string());
            return Ok(DONE);
        }
        say(&table(&plan, &prospects, &times).fit(terminal::width()).to_string());
        let train = range(plan.selected().map(|trial| trial.dataset().train.len()));
        let validation = range(plan.selected().map(|trial| trial.dataset().validation.len()));
        let has_test = plan.selected().any(|trial| !trial.dataset().test.is_empty());
        let test = range(plan.selected().map(|trial| trial.dataset().test.len()));
        let images = match has_test {
            true => format!("{train} training, {validation} validation and {test} test images"),
            false => format!("{train} training and {validation} validation images"),
        };
        let (all, selected) = (plan.trials().len(), plan.selected().count());
        let of = if selected < all { format!(" of {all}") } else { String::new() };
        let trials = counted(selected, "trial");
        let same = match plan.combinations() {
            combinations if combinations > all => {
                format!(" ({combinations} combinations, {})", counted(combinations - all, "duplicate"))
            }
            _ => String::new(),
        };
        say(&format!("{}: {trials}{of}{same}, {images}", plan.name()));
        let on_cpu = plan.selected().filter(|trial| !trial.spec().train.device.is_gpu());
        let billions =
            on_cpu.map(|trial| share_left(&prospects, trial) * estimate::operations(trial)).sum::<f64>() / 1e9;
        if billions > MANY && !self.measure {
            let long = "the training is likely to take an hour of one core or more";
            say(&format!(
                "{} GFLOP in all: {long}; `vaex plan --measure` estimates the times",
                significant(billions, 2)
            ));
        }
        if let Some(search) = plan.search() {
            say(&searched(search, selected / search.seeds()));
        }
        for line in from_scratch(&plan, &prospects) {
            say(&line);
        }
        for error in &prospects.unreadable {
            complain(&format!("warning: {error}; this trial is not continued"));
        }
        if !plan.expected().is_empty() {
            say(&format!("{} to compare with the results", counted(plan.expected().len(), "expected value")));
        }
        plan.selected()
            .filter_map(evaluation_line)
            .max_by(|one, other| one.0.total_cmp(&other.0))
            .into_iter()
            .for_each(|(times, line)| {
                say(&line);
                if times > TOO_LONG {
                    complain(LONG_EVALUATION);
                }
            });
        Ok(DONE)
    }

    fn is_json(&self) -> bool {
        self.json
    }
}

/// The share of a trial's epochs that a run would train. Those that a trial has trained before it was stopped are not known here.
fn share_left(prospects: &Prospects<'_>, trial: &Trial) -> f64 {
    let is_due = matches!(prospects.of.get(trial.id()), Some(Prospect::New | Prospect::Resume));
    let reused = prospects.continued.get(trial.id()).map_or(0, |continued| continued.epochs);
    if is_due { 1.0 - reused as f64 / trial.spec().train.epochs as f64 } else { 0.0 }
}

/// What a search will do, on one line. `listed` is the number of settings that are known before it starts.
fn searched(search: &Searching, listed: usize) -> String {
    let rules = search.rules();
    let settings = match rules.settings {
        Some(settings) => counted(settings as usize, "setting"),
        None => format!("settings for {} hours", search.search().hours.unwrap_or_default()),
    };
    let seeds = counted(search.seeds(), "seed");
    let stop = match rules.rungs.split_last() {
        Some((_, [])) | None => String::new(),
        Some((_, rungs)) => {
            let rungs: Vec<String> = rungs.iter().map(u64::to_string).collect();
            let share = rules.epochs().zip(rules.settings).zip(rules.rungs.last()).map(|((epochs, settings), all)| {
                let about = if let Stop::Asha { .. } = rules.stop { "about" } else { "up to" };
                format!(
                    ", {about} {:.0} % of all epochs",
                    100.0 * epochs as f64 / (settings.saturating_mul(*all)) as f64
                )
            });
            format!("; {} after epoch {}{}", rules.stop.name(), rungs.join(", "), share.unwrap_or_default())
        }
    };
    let known = match rules.settings {
        Some(settings) if settings as usize > listed => {
            format!("; the {} above do not depend on results", counted(listed, "setting"))
        }
        Some(_) => match rules.method {
            Method::Tpe(tpe) => {
                let first = tpe.start + rules.parallel.max(1);
                format!("; none depends on results, which tpe uses from setting {first} on")
            }
            Method::Random => String::new(),
        },
        None => format!("; the first {} are listed", counted(listed, "setting")),
    };
    format!("search: {}, {settings} with {seeds} each{stop}{known}", rules.method.name())
}

/// How many times the operations of training an evaluation takes, and a line that says so; `None` without an evaluation.
fn evaluation_line(trial: &Trial) -> Option<(f64, String)> {
    trial.spec().evaluate.as_ref()?;
    let (evaluation, training) = (estimate::evaluation_operations(trial), estimate::operations(trial));
    let times = evaluation / training;
    let billions = significant(evaluation / 1e9, 2);
    Some((times, format!("evaluation: up to {billions} GFLOP per trial, {} times the training", significant(times, 2))))
}

/// The range of some numbers: `900 to 1800`.
fn range(numbers: impl Iterator<Item = usize>) -> String {
    let numbers: Vec<usize> = numbers.collect();
    let (min, max) = (numbers.iter().min().unwrap_or(&0), numbers.iter().max().unwrap_or(&0));
    if min < max { format!("{min} to {max}") } else { max.to_string() }
}

/// What `vaex run` would do with a trial.
fn state(prospects: &Prospects<'_>, trial: &Trial) -> String {
    match (prospects.continued.get(trial.id()), prospects.of.get(trial.id())) {
        (Some(Continued { trial, epochs }), _) => format!("continues {trial} after epoch {epochs}"),
        (None, prospect) => prospect.map_or("", |prospect| prospect.name()).to_owned(),
    }
}

/// Why new trials are trained from the start, although a shorter one is done.
fn from_scratch(plan: &Plan, prospects: &Prospects<'_>) -> Vec<String> {
    let can_continue = |id: &str| plan.selected().any(|trial| trial.id() == id && trial.can_continue());
    let (lacking, dependent): (Vec<_>, Vec<_>) = prospects.from_scratch.iter().partition(|(id, _)| can_continue(id));
    let line = |some: &[&(&str, Prefix)], why: &str| {
        let are = if some.len() == 1 { "is" } else { "are" };
        let count = counted(some.len(), "trial");
        (!some.is_empty())
            .then(|| format!("{count} {are} trained from the start, although a shorter one is done: {why}"))
    };
    let lines = [
        line(&dependent, "`train.schedule` depends on `train.epochs`"),
        line(&lacking, "its state.safetensors is missing"),
    ];
    lines.into_iter().flatten().collect()
}

/// The estimated duration of the epochs that are left of each trial with one thread, by id. Trials whose epochs take equally long are measured once.
fn times<'p>(plan: &'p Plan, prospects: &Prospects<'_>) -> anyhow::Result<BTreeMap<&'p str, Duration>> {
    let mut measured: BTreeMap<String, f64> = BTreeMap::new();
    let mut times = BTreeMap::new();
    for trial in plan.selected() {
        let share = share_left(prospects, trial);
        // What is measured on the CPU says nothing of a GPU.
        if share == 0.0 || trial.spec().train.device.is_gpu() {
            continue;
        }
        let kind = trial.epoch_hash();
        let epoch = match measured.get(&kind) {
            Some(seconds) => *seconds,
            None => *measured.entry(kind).or_insert(estimate::seconds_of_epoch(trial, 1, MOMENT)?),
        };
        let all = epoch * share * trial.spec().train.epochs as f64;
        times.insert(trial.id(), Duration::try_from_secs_f64(all).unwrap_or(Duration::MAX));
    }
    Ok(times)
}

fn table(plan: &Plan, prospects: &Prospects<'_>, times: &BTreeMap<&str, Duration>) -> Table {
    let trials: Vec<&Trial> = plan.selected().collect();
    let column =
        |cell: &(dyn Fn(&Trial) -> String + Sync)| trials.par_iter().map(|trial| cell(trial)).collect::<Vec<String>>();
    let values: Vec<Vec<String>> = trials.par_iter().map(|trial| trial.texts(plan.varied())).collect();
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let keys = plan.varied().iter().enumerate().map(|(index, key)| {
        let cells = values.iter().map(|values| values[index].clone()).collect();
        // If two keys end in the same word, both keep their full names.
        let is_unique = plan.varied().iter().filter(|other| last(other) == last(key)).count() == 1;
        Column::text(key, cells).stacked(&if is_unique { last(key) } else { key.clone() })
    });
    let operations = |trial: &Trial| {
        let billions = estimate::operations(trial) / 1e9;
        if billions < 10.0 { format!("{billions:.2}") } else { format!("{billions:.0}") }
    };
    let sizes = [
        Column::numbers("parameters", column(&|trial| trial.architecture().parameters().to_string())),
        Column::numbers("steps", column(&|trial| trial.steps().to_string())),
        Column::numbers("GFLOP", column(&operations)),
        Column::numbers("memory", column(&|trial| bytes(estimate::memory(trial, 1)))),
    ];
    let on_gpu = |trial: &Trial| estimate::gpu_memory(trial).map_or("-".to_owned(), |memory| bytes(memory.total()));
    let on_gpu = plan.needs_gpu().then(|| Column::numbers("GPU memory", column(&on_gpu)).optional());
    let time = |trial: &Trial| times.get(trial.id()).map_or("-".to_owned(), |time| HumanDuration(*time).to_string());
    let time = (!times.is_empty()).then(|| Column::numbers("time", column(&time)));
    let first = [Column::text("trial", column(&|trial| trial.id().to_owned()))];
    let state = [Column::text("state", column(&|trial| state(prospects, trial)))];
    Table::new(first.into_iter().chain(keys).chain(sizes.map(Column::optional)).chain(on_gpu).chain(time).chain(state))
}

/// The whole spec of a trial; each line ends with the origin of its value.
fn resolved(plan: &Plan, trial: &Trial) -> String {
    let origin = plan.origins(trial);
    let all = plan.selected().count();
    let of = match all {
        1 => String::new(),
        _ => format!(", 1 of {all}; choose another with --only trial=ID"),
    };
    let (mut text, mut last) = (format!("# trial {} of {}{of}\n", trial.id(), plan.name()), "");
    for setting in trial.spec().settings() {
        let (table, key) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if table != last {
            text.push_str(&format!("\n[{table}]\n"));
            last = table;
        }
        let origin = match origin(setting.key) {
            Origin::Written(place) => place,
            Origin::Swept(place) => format!("{place}, swept"),
            Origin::Default if setting.key == "name" => "the file's name".to_owned(),
            Origin::Default if setting.is_stated => "preset".to_owned(),
            Origin::Default => "default".to_owned(),
        };
        text.push_str(&format!("{key} = {}  # {origin}\n", written(&setting.value)));
    }
    text
}

fn json(plan: &Plan, prospects: &Prospects<'_>, times: &BTreeMap<&str, Duration>) -> serde_json::Value {
    let trials = plan.selected().map(|trial| {
        serde_json::json!({
            "trial": trial.id(),
            "state": prospects.of.get(trial.id()).map(|prospect| prospect.name()),
            "continues": prospects.continued.get(trial.id()),
            "not_continued": prospects.from_scratch.iter().find(|(id, _)| *id == trial.id()).map(|(_, one)| &one.trial),
            "parameters": trial.architecture().parameters() as u64,
            "steps": trial.steps(),
            "operations": estimate::operations(trial),
            "evaluation_operations": estimate::evaluation_operations(trial),
            "memory_bytes": estimate::memory(trial, 1),
            "gpu_memory_bytes": estimate::gpu_memory(trial).map(|memory| memory.total()),
            "seconds": times.get(trial.id()).map(Duration::as_secs_f64),
            "training_images": trial.dataset().train.len(),
            "validation_images": trial.dataset().validation.len(),
            "test_images": trial.dataset().test.len(),
            "spec_hash": trial.spec_hash(),
            "data_hash": trial.dataset().hash,
            "spec": trial.values(),
        })
    });
    let trials: Vec<_> = trials.collect();
    serde_json::json!({
        "search": plan.search().map(|search| serde_json::json!({
            "method": search.rules().method.name(),
            "metric": search.search().metric_name(),
            "settings": search.rules().settings,
            "hours": search.search().hours,
            "seeds": search.seeds(),
            "stop": search.rules().stop.name(),
            "rungs": search.rules().rungs,
        })),
        "name": plan.name(), "varied": plan.varied(), "warnings": plan.warnings().json(), "trials": trials,
        "expectations": plan.expected().iter().map(FrozenExpectation::new).collect::<Vec<_>>(),
    })
}
