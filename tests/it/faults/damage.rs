//! Damaged files of an experiment folder: truncated, with a flipped bit, emptied or removed.

use super::{Dice, nothing_left_over};
use crate::harness::Workspace;
use crate::runs::{in_training, same_bits, signal};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vaex::folder::Stored;
use vaex::folder::{ExperimentFolder, TrialFolder};
use vaex::launch::Frozen;
use vaex::record::tables::read_metrics;
use vaex::record::trial::TrialRecord;
use walkdir::WalkDir;

/// One small trial.
const SMALL: &str = "\
name = \"small\"

[data]
limit = 20

[model]
family = \"mlp\"
hidden = [3]

[train]
batch_size = 6
epochs = 3
";

/// Long enough to be interrupted.
const INTERRUPTED: &str = "\
name = \"long\"

[data]
limit = 100

[model]
family = \"mlp\"
hidden = [8]

[train]
batch_size = 4
epochs = 60
checkpoint_steps = 20
";

#[derive(Clone, Copy, Debug)]
enum Damage {
    Truncated(usize),
    Flipped(usize),
    Removed,
}

impl Damage {
    fn apply(self, path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        match self {
            Damage::Truncated(length) => std::fs::write(path, &bytes[..length]).unwrap(),
            Damage::Flipped(place) => {
                bytes[place] ^= 1 << (place / 64 % 8);
                std::fs::write(path, bytes).unwrap();
            }
            Damage::Removed => std::fs::remove_file(path).unwrap(),
        }
    }

    /// Emptied, truncated and flipped at every `step`th byte, and removed.
    fn all(length: usize, step: usize) -> Vec<Damage> {
        let places = (0..length).step_by(step);
        let mut all: Vec<Damage> =
            places.flat_map(|place| [Damage::Truncated(place), Damage::Flipped(place)]).collect();
        all.push(Damage::Removed);
        all
    }

    /// Emptied, truncated and flipped at `count` places, and removed.
    fn some(length: usize, count: usize, dice: &mut Dice) -> Vec<Damage> {
        let mut some = vec![Damage::Truncated(0), Damage::Removed];
        for _ in 0..count {
            some.push(Damage::Truncated(dice.below(length as u64) as usize));
            some.push(Damage::Flipped(dice.below(length as u64) as usize));
        }
        some
    }
}

/// The files of a folder and their contents.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let content = |path: PathBuf| (path.strip_prefix(folder).unwrap().to_path_buf(), std::fs::read(&path).unwrap());
    files.map(|entry| content(entry.into_path())).collect()
}

