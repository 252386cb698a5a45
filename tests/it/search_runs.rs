//! Searches that train: what is proposed, what is stopped, and that neither processes nor interruptions change it.

use crate::harness::{Workspace, json};
use crate::runs::{rows, same_bits, signal};
use serde_json::{Value, json as value};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

/// A search of nine settings with two seeds, in three rungs.
pub(crate) const SPEC: &str = "\
name = \"one\"

[data]
limit = 60

[model]
family = \"mlp\"
hidden = [16]

[train]
batch_size = 20
epochs = 4

[sweep]
seeds = 2

[search]
trials = 9
method = \"random\"

[search.space]
\"train.learning_rate\" = { log_uniform = [1e-4, 1e-1] }
\"model.latent_dim\" = { int_log = [2, 16] }
\"train.clip_norm\" = { uniform = [1.0, 5.0], unset = true }

[search.stop]
min_epochs = 1
factor = 2
";

fn plan(experiment: &Path) -> Value {
    json(&experiment.join("plan.json"))
}

/// The search in plan.json, without the time that it took.
fn search(workspace: &Workspace, runs: &str) -> Value {
    let mut search = plan(&workspace.path(runs).join("one"))["search"].take();
    search.as_object_mut().unwrap().remove("seconds");
    search
}

/// Status and place of each trial, by id.
fn statuses(workspace: &Workspace, runs: &str) -> BTreeMap<String, [Value; 2]> {
    let trials = workspace.trials(&format!("{runs}/one"));
    let of = |folder: &Path| {
        let mut record = json(&folder.join("trial.json"));
        [record["status"].take(), record["pruned"].take()]
    };
    trials.into_iter().map(|(id, folder)| (id, of(&folder))).collect()
}

/// Two folders of runs have the same search: proposals, ends and bits.
#[track_caller]
pub(crate) fn are_same(workspace: &Workspace, [one, other]: [&str; 2]) {
    assert_eq!(search(workspace, one), search(workspace, other));
    assert_eq!(statuses(workspace, one), statuses(workspace, other));
    let others = workspace.trials(&format!("{other}/one"));
    for (id, folder) in workspace.trials(&format!("{one}/one")) {
        if json(&folder.join("trial.json"))["status"] == "done" {
            same_bits(&folder, &others[&id]);
        }
    }
}

/// The mean validation loss of a setting over its trials after an epoch.
fn loss(workspace: &Workspace, setting: &Value, epoch: u64) -> f64 {
    let trials = workspace.trials("runs/one");
    let of = |id: &Value| {
        let rows = rows(&trials[id.as_str().unwrap()]);
        let row = rows.into_iter().find(|row| row.epoch == epoch && row.split.name() == "validation");
        row.unwrap().get("loss").unwrap()
    };
    let ids = setting["trials"].as_array().unwrap();
    ids.iter().map(of).sum::<f64>() / ids.len() as f64
}

#[test]
fn halving_goes_on_with_the_best_settings() {
    let workspace = Workspace::with_spec(SPEC);
    let said = workspace.succeed(&["run", "spec.toml", "--jobs", "2"]);
    assert!(said.contains("rung at epoch 1: 4 of 9 settings go on\n"), "{said}");
    assert!(said.contains("rung at epoch 2: 2 of 4 settings go on\n"), "{said}");
    assert!(said.contains("one: 4 done, 14 pruned\n"), "{said}");
    let search = search(&workspace, "runs");
    assert_eq!(search["rungs"], value!([1, 2, 4]));
    let settings = search["settings"].as_array().unwrap();
    let mut going: Vec<&Value> = settings.iter().collect();
    let statuses = statuses(&workspace, "runs");
    for (epoch, promoted) in [(1, 4), (2, 2)] {
        let reached = going.len();
        going.sort_by(|one, other| loss(&workspace, one, epoch).total_cmp(&loss(&workspace, other, epoch)));
        for (place, setting) in going.iter().enumerate().skip(promoted) {
            let pruned = value!({ "epoch": epoch, "rank": place + 1, "of": reached, "by": "halving" });
            for id in setting["trials"].as_array().unwrap() {
                assert_eq!(statuses[id.as_str().unwrap()], [value!("pruned"), pruned.clone()]);
            }
        }
        going.truncate(promoted);
    }
    for id in going.iter().flat_map(|setting| setting["trials"].as_array().unwrap()) {
        assert_eq!(statuses[id.as_str().unwrap()][0], "done");
    }
    // Nothing is left to do, and nothing changes.
    let again = workspace.succeed(&["run", "spec.toml"]);
    assert!(again.contains("one: 4 done, 14 pruned\n") && !again.contains(": started"), "{again}");
    assert!(again.contains("search: random, halving, by validation_loss, lowest first; 9 of 9 settings proposed, 34 of 34 epochs trained\n"), "{again}");
    let planned = workspace.succeed(&["plan", "spec.toml"]);
    let states = |state: &str| planned.lines().filter(|line| line.ends_with(&format!("  {state}"))).count();
    assert_eq!(["done", "pruned", "new"].map(states), [4, 14, 0], "{planned}");
    let best = going.iter().map(|setting| loss(&workspace, setting, 4)).fold(f64::INFINITY, f64::min);
    assert!(again.contains(&format!("validation_loss {}\n", vaex::report::significant(best, 5))), "{again}");
}

