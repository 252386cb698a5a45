//! What `vaex plan` prints about a spec: warnings, errors as JSON, sizes.

use crate::harness::Workspace;
use serde_json::{Value, json};

#[test]
fn numbers_of_images_that_vary_are_printed_as_a_range() {
    let workspace = Workspace::with_spec("[sweep.grid]\n\"data.limit\" = [1000, 2000]\n");
    let shown = workspace.succeed(&["plan", "spec.toml"]);
    assert!(shown.ends_with("spec: 2 trials, 900 to 1800 training and 100 to 200 validation images\n"), "{shown}");
    let shown = workspace.succeed(&["plan", "spec.toml", "--only", "limit=1000", "--limit", "1000000"]);
    assert!(shown.ends_with("spec: 1 trial of 2, 900 training and 100 validation images\n"), "{shown}");
}

#[test]
fn warnings_about_one_line_are_merged() {
    let spec = "\
[model]
channels = [4, 4, 4, 4, 4, 4, 4]
strides = [2, 2, 2, 2, 2, 2, 2]
[train]
schedule = \"step\"
milestones = [0, 3]
[sweep.grid]
\"objective.kl_weight\" = [200, 300, 400, 1]
[[sweep.exclude]]
seed = [0, 1]
\"objective.kl_weight\" = 400
[[sweep.exclude]]
\"objective.kl_weight\" = 400
";
    let outcome = Workspace::with_spec(spec).vaex(&["plan", "spec.toml"]);
    let expected = r#"warning: the image is 1x1 after 5 of 7 strides of 2
 --> spec.toml:3:11
  |
3 | strides = [2, 2, 2, 2, 2, 2, 2]
  |           ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: the other strides of 2 have no effect on the size: set them to 1, or remove these convolutions

warning: a milestone of 0 is before the first epoch
 --> spec.toml:6:14
  |
6 | milestones = [0, 3]
  |              ^^^^^^
  |
  = help: the learning rate is multiplied by `gamma` from the first step; change `train.learning_rate` instead

warning: `objective.kl_weight` of 200 gives an effective beta of 200
 --> spec.toml:8:26
  |
8 | "objective.kl_weight" = [200, 300, 400, 1]
  |                          ^^^
  |
  = help: effective beta: the weight of the KL term relative to the reconstruction, both in nats; 1 gives the ELBO
  = note: in 2 of 3 trials, and 1 similar message
"#;
    assert_eq!(outcome.stderr, expected, "\n--- found\n{}\n--- expected\n{expected}", outcome.stderr);
}

#[test]
fn warnings_are_printed_and_do_not_stop_the_plan() {
    let spec = "\
[model]
family = \"mlp\"
hidden = [8]
latent_dim = 16
[objective]
reduction = \"mean\"
kl_warmup_epochs = 10
[train]
warmup_epochs = 20
schedule = \"step\"
milestones = [5, 10]
[sweep.grid]
\"objective.kl_weight\" = [0.1, 3.0]
[[sweep.exclude]]
seed = 5
";
    let workspace = Workspace::with_spec(spec);
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    assert_eq!(outcome.status, Some(0));
    let expected = "\
warning: `model.latent_dim` is 16, more than the 8 units of a hidden layer
 --> spec.toml:4:14
  |
4 | latent_dim = 16
  |              ^^
  |
  = help: the narrowest hidden layer limits the information that the codes carry

warning: `objective.kl_warmup_epochs` (10) is not less than `train.epochs` (10)
 --> spec.toml:7:20
  |
7 | kl_warmup_epochs = 10
  |                    ^^
  |
  = help: the KL weight reaches `objective.kl_weight` at the end, or never

warning: `train.warmup_epochs` (20) is not less than `train.epochs` (10)
 --> spec.toml:9:17
  |
9 | warmup_epochs = 20
  |                 ^^
  |
  = help: the learning rate reaches `train.learning_rate` in the last step, or never

warning: a milestone is not before the end of the training (10 epochs)
  --> spec.toml:11:14
   |
11 | milestones = [5, 10]
   |              ^^^^^^^
   |
   = help: the learning rate does not change at this milestone

warning: `objective.kl_weight` of 3 gives an effective beta of 294
  --> spec.toml:13:31
   |
13 | \"objective.kl_weight\" = [0.1, 3.0]
   |                               ^^^
   |
   = help: effective beta: the weight of the KL term relative to the reconstruction, both in nats; 1 gives the ELBO
   = note: in 1 of 2 trials

warning: this `[[sweep.exclude]]` matches no trial
  --> spec.toml:14:1
   |
14 | [[sweep.exclude]]
   | ^^^^^^^^^^^^^^^^^
   |
   = help: correct its values, or remove it
";
    assert_eq!(outcome.stderr, expected, "\n--- found\n{}", outcome.stderr);
    let plan: Value = serde_json::from_str(&workspace.succeed(&["plan", "spec.toml", "--json"])).unwrap();
    let warning = &plan["warnings"][5];
    assert_eq!((&warning["level"], &warning["line"], &warning["column"]), (&json!("warning"), &json!(13), &json!(31)));
}

