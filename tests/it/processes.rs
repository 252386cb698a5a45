//! Processes and their environment: ignored signals, a replaced program, a full disk, a file system without locks.
#![cfg(unix)]
#![expect(clippy::print_stderr, reason = "skipped tests print why")]

use crate::harness::{PROGRAM, Workspace};
use crate::runs::{LONG, TINY, children, only, signal, status, wait_for};
use std::process::{Command, Stdio};

/// A run under `nohup` continues when the terminal closes: SIGHUP stays ignored, in the run and in its trials.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    for name in ["HUP", "INT"] {
        // Long enough for the signals to arrive during training.
        let workspace = Workspace::with_spec(&LONG.replace("epochs = 40", "epochs = 400"));
        let script = format!("trap '' {name}; exec \"$0\" run spec.toml --threads 1");
        let mut command = workspace.shell(Command::new("sh"));
        command.args(["-c", &script, PROGRAM]).stdout(Stdio::null());
        let mut run = command.spawn().unwrap();
        wait_for("a trial", || !children(run.id()).is_empty() && workspace.path("runs/long/plan.json").exists());
        let trial = children(run.id())[0];
        wait_for("the trial to begin", || {
            std::fs::read_to_string(format!("/proc/{trial}/cmdline")).is_ok_and(|line| line.contains("trial"))
        });
        for process in [run.id(), trial] {
            signal(&format!("-{name}"), process);
        }
        assert_eq!(run.wait().unwrap().code(), Some(0), "{name}");
        assert_eq!(status(&only(&workspace, "runs/long")), "done");
    }
}

#[test]
fn a_signal_that_is_not_ignored_stops_a_run() {
    for name in ["HUP", "INT", "TERM"] {
        let workspace = Workspace::with_spec(&LONG.replace("epochs = 40", "epochs = 40000"));
        let run = workspace.command(&["run", "spec.toml", "--threads", "1"]).spawn().unwrap();
        wait_for("an epoch", || {
            let trials = workspace.path("runs/long");
            trials.exists()
                && workspace.trials("runs/long").values().any(|folder| folder.join("metrics.parquet").exists())
        });
        signal(&format!("-{name}"), run.id());
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{name}");
        assert_eq!(status(&only(&workspace, "runs/long")), "interrupted");
        // An interrupted trial does not count as ended.
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(": interrupted (0 of 1 trials)\n"), "{said}");
    }
}

/// Trials are trained by the program that planned them, even if another program replaces its file in the meantime.
#[test]
#[cfg(target_os = "linux")]
fn a_replaced_program_keeps_training() {
    let mut workspace = Workspace::with_spec(&LONG.replace("epochs = 40", "epochs = 8\n[sweep]\nseeds = 4"));
    let program = workspace.path("vaex");
    std::fs::copy(PROGRAM, &program).unwrap();
    let mut run = workspace.shell(Command::new(&program));
    run.args(["run", "spec.toml", "--jobs", "1"]).stdout(Stdio::null());
    let mut run = run.spawn().unwrap();
    wait_for("a trial", || !children(run.id()).is_empty());
    workspace.write("other", "#!/bin/sh\nexit 7\n");
    assert!(Command::new("chmod").arg("+x").arg(workspace.path("other")).status().unwrap().success());
    std::fs::rename(workspace.path("other"), &program).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert!(workspace.trials("runs/long").values().all(|folder| status(folder) == "done"));
}

/// In a private mount namespace: a disk of 12 MB with `$1` KB free when a sweep starts; then with free space, the sweep again.
#[cfg(target_os = "linux")]
const FULL: &str = "\
set -e
mkdir runs
mount -t tmpfs -o size=12m tmpfs runs
head -c $((12 * 1024 * 1024 - $1 * 1024)) /dev/zero > runs/ballast
code=0
\"$0\" run spec.toml --jobs 1 > said 2>&1 || code=$?
echo $code > code
rm runs/ballast
\"$0\" run spec.toml --jobs 2 > then
cp -a runs/tiny done
";

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_stops_the_sweep() {
    let can = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no disk can be mounted here");
        return;
    }
    let workspace = Workspace::with_spec(&TINY.replace("[0.5, 1.0]", "[0.5, 1.0]\nseed = [0, 1, 2]"));
    let mut script = workspace.shell(Command::new("unshare"));
    script.args(["-rm", "sh", "-c", FULL, PROGRAM, "1400"]);
    let output = script.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| std::fs::read_to_string(workspace.path(name)).unwrap();
    let said = read("said");
    assert_eq!(read("code"), "1\n", "{said}");
    assert!(said.contains("the disk of runs/tiny is full or read-only, so the run was stopped with "), "{said}");
    assert!(said.contains("; free some space, then resume with: "), "{said}");
    assert_eq!(said.matches(": failed (").count(), 1, "only one of six trials may fail: {said}");
    assert!(workspace.trials("done").values().all(|folder| status(folder) == "done"));
    assert_eq!(workspace.trials("done").len(), 6);
}

/// A library that replaces `flock`, to behave like a file system that is mounted without locks.
const WITHOUT_LOCKS: &str = "\
#include <errno.h>
int flock(int file, int operation) { errno = ENOLCK; return -1; }
";

/// The library, compiled.
#[cfg(target_os = "linux")]
fn without_locks(workspace: &mut Workspace) -> std::path::PathBuf {
    workspace.write("flock.c", WITHOUT_LOCKS);
    let library = workspace.path("flock.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(workspace.path("flock.c"));
    assert!(compiler.status().unwrap().success());
    library
}

#[test]
#[cfg(target_os = "linux")]
fn without_locks_a_second_run_on_the_same_host_is_refused() {
    let mut workspace = Workspace::with_spec(&LONG.replace("epochs = 40", "epochs = 4000"));
    let library = without_locks(&mut workspace);
    let command = |arguments: &[&str]| {
        let mut command = workspace.command(arguments);
        command.env("LD_PRELOAD", &library);
        command
    };
    let mut first = command(&["run", "spec.toml", "--threads", "1"]).stdout(Stdio::null()).spawn().unwrap();
    wait_for("an epoch", || {
        let trials = workspace.path("runs/long");
        trials.exists() && workspace.trials("runs/long").values().any(|folder| folder.join("metrics.parquet").exists())
    });
    let second = command(&["run", "spec.toml", "--fresh"]).output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(
        second.status.code() == Some(2) && said.contains("another vaex process holds the lock of runs/long"),
        "{said}"
    );
    let status = String::from_utf8(command(&["status"]).output().unwrap().stdout).unwrap();
    assert!(status.starts_with("long: 1 running\n"), "{status}");
    assert!(command(&["cancel", "runs/long"]).output().unwrap().status.success());
    assert_eq!(first.wait().unwrap().code(), Some(130));
    // The next run is not refused.
    assert_eq!(crate::runs::status(&only(&workspace, "runs/long")), "interrupted");
    let next = command(&["run", "spec.toml", "--set", "train.epochs=1"]).output().unwrap();
    assert_eq!(next.status.code(), Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_system_without_locks_gives_a_warning() {
    let mut workspace = Workspace::with_spec(TINY);
    let library = without_locks(&mut workspace);
    let output = workspace.command(&["run", "spec.toml"]).env("LD_PRELOAD", &library).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let warning = "warning: the file system of runs/tiny does not support locks (No locks available (os error 37)): make \
                   sure that no other vaex process uses this folder, or mount it with locks (Lustre: -o flock; NFS: without \
                   nolock)\n";
    assert_eq!(said.matches(warning).count(), 1, "{said}");
    assert!(workspace.trials("runs/tiny").values().all(|folder| status(folder) == "done"));
}
