//! Unusual folders, names and clocks, too little memory, and processes that hang.

use super::{as_undisturbed, can_be_reported, nothing_left_over};
use crate::harness::{PROGRAM, Workspace, json, without_grey};
use crate::runs::{LONG, TINY, children, diverging, in_training, only, signal, status, wait_for};
use std::process::Command;
use vaex::folder::TrialFolder;
use vaex::record::trial::TrialRecord;

/// One short and one long trial.
const TWO: &str = "\
name = \"two\"

[data]
limit = 200

[model]
family = \"mlp\"
hidden = [32]

[train]
batch_size = 20
checkpoint_steps = 9

[sweep.grid]
\"train.epochs\" = [1, 200]
";

/// The folder of the trial with this number of epochs.
fn with_epochs(workspace: &Workspace, epochs: u64) -> std::path::PathBuf {
    let mut trials = workspace.trials("runs/two").into_values();
    trials.find(|folder| json(&folder.join("trial.json"))["spec"]["train.epochs"] == epochs).unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_read_only_folder_is_reported_before_anything_starts() {
    let workspace = Workspace::with_spec(TINY);
    // Not even root can create a folder there.
    let outcome = workspace.vaex(&["run", "spec.toml", "--runs", "/proc/runs"]);
    let message = "error: cannot create the folder /proc/runs/tiny: No such file or directory (os error 2)\n";
    assert_eq!((outcome.status, &*outcome.stderr, &*outcome.stdout), (Some(2), message, ""));
    // A disk that is mounted read-only.
    let script = "set -e; mkdir runs; mount -t tmpfs tmpfs runs; \"$0\" run spec.toml > before; mount -o remount,ro runs; \
        code=0; \"$0\" run spec.toml > said 2>&1 || code=$?; echo $code >> said; \
        \"$0\" report runs > report 2>&1; echo $? >> report";
    let mut command = workspace.shell(Command::new("unshare"));
    let output = command.args(["-rm", "sh", "-c", script]).arg(PROGRAM).output().unwrap();
    if !workspace.path("before").exists() {
        eprintln!("skipped: no disk can be mounted here");
        return;
    }
    let read = |name: &str| std::fs::read_to_string(workspace.path(name)).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        without_grey(&read("said")),
        "error: cannot write runs/tiny/.lock: Read-only file system (os error 30)\n2\n"
    );
    let report = read("report");
    assert!(report.starts_with("tiny: 2 done\n"), "{report}");
    assert!(report.contains("warning: cannot write runs/trials.parquet: Read-only file system"), "{report}");
    assert!(report.ends_with("\n0\n"), "{report}");
}

#[test]
#[cfg(unix)]
fn removing_the_folder_of_a_running_trial_fails_only_that_trial() {
    let workspace = Workspace::with_spec(TWO);
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    let process = workspace.command(&["run", "spec.toml", "--jobs", "2", "--threads", "1"]).spawn().unwrap();
    wait_for("the first epoch", || {
        let trials = workspace.path("runs/two");
        trials.exists()
            && workspace.trials("runs/two").values().any(|folder| {
                json(&folder.join("trial.json"))["spec"]["train.epochs"] == 200
                    && folder.join("checkpoint.safetensors").exists()
            })
    });
    let folder = with_epochs(&workspace, 200);
    // The process may create a file in the folder during the removal.
    wait_for("the removal", || std::fs::remove_dir_all(&folder).is_ok() || !folder.exists());
    let output = process.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = said.lines().find(|line| line.contains(": failed (")).unwrap();
    assert!(
        line.contains("No such file or directory") && line.contains(folder.file_name().unwrap().to_str().unwrap()),
        "{line}"
    );
    assert_eq!(status(&with_epochs(&workspace, 1)), "done");
    can_be_reported(&workspace);
    workspace.succeed(&["run", "spec.toml"]);
    as_undisturbed(&workspace, "two");
}

