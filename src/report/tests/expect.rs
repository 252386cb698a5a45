//! Expectations of made-up trials.

use super::*;
use crate::language::number_columns;
use crate::report::keys::key_columns;

fn expectation(metric: &str, value: f64, within: f64, kl_weight: f64, trials: &[&str]) -> FrozenExpectation {
    FrozenExpectation {
        metric: metric.to_owned(),
        epoch: None,
        value,
        within,
        keys: [("objective.kl_weight".to_owned(), json!(kl_weight))].into(),
        source: None,
        trials: trials.iter().map(|id| (*id).to_owned()).collect(),
    }
}

#[test]
fn every_column_with_a_number_that_a_trial_gives_can_be_expected() {
    let columns = frames::trials(&[], Path::new(""));
    let is_key = |name: &str| key_columns().any(|(key, _)| key == name);
    let numbers = columns.iter().filter(|column| column.dtype().is_primitive_numeric() && !is_key(column.name()));
    let numbers: BTreeSet<&str> = numbers.map(|column| column.name().as_str()).collect();
    assert_eq!(number_columns().iter().map(String::as_str).collect::<BTreeSet<_>>(), numbers);
}

#[test]
fn expectations_are_compared_with_the_mean_of_their_trials() {
    let root = tempfile::tempdir().unwrap();
    let mut report = collect(&sweep(root.path())).unwrap();
    let [a, b] = [["a0", "a1"], ["b0", "b1"]];
    report.experiments[0].expectations = vec![
        // The mean is 0.1803: a difference of exactly the tolerance.
        expectation("final_validation_loss", 0.1713, 0.009, 5e-4, &a),
        FrozenExpectation {
            source: Some("table 2".to_owned()),
            ..expectation("final_validation_loss", 0.18, 0.009 - 1e-6, 5e-5, &b)
        },
        FrozenExpectation { epoch: Some(1), ..expectation("train_loss", 0.28, 0.001, 5e-4, &a) },
        expectation("parameters", 550_629.0, 0.0, 5e-4, &a),
        expectation("peak_rss_mb", 100.0, 10.0, 5e-4, &a),
        expectation("test_nll_nats", 100.0, 10.0, 5e-4, &a),
        expectation("images_per_second", 1000.0, 500.0, 5e-5, &["b0", "b1", "e"]),
        expectation("final_validation_loss", 0.18, 0.01, 5e-4, &["a0", "a1", "c"]),
        expectation("final_validation_loss", 0.18, 0.01, 0.5, &["d"]),
        FrozenExpectation { keys: BTreeMap::new(), ..expectation("final_epoch", 2.0, 0.0, 0.5, &["absent"]) },
    ];
    assert!(report.has_unmet());
    let table = report.table(None);
    let (_, shown) = table.split_once("\n\nexpected: ").unwrap();
    let (shown, _) = shown.split_once("\n\nfailed c").unwrap();
    let expected = "\
3 met, 4 not met, 3 not yet

metric                 where             expected    within   result  status                             source
────────────────────────────────────────────────────────────────────────────────────────────────────────────────
final_validation_loss  kl_weight=0.0005    0.1713     0.009  0.18030  met                                -
final_validation_loss  kl_weight=5e-5        0.18  0.008999  0.17020  not met                            table 2
train_loss, epoch 1    kl_weight=0.0005      0.28     0.001  0.28030  met                                -
parameters             kl_weight=0.0005    550629         0   550629  met                                -
peak_rss_mb            kl_weight=0.0005       100        10        -  not met (no value)                 -
test_nll_nats          kl_weight=0.0005       100        10        -  not yet (0 of 2 trials evaluated)  -
images_per_second      kl_weight=5e-5        1000       500        -  not yet (2 of 3 trials finished)   -
final_validation_loss  kl_weight=0.0005      0.18      0.01        -  not met (1 trial of 3: failed)     -
final_validation_loss  kl_weight=0.5         0.18      0.01        -  not met (diverged)                 -
final_epoch            -                        2         0        -  not yet (0 of 1 trial finished)    -";
    assert_eq!(shown, expected, "\n--- found\n{shown}");
}
