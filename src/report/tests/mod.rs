//! Reports of made-up trials, in a temporary folder.

mod expect;
mod page;

use super::*;
use crate::folder::TrialFolder;
use crate::metrics::{Row, Split, Value};
use crate::record::trial::{Status, TrialRecord};
use crate::train::measure::{self, example};
use polars::prelude::{DataFrame, DataType, ParquetReader, SerReader, TimeUnit};
use serde_json::json;

fn row(epoch: u64, split: Split, loss: f64, recon_nats: f64, kl_nats: f64) -> Row {
    let elbo_nats = -recon_nats - kl_nats;
    let values = [
        ("loss", loss),
        ("recon_nats", recon_nats),
        ("kl_nats", kl_nats),
        ("kl_axis_nats", kl_nats),
        ("elbo_nats", elbo_nats),
        ("effective_beta", 0.392),
    ];
    example(epoch, split, &values)
}

fn with_beta(mut row: Row, beta: f64) -> Row {
    row.set(measure::all().find(|metric| metric.name == "effective_beta").unwrap(), Value::Number(beta));
    row
}

fn record(name: &str, status: Status, kl_weight: f64, seed: u64) -> TrialRecord {
    let spec = [
        ("name", json!("sweep")),
        ("seed", json!(seed)),
        ("model.latent_dim", json!(2)),
        ("model.channels", json!([32, 64])),
        ("model.likelihood", json!("bernoulli")),
        ("data.binarize", json!(false)),
        ("objective.kl_weight", json!(kl_weight)),
    ];
    TrialRecord {
        checksum: String::new(),
        trial: name.to_owned(),
        experiment: "sweep".to_owned(),
        status,
        spec: spec.map(|(key, value)| (key.to_owned(), value)).into(),
        varied: vec!["objective.kl_weight".to_owned(), "seed".to_owned()],
        parameters: 550_629,
        train_images: Some(1800),
        validation_images: Some(200),
        test_images: Some(0),
        height: Some(28),
        width: Some(28),
        channels: Some(1),
        seconds: 12.25,
        images_per_second: Some(1234.5),
        peak_rss_mb: None,
        numerics: 2,
        spec_hash: format!("hash-{name}"),
        course_hash: None,
        data_hash: "data".to_owned(),
        version: "0.1.0".to_owned(),
        git_commit: None,
        git_dirty: None,
        lock_hash: "lock".to_owned(),
        processor: None,
        gpu: None,
        host: "host".to_owned(),
        threads: 2,
        started: 1.7e9,
        ended: None,
        warnings: Vec::new(),
        continued: None,
        shorter: Vec::new(),
        from_scratch: false,
        kept_epoch: None,
        metrics: Vec::new(),
        stopped_after: None,
        pruned: None,
        error: None,
        note: None,
        from_outside: false,
        files: Default::default(),
    }
}

fn write(experiment: &Path, record: &TrialRecord, metrics: Option<&[Row]>) -> PathBuf {
    let folder = experiment.join(&record.trial);
    std::fs::create_dir_all(folder.join("images")).unwrap();
    record.write(&TrialFolder::new(&folder)).unwrap();
    if let Some(metrics) = metrics {
        tables::write_metrics(&folder.join("metrics.parquet"), metrics).unwrap();
    }
    folder
}

fn curve(loss: f64, recon_nats: f64, kl_nats: f64) -> Vec<Row> {
    vec![
        row(1, Split::Train, loss + 0.1, recon_nats, kl_nats),
        row(1, Split::Validation, loss - 0.01, recon_nats + 1.0, kl_nats),
        row(2, Split::Train, loss, recon_nats, kl_nats),
        row(2, Split::Validation, loss, recon_nats, kl_nats),
    ]
}

