//! Folders that version 0.1.0 wrote (tests/fixtures/runs-0.1): every command that reads trials can read them, and their trials
//! are never mixed with trials of this version.

use crate::harness::Workspace;
use crate::runs::TINY;
use polars::prelude::{ParquetReader, SerReader};
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use walkdir::WalkDir;

/// A workspace with the `runs` of version 0.1.0 and their specs.
fn earlier() -> Workspace {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs-0.1");
    let workspace = Workspace::new();
    for entry in WalkDir::new(&fixture) {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(&fixture).unwrap();
        let place = match name.extension() {
            Some(suffix) if suffix == "toml" && name.components().count() == 1 => workspace.path("").join(name),
            _ => workspace.path("runs").join(name),
        };
        match entry.file_type().is_dir() {
            true => std::fs::create_dir_all(place).unwrap(),
            false => drop(std::fs::copy(entry.path(), place).unwrap()),
        }
    }
    workspace
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The experiment with a name in a report.
fn experiment<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["experiments"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

fn statuses(trials: &Value) -> Vec<&str> {
    trials.as_array().unwrap().iter().map(|trial| trial["status"].as_str().unwrap()).collect()
}

#[test]
fn they_are_reported_with_their_correct_status() {
    let workspace = earlier();
    let report = parsed(&workspace.succeed(&["report", "runs", "--json"]));
    assert_eq!(report["warnings"], serde_json::json!([]));
    for (name, status, count) in [
        ("sweep", "done", 4),
        ("autoencoder", "done", 1),
        ("diverged", "diverged", 1),
        ("interrupted", "interrupted", 1),
        // In the record of 0.1.0 its status is done.
        ("unnoticed", "diverged", 1),
    ] {
        let one = experiment(&report, name);
        assert_eq!(statuses(&one["trials"]), vec![status; count], "{name}");
        assert_eq!(one["unplanned"], serde_json::json!([]), "{name}");
    }
    let settings = experiment(&report, "sweep")["settings"].as_array().unwrap();
    let counts: Vec<_> = settings.iter().map(|setting| setting["done"].as_u64().unwrap()).collect();
    assert_eq!(counts, [2, 2]);
    for format in ["html", "parquet", "csv", "markdown"] {
        workspace.succeed(&["report", "runs", "--format", format]);
    }
    workspace.succeed(&["status", "runs"]);
    let status = parsed(&workspace.succeed(&["status", "runs", "--json"]));
    assert_eq!(status.as_array().unwrap().len(), 5);
}

#[test]
fn their_models_can_be_used() {
    let workspace = earlier();
    let best = ["runs/sweep", "--best"];
    for (command, file) in [
        ("sample", "samples.png"),
        ("reconstruct", "reconstructions.png"),
        ("traverse", "traversal.png"),
        ("embed", "embeddings.parquet"),
        ("export", "decoder.onnx"),
    ] {
        workspace.succeed(&[&[command], &best[..]].concat());
        assert!(workspace.path(file).exists(), "{command}");
    }
    let mut plain = std::fs::read_dir(workspace.path("runs/autoencoder")).unwrap().map(|entry| entry.unwrap().path());
    let plain = plain.find(|path| path.is_dir()).unwrap();
    let plain = plain.to_str().unwrap();
    workspace.succeed(&["reconstruct", plain]);
    workspace.succeed(&["embed", plain]);
    let trials: Vec<_> = workspace.trials("runs/sweep").into_keys().collect();
    let diff = parsed(&workspace.succeed(&["diff", &trials[0], &trials[1], "--json"]));
    assert!(!diff["keys"].as_object().unwrap().is_empty());
    for (experiment, status) in [("diverged", "diverged"), ("interrupted", "interrupted"), ("unnoticed", "diverged")] {
        let folder = workspace.trials(&format!("runs/{experiment}")).into_values().next().unwrap();
        let outcome = workspace.vaex(&["sample", folder.to_str().unwrap()]);
        assert_eq!(outcome.status, Some(2));
        assert!(
            outcome.stderr.contains(&format!(" is {status}; only a trial that is done has a model")),
            "{outcome:?}"
        );
        let none = workspace.vaex(&["sample", &format!("runs/{experiment}"), "--best"]);
        assert_eq!((none.status, none.stderr.contains("has no trial that is done")), (Some(2), true), "{none:?}");
    }
}

#[test]
fn their_trials_can_be_evaluated() {
    let workspace = earlier();
    let outcome =
        workspace.vaex(&["evaluate", "runs/sweep", "--metrics", "elbo,nll,active_units", "--nll-samples", "20"]);
    assert_eq!(outcome.status, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    for folder in workspace.trials("runs/sweep").into_values() {
        let results = parsed(&std::fs::read_to_string(folder.join("evaluation.json")).unwrap())["results"].clone();
        let results = results.as_array().unwrap();
        assert_eq!(results.len(), 3);
        assert!(
            results.iter().all(|result| result["split"] == "validation" && result["refused"].is_null()),
            "{results:?}"
        );
    }
    let folder = workspace.trials("runs/diverged").into_values().next().unwrap();
    let outcome = workspace.vaex(&["evaluate", folder.to_str().unwrap()]);
    assert_eq!(outcome.status, Some(2));
    assert!(outcome.stderr.contains(" is diverged; only a trial that is done has a model"), "{}", outcome.stderr);
}

/// Tables of different models, sweeps and versions can be read as one: their columns have the same names, order and types.
#[test]
fn their_tables_have_the_same_columns_as_others() {
    let mut workspace = earlier();
    workspace.write("tiny.toml", TINY);
    workspace.succeed(&["run", "tiny.toml"]);
    workspace.write(
        "conv.toml",
        "[data]\nlimit = 40\n[model]\nchannels = [2]\nstrides = [2]\n[train]\nepochs = 1\nbatch_size = 9\n",
    );
    workspace.succeed(&["run", "conv.toml", "--set", "data.validation=4", "--set", "model.likelihood=gaussian"]);
    for name in ["sweep", "autoencoder", "diverged", "interrupted", "unnoticed", "conv"] {
        workspace.succeed(&["report", &format!("runs/{name}")]);
    }
    for (table, columns) in [("trials", 90), ("curves", 18)] {
        let schema = |experiment: &str| {
            let path = workspace.path(&format!("runs/{experiment}/{table}.parquet"));
            ParquetReader::new(File::open(path).unwrap()).finish().unwrap().schema().as_ref().clone()
        };
        let now = schema("tiny");
        assert!(now.len() >= columns, "{}", now.len());
        for experiment in ["sweep", "autoencoder", "diverged", "interrupted", "unnoticed", "conv"] {
            let other = schema(experiment);
            assert!(now.iter().eq(other.iter()), "{table}.parquet of {experiment}: {other:?}");
        }
    }
}

/// Their ids differ from those of this version, which identifies data differently: they are kept, and reported separately.
#[test]
fn new_trials_are_not_mixed_with_them() {
    let workspace = earlier();
    let before: Vec<String> = workspace.trials("runs/sweep").into_keys().collect();
    let said = workspace.succeed(&["run", "sweep.toml"]);
    let report = parsed(&workspace.succeed(&["report", "runs/sweep", "--json"]));
    let sweep = experiment(&report, "sweep");
    let ids = |list: &str| -> Vec<&str> {
        sweep[list].as_array().unwrap().iter().map(|trial| trial["trial"].as_str().unwrap()).collect()
    };
    assert_eq!((ids("trials").len(), ids("unplanned").len()), (4, 4));
    assert!(before.iter().all(|id| ids("unplanned").contains(&&**id)));
    assert!(sweep["settings"].as_array().unwrap().iter().all(|setting| setting["done"] == 2));
    let best = said.lines().find_map(|line| line.strip_prefix("best: ")).unwrap();
    assert!(ids("trials").iter().any(|id| best.contains(id)), "{best}");
    assert!(said.contains("not in the current plan: 4 trials"), "{said}");
}