/// A promoted trial is the same trial as one that was trained at once, and one that was stopped can be trained further.
#[test]
fn the_trials_of_a_search_are_those_of_a_sweep() {
    let mut workspace = Workspace::with_spec(SPEC);
    workspace.succeed(&["run", "spec.toml"]);
    let trials = workspace.trials("runs/one");
    let of = |status: &str| {
        let mut found = statuses(&workspace, "runs").into_iter().filter(|(_, [found, _])| found == status);
        found.next().unwrap().0
    };
    for id in [of("done"), of("pruned")] {
        // The saved spec of the trial, in the same experiment.
        let spec = std::fs::read_to_string(trials[&id].join("spec.toml")).unwrap();
        workspace.write("alone.toml", spec);
        workspace.succeed(&["run", "alone.toml", "--runs", "whole"]);
        workspace.succeed(&["run", "alone.toml"]);
        same_bits(&trials[&id], &workspace.trials("whole/one")[&id]);
        assert!(json(&trials[&id].join("trial.json"))["pruned"].is_null());
    }
}

#[test]
fn neither_processes_nor_interruptions_change_a_search() {
    for (method, stop) in [("tpe", "halving"), ("tpe", "median")] {
        let spec =
            SPEC.replace("\"random\"", &format!("\"{method}\"\nparallel = 2")).replace("trials = 9", "trials = 14");
        let factor = if stop == "median" { "" } else { "factor = 2" };
        let spec = spec.replace("factor = 2", &format!("{factor}\nmethod = \"{stop}\""));
        let workspace = Workspace::with_spec(&spec);
        workspace.succeed(&["run", "spec.toml", "--jobs", "1"]);
        let expected = search(&workspace, "runs");
        let settings = expected["settings"].as_array().unwrap();
        let seen: Vec<u64> = settings.iter().map(|one| one["seen"].as_u64().unwrap()).collect();
        assert_eq!(seen, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 11, 12]);
        workspace.succeed(&["run", "spec.toml", "--jobs", "3", "--runs", "three"]);
        are_same(&workspace, ["three", "runs"]);
        let mut interruptions = 0;
        for number in 0u64.. {
            let mut run = workspace.command(&["run", "spec.toml", "--jobs", "2", "--runs", "stopped"]);
            // Nobody reads what it prints.
            let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(60 + 97 * (number % 5)));
            if run.try_wait().unwrap().is_some() {
                break;
            }
            signal(if number % 2 == 0 { "-KILL" } else { "-TERM" }, run.id());
            run.wait().unwrap();
            interruptions += 1;
            if interruptions > 12 {
                workspace.succeed(&["run", "spec.toml", "--runs", "stopped"]);
                break;
            }
        }
        assert!(interruptions > 0);
        are_same(&workspace, ["stopped", "runs"]);
    }
}

