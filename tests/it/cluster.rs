//! `vaex run --launcher`, `vaex status` and `vaex cancel`. The tests with `slurm` in their name need a real Slurm.

use crate::harness::{Workspace, json, without_grey};
use crate::runs::{
    LONG, TINY, diverging, in_training, kill_if_there, only, parent, rows, same_bits, signal, status, wait_for,
};
use crate::search_runs;
use std::path::Path;
use std::process::Command;
use vaex::folder::TrialFolder;
use vaex::record::trial::{Status, TrialRecord};

/// A scheduler that runs the tasks one after another.
const TEMPLATE: &str = "\
for number in $(seq 0 {last}); do
    {task} $number > {folder}/$number.log 2>&1 || true
done
echo job of {count} for {name}
";

#[test]
#[cfg(unix)]
fn any_scheduler_can_run_the_trials() {
    let mut workspace = Workspace::with_spec(TINY);
    workspace.write("template.sh", TEMPLATE);
    let command = ["run", "spec.toml", "--launcher", "command", "--template", "template.sh"];
    let printed = workspace.succeed(&[&command[..], &["--print"]].concat());
    assert!(printed.starts_with("for number in $(seq 0 1); do\n    "), "{printed}");
    workspace.holds_nothing_more();
    let said = workspace.succeed(&command);
    let expected = "\
tiny: 2 trials submitted as job of 2 for tiny
to see their status: vaex status runs/tiny; to stop them: vaex cancel runs/tiny
";
    assert_eq!(said, expected);
    workspace.succeed(&["run", "spec.toml", "--runs", "local"]);
    for (number, id) in ids(&workspace, "runs/tiny/jobs/1/trials.txt").iter().enumerate() {
        same_bits(&workspace.trial("runs/tiny", id), &workspace.trial("local/tiny", id));
        let log = std::fs::read_to_string(workspace.path(&format!("runs/tiny/jobs/1/{number}.log"))).unwrap();
        assert!(log.ends_with(": done (1 of 1 trials)\n"), "{log}");
    }
    let script = std::fs::read_to_string(workspace.path("runs/tiny/jobs/1/script.sh")).unwrap();
    assert_eq!(script.trim_end(), printed.trim_end());
    assert!(workspace.succeed(&command).contains("\ntiny: nothing to submit\n"));
    assert!(workspace.succeed(&["status", "runs/tiny"]).starts_with("tiny: 2 done\n"));
    assert_eq!(workspace.succeed(&["cancel", "runs/tiny"]), "runs/tiny: nothing is running\n");
}

/// The script runs the tasks itself, one after another, and each of them plans what follows.
#[test]
#[cfg(unix)]
fn any_scheduler_can_run_a_search() {
    let mut workspace = Workspace::with_spec(search_runs::SPEC);
    workspace.write("template.sh", TEMPLATE);
    let command = ["run", "spec.toml", "--launcher", "command", "--template", "template.sh"];
    workspace.succeed(&command);
    workspace.succeed(&["run", "spec.toml", "--runs", "local"]);
    search_runs::are_same(&workspace, ["runs", "local"]);
    assert!(workspace.succeed(&command).contains("one: nothing to submit\n"));
}

/// Tasks that end at the same time decide the same, and none loses what another one wrote.
#[test]
#[cfg(unix)]
fn tasks_of_a_search_run_at_the_same_time() {
    let mut workspace = Workspace::with_spec(search_runs::SPEC);
    workspace.succeed(&["run", "spec.toml", "--runs", "local"]);
    let at_once = "for number in $(seq 0 {last}); do {task} $number > {folder}/$number.log 2>&1 & done; wait\n";
    workspace.write("template.sh", at_once);
    workspace.succeed(&["run", "spec.toml", "--launcher", "command", "--template", "template.sh"]);
    search_runs::are_same(&workspace, ["runs", "local"]);
    for folder in workspace.trials("runs/one").into_values() {
        let record = TrialRecord::read(&TrialFolder::new(&folder)).unwrap();
        assert!(record.ended.is_some() && record.seconds > 0.0 && record.error.is_none(), "{record:?}");
    }
}

