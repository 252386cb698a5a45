//! Which trials a report folds: those that differ only in the seed, or in keys that do not affect results.

use crate::harness::{Workspace, idx};
use crate::runs::TINY;
use serde_json::Value;

fn report(workspace: &Workspace, folder: &str) -> Value {
    serde_json::from_str(&workspace.succeed(&["report", folder, "--json"])).unwrap()
}

/// The number of trials that are done in each setting.
fn counts(report: &Value) -> Vec<u64> {
    let settings = report["experiments"][0]["settings"].as_array().unwrap();
    settings.iter().map(|setting| setting["done"].as_u64().unwrap()).collect()
}

#[test]
fn keys_that_do_not_affect_results_do_not_separate_seeds() {
    let workspace = Workspace::with_spec(&TINY.replace("= [0.5, 1.0]", "= [0.5]"));
    workspace.succeed(&["run", "spec.toml", "--set", "sweep.seeds=2"]);
    let changed = ["--set", "log.pictures_every=5", "--set", "train.checkpoint_steps=2", "--set", "tags=[\"a\"]"];
    workspace.succeed(&[&["run", "spec.toml", "--set", "sweep.seeds=3"], &changed[..]].concat());
    let report = report(&workspace, "runs/tiny");
    assert_eq!(counts(&report), [3]);
    assert_eq!(report["experiments"][0]["varied"], serde_json::json!(["objective.kl_weight"]));
}

/// Two different files of images.
fn images() -> [Vec<u8>; 2] {
    let mut images = [(); 2].map(|()| idx(&[60, 4, 4], 60 * 16));
    images.iter_mut().for_each(|file| file[40] = 200);
    images[1][50] = 100;
    images
}

const FILES: &str = "\
name = \"files\"

[data]
source = \"idx\"
images = \"a.idx\"

[model]
family = \"mlp\"
hidden = [4]

[train]
batch_size = 20
epochs = 1

[sweep]
seeds = 2
";

#[test]
fn different_images_with_the_same_name_are_different_settings() {
    let mut workspace = Workspace::with_spec(FILES);
    let [one, other] = images();
    workspace.write("a.idx", one);
    workspace.succeed(&["run", "spec.toml"]);
    workspace.write("a.idx", other);
    workspace.succeed(&["run", "spec.toml"]);
    // Without a plan, all trials are reported.
    std::fs::remove_file(workspace.path("runs/files/plan.json")).unwrap();
    let report = report(&workspace, "runs/files");
    assert_eq!(counts(&report), [2, 2]);
    let one = &report["experiments"][0];
    assert_eq!(one["varied"], serde_json::json!(["data_hash"]));
    assert!(one["settings"][0]["values"]["data_hash"] != one["settings"][1]["values"]["data_hash"], "{one}");
    let notes = one["notes"].to_string();
    assert!(notes.contains("the data vary"), "{notes}");
}

#[test]
fn the_same_images_with_another_name_are_the_same_trials() {
    let mut workspace = Workspace::with_spec(FILES);
    let [images, _] = images();
    workspace.write("a.idx", &images);
    workspace.write("b.idx", &images);
    workspace.succeed(&["run", "spec.toml"]);
    // The limit is the number of all images.
    let other = ["--set", "data.images=b.idx", "--set", "data.limit=60", "--set", "sweep.seeds=[1, 2]"];
    workspace.succeed(&[&["run", "spec.toml"], &other[..]].concat());
    std::fs::remove_file(workspace.path("runs/files/plan.json")).unwrap();
    let report = report(&workspace, "runs/files");
    assert_eq!(counts(&report), [3]);
    let notes = report["experiments"][0]["notes"].to_string();
    assert!(!notes.contains("the data vary"), "{notes}");
    // The trial with seed 1 was found again, and not trained twice.
    assert!(!notes.contains("left out"), "{notes}");
}

#[test]
fn trials_of_another_spec_with_the_same_name_are_listed_separately() {
    let mut workspace = Workspace::with_spec(&TINY.replace("= [0.5, 1.0]", "= [0.5]"));
    // Its trial is better, but not in the current plan.
    workspace.write("other.toml", TINY.replace("= [0.5, 1.0]", "= [0.05]").replace("epochs = 2", "epochs = 4"));
    workspace.succeed(&["run", "other.toml"]);
    let said = workspace.succeed(&["run", "spec.toml"]);
    let [meant, other] = [0.5, 0.05].map(|weight| {
        let mut trials = workspace.trials("runs/tiny").into_iter();
        let has = |folder: &std::path::Path| {
            crate::harness::json(&folder.join("trial.json"))["spec"]["objective.kl_weight"] == weight
        };
        trials.find(|(_, folder)| has(folder)).unwrap().0
    });
    let best = said.lines().find(|line| line.starts_with("best: ")).unwrap();
    assert!(best.contains(&meant), "{said}");
    assert!(said.contains("not in the current plan: 1 trial") && said.contains(&other), "{said}");
    let report = report(&workspace, "runs/tiny");
    let folder = workspace.trial("runs/tiny", &other).file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!((counts(&report), &report["experiments"][0]["unplanned"][0]["trial"]), (vec![1], &other.into()));
    // Links are relative to the page.
    workspace.succeed(&["report", "runs/tiny"]);
    let page = std::fs::read_to_string(workspace.path("runs/tiny/report.html")).unwrap();
    assert!(page.contains(&format!("\"folder\":\"{folder}\"")), "{folder}");
    // If there is no trial of the current plan, the other trials are still listed.
    std::fs::remove_dir_all(workspace.trial("runs/tiny", &meant)).unwrap();
    let said = workspace.succeed(&["report", "runs/tiny"]);
    assert!(said.starts_with("tiny: no trial of the current plan\n\nnot in the current plan: 1 trial; its"), "{said}");
}

