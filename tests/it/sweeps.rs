//! What sweeps, bases and selections come to: which trials there are, and where their values come from.

use crate::harness::Workspace;
use crate::runs::TINY;
use serde_json::{Value, json};

/// The spec of each trial of a plan, its swept keys alone.
fn trials(workspace: &Workspace, arguments: &[&str]) -> Vec<Vec<Value>> {
    let plan = workspace.vaex(&[&["plan", "spec.toml", "--json"], arguments].concat());
    assert_eq!(plan.status, Some(0), "{}", plan.stdout);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let varied = plan["varied"].as_array().unwrap();
    let of_trial = |trial: &Value| varied.iter().map(|key| trial["spec"][key.as_str().unwrap()].clone()).collect();
    plan["trials"].as_array().unwrap().iter().map(of_trial).collect()
}

#[track_caller]
fn plans(spec: &str, expected: Value) {
    let workspace = Workspace::with_spec(spec);
    assert_eq!(json!(trials(&workspace, &[])), expected);
}

#[test]
fn zipped_lists_go_side_by_side() {
    let spec = "[sweep.zip]\n\"train.epochs\" = [1, 2]\n\"train.batch_size\" = [10, 20]\n";
    plans(spec, json!([[1, 10], [2, 20]]));
}

#[test]
fn a_sweep_is_samples_times_zip_times_grid_times_seeds() {
    let spec = "\
[sweep]
seeds = 2
[sweep.grid]
\"model.latent_dim\" = [3, 4]
[sweep.zip]
\"train.epochs\" = [1, 2]
\"train.batch_size\" = [10, 20]
[sweep.random]
samples = 2
\"data.limit\" = { choice = [100] }
";
    let mut expected = Vec::new();
    for [epochs, batch_size] in [[1, 10], [2, 20]] {
        for latent in [3, 4] {
            expected.extend([0, 1].map(|seed| json!([100, epochs, batch_size, latent, seed])));
        }
    }
    // Both samples are the same, and what is listed twice is trained once.
    plans(spec, json!(expected));
}

#[test]
fn ranges_are_linear_or_logarithmic_and_whole_where_the_key_is() {
    let grid = |text: &str| format!("[sweep.grid]\n{text}\n");
    let learning_rate = "\"train.learning_rate\" = { from = 1e-4, to = 1e-1, steps = 4, scale = \"log\" }";
    plans(&grid(learning_rate), json!([[1e-4], [1e-3], [1e-2], [1e-1]]));
    plans(&grid("\"objective.kl_weight\" = { from = 1, to = 0, steps = 3 }"), json!([[1.0], [0.5], [0.0]]));
    plans(&grid("\"train.epochs\" = { from = 1, to = 100, steps = 3, scale = \"log\" }"), json!([[1], [10], [100]]));
}

#[test]
fn samples_are_drawn_by_seed_key_and_number() {
    let spec = |more: &str, samples: u64| {
        let draws = "\"objective.kl_weight\" = { log_uniform = [1e-3, 10.0] }\n\"model.latent_dim\" = { int = [2, 9] }\n\
            \"train.learning_rate\" = { uniform = [0.001, 0.01] }\n\"train.optimizer\" = { choice = [\"sgd\", \"adam\"] }";
        format!("[sweep.random]\nsamples = {samples}\n{draws}\n{more}")
    };
    let all = trials(&Workspace::with_spec(&spec("", 200)), &[]);
    assert_eq!(all.len(), 200);
    let [latent, weights, rates, optimizers] =
        [0, 1, 2, 3].map(|column| all.iter().map(|trial| trial[column].clone()).collect::<Vec<_>>());
    let numbers = |values: &[Value]| values.iter().map(|value| value.as_f64().unwrap()).collect::<Vec<_>>();
    let (latent, weights, rates) = (numbers(&latent), numbers(&weights), numbers(&rates));
    let share = |values: &[f64], below: f64| values.iter().filter(|value| **value < below).count() as f64 / 200.0;
    assert!(latent.iter().all(|value| (2.0..=9.0).contains(value)) && latent.contains(&2.0) && latent.contains(&9.0));
    assert!(weights.iter().all(|value| (1e-3..=10.0).contains(value)));
    // Half of the logarithms are below that of 0.1, and half of the rates below the middle: five deviations.
    assert!((share(&weights, 0.1) - 0.5).abs() < 0.18, "{}", share(&weights, 0.1));
    assert!((share(&rates, 0.0055) - 0.5).abs() < 0.18, "{}", share(&rates, 0.0055));
    let adam = optimizers.iter().filter(|optimizer| **optimizer == "adam").count();
    assert!((60..=140).contains(&adam), "{adam}");
    // More samples, or another key, change nothing about those that were there.
    assert_eq!(trials(&Workspace::with_spec(&spec("", 20)), &[]), all[..20]);
    let more = "\"data.limit\" = { int = [500, 900] }\n";
    let beside = trials(&Workspace::with_spec(&spec(more, 20)), &[]);
    assert!(beside.iter().zip(&all).all(|(beside, all)| beside[1..] == all[..]));
    assert_ne!(trials(&Workspace::with_spec(&spec("seed = 1\n", 20)), &[]), all[..20]);
}

