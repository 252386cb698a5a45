//! A trial whose loss, validation or weights are not finite has diverged. Values that are not finite are null in tables.

use crate::harness::{Workspace, json};
use crate::runs::{diverging, only, status};
use polars::prelude::{ParquetReader, SerReader};
use std::fs::File;

/// One step per epoch. The loss of the step is finite, but the weights after it are not.
const LAST_STEP: &str = "\
name = \"last_step\"

[data]
limit = 60

[model]
family = \"mlp\"
hidden = [16]

[train]
batch_size = 54
epochs = 1
optimizer = \"sgd\"
learning_rate = 1e30
";

#[test]
fn a_validation_that_is_not_finite_has_diverged() {
    let workspace = Workspace::with_spec(LAST_STEP);
    let outcome = workspace.vaex(&["run", "spec.toml"]);
    assert_eq!(outcome.status, Some(1), "{}", outcome.stdout);
    let folder = only(&workspace, "runs/last_step");
    let record = json(&folder.join("trial.json"));
    let error = record["error"].as_str().unwrap();
    assert!(error.starts_with("the validation loss is not finite after epoch 1; try "), "{error}");
    assert_eq!((record["status"].as_str(), record["from_outside"].as_bool()), (Some("diverged"), Some(false)));
    assert!(outcome.stdout.contains("last_step: 1 diverged") && !outcome.stdout.contains("NaN"), "{}", outcome.stdout);
    assert!(!folder.join("model.safetensors").exists() && !folder.join("checkpoint.safetensors").exists());
    // It is not retried without --retry-failed; with it, the trial diverges again.
    assert_eq!(workspace.vaex(&["run", "spec.toml"]).status, Some(1));
    let again = workspace.vaex(&["run", "spec.toml", "--retry-failed"]);
    assert_eq!((again.status, status(&folder)), (Some(1), "diverged".to_owned()), "{}", again.stdout);
}

#[test]
fn the_error_of_a_step_that_is_not_finite_has_split_step_and_epoch() {
    let workspace = Workspace::with_spec(&LAST_STEP.replace("batch_size = 54", "batch_size = 18"));
    assert_eq!(workspace.vaex(&["run", "spec.toml"]).status, Some(1));
    let record = json(&only(&workspace, "runs/last_step").join("trial.json"));
    let error = record["error"].as_str().unwrap();
    assert!(error.starts_with("the training loss is not finite at step 2 (epoch 1); "), "{error}");
}

#[test]
fn values_that_are_not_finite_are_null_in_every_table() {
    let workspace = Workspace::with_spec(LAST_STEP);
    workspace.vaex(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/last_step");
    for (path, columns) in [
        (folder.join("metrics.parquet"), &["loss", "elbo_nats", "grad_norm"][..]),
        (workspace.path("runs/last_step/curves.parquet"), &["loss", "elbo_nats", "grad_norm"]),
        (
            workspace.path("runs/last_step/trials.parquet"),
            &["final_validation_loss", "final_validation_elbo_nats", "best_validation_loss"],
        ),
    ] {
        let frame = ParquetReader::new(File::open(&path).unwrap()).finish().unwrap();
        for name in columns {
            let column = frame.column(name).unwrap().f64().unwrap().clone();
            assert!(column.iter().flatten().all(f64::is_finite), "{} {name}", path.display());
            assert!(column.null_count() > 0, "{} {name}", path.display());
        }
    }
}

#[test]
fn failures_can_be_allowed_and_interruptions_cannot() {
    let workspace = diverging();
    let outcome = workspace.vaex(&["run", "spec.toml", "--allow-failed"]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("1 done, 1 diverged"), "{}", outcome.stdout);
    // Failures of earlier runs are allowed too.
    assert_eq!(workspace.vaex(&["run", "spec.toml", "--allow-failed"]).status, Some(0));
    assert_eq!(workspace.vaex(&["run", "spec.toml"]).status, Some(1));
}
