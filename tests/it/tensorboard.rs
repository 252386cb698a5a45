//! `vaex tensorboard`, with a script in place of TensorBoard: which process ends which.
#![cfg(unix)]

use crate::harness::Workspace;
use crate::runs::signal;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A script `tensorboard` that writes its process id and its arguments to `started`, and then runs `then`.
fn with_fake(then: &str) -> Workspace {
    let mut workspace = Workspace::new();
    workspace.create_folder("runs");
    workspace.create_folder("bin");
    let started = "echo $$ \"$@\" > starting\nmv starting started\n";
    workspace.write("bin/tensorboard", format!("#!/bin/sh\n{started}{then}\n"));
    let program = workspace.path("bin/tensorboard");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    workspace
}

fn tensorboard(workspace: &Workspace, arguments: &[&str]) -> Command {
    let others = std::env::var("PATH").unwrap();
    let mut command = workspace.command(&[&["tensorboard"], arguments].concat());
    command.env("PATH", format!("{}:{others}", workspace.path("bin").display()));
    command
}

/// Starts vaex with the script; returns vaex and the process id of the script.
fn started(workspace: &Workspace) -> (Child, u32) {
    let vaex = tensorboard(workspace, &[]).spawn().unwrap();
    wait_for(|| workspace.path("started").exists());
    let said = std::fs::read_to_string(workspace.path("started")).unwrap();
    (vaex, said.split(' ').next().unwrap().parse().unwrap())
}

#[track_caller]
fn wait_for(happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(60), "timed out");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_alive(process: u32) -> bool {
    PathBuf::from(format!("/proc/{process}")).exists()
}

#[test]
fn tensorboard_gets_the_folder_and_the_arguments_and_its_status_is_passed_on() {
    let workspace = with_fake("exit 7");
    let output = tensorboard(&workspace, &["--", "--port", "7000"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let said = std::fs::read_to_string(workspace.path("started")).unwrap();
    assert_eq!(said.split_once(' ').unwrap().1, "--logdir runs --port 7000\n");
    // A process that a signal ended has no exit status.
    let workspace = with_fake("kill -KILL $$");
    assert_eq!(tensorboard(&workspace, &[]).output().unwrap().status.code(), Some(130));
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_to_vaex_ends_tensorboard_first() {
    for name in ["-TERM", "-INT", "-HUP"] {
        // The script is busy for a moment before it ends.
        let slow = "trap 'echo > asked; sleep 1; echo > ended; exit 3' TERM\n\
                    n=0; while [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done";
        let workspace = with_fake(slow);
        let (mut vaex, script) = started(&workspace);
        assert!(is_alive(script));
        signal(name, vaex.id());
        assert_eq!(vaex.wait().unwrap().code(), Some(130), "{name}");
        assert!(workspace.path("ended").exists() && !is_alive(script), "{name}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_second_signal_kills_a_tensorboard_that_does_not_end() {
    let workspace = with_fake("trap 'echo > asked' TERM\nn=0; while [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done");
    let (mut vaex, script) = started(&workspace);
    signal("-TERM", vaex.id());
    wait_for(|| workspace.path("asked").exists());
    assert!(is_alive(script) && vaex.try_wait().unwrap().is_none());
    signal("-TERM", vaex.id());
    assert_eq!(vaex.wait().unwrap().code(), Some(130));
    assert!(!is_alive(script));
}
