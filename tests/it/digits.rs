//! The metrics of the last epoch of the shipped experiments, with all their digits: tests/digits/*.txt. After an
//! intended change, write them again with VAEX_WRITE_DIGITS=1, and mention the change in the changelog.
//!
//! The digits are those of AVX-512 on any CPU; other instruction sets give others.
#![expect(clippy::print_stderr, reason = "prints which tests are skipped")]

use crate::harness::Workspace;
use std::path::Path;
use vaex::metrics::Split;
use vaex::report;

/// Trains a shipped experiment and compares its digits with the file.
fn compare(name: &str) {
    if !has_avx512() {
        eprintln!("skipped: the digits of {name} are known only for CPUs with AVX-512");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = Workspace::new();
    let spec = root.join(format!("experiments/{name}.toml"));
    let outcome = workspace.vaex(&["run", spec.to_str().unwrap()]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    let (found, file) = (digits(&workspace.path("runs")), root.join(format!("tests/digits/{name}.txt")));
    if std::env::var_os("VAEX_WRITE_DIGITS").is_some() {
        std::fs::write(&file, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(file).unwrap());
}

/// One line for each trial and split.
fn digits(runs: &Path) -> String {
    let report = report::collect(runs).unwrap();
    let mut trials: Vec<_> = report.experiments.iter().flat_map(|experiment| &experiment.trials).collect();
    let key = |trial: &report::ReportedTrial, key: &str| trial.record.spec[key].clone();
    trials.sort_by(|one, other| {
        let number = |trial: &report::ReportedTrial, name: &str| key(trial, name).as_f64().unwrap();
        let family = |trial: &report::ReportedTrial| key(trial, "model.family").as_str().unwrap().to_owned();
        family(one).cmp(&family(other)).then_with(|| {
            ["objective.kl_weight", "seed"].iter().fold(std::cmp::Ordering::Equal, |order, name| {
                order.then(number(one, name).total_cmp(&number(other, name)))
            })
        })
    });
    let mut lines = String::new();
    for trial in trials {
        for split in [Split::Train, Split::Validation] {
            let row = trial.last(split).unwrap();
            let get = |name| row.get(name).unwrap();
            lines += &format!(
                "family={} kl_weight={} seed={} {}: loss {:?}, elbo_nats {:?}, recon_nats {:?}, kl_nats {:?}, active_units {}\n",
                key(trial, "model.family").as_str().unwrap(),
                key(trial, "objective.kl_weight"),
                key(trial, "seed"),
                split.name(),
                get("loss"),
                get("elbo_nats"),
                get("recon_nats"),
                get("kl_nats"),
                get("active_units")
            );
        }
    }
    lines
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

#[test]
fn the_digits_of_smoke_stay() {
    compare("smoke");
}

#[test]
#[ignore = "long form: minutes of training"]
fn long_form_of_the_digits_of_beta_sweep() {
    compare("beta_sweep");
}
