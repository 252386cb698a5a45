//! Reports of made-up trials, in a temporary folder.

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
        height: Some(28),
        width: Some(28),
        seconds: 12.25,
        images_per_second: Some(1234.5),
        peak_rss_mb: None,
        numerics: 2,
        spec_hash: format!("hash-{name}"),
        data_hash: "data".to_owned(),
        version: "0.1.0".to_owned(),
        git_commit: None,
        git_dirty: None,
        lock_hash: "lock".to_owned(),
        processor: None,
        host: "host".to_owned(),
        threads: 2,
        started: 1.7e9,
        ended: None,
        warnings: Vec::new(),
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
    let written = collect(&folder).unwrap().write(&folder, Format::Parquet).unwrap();
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
    assert!(!report.write(&folder, Format::Parquet).unwrap().is_empty());
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
    assert_eq!(report.write(root.path(), Format::Parquet).unwrap().len(), 6);
    assert_eq!(frame(&root.path().join("trials.parquet")).height(), 8);
    assert_eq!(frame(&other_folder.join("trials.parquet")).height(), 1);
    assert_eq!(frame(&root.path().join("sweep/curves.parquet")).height(), 20);

    // The report of a single trial does not change the tables of the experiment.
    let before = std::fs::read(other_folder.join("trials.parquet")).unwrap();
    let written = collect(&trial).unwrap().write(&trial, Format::Parquet).unwrap();
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

/// The page's data of the first experiment, and the length of the page.
fn page(folder: &Path) -> (serde_json::Value, usize) {
    let page = html::page(&collect(folder).unwrap(), folder);
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    (data["experiments"][0].clone(), page.len())
}

#[test]
fn metrics_of_other_data_or_likelihoods_are_not_comparable() {
    let is_comparable = |change: fn(&mut TrialRecord)| {
        let root = tempfile::tempdir().unwrap();
        let mut other = record("t1", Status::Done, 1.0, 0);
        change(&mut other);
        for record in [record("t0", Status::Done, 1.0, 0), other] {
            write(root.path(), &record, Some(&curve(1.0, 2.0, 3.0)));
        }
        page(root.path()).0["comparable"] == json!(true)
    };
    assert!(is_comparable(|other| drop(other.spec.insert("seed".to_owned(), json!(1)))));
    assert!(!is_comparable(|other| other.data_hash = "other".to_owned()));
    assert!(!is_comparable(|other| drop(other.spec.insert("data.binarize".to_owned(), json!("static")))));
    // The images are the same, although the limit differs.
    assert!(is_comparable(|other| drop(other.spec.insert("data.limit".to_owned(), json!(300)))));
    assert!(!is_comparable(|other| drop(other.spec.insert("model.likelihood".to_owned(), json!("gaussian")))));
}

#[test]
fn axes_are_logarithmic_if_the_sweep_was() {
    let is_logarithmic = |values: &[f64]| {
        let root = tempfile::tempdir().unwrap();
        for (index, value) in values.iter().enumerate() {
            write(root.path(), &record(&format!("t{index}"), Status::Done, *value, 0), Some(&curve(1.0, 2.0, 3.0)));
        }
        page(root.path()).0["log"] == json!(["objective.kl_weight"])
    };
    assert!(is_logarithmic(&[1e-3, 0.0031622776601683794, 1e-2]) && is_logarithmic(&[1.0, 2.0, 4.0, 8.0]));
    assert!(is_logarithmic(&[0.1, 0.15, 2.0]) && is_logarithmic(&[1e-3, 3e-3, 1e-2]));
    assert!(!is_logarithmic(&[1.0, 2.0, 3.0]) && !is_logarithmic(&[100.0, 101.0, 102.0]));
    assert!(!is_logarithmic(&[1.0, 2.0]) && !is_logarithmic(&[0.0, 1.0, 100.0]));
}

