//! `[[expect]]`: what an experiment is expected to give, in `vaex plan`, `vaex run` and `vaex report`.

use crate::harness::{Workspace, json};
use crate::runs::{TINY, rows};
use serde_json::{Value, json};
use vaex::metrics::{Row, Split};

/// Two settings with two seeds each, and expectations.
fn spec(expectations: &str) -> String {
    format!("{TINY}\n[sweep]\nseeds = 2\n\n{expectations}")
}

/// An expectation of the setting with `kl_weight = 1.0`.
fn expect(metric: &str, value: f64, within: &str, more: &str) -> String {
    format!(
        "[[expect]]\nmetric = \"{metric}\"\nvalue = {value:?}\nwithin = {within}\n\
         where = {{ \"objective.kl_weight\" = 1.0 }}\n{more}\n"
    )
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The mean of a metric over the seeds of the setting with `kl_weight = 1.0`, after an epoch.
fn mean(workspace: &Workspace, epoch: u64, split: Split, metric: &str) -> f64 {
    let trials = workspace.trials("runs/tiny");
    let own =
        trials.values().filter(|folder| json(&folder.join("trial.json"))["spec"]["objective.kl_weight"] == json!(1.0));
    let is_row = |row: &Row| row.epoch == epoch && row.split == split;
    let values: Vec<f64> =
        own.map(|folder| rows(folder).into_iter().find(is_row).unwrap().get(metric).unwrap()).collect();
    assert_eq!(values.len(), 2);
    values.iter().sum::<f64>() / 2.0
}

/// The exit status of `vaex report --json`, and the expectations that it prints.
fn report(workspace: &Workspace) -> (Option<i32>, Vec<Value>) {
    let outcome = workspace.vaex(&["report", "runs/tiny", "--json"]);
    let found = parsed(&outcome.stdout)["experiments"][0]["expectations"].as_array().unwrap().clone();
    (outcome.status, found)
}

fn statuses(expectations: &[Value]) -> Vec<&str> {
    expectations.iter().map(|one| one["status"].as_str().unwrap()).collect()
}

#[test]
fn means_are_compared_with_what_is_expected() {
    let mut workspace = Workspace::with_spec(&spec(""));
    let said = workspace.succeed(&["run", "spec.toml"]);
    assert!(!said.contains("expected"), "{said}");
    assert_eq!(report(&workspace), (Some(0), Vec::new()));
    assert_eq!(json(&workspace.path("runs/tiny/plan.json")).get("expect"), None);
    let trials = workspace.trials("runs/tiny");

    let last = mean(&workspace, 2, Split::Validation, "loss");
    let first = mean(&workspace, 1, Split::Train, "elbo_nats");
    let met = [
        expect("final_validation_loss", last, "1e-9", "source = \"a paper\""),
        expect("final_validation_loss", last * 1.009, "\"1%\"", ""),
        expect("train_elbo_nats", first, "1e-9", "epoch = 1"),
        expect("final_epoch", 2.0, "0", "")
            .replace("{ \"objective.kl_weight\" = 1.0 }", "{ objective = { kl_weight = 1 } }"),
    ];
    workspace.write("spec.toml", spec(&met.concat()));
    let planned = workspace.succeed(&["plan", "spec.toml"]);
    assert!(planned.ends_with("images\n4 expected values to compare with the results\n"), "{planned}");
    let plan = parsed(&workspace.succeed(&["plan", "spec.toml", "--json"]));
    assert_eq!(plan["expectations"][2]["epoch"], 1);
    assert_eq!(plan["expectations"][2]["trials"].as_array().unwrap().len(), 2);
    let said = workspace.succeed(&["run", "spec.toml"]);
    // The same trials: no id depends on what is expected.
    assert_eq!((said.matches(": already done\n").count(), said.contains("since the last run")), (4, false), "{said}");
    assert!(said.contains("\n\nexpected: 4 met\n\nmetric"), "{said}");
    assert!(said.contains("train_elbo_nats, epoch 1  kl_weight=1 "), "{said}");
    assert!(said.contains("  a paper\n"), "{said}");
    let (status, found) = report(&workspace);
    assert_eq!((status, statuses(&found)), (Some(0), vec!["met"; 4]));
    assert!((found[0]["result"].as_f64().unwrap() - last).abs() < 1e-12);
    assert_eq!(found[0]["where"], json!({ "objective.kl_weight": 1.0 }));
    assert_eq!(
        (&found[0]["source"], &found[0]["epoch"], &found[2]["epoch"]),
        (&json!("a paper"), &json!(null), &json!(1))
    );
    for folder in trials.values() {
        let resolved = std::fs::read_to_string(folder.join("spec.toml")).unwrap();
        assert!(!resolved.contains("expect"), "{resolved}");
    }

    let mut some = met.to_vec();
    some.push(expect("final_validation_loss", last * 1.02, "\"1%\"", ""));
    some.push(expect("final_validation_loss", last + 1.0, "0.5", ""));
    workspace.write("spec.toml", spec(&some.concat()));
    let outcome = workspace.vaex(&["run", "spec.toml"]);
    assert_eq!((outcome.status, &*outcome.stderr), (Some(1), ""));
    assert!(outcome.stdout.contains("\n\nexpected: 4 met, 2 not met\n\n"), "{}", outcome.stdout);
    let outcome = workspace.vaex(&["report", "runs"]);
    assert_eq!((outcome.status, outcome.stdout.contains("expected: 4 met, 2 not met\n")), (Some(1), true));
    let (status, found) = report(&workspace);
    let expected = vec!["met", "met", "met", "met", "not met", "not met"];
    assert_eq!((status, statuses(&found)), (Some(1), expected.clone()));
    let outcome = workspace.vaex(&["run", "spec.toml", "--json"]);
    let summary = parsed(outcome.stdout.lines().last().unwrap());
    assert_eq!(outcome.status, Some(1));
    assert_eq!(
        (&summary["event"], statuses(summary["expectations"].as_array().unwrap())),
        (&json!("summary"), expected)
    );
    assert_eq!(workspace.vaex(&["report", "runs/tiny", "--format", "markdown,html"]).status, Some(1));
    let text = std::fs::read_to_string(workspace.path("runs/tiny/report.md")).unwrap();
    assert_eq!((text.matches("| met |").count(), text.matches("| not met |").count()), (4, 2), "{text}");
    let page = std::fs::read_to_string(workspace.path("runs/tiny/report.html")).unwrap();
    assert_eq!((page.matches("\"status\":\"not met\"").count(), page.contains("showExpected(this)")), (2, true));
    // A single trial has no plan.
    let folder = trials.values().next().unwrap().to_str().unwrap();
    assert_eq!(workspace.vaex(&["report", folder]).status, Some(0));
}

#[test]
fn nothing_is_compared_before_all_seeds_are_done() {
    let workspace = Workspace::with_spec(&spec(&expect("final_validation_loss", 1e6, "1", "")));
    let said = workspace.succeed(&["run", "spec.toml", "--only", "seed=1"]);
    assert!(
        said.contains("\nexpected: 1 not yet\n") && said.contains("  not yet (1 of 2 trials finished)\n"),
        "{said}"
    );
    let (status, found) = report(&workspace);
    assert_eq!((status, statuses(&found), &found[0]["result"]), (Some(0), vec!["not yet"], &json!(null)));
    assert_eq!(workspace.vaex(&["run", "spec.toml"]).status, Some(1));
    assert_eq!(report(&workspace).0, Some(1));
}

#[test]
fn a_trial_that_diverges_gives_nothing() {
    let text = spec(&expect("final_epoch", 2.0, "0", ""));
    let workspace = Workspace::with_spec(&text.replace("epochs = 2", "epochs = 2\nlearning_rate = 1e20"));
    let outcome = workspace.vaex(&["run", "spec.toml", "--allow-failed"]);
    assert_eq!(outcome.status, Some(1), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("  not met (diverged)\n"), "{}", outcome.stdout);
}

#[test]
fn metrics_of_the_evaluation_are_compared_once_they_are_measured() {
    let expectation = expect("validation_elbo_nats", -1e6, "2e6", "");
    let mut workspace = Workspace::with_spec(&spec(&expectation));
    let outcome = workspace.vaex(&["run", "spec.toml"]);
    let warning = "\
warning: a run of this spec does not measure `validation_elbo_nats`
  --> spec.toml:21:10
   |
21 | metric = \"validation_elbo_nats\"
   |          ^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: set `metrics = [\"elbo\"]` and `split = \"validation\"` in `[evaluate]`, or use `vaex evaluate`; \
`final_validation_elbo_nats` is that of the last epoch
";
    assert_eq!((outcome.status, outcome.stderr.trim_end()), (Some(0), warning.trim_end()), "{}", outcome.stderr);
    assert_eq!(statuses(&report(&workspace).1), ["not yet"]);
    workspace.write("spec.toml", spec(&format!("{expectation}\n[evaluate]\nmetrics = [\"elbo\"]\n")));
    let said = workspace.succeed(&["run", "spec.toml"]);
    assert!(said.contains("\nexpected: 1 met\n"), "{said}");
}

#[test]
fn a_base_has_its_own_expectations() {
    let mut workspace = Workspace::with_spec("extends = \"base.toml\"\n[train]\nepochs = 1\n");
    workspace.write("base.toml", spec(&expect("final_epoch", 2.0, "0", "")));
    let plan =
        |spec: &str| parsed(&workspace.succeed(&["plan", spec, "--json"]))["expectations"].as_array().unwrap().len();
    assert_eq!((plan("base.toml"), plan("spec.toml")), (1, 0));
}

#[test]
fn an_expectation_of_values_that_the_command_line_replaces_is_left_out() {
    let more = format!("{}\n{}", expect("final_epoch", 2.0, "0", ""), expect("train_loss", 1.0, "1e9", "epoch = 2"));
    let workspace = Workspace::with_spec(&spec(&more));
    let left_out = |arguments: &[&str]| {
        let outcome = workspace.vaex(&[&["plan", "spec.toml", "--json"], arguments].concat());
        assert_eq!(outcome.status, Some(0), "{}", outcome.stdout);
        let plan = parsed(&outcome.stdout);
        let said = |warning: &Value| warning["message"].as_str().unwrap().to_owned();
        let warnings = plan["warnings"].as_array().unwrap().iter().map(said);
        let warnings: Vec<String> = warnings.filter(|message| message.ends_with("is left out")).collect();
        (plan["expectations"].as_array().unwrap().len(), warnings)
    };
    assert_eq!(left_out(&[]), (2, vec![]));
    assert_eq!(left_out(&["--set", "data.limit=50"]), (2, vec![]));
    let none = "no setting has this value of `objective.kl_weight`, so this `[[expect]]` is left out".to_owned();
    assert_eq!(left_out(&["--set", "objective.kl_weight=2.0"]), (0, vec![none.clone(), none]));
    let short = "the setting has no epoch 2: `train.epochs` is 1, so this `[[expect]]` is left out".to_owned();
    assert_eq!(left_out(&["--set", "train.epochs=1"]), (1, vec![short]));
    let several =
        "2 settings match this `[[expect]]`, which must be about one, so this `[[expect]]` is left out".to_owned();
    let swept = ["--set", "sweep.grid.\"model.latent_dim\"=[2, 3]"];
    assert_eq!(left_out(&swept), (0, vec![several.clone(), several]));
}
