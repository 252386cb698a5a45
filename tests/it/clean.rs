//! `vaex clean DIR`: what it lists and removes, and that what is left is a whole experiment.

use crate::harness::{Workspace, json};
use crate::runs::{TINY, status};
use std::path::Path;
use vaex::folder::TrialFolder;
use vaex::record::trial::{Status, TrialRecord};

fn has(folder: &Path, name: &str) -> bool {
    folder.join(name).exists()
}

fn has_events(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.any(|name| name.to_str().unwrap().starts_with("events."))
}

#[track_caller]
fn refuse(workspace: &Workspace, arguments: &[&str], message: &str) {
    let outcome = workspace.vaex(arguments);
    assert_eq!((outcome.status, outcome.stderr), (Some(2), format!("error: {message}\n")));
}

#[test]
fn files_of_finished_trials_are_removed_by_kind_and_not_made_again() {
    let workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    let listed = workspace.succeed(&["clean", "runs/tiny"]);
    for line in [
        "--state        2 files of 2 trials, ",
        "--events       2 files of 2 trials, ",
        "--failed       0 files of 0 trials, 0 B\n",
    ] {
        assert!(listed.contains(line), "{listed}");
    }
    assert!(listed.ends_with("nothing is removed: name the kinds that are to be removed\n"), "{listed}");
    let message = "cannot ask before removing: the input is not a terminal; use --yes to remove without asking";
    refuse(&workspace, &["clean", "runs/tiny", "--state"], message);
    let folders = || workspace.trials("runs/tiny").into_values();
    assert!(folders().all(|folder| has(&folder, "state.safetensors") && has_events(&folder)));

    let said = workspace.succeed(&["clean", "runs/tiny", "--state", "--pictures", "--yes"]);
    assert!(said.contains("\nremoved ") && !said.contains("--events"), "{said}");
    let is_clean = |folder: std::path::PathBuf| {
        let names = ["state.safetensors", "images/samples.png", "embedding/codes.tsv", "projector_config.pbtxt"];
        names.iter().all(|name| !has(&folder, name)) && has_events(&folder) && has(&folder, "model.safetensors")
    };
    assert!(folders().all(is_clean));
    workspace.succeed(&["report", "runs/tiny"]);
    let again = workspace.succeed(&["run", "spec.toml"]);
    assert_eq!(again.matches(": already done\n").count(), 2, "{again}");
    assert!(folders().all(is_clean));
    assert_eq!(workspace.succeed(&["clean", "runs/tiny", "--state", "-y"]).lines().last(), Some("nothing is removed"));

    workspace.succeed(&["clean", "runs/tiny", "--events", "--yes"]);
    assert!(folders().all(|folder| !has_events(&folder)));
    let again = workspace.succeed(&["run", "spec.toml"]);
    assert_eq!(again.matches(": already done\n").count(), 2, "{again}");
}

#[test]
fn folders_of_failed_trials_and_of_trials_outside_of_the_plan_are_removed() {
    let mut workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    workspace.write("spec.toml", TINY.replace("[0.5, 1.0]", "[1.0, 2.0]"));
    workspace.succeed(&["run", "spec.toml"]);
    let with_weight = |weight: f64| {
        let mut trials = workspace.trials("runs/tiny").into_values();
        trials.find(|folder| json(&folder.join("trial.json"))["spec"]["objective.kl_weight"] == weight)
    };
    let failed = TrialFolder::new(with_weight(2.0).unwrap());
    let record = TrialRecord::read(&failed).unwrap();
    // The next run resumes a trial that failed from outside.
    TrialRecord { status: Status::Failed, from_outside: true, ..record.clone() }.write(&failed).unwrap();
    assert!(workspace.succeed(&["clean", "runs/tiny", "--failed", "--yes"]).ends_with("nothing is removed\n"));
    TrialRecord { status: Status::Failed, ..record }.write(&failed).unwrap();
    workspace.succeed(&["clean", "runs/tiny", "--not-in-plan", "--yes"]);
    assert!(with_weight(0.5).is_none() && with_weight(1.0).is_some() && with_weight(2.0).is_some());
    workspace.succeed(&["clean", "runs/tiny", "--failed", "--yes"]);
    assert!(with_weight(2.0).is_none());
    let again = workspace.succeed(&["run", "spec.toml"]);
    assert_eq!(again.matches(": already done\n").count(), 1, "{again}");
    assert_eq!(status(&with_weight(2.0).unwrap()), "done");
}

#[test]
fn only_an_experiment_is_cleaned() {
    let workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    refuse(&workspace, &["clean", "runs"], "runs is not an experiment folder: it has no plan.json");
    assert_eq!(workspace.vaex(&["clean"]).status, Some(2));
    assert_eq!(workspace.vaex(&["clean", "runs/tiny", "--cache"]).status, Some(2));
}
