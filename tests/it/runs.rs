//! `vaex run`: its files, running again, threads, crashes and signals. Equal means bit-identical.

use crate::harness::{Workspace, idx, json, untimed};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vaex::metrics::Row;
use vaex::record::tables::read_metrics;

pub(crate) const TINY: &str = "\
name = \"tiny\"

[data]
limit = 60

[model]
family = \"mlp\"
hidden = [16]

[train]
batch_size = 20
epochs = 2

[sweep.grid]
\"objective.kl_weight\" = [0.5, 1.0]
";

/// Enough epochs to be disturbed during training; a checkpoint after each.
pub(crate) const LONG: &str = "\
name = \"long\"

[data]
limit = 200

[model]
family = \"mlp\"
hidden = [32]

[train]
batch_size = 20
checkpoint_steps = 9
epochs = 40
";

pub(crate) fn status(folder: &Path) -> String {
    json(&folder.join("trial.json"))["status"].as_str().unwrap().to_owned()
}

/// The rows of metrics.parquet without timings.
pub(crate) fn rows(folder: &Path) -> Vec<Row> {
    let rows = read_metrics(&folder.join("metrics.parquet")).unwrap();
    rows.into_iter().map(Row::without_timing).collect()
}

pub(crate) fn model(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("model.safetensors")).unwrap()
}

#[track_caller]
pub(crate) fn same_bits(one: &Path, two: &Path) {
    assert_eq!(rows(one), rows(two));
    assert!(model(one) == model(two), "the weights differ");
}

/// The folder of the only trial.
pub(crate) fn only(workspace: &Workspace, runs: &str) -> PathBuf {
    let trials = workspace.trials(runs);
    assert_eq!(trials.len(), 1);
    trials.into_values().next().unwrap()
}

#[test]
fn a_run_writes_every_file_and_each_trial_can_be_run_alone() {
    let workspace = Workspace::with_spec(TINY);
    let output = workspace.succeed(&["run", "spec.toml"]);
    assert!(output.ends_with("  vaex tensorboard runs/tiny\n  vaex traverse runs/tiny --best\n"), "{output}");
    for file in ["plan.json", "trials.parquet", "curves.parquet"] {
        assert!(workspace.path("runs/tiny").join(file).is_file(), "{file}");
    }
    let trials = workspace.trials("runs/tiny");
    assert_eq!(trials.len(), 2);
    for (id, folder) in &trials {
        let files = ["spec.toml", "trial.json", "metrics.parquet", "model.safetensors", "state.safetensors", "images"];
        for file in files {
            assert!(folder.join(file).exists(), "{file}");
        }
        let below = workspace.files_below(folder.to_str().unwrap());
        let named = |start: &str, end: &str| {
            below
                .iter()
                .filter(|path| path.to_str().unwrap().starts_with(start) && path.to_str().unwrap().ends_with(end))
                .count()
        };
        assert_eq!(named("events.out.tfevents.", ""), 1, "{below:?}");
        assert!(named("images/", ".png") >= 2, "{below:?}");
        assert_eq!(named(".", ".tmp"), 0, "temporary files are left: {below:?}");
        assert_eq!(status(folder), "done");
        let record = json(&folder.join("trial.json"));
        let sizes =
            ["train_images", "validation_images", "height", "width", "channels"].map(|name| record[name].as_u64());
        assert_eq!(sizes, [Some(54), Some(6), Some(28), Some(28), Some(1)]);
        // Two epochs of two splits.
        assert_eq!(rows(folder).len(), 4);
        let spec = folder.join("spec.toml");
        let plan = workspace.succeed(&["plan", "--json", spec.to_str().unwrap()]);
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        assert_eq!((&plan["trials"][0]["trial"], plan["trials"].as_array().unwrap().len()), (&id.as_str().into(), 1));
        workspace.succeed(&["run", spec.to_str().unwrap(), "--runs", "alone"]);
        same_bits(folder, &workspace.trial("alone/tiny", id));
    }
}

