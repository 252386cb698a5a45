//! SIGKILL at random times: of the run or of the process of a trial.

use super::{Dice, as_undisturbed, can_be_reported};
use crate::harness::Workspace;
use crate::runs::{children, is_running, kill_if_there, wait_for};
use std::process::Stdio;
use std::time::{Duration, Instant};

const SWEEP: &str = "\
name = \"kills\"

[data]
limit = 100

[model]
family = \"mlp\"
hidden = [16]

[train]
batch_size = 10
epochs = 20
checkpoint_steps = 4

[sweep.grid]
\"objective.kl_weight\" = [0.25, 0.5, 1.0, 2.0]
";

fn kill(kills: usize) {
    let workspace = Workspace::with_spec(SWEEP);
    let start = Instant::now();
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    let duration = start.elapsed().as_micros() as u64;
    let mut dice = Dice(kills as u64);
    let (mut made, mut victims, mut sweeps) = (0, [0; 3], 0);
    let mut finish = |workspace: &Workspace| {
        workspace.succeed(&["run", "spec.toml"]);
        as_undisturbed(workspace, "kills");
        std::fs::remove_dir_all(workspace.path("runs")).unwrap();
        sweeps += 1;
    };
    while made < kills {
        let mut process = workspace.command(&["run", "spec.toml"]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(dice.below(duration / 2)));
        let trials = children(process.id());
        if process.try_wait().unwrap().is_some() {
            finish(&workspace);
            continue;
        }
        let all = [&trials[..], &[process.id()]].concat();
        // The run, one of its trials, or all at once, as in a power failure.
        let victim = dice.below(3) as usize;
        let killed = match victim {
            0 => &all[trials.len()..],
            1 if !trials.is_empty() => &all[..1],
            _ => &all[..],
        };
        for process in killed {
            kill_if_there(*process);
        }
        victims[victim] += 1;
        process.wait().unwrap();
        // The trials of a killed run end by themselves.
        wait_for("the end of the trials", || !trials.iter().any(|trial| is_running(*trial)));
        made += 1;
        can_be_reported(&workspace);
    }
    finish(&workspace);
    let [runs, trials, all] = victims;
    println!("{made} kills over {sweeps} sweeps: {runs} of the run, {trials} of a trial, {all} of all at once");
}

#[test]
#[cfg(target_os = "linux")]
fn a_sweep_survives_kills_at_any_time() {
    kill(20);
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "long form: 200 kills"]
fn long_form_of_kills() {
    kill(200);
}