#[test]
#[cfg(unix)]
fn folders_behind_links_are_reported_once() {
    let workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml", "--runs", "disk"]);
    std::fs::create_dir(workspace.path("runs")).unwrap();
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(workspace.path(from), workspace.path(to)).unwrap();
    link("disk/tiny", "runs/tiny");
    let linked = report(&workspace, "runs");
    assert_eq!(counts(&linked), [1, 1]);
    // A second link, and a circular link.
    link("disk/tiny", "runs/a");
    link("runs", "disk/tiny/around");
    let again = report(&workspace, "runs");
    assert_eq!((again["experiments"].as_array().unwrap().len(), &again["warnings"]), (1, &linked["warnings"]));
    let id = workspace.trials("disk/tiny").into_keys().next().unwrap();
    workspace.succeed(&["sample", &id]);
    workspace.succeed(&["status", "runs"]);
}

#[test]
fn the_new_path_of_moved_images_is_recorded() {
    let mut workspace = Workspace::with_spec(FILES);
    let [images, _] = images();
    workspace.write("a.idx", &images);
    workspace.succeed(&["run", "spec.toml"]);
    std::fs::remove_file(workspace.path("a.idx")).unwrap();
    workspace.write("b.idx", &images);
    let (id, folder) = workspace.trials("runs/files").into_iter().next().unwrap();
    assert_eq!(workspace.vaex(&["reconstruct", &id]).status, Some(2));
    let labels = idx(&[60], 60);
    workspace.write("labels.idx", labels);
    let moved = ["--set", "data.images=b.idx", "--set", "data.labels=labels.idx"];
    let said = workspace.succeed(&[&["run", "spec.toml"], &moved[..]].concat());
    // Labels do not affect training.
    assert_eq!(said.matches(": already done\n").count(), 2, "{said}");
    workspace.succeed(&["reconstruct", &id]);
    workspace.succeed(&["embed", &id]);
    let table = std::fs::read_to_string(folder.join("spec.toml")).unwrap();
    assert!(table.contains("b.idx") && table.contains("labels.idx"), "{table}");
    workspace.succeed(&["run", "--verify-repro", folder.to_str().unwrap()]);
    // A run that was killed between writing the spec and the record leaves them different: the next run corrects that.
    std::fs::write(folder.join("spec.toml"), table.replace("b.idx", "elsewhere.idx")).unwrap();
    let said = workspace.succeed(&[&["run", "spec.toml"], &moved[..]].concat());
    assert!(said.contains("spec.toml is damaged or missing; it was written again"), "{said}");
    assert_eq!(std::fs::read_to_string(folder.join("spec.toml")).unwrap(), table);
}

/// A command for the best trial is only suggested if a trial is named as the best one.
#[test]
fn the_best_trial_is_only_that_of_comparable_metrics() {
    let run = |model: &str, sweep: &str| {
        let spec =
            TINY.split("[sweep.grid]").next().unwrap().replace("hidden = [16]\n", &format!("hidden = [16]\n{model}"));
        let said = Workspace::with_spec(&format!("{spec}{sweep}")).succeed(&["run", "spec.toml"]);
        let best = said.lines().find(|line| line.starts_with("best: ")).map(str::to_owned);
        assert_eq!(best.is_some(), said.contains("  vaex traverse runs/tiny --best\n"), "{said}");
        assert!(said.contains("to explore the results:\n  vaex report runs/tiny"), "{said}");
        best
    };
    let best = run("", "");
    assert!(best.is_some_and(|line| line.contains(", elbo_nats ")));
    // Likelihoods of different kinds, and an ELBO that is none.
    assert_eq!(run("", "[sweep.grid]\n\"model.likelihood\" = [\"bernoulli\", \"continuous_bernoulli\"]\n"), None);
    let none = "posterior = \"none\"\n";
    assert_eq!(run(none, "[objective]\nkind = \"wae\"\n[sweep.grid]\n\"objective.mmd_weight\" = [1, 10]\n"), None);
    let best = run(none, "[sweep.grid]\n\"model.latent_dim\" = [2, 3]\n");
    assert!(best.is_some_and(|line| line.contains(": loss ") && !line.contains("elbo_nats")));
}