#[test]
fn images_that_are_too_long_for_the_projector_can_be_trained() {
    let spec = TINY.replace("limit = 60", "source = \"idx\"\nimages = \"long.idx\"");
    let mut workspace = Workspace::with_spec(&spec.replace("kl_weight\" = [0.5, 1.0]", "kl_weight\" = [0.5]"));
    workspace.write("long.idx", idx(&[40, 1, 5000], 40 * 5000));
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/tiny");
    assert_eq!((status(&folder), rows(&folder).len()), ("done".to_owned(), 4));
    assert!(folder.join("images/samples.png").exists() && !folder.join("projector_config.pbtxt").exists());
}

#[test]
fn finished_trials_are_trained_again_only_with_fresh() {
    let workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    let trials = workspace.trials("runs/tiny");
    let modified = |folder: &Path| std::fs::metadata(folder.join("model.safetensors")).unwrap().modified().unwrap();
    let before: Vec<_> = trials.values().map(|folder| (modified(folder), model(folder), rows(folder))).collect();
    let output = workspace.succeed(&["run", "spec.toml"]);
    assert_eq!(output.matches(": already done\n").count(), 2, "{output}");
    assert!(!output.contains("epoch 1"), "{output}");
    for (folder, (time, model_before, _)) in trials.values().zip(&before) {
        assert_eq!(modified(folder), *time);
        assert!(model(folder) == *model_before);
    }
    let output = workspace.succeed(&["run", "spec.toml", "--fresh"]);
    assert!(!output.contains("already done"), "{output}");
    for (folder, (time, model_before, rows_before)) in trials.values().zip(&before) {
        assert_ne!(modified(folder), *time);
        assert!(model(folder) == *model_before, "the weights differ");
        assert_eq!(rows(folder), *rows_before);
    }
}

#[test]
fn the_number_of_threads_does_not_change_results() {
    let conv = "\
name = \"conv\"

[data]
limit = 40

[model]
family = \"conv\"
channels = [4, 8]
strides = [1, 2]

[train]
batch_size = 16
epochs = 2
";
    for (name, spec) in [("conv", conv), ("tiny", TINY)] {
        let workspace = Workspace::with_spec(spec);
        for threads in ["1", "2", "3"] {
            workspace.succeed(&["run", "spec.toml", "--runs", threads, "--threads", threads]);
        }
        for (id, folder) in workspace.trials(&format!("1/{name}")) {
            same_bits(&folder, &workspace.trial(&format!("2/{name}"), &id));
            same_bits(&folder, &workspace.trial(&format!("3/{name}"), &id));
        }
    }
}

/// The first of two trials diverges.
pub(crate) fn diverging() -> Workspace {
    Workspace::with_spec(&TINY.replace(
        "[sweep.grid]\n\"objective.kl_weight\" = [0.5, 1.0]",
        "optimizer = \"sgd\"\n\n[sweep.grid]\n\"train.learning_rate\" = [1e20, 1e-4]",
    ))
}

#[test]
fn with_fail_fast_a_diverging_trial_stops_the_others() {
    let workspace = diverging();
    let outcome = workspace.vaex(&["run", "spec.toml", "--fail-fast", "--jobs", "1"]);
    assert_eq!((outcome.status, &*outcome.stderr), (Some(1), ""), "{}", outcome.stdout);
    let statuses: BTreeSet<_> = workspace.trials("runs/tiny").values().map(|folder| status(folder)).collect();
    assert_eq!(statuses, ["diverged".to_owned(), "planned".to_owned()].into());
    assert!(outcome.stdout.contains("1 unfinished trial; to resume: "), "{}", outcome.stdout);
}