/// Two settings with two seeds each, and a failed, a diverged and a running trial.
fn sweep(root: &Path) -> PathBuf {
    let folder = root.join("sweep");
    write(&folder, &record("a0", Status::Done, 5e-4, 0), Some(&curve(0.1801, 140.0, 6.0)));
    write(&folder, &record("a1", Status::Done, 5e-4, 1), Some(&curve(0.1805, 140.5, 6.25)));
    write(&folder, &record("b0", Status::Done, 5e-5, 0), Some(&curve(0.1701, 130.0, 20.0)));
    write(&folder, &record("b1", Status::Done, 5e-5, 1), Some(&curve(0.1703, 130.25, 20.5)));
    let failed = TrialRecord {
        error: Some("read images.gz: no such file\n  at data".to_owned()),
        ..record("c", Status::Failed, 5e-4, 2)
    };
    write(&folder, &failed, None);
    let diverged =
        TrialRecord { error: Some("loss is NaN at step 120".to_owned()), ..record("d", Status::Diverged, 0.5, 0) };
    write(&folder, &diverged, Some(&curve(f64::NAN, f64::NAN, f64::INFINITY)));
    write(&folder, &record("e", Status::Running, 5e-5, 2), None);
    folder
}

#[test]
fn the_table_folds_seeds_and_lists_trials_that_are_not_done() {
    let root = tempfile::tempdir().unwrap();
    let report = collect(&sweep(root.path())).unwrap();
    let expected = "\
sweep: 4 done, 1 running, 1 diverged, 1 failed

kl_weight  seeds            loss  elbo_nats  recon_nats  kl_nats  active  images/s  seconds
───────────────────────────────────────────────────────────────────────────────────────────
0.0005     2 done        0.18030    -146.38      140.25     6.12       2      1234     12.2
           1 failed    ± 0.00028     ± 0.53      ± 0.35   ± 0.18
5e-5       2 done        0.17020    -150.38      130.12    20.25       2      1234     12.2
           1 running   ± 0.00014     ± 0.53      ± 0.18   ± 0.35
0.5        1 diverged          -          -           -        -       -         -        -

validation metrics of the last epoch, mean ± sample standard deviation over the seeds that are done
active: latent axes whose posterior mean has a variance above 0.01 over the validation images
sorted by elbo_nats, highest first: loss is not comparable, because objective.kl_weight varies
elbo_nats of the two best settings (2 and 2 seeds): difference 4.00 (95 % interval 1.72 to 6.28),
significant (Welch's test, p = 0.017)

failed c kl_weight=0.0005 seed=2: read images.gz: no such file
running e kl_weight=5e-5 seed=2
diverged d kl_weight=0.5 seed=0: loss is NaN at step 120
";
    assert_eq!(report.table(Some(100)), expected);
    let unlimited = "\
sweep: 4 done, 1 running, 1 diverged, 1 failed

kl_weight  seeds                           loss       elbo_nats     recon_nats       kl_nats  active  images/s  seconds
───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
0.0005     2 done, 1 failed   0.18030 ± 0.00028  -146.38 ± 0.53  140.25 ± 0.35   6.12 ± 0.18       2      1234     12.2
5e-5       2 done, 1 running  0.17020 ± 0.00014  -150.38 ± 0.53  130.12 ± 0.18  20.25 ± 0.35       2      1234     12.2
0.5        1 diverged                         -               -              -             -       -         -        -

validation metrics of the last epoch, mean ± sample standard deviation over the seeds that are done
active: latent axes whose posterior mean has a variance above 0.01 over the validation images
sorted by elbo_nats, highest first: loss is not comparable, because objective.kl_weight varies
elbo_nats of the two best settings (2 and 2 seeds): difference 4.00 (95 % interval 1.72 to 6.28), significant (Welch's test, p = 0.017)

failed c kl_weight=0.0005 seed=2: read images.gz: no such file
running e kl_weight=5e-5 seed=2
diverged d kl_weight=0.5 seed=0: loss is NaN at step 120
";
    assert_eq!(report.table(None), unlimited);
    // The explanation of a column that is left out is left out too.
    let narrow = report.table(Some(60));
    assert!(narrow.contains("\nleft out to fit 60 columns: ") && !narrow.contains("\nactive: "), "{narrow}");
}

#[test]
fn json_has_the_metrics_of_the_table() {
    let root = tempfile::tempdir().unwrap();
    let json = collect(&sweep(root.path())).unwrap().json();
    let experiment = &json["experiments"][0];
    assert_eq!(experiment["sorted_by"], "elbo_nats");
    let best = &experiment["settings"][0];
    assert_eq!(best["values"], json!({"objective.kl_weight": 5e-4}));
    assert_eq!((&best["done"], &best["trials"]), (&json!(2), &json!(["a0", "a1", "c"])));
    let elbo = &best["metrics"]["elbo_nats"];
    assert_eq!((elbo["count"].as_u64(), elbo["mean"].as_f64()), (Some(2), Some(-146.375)));
    assert!((elbo["std"].as_f64().unwrap() - 0.75 / 2f64.sqrt()).abs() < 1e-12);
    let undone = &experiment["settings"][2];
    assert_eq!((&undone["done"], &undone["metrics"]["loss"]), (&json!(0), &json!(null)));
    let diverged = &experiment["trials"][5];
    assert_eq!((&diverged["status"], &diverged["final"]["validation"]["loss"]), (&json!("diverged"), &json!(null)));
    assert_eq!(experiment["trials"][0]["best_epoch"], 1);
    assert_eq!(experiment["trials"][0]["best_validation_elbo_nats"], -146.0);
}

fn frame(path: &Path) -> DataFrame {
    ParquetReader::new(std::fs::File::open(path).unwrap()).finish().unwrap()
}

#[test]
fn parquet_has_a_row_per_trial_and_all_curves() {
    let root = tempfile::tempdir().unwrap();
    let folder = sweep(root.path());
    let mut odd = record("f", Status::Planned, 1.0, 3);
    odd.spec.insert("objective.kl_weight".to_owned(), json!(1));
    odd.spec.insert("train.clip_norm".to_owned(), json!(5));
    odd.spec.insert("model.variance".to_owned(), json!(0.25));
    odd.spec.insert("tags".to_owned(), json!(["one", "two"]));
    odd.spec.insert("status".to_owned(), json!("a key of another version"));
    write(&folder, &odd, None);
    let written = collect(&folder).unwrap().write(Place::Own(&folder), Format::Parquet).unwrap();
    assert_eq!(written, [folder.join("trials.parquet"), folder.join("curves.parquet")]);

    let trials = frame(&written[0]);
    assert_eq!(trials.height(), 8);
    let types = [
        ("seed", DataType::Int64),
        ("objective.kl_weight", DataType::Float64),
        ("train.clip_norm", DataType::Float64),
        ("data.binarize", DataType::String),
        ("model.channels", DataType::List(Box::new(DataType::Int64))),
        ("tags", DataType::List(Box::new(DataType::String))),
        ("data.range", DataType::List(Box::new(DataType::Float64))),
        ("model.variance", DataType::String),
        ("started", DataType::Datetime(TimeUnit::Microseconds, None)),
        ("final_train_grad_norm", DataType::Float64),
        ("final_validation_active_units", DataType::Int64),
        ("final_validation_kl_axis_nats", DataType::List(Box::new(DataType::Float64))),
    ];
    for (name, dtype) in types {
        assert_eq!(trials.column(name).unwrap().dtype(), &dtype, "{name}");
    }
    let floats = |name: &str| trials.column(name).unwrap().f64().unwrap().iter().collect::<Vec<_>>();
    assert_eq!(floats("final_validation_loss")[..4], [Some(0.1801), Some(0.1805), Some(0.1701), Some(0.1703)]);
    // NaN, which would be the largest number in a query.
    assert_eq!(floats("final_validation_loss")[5], None);
    assert_eq!(floats("final_validation_loss")[6], None);
    assert_eq!(floats("objective.kl_weight")[7], Some(1.0));
    assert_eq!(floats("best_validation_loss")[5], None);
    assert_eq!(trials.column("train.clip_norm").unwrap().null_count(), 7);
    let texts = |name: &str| trials.column(name).unwrap().str().unwrap().get(7).map(str::to_owned);
    assert_eq!((texts("status").as_deref(), texts("model.variance").as_deref()), (Some("planned"), Some("0.25")));
    assert_eq!((texts("folder").as_deref(), texts("data.source")), (Some("f"), None));
    let list = |name: &str, row: usize| trials.column(name).unwrap().list().unwrap().get_as_series(row).unwrap();
    assert_eq!(list("model.channels", 0).i64().unwrap().iter().collect::<Vec<_>>(), [Some(32), Some(64)]);
    assert_eq!(list("tags", 7).str().unwrap().iter().collect::<Vec<_>>(), [Some("one"), Some("two")]);
    assert_eq!(trials.column("tags").unwrap().null_count(), 7);
    let started = trials.column("started").unwrap().datetime().unwrap().physical().get(0);
    assert_eq!(started, Some(1_700_000_000_000_000));
    assert_eq!(
        (floats("best_validation_loss")[0], floats("best_validation_elbo_nats")[0]),
        (Some(0.1701), Some(-146.0))
    );

    let curves = frame(&written[1]);
    assert_eq!(curves.height(), 5 * 4);
    assert_eq!(curves.get_column_names()[..4], ["experiment", "trial", "epoch", "split"]);
    assert_eq!(curves.column("trial").unwrap().str().unwrap().get(19), Some("d"));
    assert_eq!(curves.column("kl_axis_nats").unwrap().dtype(), &DataType::List(Box::new(DataType::Float64)));
}

#[test]
fn a_file_that_cannot_be_read_is_a_warning() {
    let root = tempfile::tempdir().unwrap();
    let folder = sweep(root.path());
    for (trial, file) in [("a0", "metrics.parquet"), ("b0", "trial.json")] {
        let path = folder.join(trial).join(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    std::fs::remove_file(folder.join("b1/metrics.parquet")).unwrap();
    let report = collect(&folder).unwrap();
    assert_eq!(report.experiments[0].trials.len(), 6);
    let warnings = report.warnings.join("\n");
    assert_eq!(report.warnings.len(), 3, "{warnings}");
    for (warning, file) in report.warnings.iter().zip(["a0/metrics.parquet", "b0/trial.json", "b1/metrics.parquet"]) {
        assert!(warning.starts_with("cannot read ") && warning.contains(file), "{warning}");
    }
    assert!(report.table(None).ends_with(&format!("warning: {}\n", report.warnings[2])));
    assert!(!report.write(Place::Own(&folder), Format::Parquet).unwrap().is_empty());
}

#[test]
fn a_report_of_nothing_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let error = |dir: &Path| collect(dir).unwrap_err().to_string();
    let missing = root.path().join("missing");
    assert_eq!(error(&missing), format!("{} is not a folder", missing.display()));
    assert!(error(root.path()).ends_with("has no trials: no folder in it contains a trial.json"));
    let folder = write(root.path(), &record("a", Status::Done, 1.0, 0), None);
    std::fs::write(folder.join("trial.json"), "{").unwrap();
    assert!(error(root.path()).contains("has no trial that can be read: cannot read "), "{}", error(root.path()));
}

#[test]
fn each_experiment_has_its_own_tables() {
    let root = tempfile::tempdir().unwrap();
    sweep(root.path());
    let other = TrialRecord { experiment: "other".to_owned(), ..record("x", Status::Done, 1.0, 0) };
    let other_folder = root.path().join("other");
    let trial = write(&other_folder, &other, Some(&curve(1.0, 2.0, 3.0)));

    let report = collect(root.path()).unwrap();
    assert_eq!(report.experiments.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["other", "sweep"]);
    let table = report.table(None);
    assert!(table.starts_with("other: 1 done\n") && table.contains("\nsweep: 4 done, 1 running"), "{table}");
    assert_eq!(report.write(Place::Own(root.path()), Format::Parquet).unwrap().len(), 6);
    assert_eq!(frame(&root.path().join("trials.parquet")).height(), 8);
    assert_eq!(frame(&other_folder.join("trials.parquet")).height(), 1);
    assert_eq!(frame(&root.path().join("sweep/curves.parquet")).height(), 20);

    // The report of a single trial does not change the tables of the experiment.
    let before = std::fs::read(other_folder.join("trials.parquet")).unwrap();
    let written = collect(&trial).unwrap().write(Place::Own(&trial), Format::Parquet).unwrap();
    assert_eq!(written, [trial.join("trials.parquet"), trial.join("curves.parquet")]);
    assert_eq!(std::fs::read(other_folder.join("trials.parquet")).unwrap(), before);
}

/// Done trials of one experiment, each with a changed spec key, a final loss and an effective beta.
fn compared(changes: &[(&str, serde_json::Value, f64, f64)]) -> (String, Vec<String>) {
    let root = tempfile::tempdir().unwrap();
    for (index, (key, value, loss, beta)) in changes.iter().enumerate() {
        let mut record = record(&format!("t{index}"), Status::Done, 1.0, 0);
        record.varied = vec![(*key).to_owned()];
        record.spec.insert((*key).to_owned(), value.clone());
        // The ELBO has the opposite order of the loss.
        let metrics = with_beta(row(1, Split::Validation, *loss, -100.0 * loss, 0.0), *beta);
        write(root.path(), &record, Some(&[metrics]));
    }
    let report = collect(root.path()).unwrap();
    let json = report.json();
    let settings = json["experiments"][0]["settings"].as_array().unwrap();
    (report.table(None), settings.iter().map(|one| one["trials"][0].as_str().unwrap().to_owned()).collect())
}

#[test]
fn losses_are_compared_only_if_they_have_the_same_unit() {
    let key = "train.learning_rate";
    let (table, order) =
        compared(&[(key, json!(1e-3), 0.3, 1.0), (key, json!(1e-2), f64::NAN, 1.0), (key, json!(0.1), 0.2, 1.0)]);
    assert_eq!(order, ["t2", "t0", "t1"]);
    assert!(table.contains("\nsorted by loss, lowest first\n"), "{table}");

    let key = "model.latent_dim";
    let (table, order) = compared(&[(key, json!(2), 0.3, 0.392), (key, json!(4), 0.2, 0.196)]);
    assert_eq!(order, ["t0", "t1"]);
    assert!(table.contains("highest first: loss is not comparable, because effective_beta varies\n"), "{table}");

    let key = "objective.reduction";
    let (table, order) = compared(&[(key, json!("mean"), 0.2, 1.0), (key, json!("sum"), 0.3, 1.0)]);
    assert_eq!(order, ["t1", "t0"]);
    assert!(table.contains("because objective.reduction varies\n"), "{table}");
}

#[test]
fn likelihoods_are_sorted_separately() {
    let key = "model.likelihood";
    let (table, order) = compared(&[(key, json!("gaussian"), 9.0, 1.0), (key, json!("bernoulli"), 0.2, 1.0)]);
    assert_eq!(order, ["t1", "t0"]);
    assert!(table.contains("likelihoods are not comparable (probability and density)"), "{table}");
}

#[test]
fn a_wide_table_stays_within_a_hundred_columns() {
    let root = tempfile::tempdir().unwrap();
    for seed in 0..2 {
        let mut record = record(&format!("t{seed}"), Status::Done, 1.0, seed);
        let keys = ["model.latent_dim", "model.likelihood", "model.channels", "objective.kl_weight"];
        record.varied = keys.map(str::to_owned).to_vec();
        let shift = seed as f64 / 7.0;
        write(root.path(), &record, Some(&curve(0.1801 + shift / 1000.0, 140.0 + shift, 6.0 + shift)));
    }
    let table = collect(root.path()).unwrap().table(Some(100));
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    let lines: Vec<&str> = table.lines().skip(2).collect();
    let starts = |at: usize| lines[at..at + 4].iter().map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>();
    assert_eq!(starts(0), ["channels", "latent_dim", "likelihood", "kl_weight"], "{table}");
    assert_eq!(starts(5), ["[32,64]", "2", "bernoulli", "1"], "{table}");
    assert!(lines[5].contains("2 done") && lines[5].contains(" -146.14 ") && lines[6].contains(" ± 0.20 "), "{table}");
}

#[test]
fn plain_autoencoders_are_last() {
    let key = "model.posterior";
    let (table, order) = compared(&[(key, json!("none"), 9.0, 1.0), (key, json!("gaussian"), 0.2, 1.0)]);
    assert_eq!(order, ["t1", "t0"]);
    assert!(table.contains("elbo_nats is only the reconstruction, not a bound; sorted last"), "{table}");
}

/// A report of trials that all have the posterior "none", and that differ in this key: as text, and whether the trials are
/// comparable.
fn without_kl(key: &str, values: [serde_json::Value; 2]) -> (String, bool) {
    let root = tempfile::tempdir().unwrap();
    for (index, value) in values.into_iter().enumerate() {
        let mut record = record(&format!("t{index}"), Status::Done, 1.0, 0);
        record.varied = vec![key.to_owned()];
        record.spec.insert("model.posterior".to_owned(), json!("none"));
        record.spec.insert(key.to_owned(), value);
        write(root.path(), &record, Some(&curve(1.0, 2.0, 0.0)));
    }
    let report = collect(root.path()).unwrap();
    (report.table(None), report.is_comparable())
}

#[test]
fn trials_without_a_kl_are_not_ranked_by_the_elbo() {
    let note = "\ntrials with posterior none have no KL: their elbo_nats is only the reconstruction, not a bound\n";
    let (table, is_comparable) = without_kl("objective.kind", [json!("beta"), json!("wae")]);
    assert!(table.contains("\nsorted by elbo_nats") && table.contains(note) && !is_comparable, "{table}");
    let (table, is_comparable) = without_kl("objective.mmd_weight", [json!(1.0), json!(10.0)]);
    assert!(table.contains("\nsorted by elbo_nats") && table.contains(note) && !is_comparable, "{table}");
    // Losses of the same unit are comparable.
    let (table, is_comparable) = without_kl("train.learning_rate", [json!(0.1), json!(0.01)]);
    assert!(table.contains("\nsorted by loss") && table.contains(note) && is_comparable, "{table}");
}

#[test]
fn importance_weighted_bounds_are_told_from_the_elbo() {
    let note = "\nthe bound of iwae is bound_nats, which is tighter than elbo_nats; the order is that of elbo_nats\n";
    let key = "objective.kind";
    let (table, _) = compared(&[(key, json!("beta"), 0.3, 1.0), (key, json!("iwae"), 0.2, 1.0)]);
    assert!(table.contains(note), "{table}");
    let (table, _) = compared(&[(key, json!("beta"), 0.3, 1.0), (key, json!("wae"), 0.2, 1.0)]);
    assert!(!table.contains("bound_nats"), "{table}");
}

#[test]
fn a_copy_of_a_trial_is_left_out() {
    let root = tempfile::tempdir().unwrap();
    let folder = write(root.path(), &record("t0", Status::Done, 1.0, 0), Some(&curve(1.0, 2.0, 3.0)));
    let copy = write(root.path(), &record("t0-copy", Status::Done, 1.0, 0), Some(&curve(1.0, 2.0, 3.0)));
    std::fs::copy(folder.join("trial.json"), copy.join("trial.json")).unwrap();
    let report = collect(root.path()).unwrap();
    assert_eq!(report.experiments[0].trials.len(), 1);
    assert_eq!(report.warnings, [format!("{} is left out: it is a copy of {}", copy.display(), folder.display())]);
}