#[test]
fn errors_are_json_with_the_json_option() {
    let workspace = Workspace::with_spec("seed = -1\n[train]\nepoch = 3\n");
    for command in ["plan", "run"] {
        let outcome = workspace.vaex(&[command, "spec.toml", "--json"]);
        assert_eq!((outcome.status, &*outcome.stderr), (Some(2), ""));
        let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let expected = json!({ "errors": [
            {
                "level": "error", "message": "`seed` must be 0 or more, found `-1`",
                "help": null, "note": null, "file": "spec.toml",
                "line": 1, "column": 8, "end_line": 1, "end_column": 10,
            },
            {
                "level": "error", "message": "unknown key `train.epoch`", "help": "did you mean `epochs`?",
                "note": null, "file": "spec.toml", "line": 3, "column": 1, "end_line": 3, "end_column": 6,
            },
        ]});
        assert_eq!(found, expected);
        let other = workspace.vaex(&[command, "none.toml", "--json"]);
        let found: Value = serde_json::from_str(&other.stdout).unwrap();
        let message = "cannot read the spec none.toml: No such file or directory (os error 2)";
        assert_eq!((other.status, found), (Some(2), json!({ "errors": [{ "message": message }] })));
    }
}

/// Trials whose steps do different work are measured separately; those with the same steps once.
#[test]
fn each_kind_of_trial_is_measured() {
    let spec = "[data]\nlimit = 300\n[model]\nfamily = \"mlp\"\nhidden = [60]\n[objective]\nkind = \"iwae\"\n";
    let workspace = Workspace::with_spec(&format!(
        "{spec}[sweep.zip]\n\"objective.samples\" = [1, 200, 1]\n\"train.epochs\" = [2, 2, 6]\n"
    ));
    let plan = workspace.succeed(&["plan", "spec.toml", "--measure", "--json"]);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let [one, many, long] = [0, 1, 2].map(|trial| plan["trials"][trial]["seconds"].as_f64().unwrap());
    // They would be equal if one of them was measured for both.
    assert_ne!(one, many);
    // It continues the trial with 2 epochs.
    assert!((long / one - 2.0).abs() < 1e-6, "{one} s for 2 epochs, {long} s for 4 more");
}

/// The discriminator of `factor` and a second batch are part of the estimates, but not of the parameters of the model.
#[test]
fn the_own_parameters_of_an_objective_are_counted() {
    let spec = "[data]\nlimit = 300\nvalidation = 50\n[model]\nfamily = \"mlp\"\nhidden = [16]\nlatent_dim = 3\n[train]\nepochs = 2\n";
    let [others, factor, second] = ["dip_ii", "factor", "factor\"\npermute = \"second"].map(|kind| {
        let workspace = Workspace::with_spec(&format!("{spec}[objective]\nkind = \"{kind}\"\n"));
        let plan: Value = serde_json::from_str(&workspace.succeed(&["plan", "spec.toml", "--json"])).unwrap();
        plan["trials"][0].clone()
    });
    assert_eq!((&others["parameters"], &factor["parameters"]), (&second["parameters"], &second["parameters"]));
    let number = |trial: &Value, name: &str| trial[name].as_f64().unwrap();
    // Six layers of 1000 units and two logits: 9 passes for an image in training, 3 in validation; 2 operations each, 2 epochs.
    let layers = 3e3 + 5.0 * 1e6 + 2e3;
    let operations = number(&factor, "operations") - number(&others, "operations");
    assert_eq!(operations, 2.0 * 2.0 * layers * (9.0 * 250.0 + 3.0 * 50.0));
    let encoder = 784.0 * 16.0 + 2.0 * 16.0 * 3.0;
    assert_eq!(number(&second, "operations") - number(&factor, "operations"), 2.0 * 2.0 * encoder * 250.0);
    // Weights, gradient and two moments; in a checkpoint up to two copies more.
    assert!(number(&factor, "memory_bytes") - number(&others, "memory_bytes") > 4.0 * layers * 10.0);
}

/// The estimated memory is within a factor of two of the measured memory.
#[test]
#[cfg(target_os = "linux")]
fn memory_is_estimated() {
    for model in [
        "family = \"mlp\"\nhidden = [16]",
        "family = \"mlp\"\nhidden = [2500]",
        "family = \"conv\"",
        "family = \"mlp\"\nhidden = [16]\n[objective]\nkind = \"factor\"",
    ] {
        let spec = format!("[data]\nlimit = 300\n[model]\n{model}\n[train]\nepochs = 1\n");
        let workspace = Workspace::with_spec(&spec);
        let plan: Value = serde_json::from_str(&workspace.succeed(&["plan", "spec.toml", "--json"])).unwrap();
        let estimate = plan["trials"][0]["memory_bytes"].as_f64().unwrap();
        workspace.succeed(&["run", "spec.toml", "--threads", "1"]);
        let folder = crate::runs::only(&workspace, "runs/spec");
        let taken = crate::harness::json(&folder.join("trial.json"))["peak_rss_mb"].as_f64().unwrap() * 1_048_576.0;
        assert!((0.5..2.0).contains(&(estimate / taken)), "{model}: estimated {estimate}, taken {taken}");
    }
}

#[test]
fn a_likelihood_that_does_not_suit_its_pixels_and_a_large_rate_are_warned_of() {
    let spec = "\
[data]
binarize = \"static\"
[model]
likelihood = \"gaussian\"
[train]
learning_rate = 3
";
    let workspace = Workspace::with_spec(spec);
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    let expected = "\
warning: `model.likelihood = \"gaussian\"` on binarized pixels
 --> spec.toml:4:14
  |
4 | likelihood = \"gaussian\"
  |              ^^^^^^^^^^
  |
  = help: on two pixel values, a Gaussian density has no upper bound: set `model.likelihood = \"bernoulli\"`, or \
`data.binarize = \"none\"`

warning: `train.learning_rate` of 3 is large
 --> spec.toml:6:17
  |
6 | learning_rate = 3
  |                 ^
  |
  = help: each step changes each weight by about this much; usual values are 1e-4 to 1e-2
";
    assert_eq!((outcome.status, outcome.stderr.trim_end()), (Some(0), expected.trim_end()), "{}", outcome.stderr);
}