#[test]
fn seeds_keep_the_same_epochs_of_long_curves() {
    let root = tempfile::tempdir().unwrap();
    for (seed, epochs) in [(0, 403), (1, 254)] {
        let rows: Vec<Row> = (1..=epochs).map(|epoch| row(epoch, Split::Train, 1.0, 2.0, 3.0)).collect();
        write(root.path(), &record(&format!("t{seed}"), Status::Done, 1.0, seed), Some(&rows));
    }
    let (experiment, _) = page(root.path());
    let epochs = |trial: usize| -> Vec<u64> {
        serde_json::from_value(experiment["trials"][trial]["curves"]["train"]["epoch"].clone()).unwrap()
    };
    // Every third epoch, and the last epochs of both: each epoch has all seeds that reached it.
    let expected =
        |last: u64| (1..=last).filter(|epoch| epoch % 3 == 0 || [254, 403].contains(epoch)).collect::<Vec<_>>();
    assert_eq!((epochs(0), epochs(1)), (expected(403), expected(254)));
}

#[test]
fn a_page_stays_small_whatever_its_pictures() {
    let root = tempfile::tempdir().unwrap();
    let mut dice = crate::random::Stream::new(0, crate::random::Purpose::Samples, 0, 0);
    for index in 0..30u64 {
        // The loss grows with the index: the last trials are the worst. `<` takes six bytes in the page.
        let record = TrialRecord {
            error: Some("<".repeat(2000)),
            ..record(&format!("t{index:02}"), Status::Done, 1.0 + index as f64, 0)
        };
        let metrics = curve(index as f64, 100.0 + index as f64, 1.0);
        let folder = write(root.path(), &record, Some(&metrics));
        let noise: Vec<f32> = (0..3 * 250 * 250).map(|_| dice.below(256) as f32).collect();
        let tiles: Vec<&[f32]> = noise.chunks(250 * 250).collect();
        crate::record::Grid::tiles(250, 250, 3, tiles, [0.0, 255.0]).write(&folder.join("images/samples.png")).unwrap();
    }
    let (experiment, length) = page(root.path());
    assert!((4_000_000..5_000_000).contains(&length), "{length}");
    assert!(experiment["tiles"].is_u64(), "{}", experiment["tiles"]);
    let has_picture: Vec<bool> =
        (0..30).map(|index| experiment["trials"][index]["pictures"]["samples"].is_string()).collect();
    let count = has_picture.iter().filter(|has| **has).count();
    assert!(has_picture.is_sorted_by(|one, other| one >= other) && (5..30).contains(&count), "{has_picture:?}");
}