#[test]
fn more_settings_keep_the_proposals_and_another_space_makes_new_ones() {
    let workspace = Workspace::with_spec(SPEC);
    let run = |more: &[&str]| workspace.succeed(&[&["run", "spec.toml"], more].concat());
    run(&["--set", "search.trials=4"]);
    let before = search(&workspace, "runs");
    assert_eq!(statuses(&workspace, "runs").values().filter(|[status, _]| status == "done").count(), 2);
    run(&[]);
    let after = search(&workspace, "runs");
    let settings = |search: &Value| {
        let settings = search["settings"].as_array().unwrap();
        settings.iter().map(|setting| [setting["values"].clone(), setting["trials"].clone()]).collect::<Vec<_>>()
    };
    assert_eq!(settings(&after)[..4], settings(&before)[..]);
    assert_eq!(settings(&after).len(), 9);
    // As if there had been nine from the start.
    let whole = Workspace::with_spec(SPEC);
    whole.succeed(&["run", "spec.toml"]);
    assert_eq!(search(&whole, "runs"), after);
    let ended = statuses(&workspace, "runs");
    for (id, end) in statuses(&whole, "runs") {
        // A trial that was done before stays so.
        assert!(ended[&id] == end || ended[&id][0] == "done", "{id}");
    }
    let said = run(&["--set", "search.seed=1"]);
    assert!(
        said.contains("since the last run: 18 trials added, 0 kept; 18 trials are no longer in the spec"),
        "{said}"
    );
    assert_ne!(settings(&search(&workspace, "runs"))[0], settings(&after)[0]);
    // All anew.
    let said = run(&["--fresh", "--set", "search.seed=1"]);
    assert!(said.matches(": started\n").count() >= 18, "{said}");
}

/// The weight is whole at the end of the first cycle, but not at the last epoch.
#[test]
fn only_rungs_that_stop_settings_need_the_full_kl_weight() {
    let spec = SPEC.replace("epochs = 4", "epochs = 10").replace("min_epochs = 1\nfactor = 2", "min_epochs = 4");
    let cycles = "[objective]\nkl_schedule = \"cyclical\"\nkl_cycle_epochs = 4.0\n\n[train]";
    let workspace = Workspace::with_spec(&spec.replace("[train]", cycles));
    let said = workspace.succeed(&["plan", "spec.toml"]);
    assert!(said.contains("halving after epoch 4, up to 60 % of all epochs"), "{said}");
}

#[test]
fn a_plan_says_that_a_search_is_too_short_for_tpe() {
    let workspace = Workspace::with_spec(SPEC);
    let plan = |trials: &str| workspace.succeed(&["plan", "spec.toml", "--set", "search.method=tpe", "--set", trials]);
    let said = "; none depends on results, which tpe uses from setting 14 on\n";
    assert!(plan("search.trials=13").contains(said), "{}", plan("search.trials=13"));
    let said = "; the 13 settings above do not depend on results\n";
    assert!(plan("search.trials=14").contains(said), "{}", plan("search.trials=14"));
}

#[test]
fn a_search_may_end_by_the_clock() {
    let spec = SPEC.replace("trials = 9", "hours = 1e-6");
    let workspace =
        Workspace::with_spec(&spec.replace("min_epochs = 1\nfactor = 2", "min_epochs = 1\nmethod = \"asha\""));
    let said = workspace.succeed(&["run", "spec.toml"]);
    // Those that may run at the same time.
    let settings = search(&workspace, "runs")["settings"].as_array().unwrap().len();
    assert_eq!(settings, 4, "{said}");
    assert!(!statuses(&workspace, "runs").values().any(|[status, _]| status == "paused"), "{said}");
}

#[test]
fn asynchronous_halving_promotes_the_best_of_each_rung() {
    let workspace = Workspace::with_spec(&SPEC.replace("factor = 2", "factor = 2\nmethod = \"asha\""));
    workspace.succeed(&["run", "spec.toml", "--jobs", "2"]);
    let search = search(&workspace, "runs");
    let promoted = search["promoted"].as_array().unwrap();
    assert_eq!(promoted.len(), 2);
    // At least as many as with synchronous halving.
    assert!(promoted[0].as_array().unwrap().len() >= 4 && !promoted[1].as_array().unwrap().is_empty());
    let statuses = statuses(&workspace, "runs");
    for (number, setting) in search["settings"].as_array().unwrap().iter().enumerate() {
        let is_last = promoted[1].as_array().unwrap().contains(&value!(number));
        for id in setting["trials"].as_array().unwrap() {
            let [status, pruned] = &statuses[id.as_str().unwrap()];
            assert_eq!(status, if is_last { "done" } else { "pruned" });
            assert!(is_last || pruned["by"] == "asha");
        }
    }
}