#[test]
fn trials_are_included_and_excluded() {
    let spec = "\
[train]
epochs = 2
[sweep]
seeds = [7, 8]
[sweep.grid]
\"train.batch_size\" = [10, 20]
\"model.latent_dim\" = [2, 3]
[[sweep.include]]
\"train.batch_size\" = 30
[[sweep.exclude]]
\"train.batch_size\" = [20, 25]
\"model.latent_dim\" = 3
[[sweep.exclude]]
\"train.batch_size\" = 10
\"seed\" = 8
\"train.epochs\" = 2
";
    plans(spec, json!([[10, 2, 7], [10, 3, 7], [20, 2, 7], [20, 2, 8], [30, 2, 7], [30, 2, 8]]));
}

#[test]
fn a_file_has_what_its_bases_have_unless_it_says_otherwise() {
    let mut workspace = Workspace::with_spec(
        "extends = [\"folder/base.toml\", \"other.toml\"]\n[train]\nepochs = 3\n[sweep.grid]\nseed = [5, 6]\n",
    );
    workspace.create_folder("folder");
    let base = "extends = \"root.toml\"\nname = \"base\"\nseed = 1\n[model]\nlatent_dim = 4\nfamily = \"mlp\"\n[sweep.grid]\n\
        \"train.epochs\" = [8, 9]\n\"train.batch_size\" = [10, 20]\n";
    std::fs::write(workspace.path("folder/base.toml"), base).unwrap();
    let root = "[data]\nsource = \"idx\"\nimages = \"images\"\n[train]\nlearning_rate = 0.5\n[model]\nlatent_dim = 9\n";
    std::fs::write(workspace.path("folder/root.toml"), root).unwrap();
    std::fs::write(workspace.path("folder/images"), crate::harness::idx(&[200, 4, 4], 3200)).unwrap();
    workspace.write("other.toml", "[model]\nfamily = \"mlp\"\nhidden = [7]\n");
    let plan: Value = serde_json::from_str(&workspace.succeed(&["plan", "spec.toml", "--json"])).unwrap();
    assert_eq!((&plan["name"], &plan["varied"]), (&json!("spec"), &json!(["seed", "train.batch_size"])));
    assert_eq!(plan["trials"].as_array().unwrap().len(), 4);
    let spec = &plan["trials"][3]["spec"];
    let expected = [
        ("train.epochs", json!(3)),
        ("train.batch_size", json!(20)),
        ("seed", json!(6)),
        ("model.latent_dim", json!(4)),
        ("model.hidden", json!([7])),
        ("train.learning_rate", json!(0.5)),
    ];
    expected.iter().for_each(|(key, value)| assert_eq!(&spec[*key], value, "{key}"));
    assert!(spec["data.images"].as_str().unwrap().ends_with("/folder/images"));
    // What the command line sets is not varied, nor is what it varies in another way.
    let set = ["--set", "seed=3", "--set", "sweep.zip.\"train.batch_size\"=[30]"];
    assert_eq!(trials(&workspace, &set), [[json!(30)]]);
}