/// A longer search is submitted while the tasks of a shorter one are queued: they submit what the longer one needs.
#[test]
#[cfg(unix)]
fn tasks_of_an_earlier_submission_go_on_with_the_last_one() {
    let mut workspace = Workspace::with_spec(search_runs::SPEC);
    let longer = ["run", "spec.toml", "--set", "search.trials=12"];
    workspace.succeed(&[&longer[..], &["--runs", "local"]].concat());
    workspace.write("template.sh", "echo job # {task}\n");
    let launcher = ["--launcher", "command", "--template", "template.sh"];
    workspace.succeed(&[&["run", "spec.toml"], &launcher[..]].concat());
    workspace.succeed(&[&longer[..], &launcher[..]].concat());
    let (mut number, mut folder) = (1, "runs/one/jobs/1".to_owned());
    while workspace.path(&folder).exists() {
        for line in 0..ids(&workspace, &format!("{folder}/trials.txt")).len() {
            workspace.succeed(&["task", &folder, &line.to_string()]);
        }
        number += 1;
        folder = format!("runs/one/jobs/{number}");
    }
    search_runs::are_same(&workspace, ["runs", "local"]);
}

/// Once few settings are left, many proposals in a row bring no new trial.
#[test]
#[cfg(unix)]
fn a_search_is_submitted_to_its_end_although_settings_repeat() {
    let spec =
        search_runs::SPEC.replace("trials = 9\nmethod = \"random\"", "trials = 60").replace("seeds = 2", "seeds = 1");
    let (before, _) = spec.split_once("[search.space]").unwrap();
    let mut workspace =
        Workspace::with_spec(&format!("{before}[search.space]\n\"model.latent_dim\" = {{ choice = [2, 4, 8] }}\n"));
    workspace.succeed(&["run", "spec.toml", "--runs", "local"]);
    workspace.write("template.sh", TEMPLATE);
    workspace.succeed(&["run", "spec.toml", "--launcher", "command", "--template", "template.sh"]);
    search_runs::are_same(&workspace, ["runs", "local"]);
    let said = workspace.succeed(&["status", "runs/one"]);
    assert!(said.contains("60 of 60 settings proposed, 12 epochs trained\n"), "{said}");
}