#[test]
fn a_diverging_trial_does_not_stop_the_others() {
    let workspace = diverging();
    let outcome = workspace.vaex(&["run", "spec.toml"]);
    assert_eq!((outcome.status, &*outcome.stderr), (Some(1), ""), "{}", outcome.stdout);
    let mut statuses = Vec::new();
    for folder in workspace.trials("runs/tiny").values() {
        let record = json(&folder.join("trial.json"));
        let diverges = record["spec"]["train.learning_rate"] == 1e20;
        statuses.push((diverges, status(folder)));
        if diverges {
            let error = record["error"].as_str().unwrap();
            assert!(error.contains("is not finite at step ") && error.contains("train.learning_rate"), "{error}");
            assert!(!read_metrics(&folder.join("metrics.parquet")).unwrap().is_empty());
            assert!(!folder.join("model.safetensors").exists());
        } else {
            assert_eq!((record["error"].is_null(), rows(folder).len()), (true, 4));
        }
    }
    statuses.sort();
    assert_eq!(statuses, [(false, "done".to_owned()), (true, "diverged".to_owned())]);
}

/// A run that has finished its second epoch and is still training.
pub(crate) fn in_training(workspace: &Workspace) -> Child {
    let mut process = workspace.command(&["run", "spec.toml", "--json", "--threads", "1"]).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let second = lines.find(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["event"] == "epoch" && event["epoch"] == 2
    });
    assert!(second.is_some(), "it ended before its second epoch");
    // The run gets an error when it writes to the closed pipe, and continues.
    process
}

