//! Trains a sweep from Rust, and prints the metrics of its trials:
//!
//!     cargo run --release --example train [RUNS]

use std::error::Error;
use std::ops::ControlFlow;
use vaex::{Experiment, Status};

const SPEC: &str = r#"
[data]
limit = 500

[model]
family = "mlp"
hidden = [64]
latent_dim = 4

[train]
epochs = 3
batch_size = 50

[sweep.grid]
"objective.kl_weight" = [0.5, 1.0, 4.0]
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let runs = std::env::args().nth(1).unwrap_or_else(|| "runs".to_owned());
    let experiment = Experiment::from_toml("from_rust", SPEC)?;
    for trial in experiment.trials() {
        let weight = trial.value("objective.kl_weight").unwrap_or_default();
        println!("{}: kl_weight {weight}, {} parameters", trial.id(), trial.parameters());
    }
    // Trials that are done are not trained again, and one that was interrupted is resumed.
    let results = experiment.run_observed(runs, None, &mut |progress| {
        println!("{} epoch {}: loss {:?}", progress.trial, progress.epoch, progress.loss);
        ControlFlow::Continue(())
    })?;
    for result in results {
        if result.status != Status::Done {
            return Err(format!("{}: {:?}", result.id, result.error).into());
        }
        println!("{}: validation ELBO {:.2} nats", result.id, result.metrics["validation_elbo_nats"]);
    }
    Ok(())
}
