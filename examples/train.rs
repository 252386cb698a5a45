//! Trains a sweep from Rust, and prints the metrics of its trials:
//!
//!     cargo run --release --example train [RUNS]

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::ops::ControlFlow;
use vaex::{Experiment, Progress, RunOptions, Status};

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
    let results = experiment.run_with(runs, RunOptions::default(), &mut |progress| {
        match progress {
            Progress::Epoch { trial, epoch, loss, .. } => println!("{trial} epoch {epoch}: loss {loss:?}"),
            Progress::Warning(text) => println!("warning: {text}"),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    for result in results {
        if result.status != Status::Done {
            return Err(format!("{}: {:?}", result.id, result.error).into());
        }
        let weight = result.value("objective.kl_weight").unwrap_or_default();
        println!("kl_weight {weight}: validation ELBO {:?} nats", result.metrics.get("validation_elbo_nats"));
    }
    Ok(())
}