/// The job that watches the tasks is refused: nothing stays queued, and nothing counts as tried.
#[test]
#[cfg(unix)]
fn a_search_whose_watching_job_is_refused_leaves_nothing_in_the_queue() {
    use std::os::unix::fs::PermissionsExt;
    let mut workspace = Workspace::with_spec(search_runs::SPEC);
    workspace.create_folder("bin");
    let refusing = "#!/bin/sh\ncase \"$2\" in *after.sh) echo 'no more jobs' >&2; exit 1;; *) echo 17;; esac\n";
    let programs = [("sbatch", refusing), ("squeue", "#!/bin/sh\n"), ("scancel", "#!/bin/sh\necho $1 >> cancelled\n")];
    for (name, script) in programs {
        let name = format!("bin/{name}");
        workspace.write(&name, script);
        std::fs::set_permissions(workspace.path(&name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", workspace.path("bin").display(), std::env::var("PATH").unwrap());
    let run = |workspace: &Workspace, arguments: &[&str]| {
        let output = workspace.command(arguments).env("PATH", &path).output().unwrap();
        (output.status.code(), [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat())
    };
    for number in 1..=3 {
        let (status, said) = run(&workspace, &["run", "spec.toml", "--launcher", "slurm"]);
        assert!(status == Some(2) && said.contains("`sbatch` failed: exit status: 1: no more jobs"), "{said}");
        assert_eq!(std::fs::read_to_string(workspace.path("cancelled")).unwrap(), "17\n".repeat(number));
    }
    workspace.write("bin/sbatch", "#!/bin/sh\necho 18\n");
    let (status, said) = run(&workspace, &["run", "spec.toml", "--launcher", "slurm"]);
    assert!(status == Some(0) && said.contains("one: 18 trials submitted as 18\n"), "{said}");
    // The tasks are lost: the watching job submits them again, for the second time.
    let (status, said) = run(&workspace, &["task", "runs/one/jobs/4", "--advance"]);
    assert!(status == Some(0) && said.ends_with("search: 18 trials submitted as 18\n"), "{said}");
}

/// The template submits nothing: the tasks are run here, one at a time, and a trial is stopped from outside twice.
#[test]
#[cfg(unix)]
fn a_trial_that_was_lost_is_submitted_three_times_for_each_rung() {
    let mut workspace = Workspace::with_spec(search_runs::SPEC);
    workspace.succeed(&["run", "spec.toml", "--runs", "local"]);
    workspace.write("template.sh", "echo job # {task}\n");
    let command = ["run", "spec.toml", "--launcher", "command", "--template", "template.sh"];
    workspace.succeed(&command);
    // One that is promoted to the end.
    let locals = workspace.trials("local/one");
    let (id, _) = locals.iter().find(|(_, folder)| status(folder) == "done").unwrap();
    let jobs = |number: usize| format!("runs/one/jobs/{number}");
    let lines = |number: usize| ids(&workspace, &format!("{}/trials.txt", jobs(number)));
    let is_submitted = |number: usize| workspace.path(&jobs(number)).exists();
    let advance = |number: usize| workspace.succeed(&["task", &jobs(number), "--advance"]);
    let stop = || {
        let folder = TrialFolder::new(workspace.trial("runs/one", id));
        let record = TrialRecord::read(&folder).unwrap();
        let ended = Some(record.ended.unwrap_or(1.0) + 1.0);
        TrialRecord { status: Status::Interrupted, ended, ..record }.write(&folder).unwrap();
    };
    for number in (0..18).filter(|number| !lines(1)[*number].starts_with(id)) {
        workspace.succeed(&["task", &jobs(1), &number.to_string()]);
    }
    assert!(!is_submitted(2), "its task is still to come");
    for submission in [2, 3] {
        stop();
        let said = advance(1);
        assert!(said.ends_with(" search: 1 trial submitted as job\n"), "{said}");
        assert_eq!(lines(submission), [format!("{id} 1")]);
        advance(1);
        assert!(!is_submitted(submission + 1), "it was just handed over");
    }
    stop();
    let said = advance(1);
    let expected = format!(
        "{id}: not trained: it was submitted three times and not finished; to try again, run `vaex run` again\n"
    );
    assert!(said.contains(&expected), "{said}");
    assert!(!is_submitted(4));
    let shown = workspace.succeed(&["status", "runs/one"]);
    assert!(shown.contains("it was submitted three times and not finished"), "{shown}");
    // The third task comes after all: the trial has reached its rung, and its attempts do not count for the next one.
    workspace.succeed(&["task", &jobs(3), "0"]);
    assert!(lines(4).contains(&format!("{id} 2")), "{:?}", lines(4));
    let mut number = 4;
    while is_submitted(number) {
        for line in 0..lines(number).len() {
            workspace.succeed(&["task", &jobs(number), &line.to_string()]);
        }
        number += 1;
    }
    search_runs::are_same(&workspace, ["runs", "local"]);
    assert!(workspace.succeed(&command).contains("one: nothing to submit\n"));
}

#[test]
#[cfg(unix)]
fn failures_of_a_scheduler_s_trials_can_be_allowed() {
    let mut workspace = diverging();
    workspace.write("template.sh", TEMPLATE);
    let command = ["run", "spec.toml", "--launcher", "command", "--template", "template.sh", "--wait"];
    assert_eq!(workspace.vaex(&command).status, Some(1));
    assert_eq!(workspace.vaex(&[&command[..], &["--allow-failed"]].concat()).status, Some(0));
}

#[test]
fn options_that_a_launcher_does_not_support_are_refused() {
    let mut workspace = Workspace::with_spec(TINY);
    workspace.write("template.sh", "echo\n");
    for (arguments, message) in [
        (&["--partition", "p"][..], "--partition needs --launcher slurm"),
        (&["--wait"], "--wait needs --launcher slurm or --launcher command"),
        (&["--launcher", "slurm", "--template", "template.sh"], "--template needs --launcher command"),
        (&["--launcher", "command"], "--launcher command needs --template FILE"),
        (
            &["--launcher", "command", "--template", "nowhere"],
            "cannot read the template nowhere: No such file or directory (os error 2)",
        ),
        (
            &["--launcher", "command", "--template", "template.sh"],
            "template.sh does not contain {task}, the placeholder for the command that trains a trial",
        ),
        (
            &["--launcher", "slurm", "--jobs", "2"],
            "--jobs, --jobs-per-gpu and --fail-fast apply to trials on this machine only; for Slurm, use --max-parallel and --gpus",
        ),
    ] {
        workspace.refuse(&[&["run", "spec.toml"], arguments].concat(), &format!("error: {message}\n"));
    }
}

#[test]
#[cfg(unix)]
fn a_run_on_this_machine_is_shown_and_cancelled() {
    let workspace = Workspace::with_spec(LONG);
    let process = in_training(&workspace);
    let shown = workspace.succeed(&["status"]);
    assert!(shown.starts_with("long: 1 running\n"), "{shown}");
    assert!(shown.contains(&format!("lock held by: process {} on ", process.id())), "{shown}");
    let said = workspace.succeed(&["cancel", "runs/long"]);
    assert_eq!(said, format!("runs/long: stopped process {}\n", process.id()));
    assert_eq!(process.wait_with_output().unwrap().status.code(), Some(130));
    assert!(workspace.succeed(&["status", "runs"]).starts_with("long: 1 interrupted\n"));
    let shown: serde_json::Value = serde_json::from_str(&workspace.succeed(&["status", "--json"])).unwrap();
    let epoch = shown[0]["trials"][0]["epoch"].as_u64().unwrap();
    assert_eq!(epoch as usize * 2, rows(&only(&workspace, "runs/long")).len());
}

#[test]
fn a_folder_without_a_plan_is_not_an_experiment_folder() {
    let mut workspace = Workspace::new();
    workspace.create_folder("empty");
    let none = |folder: &str| format!("error: {folder} is not an experiment folder: it has no plan.json\n");
    workspace.refuse(&["status", "empty"], "error: empty is not an experiment folder: it has no plan.json\n");
    workspace.refuse(&["status", "nowhere"], "error: there is no folder nowhere; `vaex run SPEC` creates it\n");
    // Only one experiment is cancelled, never all experiments of a folder.
    workspace.refuse(&["cancel", "empty"], &none("empty"));
    workspace.refuse(&["cancel", "nowhere"], &none("nowhere"));
}

/// With --fresh, old results are kept until the new training starts.
#[test]
fn a_failed_submission_keeps_all_results() {
    let workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    let mut command = workspace.command(&["run", "spec.toml", "--launcher", "slurm", "--fresh"]);
    let output = command.env("PATH", "").output().unwrap();
    let message = "error: `sbatch` failed: No such file or directory (os error 2)\n";
    let said = without_grey(&String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), &*said), (Some(2), message));
    let again = workspace.succeed(&["run", "spec.toml"]);
    assert_eq!(again.matches(": already done\n").count(), 2, "{again}");
}

/// A trial that another process trains is not trained twice, and waiting for it does not count as a stall.
#[test]
#[cfg(unix)]
fn a_task_waits_for_the_process_that_trains_its_trial() {
    let mut workspace = Workspace::with_spec(TINY);
    workspace.write("template.sh", "echo {task}\n");
    workspace.succeed(&["run", "spec.toml", "--launcher", "command", "--template", "template.sh"]);
    let id = &ids(&workspace, "runs/tiny/jobs/1/trials.txt")[0];
    let folder = workspace.trial("runs/tiny", id);
    let lock = vaex::launch::lock::take(&folder, std::time::Duration::ZERO).unwrap();
    let submission = workspace.path("runs/tiny/jobs/1");
    let task = ["task", submission.to_str().unwrap(), "0", "--threads", "1", "--stall-timeout", "2"];
    let waiting = workspace.command(&task).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(status(&folder), "planned");
    signal("-TERM", waiting.id());
    let output = waiting.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains(&format!(": waiting for process {} on ", std::process::id())), "{said}");
    drop(lock);
    workspace.succeed(&task);
    assert_eq!(status(&folder), "done");
}

fn ids(workspace: &Workspace, list: &str) -> Vec<String> {
    std::fs::read_to_string(workspace.path(list)).unwrap().lines().map(str::to_owned).collect()
}

/// The output of a Slurm command.
fn slurm(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Starts a requeued task at once; Slurm would let it wait for two minutes.
fn start_now(task: &str) {
    wait_for("the task's place in the queue", || {
        Command::new("scontrol").args(["update", &format!("JobId={task}"), "StartTime=now"]).status().unwrap().success()
    });
}

/// The process that trains the trial of a folder.
fn trainer(folder: &Path) -> Option<u32> {
    let found = Command::new("pgrep").args(["-f", &format!("vaex trial {}", folder.display())]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().trim().parse().ok()
}

/// Kills a process that is no child of the test, and may therefore end between being found and being killed.
fn kill(what: &str, find: impl Fn() -> Option<u32>) {
    wait_for(what, || find().is_some_and(kill_if_there));
}

/// Waits until a trial has finished two epochs.
fn trained(folder: &Path) {
    wait_for("training", || {
        vaex::record::tables::read_metrics(&folder.join("metrics.parquet")).is_ok_and(|rows| rows.len() >= 4)
    });
}

/// Six trials that take a few seconds each; the last one diverges.
const SIX: &str = "\
name = \"six\"

[data]
limit = 400

[model]
family = \"mlp\"
hidden = [64]

[train]
batch_size = 4
epochs = 40
optimizer = \"sgd\"
checkpoint_steps = 30

[sweep.grid]
\"train.learning_rate\" = [1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 1e20]
";

/// A workspace where the trials of `SIX` were trained on this machine, undisturbed.
fn six() -> Workspace {
    let workspace = Workspace::with_spec(SIX);
    let local = workspace.vaex(&["run", "spec.toml", "--runs", "local"]);
    assert_eq!(local.status, Some(1), "{}", local.stderr);
    workspace
}

#[track_caller]
fn six_are_as_trained_here(workspace: &Workspace) {
    let trials = workspace.trials("runs/six");
    assert_eq!(trials.len(), 6);
    for (id, folder) in trials {
        let local = workspace.trial("local/six", &id);
        assert_eq!(status(&folder), status(&local));
        match &*status(&folder) {
            "done" => same_bits(&folder, &local),
            // A loss that is not finite is not equal to itself.
            other => assert_eq!(other, "diverged"),
        }
    }
}

#[test]
#[ignore = "needs Slurm, as tests/slurm.sh starts it"]
fn slurm_runs_a_sweep_with_a_trial_that_fails_and_one_that_is_killed() {
    let workspace = six();
    let submit = ["run", "spec.toml", "--launcher", "slurm", "--max-parallel", "2", "--time", "30"];
    let following = workspace.command(&[&submit[..], &["--wait"]].concat()).spawn().unwrap();
    let job_file = workspace.path("runs/six/jobs/1/job.json");
    wait_for("the submission", || job_file.exists());
    let job = json(&job_file)["job"].as_str().unwrap().to_owned();
    let ids = ids(&workspace, "runs/six/jobs/1/trials.txt");
    let folder = workspace.trial("runs/six", &ids[1]);
    trained(&folder);
    let steps = |folder: &Path| rows(folder).last().unwrap().step;
    let before = steps(&folder);
    kill("the trial", || trainer(&folder));
    wait_for("the record of the crash", || status(&folder) == "failed");
    let record = TrialRecord::read(&TrialFolder::new(&folder)).unwrap();
    let error = "its process was killed (signal 9; possibly the system was out of memory)";
    assert_eq!((record.error.as_deref(), record.from_outside), (Some(error), true));
    let task = format!("{job}_1");
    wait_for("the end of the task", || !slurm("squeue", &["-h", "-r", "-j", &job, "-o", "%i"]).contains(&task));
    // Slurm requeues a task when an operator requests it or when a node is lost.
    slurm("scontrol", &["requeue", &task]);
    start_now(&task);
    let output = following.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with(&format!("six: 6 trials submitted as {job}\n")), "{said}");
    assert!(said.contains("six: 5 done, 1 diverged\n"), "{said}");
    let log = std::fs::read_to_string(workspace.path("runs/six/jobs/1/1.log")).unwrap();
    assert!(log.contains(": resuming after epoch "), "{log}");
    assert!(steps(&folder) > before);
    six_are_as_trained_here(&workspace);
    let again = workspace.succeed(&submit);
    assert!(again.contains(": diverged in an earlier run: the "), "{again}");
    assert!(again.contains("\nsix: nothing to submit\n"), "{again}");
}

/// One trial is killed, and one task with its trial: the rung continues, and the result is that of this machine.
#[test]
#[ignore = "needs Slurm, as tests/slurm.sh starts it"]
fn slurm_runs_a_search_of_which_a_task_is_killed() {
    let spec = search_runs::SPEC.replace("epochs = 4", "epochs = 80").replace("min_epochs = 1", "min_epochs = 20");
    let workspace = Workspace::with_spec(&spec);
    workspace.succeed(&["run", "spec.toml", "--runs", "local"]);
    let submit = ["run", "spec.toml", "--launcher", "slurm", "--time", "30"];
    let following = workspace.command(&[&submit[..], &["--wait"]].concat()).spawn().unwrap();
    let job_file = workspace.path("runs/one/jobs/1/job.json");
    wait_for("the submission", || job_file.exists());
    let ids = ids(&workspace, "runs/one/jobs/1/trials.txt");
    let folder_of = |line: &str| workspace.trial("runs/one", line.split(' ').next().unwrap());
    let training = || ids.iter().find_map(|line| trainer(&folder_of(line)));
    kill("a trial in training", training);
    kill("a task whose trial is in training", || parent(training()?));
    let output = following.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    search_runs::are_same(&workspace, ["runs", "local"]);
    assert!(workspace.succeed(&submit).contains("one: nothing to submit\n"));
}

#[test]
#[ignore = "needs Slurm, as tests/slurm.sh starts it"]
fn slurm_evaluates_an_experiment_as_an_array() {
    let mut workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    let submit = ["evaluate", "runs/tiny", "--metrics", "elbo,nll", "--nll-samples", "200", "--launcher", "slurm"];
    let said = workspace.succeed(&[&submit[..], &["--time", "30", "--wait"]].concat());
    assert!(said.starts_with("evaluation of 2 trials submitted as "), "{said}");
    let values = |folder: &Path| json(&folder.join("evaluation.json"))["results"].clone();
    for folder in workspace.trials("runs/tiny").into_values() {
        assert_eq!(values(&folder).as_array().unwrap().len(), 2);
    }
    // A run whose trials evaluate themselves: waiting includes the evaluation, and the values are those of the commands above.
    workspace.write("spec.toml", format!("{TINY}\n[evaluate]\nmetrics = [\"elbo\", \"nll\"]\nnll_samples = 200\n"));
    workspace.succeed(&["run", "spec.toml", "--runs", "other", "--launcher", "slurm", "--time", "30", "--wait"]);
    for (id, folder) in workspace.trials("other/tiny") {
        let own = values(&folder);
        let earlier = values(&workspace.trial("runs/tiny", &id));
        for (one, other) in own.as_array().unwrap().iter().zip(earlier.as_array().unwrap()) {
            for key in ["metric", "settings", "data", "values"] {
                assert_eq!(one[key], other[key], "{key}");
            }
        }
    }
}

#[test]
#[ignore = "needs Slurm, as tests/slurm.sh starts it"]
fn slurm_stops_trials_at_the_time_limit_and_cancels_them() {
    let workspace = six();
    let submit = ["run", "spec.toml", "--launcher", "slurm"];
    workspace.succeed(&submit);
    let job = json(&workspace.path("runs/six/jobs/1/job.json"))["job"].as_str().unwrap().to_owned();
    let ids = ids(&workspace, "runs/six/jobs/1/trials.txt");
    let folder = workspace.trial("runs/six", &ids[0]);
    trained(&folder);
    let task = format!("{job}_0");
    // The signal that Slurm sends to the script shortly before the time limit. A task that has just started may receive it
    // although Slurm reports a failure; `scancel` would then send it again after the next start.
    let mut notice = Command::new("scancel").args(["--signal=USR1", "--batch", &task]).spawn().unwrap();
    wait_for("the checkpoint", || status(&folder) == "interrupted");
    notice.kill().unwrap();
    notice.wait().unwrap();
    wait_for("the queue", || {
        slurm("squeue", &["-h", "-r", "-j", &job, "-o", "%i %T"]).contains(&format!("{task} PENDING"))
    });
    let shown = workspace.succeed(&["status", "runs/six"]);
    assert!(shown.contains(" queued "), "{shown}");
    // Queued trials are not submitted again.
    let again = workspace.succeed(&submit);
    assert!(again.contains(&format!(": queued in the scheduler as {task}\n")), "{again}");
    assert!(again.contains("\nsix: nothing to submit\n"), "{again}");
    start_now(&task);
    wait_for("the second start", || status(&folder) == "running");
    assert_eq!(workspace.succeed(&["cancel", "runs/six"]), format!("runs/six: cancelled job {job}\n"));
    wait_for("the end of the job", || slurm("squeue", &["-h", "-j", &job]).is_empty());
    assert_eq!(trainer(&folder), None, "a process is left");
    assert_eq!(status(&folder), "interrupted");
    // A run on this machine resumes the trials that Slurm has started.
    let outcome = workspace.vaex(&["run", "spec.toml"]);
    assert_eq!((outcome.status, &*outcome.stderr), (Some(1), ""), "{}", outcome.stdout);
    assert!(outcome.stdout.contains(&format!("{} learning_rate=1e-5: resuming after ", ids[0])), "{}", outcome.stdout);
    six_are_as_trained_here(&workspace);
}

#[test]
#[ignore = "needs Slurm, as tests/slurm.sh starts it"]
fn the_reason_of_a_refusal_by_slurm_is_printed() {
    let workspace = Workspace::with_spec(TINY);
    let submit = ["run", "spec.toml", "--launcher", "slurm", "--partition", "nowhere"];
    let outcome = workspace.vaex(&submit);
    let message = "\
error: `sbatch` failed: exit status: 1: sbatch: error: invalid partition specified: nowhere
sbatch: error: Batch job submission failed: Invalid partition name specified
";
    assert_eq!((outcome.status, &*outcome.stderr), (Some(2), message));
    workspace.succeed(&["run", "spec.toml", "--launcher", "slurm", "--wait"]);
    for folder in workspace.trials("runs/tiny").values() {
        assert_eq!(status(folder), "done");
    }
}