fn restore(folder: &Path, contents: &BTreeMap<PathBuf, Vec<u8>>) {
    let _ = std::fs::remove_dir_all(folder);
    for (name, bytes) in contents {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn is_state(name: &str) -> bool {
    name == "state.safetensors"
}

/// Whether a finished trial does not need the file: the lock, the state and the report's tables.
fn is_unused(name: &Path) -> bool {
    let name = name.file_name().unwrap().to_str().unwrap();
    name == ".lock" || is_state(name) || name == "trials.parquet" || name == "curves.parquet"
}

/// All damage to any file of a finished trial is detected.
#[test]
fn all_damage_to_a_finished_trial_is_detected() {
    let workspace = Workspace::with_spec(SMALL);
    workspace.succeed(&["run", "spec.toml"]);
    let experiment = workspace.path("runs/small");
    let pristine = contents(&experiment);
    let (_, folder) = workspace.trials("runs/small").pop_first().unwrap();
    let record = TrialRecord::read(&TrialFolder::new(&folder)).unwrap();
    assert_eq!(vaex::trial::fault(&TrialFolder::new(&folder), &record), None);
    let mut tried = 0;
    let is_checked = |name: &Path| !is_unused(name) || is_state(name.file_name().unwrap().to_str().unwrap());
    for (name, bytes) in pristine.iter().filter(|(name, _)| is_checked(name)) {
        let path = experiment.join(name);
        for damage in Damage::all(bytes.len(), 64) {
            damage.apply(&path);
            tried += 1;
            if is_state(path.file_name().unwrap().to_str().unwrap()) {
                assert!(Stored::read_own(&path).is_err(), "{name:?}: {damage:?}");
                std::fs::write(&path, bytes).unwrap();
                continue;
            }
            let in_trial = name.strip_prefix(folder.file_name().unwrap()).ok().map(|name| name.to_str().unwrap());
            let found = match in_trial {
                None => Frozen::read(&ExperimentFolder::new(&experiment)).is_err(),
                Some("trial.json") => TrialRecord::read(&TrialFolder::new(&folder)).is_err(),
                Some("metrics.parquet") => read_metrics(&path).is_err(),
                Some(_) => true,
            };
            assert!(found, "{name:?}: {damage:?}");
            if in_trial.is_some_and(|name| name != "trial.json") {
                assert_eq!(vaex::trial::fault(&TrialFolder::new(&folder), &record), Some(path.clone()), "{damage:?}");
            }
            // Only checks that the report warns; the test below checks its text.
            if matches!(in_trial, Some("trial.json" | "metrics.parquet")) {
                let warned = match vaex::report::collect(&experiment) {
                    Ok(report) => !report.warnings.is_empty(),
                    Err(_) => true,
                };
                assert!(warned, "{name:?}: {damage:?}");
            }
            std::fs::write(&path, bytes).unwrap();
        }
    }
    println!("{tried} damages of a finished trial's files and of its state");
}

fn repair_finished(places: usize) {
    let workspace = Workspace::with_spec(SMALL);
    workspace.succeed(&["run", "spec.toml"]);
    let experiment = workspace.path("runs/small");
    let pristine = contents(&experiment);
    let (id, folder) = workspace.trials("runs/small").pop_first().unwrap();
    let mut dice = Dice(1);
    let mut tried = 0;
    for (name, bytes) in pristine.iter().filter(|(name, _)| !is_unused(name)) {
        for damage in Damage::some(bytes.len(), places, &mut dice) {
            let path = experiment.join(name);
            damage.apply(&path);
            tried += 1;
            let report = workspace.vaex(&["report", "runs/small"]);
            let file = name.file_name().unwrap().to_str().unwrap();
            let said = report.stdout.clone() + &report.stderr;
            assert!(matches!(report.status, Some(0 | 2)) && !said.contains("panicked"), "{said}");
            if file == "metrics.parquet" || file == "trial.json" && !matches!(damage, Damage::Removed) {
                assert!(said.contains(file), "{name:?}: {damage:?}: {said}");
            }
            let output = workspace.succeed(&["run", "spec.toml"]);
            // Without a plan, changes cannot be detected.
            if file != "plan.json" || !matches!(damage, Damage::Removed) {
                let shown = format!("runs/small/{}", name.display());
                let line = output.lines().next().unwrap();
                assert!(line.contains(&shown), "{name:?}: {damage:?}: {output}");
                assert!(line.contains("damaged") || line.contains("missing"), "{name:?}: {damage:?}: {output}");
            }
            let after = contents(&folder);
            for (name, before) in pristine
                .iter()
                .filter_map(|(name, bytes)| Some((name.strip_prefix(folder.file_name().unwrap()).ok()?, bytes)))
            {
                let file = name.to_str().unwrap();
                if file == "model.safetensors" || file == "spec.toml" || file.starts_with("images/") {
                    assert!(after[name] == *before, "{file} differs after {damage:?}");
                }
            }
            let events = |files: &BTreeMap<PathBuf, Vec<u8>>| {
                files.keys().filter(|name| name.to_str().unwrap().starts_with("events.")).count()
            };
            assert!(events(&after) > 0);
            assert!(workspace.succeed(&["run", "spec.toml"]).contains(&format!(" {id}: already done\n")));
            restore(&experiment, &pristine);
        }
    }
    nothing_left_over(&experiment);
    println!("{tried} damages of a finished trial's files, each repaired by the same command");
}

#[test]
fn damage_to_a_finished_trial_is_reported_and_repaired() {
    repair_finished(1);
}

#[test]
#[ignore = "long form: 20 places in each file"]
fn long_form_of_damage_to_a_finished_trial() {
    repair_finished(20);
}

fn repair_interrupted(places: usize) {
    let workspace = Workspace::with_spec(INTERRUPTED);
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    let process = in_training(&workspace);
    signal("-INT", process.id());
    assert_eq!(process.wait_with_output().unwrap().status.code(), Some(130));
    let (id, folder) = workspace.trials("runs/long").pop_first().unwrap();
    let experiment = workspace.path("runs/long");
    let pristine = contents(&experiment);
    let mut dice = Dice(2);
    let mut tried = 0;
    let both = ["checkpoint.safetensors", "checkpoint.previous.safetensors"]
        .map(|name| Path::new(folder.file_name().unwrap()).join(name));
    let single = pristine.keys().filter(|name| !name.ends_with(".lock")).map(|name| vec![name.clone()]);
    for names in single.chain([both.to_vec()]) {
        for damage in Damage::some(pristine[&names[0]].len(), places, &mut dice) {
            for name in &names {
                let least = pristine[name].len() - 1;
                let damage = match damage {
                    Damage::Truncated(place) => Damage::Truncated(place.min(least)),
                    Damage::Flipped(place) => Damage::Flipped(place.min(least)),
                    Damage::Removed => Damage::Removed,
                };
                damage.apply(&experiment.join(name));
            }
            tried += 1;
            let report = workspace.vaex(&["report", "runs/long"]);
            let said = report.stdout + &report.stderr;
            assert!(matches!(report.status, Some(0 | 2)) && !said.contains("panicked"), "{said}");
            let output = workspace.succeed(&["run", "spec.toml"]);
            let file = names[0].file_name().unwrap().to_str().unwrap();
            // The previous checkpoint is read only if the last one is damaged.
            let is_read = file == "checkpoint.safetensors"
                || file == "trial.json"
                || file.starts_with("events.")
                || matches!(file, "plan.json" | "metrics.parquet") && !matches!(damage, Damage::Removed);
            if is_read {
                assert!(output.contains(file), "{names:?}: {damage:?}: {output}");
                assert!(
                    output.contains("damaged") || output.contains("missing") || output.contains("not a safetensors")
                );
            }
            let begins = if names.len() == 2 { ": started; cannot resume from " } else { ": resuming after " };
            assert!(output.contains(begins), "{names:?}: {damage:?}: {output}");
            same_bits(&folder, &workspace.trial("undisturbed/long", &id));
            restore(&experiment, &pristine);
        }
    }
    println!("{tried} damages of an interrupted trial's files, each repaired by the same command");
}

#[test]
#[cfg(unix)]
fn damage_to_an_interrupted_trial_is_reported_and_repaired() {
    repair_interrupted(1);
}

#[test]
#[cfg(unix)]
#[ignore = "long form: 20 places in each file"]
fn long_form_of_damage_to_an_interrupted_trial() {
    repair_interrupted(20);
}