pub(crate) fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// Kills a process that may just have ended by itself. Returns whether it was there.
pub(crate) fn kill_if_there(process: u32) -> bool {
    Command::new("kill").args(["-KILL", &process.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}

/// The state of a process, and the id of its parent; `None` if it has ended.
fn state_and_parent(process: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // They follow the name in parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// The process that started another one, which may have ended.
pub(crate) fn parent(process: u32) -> Option<u32> {
    Some(state_and_parent(process)?.1)
}

/// The child processes of a process that have begun their own program: before that, a child still is a copy of its parent, which
/// waits for it.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let program = |process: u32| std::fs::read(format!("/proc/{process}/cmdline")).ok();
    let is_child = |process: &u32| self::parent(*process) == Some(parent) && program(*process) != program(parent);
    processes.filter(is_child).collect()
}

pub(crate) fn is_running(process: u32) -> bool {
    state_and_parent(process).is_some_and(|(state, _)| state != "Z")
}

#[track_caller]
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} took too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The report works, and the same command ends with the bits of an undisturbed run.
fn completes_as_if_undisturbed(workspace: &Workspace) {
    let folder = only(workspace, "runs/long");
    assert_ne!(status(&folder), "done", "it ended before it was disturbed");
    let rows_before = rows(&folder);
    let report = workspace.succeed(&["report"]);
    assert!(report.starts_with(&format!("long: 1 {}\n", status(&folder))), "{report}");
    let output = workspace.succeed(&["run", "spec.toml", "--threads", "1"]);
    assert!(output.contains(": resuming after epoch "), "{output}");
    assert_eq!(status(&folder), "done");
    assert_eq!(rows(&folder)[..rows_before.len()], rows_before);
    assert_eq!(rows(&folder).len(), 80);
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    same_bits(&folder, &only(workspace, "undisturbed/long"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_run_stops_its_trials_and_can_be_resumed() {
    let workspace = Workspace::with_spec(LONG);
    let mut process = in_training(&workspace);
    let trials = children(process.id());
    assert_eq!(trials.len(), 1);
    signal("-KILL", process.id());
    process.wait().unwrap();
    wait_for("the end of the trial's process", || !is_running(trials[0]));
    completes_as_if_undisturbed(&workspace);
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_trial_fails_and_can_be_resumed() {
    let workspace = Workspace::with_spec(LONG);
    let mut process = workspace.command(&["run", "spec.toml", "--threads", "1"]).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(": epoch 2/")), "it ended before its second epoch");
    signal("-KILL", children(process.id())[0]);
    let said: Vec<String> = lines.collect();
    assert_eq!(process.wait().unwrap().code(), Some(1));
    let next = "something failed for a cause outside the trials; to go on: ";
    assert!(said.iter().any(|line| line.starts_with(next)), "{said:?}");
    let said = workspace.succeed(&["status", "runs/long"]);
    assert!(said.contains("\n1 trial stopped or failed from outside: the same `vaex run` command goes on\n"), "{said}");
    let record = json(&only(&workspace, "runs/long").join("trial.json"));
    assert_eq!(record["status"], "failed");
    assert_eq!(record["error"], "its process was killed (signal 9; possibly the system was out of memory)");
    // The time of its finished epochs is recorded.
    assert!(record["seconds"].as_f64().unwrap() > 0.0 && record["images_per_second"].as_f64().unwrap() > 0.0);
    completes_as_if_undisturbed(&workspace);
}

#[test]
fn a_second_run_of_the_same_experiment_is_refused_while_the_first_one_is_running() {
    let workspace = Workspace::with_spec(LONG);
    let mut process = in_training(&workspace);
    let second = workspace.vaex(&["run", "spec.toml"]);
    assert_eq!(second.status, Some(2));
    let message =
        second.stderr.strip_prefix("error: another vaex process holds the lock of runs/long: process ").unwrap();
    let message = message.strip_prefix(&process.id().to_string()).unwrap();
    let (host, rest) = message.strip_prefix(" on ").unwrap().split_once(", started ").unwrap();
    assert!(!host.is_empty() && !host.contains(' '), "{host}");
    let (_, rest) = rest.split_once(" second").unwrap();
    assert_eq!(rest.trim_start_matches('s'), " ago; wait for it, stop it, or choose another folder with --runs\n");
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_can_be_resumed() {
    for name in ["-INT", "-TERM"] {
        let workspace = Workspace::with_spec(LONG);
        let process = in_training(&workspace);
        signal(name, process.id());
        let output = process.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "stopping after the current step; interrupt again to stop immediately\n");
        assert_eq!(status(&only(&workspace, "runs/long")), "interrupted");
        completes_as_if_undisturbed(&workspace);
    }
}

#[test]
fn missing_files_of_a_finished_trial_are_written_again() {
    let workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    for name in ["model.safetensors", "metrics.parquet"] {
        for (_, folder) in workspace.trials("runs/tiny") {
            let (bits, rows_before) = (model(&folder), rows(&folder));
            std::fs::remove_file(folder.join(name)).unwrap();
            workspace.succeed(&["run", "spec.toml"]);
            assert_eq!((model(&folder), rows(&folder)), (bits, rows_before), "{name}");
        }
    }
}

#[test]
#[cfg(unix)]
fn the_previous_checkpoint_is_used_if_the_last_one_is_damaged() {
    let workspace = Workspace::with_spec(&LONG.replace("epochs = 40", "epochs = 200"));
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    let names = ["checkpoint.safetensors", "checkpoint.previous.safetensors"];
    for (damaged, from) in [(&names[..1], "resuming after epoch "), (&names[..], "started")] {
        let process = in_training(&workspace);
        signal("-INT", process.id());
        assert_eq!(process.wait_with_output().unwrap().status.code(), Some(130));
        let folder = only(&workspace, "runs/long");
        let name_of_folder = folder.file_name().unwrap().to_str().unwrap();
        for name in damaged {
            let mut bytes = std::fs::read(folder.join(name)).unwrap();
            // One bit of a weight.
            let last = bytes.len() - 1000;
            bytes[last] ^= 1;
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        let output = workspace.succeed(&["run", "spec.toml"]);
        let faults = damaged
            .iter()
            .map(|name| format!("runs/long/{name_of_folder}/{name}: it is damaged: its checksum differs"))
            .collect::<Vec<_>>()
            .join("; cannot resume from ");
        let line = output.lines().find(|line| line.contains("; cannot resume from ")).unwrap_or_default();
        assert!(line.contains(&format!(": {from}")), "{output}");
        assert!(line.ends_with(&format!("; cannot resume from {faults}")), "{output}");
        same_bits(&folder, &only(&workspace, "undisturbed/long"));
        std::fs::remove_dir_all(workspace.path("runs")).unwrap();
    }
}

#[test]
fn changes_of_a_sweep_are_printed() {
    let mut workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    let before: Vec<String> = workspace.trials("runs/tiny").into_keys().collect();
    let again = workspace.succeed(&["run", "spec.toml"]);
    assert!(!again.contains("since the last run"), "{again}");
    // A comment or another order changes no trial; another value does.
    let other = |values: &str| {
        assert!(TINY.contains("[0.5, 1.0]"));
        format!("# Another.\n{}", TINY.replace("[0.5, 1.0]", values))
    };
    workspace.write("spec.toml", other("[1.0, 0.5]"));
    let again = workspace.succeed(&["run", "spec.toml"]);
    assert!(!again.contains("since the last run"), "{again}");
    workspace.write("spec.toml", other("[1.0, 0.25]"));
    let changed = workspace.succeed(&["run", "spec.toml"]);
    let now: Vec<String> = workspace.trials("runs/tiny").into_keys().collect();
    assert!(before.iter().all(|id| now.contains(id)), "finished trials are kept");
    let line = changed.lines().next().unwrap();
    let known = before.iter().find(|id| line.ends_with(&format!("its folder is kept: {id}"))).expect(line);
    let expected =
        "tiny: since the last run: 1 trial added, 1 kept; 1 trial is no longer in the spec; its folder is kept";
    assert_eq!(untimed(line), format!("{expected}: {known}"));
}

/// A trial folder without trial.json, but with a checkpoint, is not a planned trial.
#[test]
fn a_trial_that_lost_its_record_is_not_planned() {
    let workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    let trials = workspace.trials("runs/tiny");
    let (id, folder) = trials.iter().next().unwrap();
    std::fs::remove_file(folder.join("trial.json")).unwrap();
    let status = workspace.vaex(&["status", "runs/tiny"]).stdout;
    assert!(status.contains("1 done, 1 unknown") || status.contains("1 unknown, 1 done"), "{status}");
    assert!(status.contains(&format!("{id}: cannot read ")), "{status}");
    let report = workspace.succeed(&["report", "runs/tiny"]);
    assert!(report.contains("1 trial of the plan has not been started"), "{report}");
}

/// Whether an unreadable folder is a trial folder is unknown; it hides no other trial.
#[test]
#[cfg(unix)]
fn an_unreadable_folder_hides_no_other_trial() {
    use std::os::unix::fs::PermissionsExt;
    let mut workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    workspace.create_folder("runs/locked");
    let locked = workspace.path("runs/locked");
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything.
    if std::fs::read_dir(&locked).is_err() {
        let status = workspace.vaex(&["status", "runs"]);
        assert_eq!(status.status, Some(0));
        assert!(status.stderr.starts_with("warning: cannot read runs/locked/plan.json: Permission denied"));
        let id = workspace.trials("runs/tiny").keys().next().unwrap().clone();
        workspace.succeed(&["diff", &id, &id]);
        let unknown = workspace.vaex(&["diff", "ffffffffff", &id]);
        assert!(unknown.stderr.contains("Permission denied"), "{}", unknown.stderr);
    }
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o755)).unwrap();
    // A file is neither a trial nor an experiment, and does not hide the id that it is named like.
    let id = workspace.trials("runs/tiny").keys().next().unwrap().clone();
    workspace.write(&id, "");
    workspace.succeed(&["diff", &id, &id]);
    let refused = workspace.vaex(&["status", "spec.toml"]);
    assert_eq!((refused.status, &*refused.stderr), (Some(2), "error: spec.toml is not a folder\n"));
}