/// All recorded times are in the future.
#[test]
#[cfg(unix)]
fn a_clock_that_was_set_back_changes_nothing() {
    let workspace = Workspace::with_spec(LONG);
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    let process = in_training(&workspace);
    signal("-INT", process.id());
    process.wait_with_output().unwrap();
    let folder = only(&workspace, "runs/long");
    let record = TrialRecord::read(&TrialFolder::new(&folder)).unwrap();
    let (year, seconds) = (365.0 * 86_400.0, record.seconds);
    TrialRecord { started: record.started + year, ended: record.ended.map(|end| end + year), ..record }
        .write(&TrialFolder::new(&folder))
        .unwrap();
    std::fs::write(workspace.path("runs/long/.lock"), "{\"process\":1,\"host\":\"host\",\"since\":9e9}").unwrap();
    let files = |folder: &std::path::Path| {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    for path in files(&folder).into_iter().chain(files(&workspace.path("runs/long"))) {
        assert!(Command::new("touch").args(["-d", "2099-01-01"]).arg(path).status().unwrap().success());
    }
    workspace.succeed(&["status", "runs"]);
    let output = workspace.succeed(&["run", "spec.toml"]);
    assert!(output.contains(": resuming after epoch "), "{output}");
    as_undisturbed(&workspace, "long");
    let record = TrialRecord::read(&TrialFolder::new(&folder)).unwrap();
    assert!(record.seconds > seconds && record.seconds < 1000.0, "{} seconds", record.seconds);
    assert!(workspace.succeed(&["run", "spec.toml"]).contains(": already done\n"));
}

#[test]
fn temporary_files_in_the_folders_of_ended_trials_are_removed() {
    let workspace = diverging();
    workspace.vaex(&["run", "spec.toml"]);
    let trials = workspace.trials("runs/tiny").into_values();
    let folders = trials.flat_map(|trial| ["", "images", "embedding"].map(|name| trial.join(name)));
    let left: Vec<_> = folders.map(|folder| folder.join(".vaex-A1b2C3.tmp")).collect();
    left.iter().for_each(|path| std::fs::write(path, "half of a rec").unwrap());
    let again = workspace.vaex(&["run", "spec.toml"]);
    assert!(
        again.stdout.contains(": already done\n") && again.stdout.contains(": diverged in an earlier run: "),
        "{}",
        again.stdout
    );
    nothing_left_over(&workspace.path("runs"));
}

fn sweep(trials: usize) {
    let spec = TINY
        .replace("limit = 60", "limit = 24")
        .replace("hidden = [16]", "hidden = [2]")
        .replace("epochs = 2", "epochs = 1");
    let values: Vec<String> = (0..trials).map(|seed| seed.to_string()).collect();
    let spec = spec.replace("\"objective.kl_weight\" = [0.5, 1.0]", &format!("\"seed\" = [{}]", values.join(", ")));
    let workspace = Workspace::with_spec(&spec);
    let output = workspace.succeed(&["run", "spec.toml"]);
    assert!(output.contains(&format!("tiny: {trials} done\n")), "{output}");
    let again = workspace.succeed(&["run", "spec.toml"]);
    assert_eq!(again.matches(": already done\n").count(), trials);
    assert!(workspace.succeed(&["status", "runs"]).starts_with(&format!("tiny: {trials} done\n")));
    nothing_left_over(&workspace.path("runs"));
    println!("{trials} trials");
}

#[test]
fn a_sweep_of_many_trials() {
    sweep(50);
}

#[test]
#[ignore = "long form: 1,000 trials"]
fn long_form_of_a_sweep_of_many_trials() {
    sweep(1000);
}

#[test]
fn names_that_cannot_be_folders_are_refused() {
    let long = "n".repeat(300);
    let slash = "`name` must be a folder name without slashes, line breaks and a leading dot, found";
    for (name, message) in [
        (
            long.as_str(),
            "`name` must be 1 to 100 characters long, and at most 240 bytes, found a text of 300 characters".to_owned(),
        ),
        ("..", format!("{slash} `\"..\"`")),
        ("a/b", format!("{slash} `\"a/b\"`")),
        ("a\\nb", format!("{slash} `\"a\\nb\"`")),
    ] {
        let workspace = Workspace::with_spec(&format!("name = \"{name}\"\n"));
        let outcome = workspace.vaex(&["run", "spec.toml"]);
        assert_eq!((outcome.status, &*outcome.stdout), (Some(2), ""));
        assert!(outcome.stderr.starts_with(&format!("error: {message}\n --> spec.toml:1:8\n")), "{}", outcome.stderr);
        workspace.holds_nothing_more();
    }
    let workspace = Workspace::with_spec(&TINY.replace("\"tiny\"", "\"🚀 it's 100 %\""));
    let output = workspace.succeed(&["run", "spec.toml"]);
    assert!(output.ends_with("  vaex traverse \"runs/🚀 it's 100 %\" --best\n"), "{output}");
    assert_eq!(workspace.trials("runs/🚀 it's 100 %").len(), 2);
}

#[test]
fn one_of_two_simultaneous_runs_succeeds() {
    for _ in 0..5 {
        let workspace = Workspace::with_spec(TINY);
        let both = [0, 1].map(|_| workspace.command(&["run", "spec.toml"]).spawn().unwrap());
        let outputs = both.map(|process| process.wait_with_output().unwrap());
        for output in &outputs {
            let said = without_grey(&String::from_utf8_lossy(&output.stderr));
            match output.status.code() {
                // The second run may start after the first one has finished.
                Some(0) => assert_eq!(said, ""),
                code => {
                    assert_eq!(code, Some(2));
                    assert!(
                        said.starts_with("error: another vaex process holds the lock of runs/tiny: process "),
                        "{said}"
                    );
                }
            }
        }
        assert!(outputs.iter().any(|output| output.status.success()));
        workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
        as_undisturbed(&workspace, "tiny");
    }
}

/// Two models; the memory is too small for the large one.
#[test]
#[cfg(target_os = "linux")]
fn a_trial_that_runs_out_of_memory_is_one_failed_trial() {
    let spec = TINY.replace("\"objective.kl_weight\" = [0.5, 1.0]", "\"model.hidden\" = [[16], [200000]]");
    let workspace = Workspace::with_spec(&spec.replace("hidden = [16]\n", ""));
    let script = "ulimit -d 1000000; exec \"$0\" run spec.toml --threads 1 --jobs 1";
    let mut command = workspace.shell(Command::new("sh"));
    let output = command.args(["-c", script]).arg(PROGRAM).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let records: Vec<TrialRecord> = workspace
        .trials("runs/tiny")
        .values()
        .map(|folder| TrialRecord::read(&TrialFolder::new(folder)).unwrap())
        .collect();
    let small = records.iter().find(|record| record.parameters < 1_000_000).unwrap();
    let large = records.iter().find(|record| record.parameters > 1_000_000).unwrap();
    assert_eq!((small.status.name(), large.status.name()), ("done", "failed"));
    let error = large.error.as_ref().unwrap();
    assert!(error.starts_with("its process was terminated by signal 6: "), "{error}");
    assert!(error.contains("memory allocation of ") && error.contains(" bytes failed"), "{error}");
    // It would fail again, so it is not retried without --retry-failed.
    let again = workspace.vaex(&["run", "spec.toml"]);
    assert_eq!(again.status, Some(1));
    assert!(
        again.stdout.contains(": failed in an earlier run: its process was terminated by signal 6: "),
        "{}",
        again.stdout
    );
    let remark = "1 trial failed or diverged in an earlier run; to retry: --retry-failed\n";
    assert!(again.stdout.contains(remark), "{}", again.stdout);
}

#[test]
#[cfg(target_os = "linux")]
fn a_trial_that_hangs_is_one_failed_trial() {
    let workspace = Workspace::with_spec(LONG);
    let mut process = workspace.command(&["run", "spec.toml", "--stall-timeout", "2"]).spawn().unwrap();
    wait_for("the trial's process", || !children(process.id()).is_empty());
    signal("-STOP", children(process.id())[0]);
    let code = process.wait().unwrap().code();
    let record = TrialRecord::read(&TrialFolder::new(only(&workspace, "runs/long"))).unwrap();
    let error = "no progress for 2 seconds, so its process was killed";
    assert_eq!((code, record.status.name(), record.error.as_deref()), (Some(1), "failed", Some(error)));
    let again = workspace.vaex(&["run", "spec.toml"]);
    assert_eq!(again.status, Some(1));
    assert!(again.stdout.contains(&format!(": failed in an earlier run: {error}\n")), "{}", again.stdout);
    workspace.succeed(&["run", "spec.toml", "--retry-failed"]);
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    as_undisturbed(&workspace, "long");
}