/// The rows of the page's setup, by group and name: the values and their number.
fn setup(folder: &Path) -> std::collections::BTreeMap<String, (serde_json::Value, u64)> {
    let (experiment, _) = page(folder);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let row = |row: &serde_json::Value| {
        let name = format!("{}/{}", text(&row["group"]), text(&row["name"]));
        (name, (row["values"].clone(), row["count"].as_u64().unwrap()))
    };
    experiment["setup"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn the_page_shows_the_setup() {
    let root = tempfile::tempdir().unwrap();
    let setup = setup(&sweep(root.path()));
    for (row, value) in [
        ("data/binarize", json!(false)),
        ("data/training images", json!(1800)),
        ("data/validation images", json!(200)),
        ("data/height × width", json!("28 × 28 pixels")),
        ("model/channels", json!([32, 64])),
        ("model/parameters", json!(550_629)),
        ("objective/effective beta", json!(0.392)),
        ("machine/vaex", json!("0.1.0")),
        ("machine/threads", json!(2)),
    ] {
        assert_eq!(setup[row], (json!([value]), 1), "{row}");
    }
    assert_eq!(setup["objective/kl_weight"], (json!([5e-5, 5e-4, 0.5]), 3));
    assert_eq!(setup["train/seed"], (json!([0, 1, 2]), 3));
    assert_eq!(setup["machine/processor"], (json!([]), 0), "not recorded");
}

#[test]
fn different_values_are_listed_and_shortened() {
    let root = tempfile::tempdir().unwrap();
    for index in 0..20_u64 {
        let mut record = record(&format!("t{index}"), Status::Done, 20.0 - index as f64, 0);
        record.spec.insert("data.images".to_owned(), json!(format!("/somewhere/{}/images.gz", index % 2)));
        record.spec.insert("data.labels".to_owned(), json!(format!("/somewhere/{}.gz", index % 2)));
        if index == 3 {
            record.spec.insert("train.clip_norm".to_owned(), json!(1.0));
        }
        record.git_commit = Some("0123456789abcdef".to_owned());
        record.git_dirty = Some(index == 3);
        // Only trials that are done have their final effective beta.
        if index == 5 {
            record.status = Status::Running;
        }
        let beta = if index == 5 { 0.1 } else { 0.392 + 1e-12 * index as f64 };
        let rows = curve(1.0, 2.0, 3.0).into_iter().map(|row| with_beta(row, beta));
        write(root.path(), &record, Some(&rows.collect::<Vec<_>>()));
    }
    let setup = setup(root.path());
    assert_eq!(setup["objective/kl_weight"], (json!([1.0, 2.0, 3.0, 4.0, 5.0, 20.0]), 20));
    assert_eq!(setup["objective/effective beta"], (json!([0.392]), 1));
    assert_eq!(setup["data/labels"], (json!(["0.gz", "1.gz"]), 2));
    assert_eq!(setup["data/images"], (json!(["/somewhere/0/images.gz", "/somewhere/1/images.gz"]), 2), "one name");
    assert_eq!(setup["train/clip_norm"], (json!([1.0, null]), 2));
    assert_eq!(setup["machine/vaex"], (json!(["0.1.0 (0123456789)", "0.1.0 (0123456789, modified)"]), 2));
}

#[test]
fn records_of_earlier_versions_lack_the_sizes_of_the_data() {
    let root = tempfile::tempdir().unwrap();
    let folder = write(root.path(), &record("t0", Status::Done, 1.0, 0), Some(&curve(1.0, 2.0, 3.0)));
    let path = TrialFolder::new(&folder).record();
    let mut earlier: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for field in ["train_images", "validation_images", "height", "width"] {
        assert!(earlier.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    earlier["checksum"] = crate::folder::BLANK_SEAL.into();
    let mut bytes = serde_json::to_vec_pretty(&earlier).unwrap();
    crate::folder::SealPlace::First.seal(&mut bytes);
    std::fs::write(&path, &bytes).unwrap();
    let read = TrialRecord::read(&TrialFolder::new(&folder)).unwrap();
    assert_eq!([read.train_images, read.validation_images, read.height, read.width], [None; 4]);
    // Each training image was seen once per epoch.
    let setup = setup(root.path());
    assert_eq!(setup["data/training images"], (json!([1600]), 1));
    assert_eq!(setup["data/validation images"], (json!([]), 0));
}

#[test]
fn a_page_recognizes_its_folder_without_its_path() {
    assert_eq!([b"".as_slice(), b"a", b"foobar"].map(html::fnv1a), [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968]);
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().canonicalize().unwrap().join("runs");
    write(&folder, &record("t0", Status::Done, 1.0, 0), Some(&curve(1.0, 2.0, 3.0)));
    let expected = format!("\"{:08x}\"", html::fnv1a(folder.to_str().unwrap().as_bytes()));
    for spelled in [folder.clone(), folder.join("."), folder.join("../runs/")] {
        let page = html::page(&collect(&folder).unwrap(), &spelled);
        assert!(page.contains(&expected), "{}", spelled.display());
    }
}

#[test]
fn a_page_says_if_epochs_or_tiles_are_left_out() {
    let root = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (1..=403).map(|epoch| row(epoch, Split::Train, 1.0, 2.0, 3.0)).collect();
    write(root.path(), &record("t0", Status::Done, 1.0, 0), Some(&rows));
    let (experiment, _) = page(root.path());
    assert_eq!((&experiment["epoch_step"], &experiment["tiles"]), (&json!(3), &json!(null)));
}