#[test]
fn a_setting_that_cannot_be_trained_counts_as_failed() {
    // Only a proposal from results can be one that the plan has not seen.
    let space = "\"train.batch_size\" = { int = [10, 54] }\n\"model.latent_dim\" = { int = [2, 400000000] }\n";
    let spec =
        SPEC.split("[search.space]").next().unwrap().replace("trials = 9", "trials = 14").replace("random", "tpe");
    let mut workspace = Workspace::with_spec(&format!("{spec}[search.space]\n{space}"));
    let refused = workspace.vaex(&["run", "spec.toml"]);
    assert_eq!(refused.status, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("parameters, more than the maximum"), "{}", refused.stderr);
    // Diverging trials count as failed, and their setting is not the best one.
    workspace.write("spec.toml", SPEC.replace("[1e-4, 1e-1]", "[1e-4, 1e4]"));
    let ended = workspace.vaex(&["run", "spec.toml", "--allow-failed"]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("diverged") && ended.stdout.contains("best after epoch"), "{}", ended.stdout);
}

#[test]
fn programs_read_what_a_search_decides() {
    let workspace = Workspace::with_spec(SPEC);
    let said = workspace.succeed(&["run", "spec.toml", "--json"]);
    let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).collect::<Vec<_>>();
    let rungs: Vec<[u64; 3]> =
        of("rung").iter().map(|one| ["epoch", "promoted", "reached"].map(|key| one[key].as_u64().unwrap())).collect();
    assert_eq!(rungs, [[1, 4, 9], [2, 2, 4]]);
    let best = of("best").into_iter().next_back().unwrap();
    assert_eq!(best["epoch"], 4);
    assert!(best["values"]["train.learning_rate"].is_number());
    assert_eq!(events.last().unwrap()["counts"], value!({ "done": 4, "pruned": 14 }));
}

#[test]
fn a_table_that_is_missing_is_written_again() {
    let workspace = Workspace::with_spec(SPEC);
    workspace.succeed(&["run", "spec.toml"]);
    let before = (search(&workspace, "runs"), statuses(&workspace, "runs"));
    for (id, folder) in workspace.trials("runs/one") {
        let table = folder.join("metrics.parquet");
        match id.as_bytes()[0] % 2 {
            0 => std::fs::remove_file(table).unwrap(),
            _ => std::fs::write(table, "damaged").unwrap(),
        }
    }
    workspace.succeed(&["run", "spec.toml"]);
    assert_eq!((search(&workspace, "runs"), statuses(&workspace, "runs")), before);
}

/// Nine settings of which only three are different.
#[test]
fn equal_settings_share_their_trials() {
    let space = "\"model.latent_dim\" = { choice = [2, 3, 4] }\n\n[search.stop]\nmin_epochs = 1\n";
    let spec = format!("{}[search.space]\n{space}", SPEC.split("[search.space]").next().unwrap());
    let workspace = Workspace::with_spec(&spec);
    let said = workspace.succeed(&["run", "spec.toml"]);
    assert!(said.contains("rung at epoch 1: 3 of 9 settings go on\n"), "{said}");
    assert!(said.contains("rung at epoch 3: 1 of 3 settings go on\n"), "{said}");
    let written = |folder: &Path| std::fs::metadata(folder.join("trial.json")).unwrap().modified().unwrap();
    let times = || workspace.trials("runs/one").into_values().map(|folder| written(&folder)).collect::<Vec<_>>();
    let before = times();
    workspace.succeed(&["run", "spec.toml"]);
    assert_eq!(times(), before);
    // By the clock, the search ends when there are no further settings.
    let workspace =
        Workspace::with_spec(spec.replace("trials = 9", "hours = 1").split("[search.stop]").next().unwrap());
    let said = workspace.succeed(&["run", "spec.toml"]);
    assert!(said.contains("one: 6 done\n"), "{said}");
}

#[test]
fn numbers_of_epochs_can_be_searched() {
    let spec = SPEC.split("[search.space]").next().unwrap();
    let workspace = Workspace::with_spec(&format!("{spec}[search.space]\n\"train.epochs\" = {{ int = [1, 9] }}\n"));
    workspace.succeed(&["run", "spec.toml"]);
    for folder in workspace.trials("runs/one").into_values() {
        let record = json(&folder.join("trial.json"));
        assert_eq!((&record["status"], &record["kept_epoch"]), (&value!("done"), &record["spec"]["train.epochs"]));
    }
    let report = workspace.succeed(&["report", "runs/one", "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let experiment = &report["experiments"][0];
    let best = &experiment["search"]["rungs"][0]["best"]["value"];
    assert_eq!(best, &experiment["settings"][0]["metrics"]["loss"]["mean"]);
}