/// Every line says where its value came from; saved and run, it is the same trial.
#[test]
fn a_resolved_spec_says_where_its_values_came_from_and_is_the_same_trial() {
    let mut workspace = Workspace::with_spec(&format!("extends = \"base.toml\"\n{TINY}"));
    workspace.write("base.toml", "tags = [\"mine\"]\n[train]\nlearning_rate = 0.01\n");
    let arguments = ["plan", "spec.toml", "--set", "train.optimizer=sgd", "--only", "objective.kl_weight=1"];
    let resolved = workspace.succeed(&[&arguments[..], &["--resolved"]].concat());
    let plan: Value = serde_json::from_str(&workspace.succeed(&[&arguments[..], &["--json"]].concat())).unwrap();
    let id = plan["trials"][0]["trial"].as_str().unwrap();
    assert!(resolved.starts_with(&format!("# trial {id} of tiny\n")), "{resolved}");
    for line in [
        "name = \"tiny\"  # spec.toml:2",
        "tags = [\"mine\"]  # base.toml:1",
        "limit = 60  # spec.toml:5",
        "kl_weight = 1.0  # spec.toml:16, swept",
        "learning_rate = 0.01  # base.toml:3",
        "optimizer = \"sgd\"  # --set",
        "latent_dim = 2  # default",
    ] {
        assert!(resolved.lines().any(|one| one == line), "{line} is not in:\n{resolved}");
    }
    workspace.write("again.toml", &resolved);
    let again: Value = serde_json::from_str(&workspace.succeed(&["plan", "again.toml", "--json"])).unwrap();
    assert_eq!(again["trials"][0]["trial"], id);
}

#[test]
fn a_run_can_be_of_some_trials_and_the_plan_is_of_all() {
    let workspace = Workspace::with_spec(TINY);
    let shown = workspace.succeed(&["plan", "spec.toml", "--only", "kl_weight=1"]);
    assert!(shown.ends_with("tiny: 1 trial of 2, 54 training and 6 validation images\n"), "{shown}");
    workspace.succeed(&["run", "spec.toml", "--only", "objective.kl_weight=1"]);
    assert_eq!(workspace.trials("runs/tiny").len(), 1);
    let states = workspace.succeed(&["status"]);
    assert!(states.starts_with("tiny: 1 planned, 1 done\n"), "{states}");
    let shown = workspace.succeed(&["plan", "spec.toml"]);
    assert_eq!((shown.matches("  new ").count(), shown.matches("  done ").count()), (1, 1), "{shown}");
    let output = workspace.succeed(&["run", "spec.toml"]);
    assert!(output.contains(": finished before\n") && !output.contains("since the last run"), "{output}");
    for (only, message) in [
        ("train.epoch=1", "`--only train.epoch=1`: no trial has a key `train.epoch`; did you mean `train.epochs`?"),
        ("seed", "`--only seed` is not KEY=VALUE"),
        ("seed=9", "no trial of `tiny` matches"),
    ] {
        let outcome = workspace.vaex(&["plan", "spec.toml", "--only", only]);
        assert_eq!((outcome.status, outcome.stderr), (Some(2), format!("error: {message}\n")));
    }
}

#[test]
fn what_deserves_a_look_is_said_and_stops_nothing() {
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
  = help: codes cannot carry more than the layers around them

warning: `objective.kl_warmup_epochs` is as long as all of 10 epochs
 --> spec.toml:7:20
  |
7 | kl_warmup_epochs = 10
  |                    ^^
  |
  = help: the KL's weight is never, or only just, what `objective.kl_weight` says

warning: `train.warmup_epochs` is as long as all of 10 epochs
 --> spec.toml:9:17
  |
9 | warmup_epochs = 20
  |                 ^^
  |
  = help: the rate is never, or only just, what `train.learning_rate` says

warning: a milestone is after the last of 10 epochs
  --> spec.toml:11:14
   |
11 | milestones = [5, 10]
   |              ^^^^^^^
   |
   = help: the rate is not changed there any more

warning: `objective.kl_weight` of 3 is an effective beta of 294
  --> spec.toml:13:31
   |
13 | \"objective.kl_weight\" = [0.1, 3.0]
   |                               ^^^
   |
   = help: so much the KL weighs beside the reconstruction, both in nats; 1 is the evidence lower bound
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
    let warning = &plan["warnings"][4];
    assert_eq!((&warning["level"], &warning["line"], &warning["column"]), (&json!("warning"), &json!(13), &json!(31)));
}

#[test]
fn errors_are_data_where_json_is_asked_for() {
    let workspace = Workspace::with_spec("seed = -1\n[train]\nepoch = 3\n");
    for command in ["plan", "run"] {
        let outcome = workspace.vaex(&[command, "spec.toml", "--json"]);
        assert_eq!((outcome.status, &*outcome.stderr), (Some(2), ""));
        let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let expected = json!({ "errors": [
            {
                "level": "error", "message": "`seed` must be a whole number, 0 or more, found `-1`",
                "help": null, "note": null, "file": "spec.toml",
                "line": 1, "column": 8, "end_line": 1, "end_column": 10,
            },
            {
                "level": "error", "message": "unknown key `train.epoch`", "help": "did you mean `epochs`?",
                "note": null, "file": "spec.toml", "line": 3, "column": 1, "end_line": 3, "end_column": 6,
            },
        ]});
        assert_eq!(found, expected);
    }
}

#[test]
fn a_new_file_can_be_planned_and_is_never_written_over() {
    let mut workspace = Workspace::new();
    workspace.write("images", crate::harness::idx(&[300, 8, 8], 19_200));
    for (name, arguments) in
        [("one", &[][..]), ("two", &["--family", "mlp"]), ("three", &["--data", "images"]), ("four 🚀 \"", &[])]
    {
        let said = workspace.succeed(&[&["new", name], arguments].concat());
        assert_eq!(said, format!("wrote {name}.toml; see its trials with: vaex plan {name}.toml\n"));
        let plan: Value =
            serde_json::from_str(&workspace.succeed(&["plan", &format!("{name}.toml"), "--json"])).unwrap();
        assert_eq!((&plan["name"], plan["trials"].as_array().unwrap().len()), (&json!(name), 6));
        assert_eq!(plan["warnings"], json!([]));
    }
    for (arguments, message) in [
        (&["one"][..], "one.toml is there already"),
        (&["a/b"], "\"a/b\" cannot name a file; leave out slashes, line breaks and a leading dot"),
        (&["five", "--data", "nowhere"], "nowhere is not a file"),
    ] {
        let outcome = workspace.vaex(&[&["new"], arguments].concat());
        assert_eq!((outcome.status, outcome.stderr), (Some(2), format!("error: {message}\n")));
    }
}

/// The same spec resolves to the same bytes, wherever it is.
#[test]
fn a_plan_is_the_same_to_the_byte_everywhere() {
    let spec = "[model]\nfamily = \"mlp\"\nhidden = [4]\n[data]\nlimit = 200\n[train]\nepochs = 1\n[sweep.random]\nsamples = 3\n\
        \"objective.kl_weight\" = { log_uniform = [0.1, 3.0] }\n";
    let [one, other] = [0, 1].map(|_| {
        let workspace = Workspace::with_spec(spec);
        workspace.succeed(&["run", "spec.toml"]);
        std::fs::read(workspace.path("runs/spec/plan.json")).unwrap()
    });
    assert!(one == other);
    let plan: Value = serde_json::from_slice(&one).unwrap();
    let drawn: Vec<&Value> =
        plan["trials"].as_array().unwrap().iter().map(|one| &one["spec"]["objective"]["kl_weight"]).collect();
    // Of this seed and key, on every machine.
    assert_eq!(json!(drawn), json!(DRAWN));
}

const DRAWN: [f64; 3] = [0.531, 0.1085, 0.6805];

/// What is estimated is what a process takes, to a factor of two.
#[test]
#[cfg(target_os = "linux")]
fn memory_is_estimated() {
    for model in ["family = \"mlp\"\nhidden = [16]", "family = \"mlp\"\nhidden = [2500]", "family = \"conv\""] {
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
