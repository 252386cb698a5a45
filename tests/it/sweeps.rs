//! Sweeps, `extends` and selections: the resulting trials, and the origins of their values.

use crate::harness::Workspace;
use crate::runs::TINY;
use serde_json::{Value, json};

/// The values of the varied keys in each trial of a plan.
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
fn zipped_lists_vary_together() {
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
    // Both samples are equal, and duplicates are trained once.
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
fn narrow_and_wide_ranges_have_as_many_values_as_steps() {
    let values = |text: &str| trials(&Workspace::with_spec(&format!("[sweep.grid]\n{text}\n")), &[]);
    let expected = json!([[0.9999], [0.99993], [0.99996], [0.99999]]);
    assert_eq!(json!(values("\"train.beta2\" = { from = 0.99990, to = 0.99999, steps = 4 }")), expected);
    let shares = values("\"train.beta2\" = { from = 0.99, to = 0.9901, steps = 11, scale = \"log\" }");
    assert_eq!((&shares[1][0], shares.len()), (&json!(0.99001), 11));
    assert_eq!(values("\"seed\" = { from = 0, to = 19999, steps = 20000 }").len(), 20_000);
    assert_eq!(
        values("\"seed\" = { from = 5, to = 0, steps = 6 }"),
        [[5], [4], [3], [2], [1], [0]].map(|[n]| [json!(n)])
    );
    let large = i64::MAX;
    let seeds = values(&format!("\"seed\" = {{ from = {}, to = {large}, steps = 3 }}", large - 2));
    assert_eq!(seeds, [[json!(large - 2)], [json!(large - 1)], [json!(large)]]);
    plans(
        "[sweep.grid]\n\"train.clip_norm\" = { from = 0.5, to = 1, steps = 4 }\n",
        json!([[0.5], [0.6667], [0.8333], [1.0]]),
    );
}

#[test]
fn samples_of_a_narrow_range_differ_and_stay_below_its_bound() {
    let spec = "[sweep.random]\nsamples = 50\n\"train.beta2\" = { uniform = [0.999, 0.99999] }\n\
        \"train.beta1\" = { log_uniform = [0.9999, 1.0] }\n";
    let drawn = trials(&Workspace::with_spec(spec), &[]);
    for column in [0, 1] {
        let different: std::collections::BTreeSet<String> =
            drawn.iter().map(|trial| trial[column].to_string()).collect();
        assert!(different.len() > 45 && different.iter().all(|text| text.len() <= 10), "{different:?}");
    }
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
    // Half of the logarithms are below log 0.1, and half of the rates below the middle; tolerance: five standard deviations.
    assert!((share(&weights, 0.1) - 0.5).abs() < 0.18, "{}", share(&weights, 0.1));
    assert!((share(&rates, 0.0055) - 0.5).abs() < 0.18, "{}", share(&rates, 0.0055));
    let adam = optimizers.iter().filter(|optimizer| **optimizer == "adam").count();
    assert!((60..=140).contains(&adam), "{adam}");
    // More samples or another key do not change the existing samples.
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
fn a_file_inherits_the_values_of_the_files_that_it_extends() {
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
    // A key that the command line sets or sweeps loses its sweep in the file.
    let set = ["--set", "seed=3", "--set", "sweep.zip.\"train.batch_size\"=[30]"];
    assert_eq!(trials(&workspace, &set), [[json!(30)]]);
}

/// If a later source sets or sweeps a key, sweeps of the key in earlier sources are dropped.
#[test]
fn later_sources_replace_sweeps_of_earlier_ones() {
    let mut workspace = Workspace::with_spec("extends = \"base.toml\"\n[train]\nepochs = 3\n");
    workspace.write(
        "base.toml",
        "[sweep]\nseeds = 2\n[sweep.random]\nsamples = 2\n\"model.latent_dim\" = { choice = [2, 3] }\n\
            [[sweep.include]]\n\"train.epochs\" = 9\n[[sweep.include]]\n\"train.batch_size\" = 9\n",
    );
    let keys = |workspace: &Workspace, arguments: &[&str]| {
        let plan: Value =
            serde_json::from_str(&workspace.succeed(&[&["plan", "spec.toml", "--json"], arguments].concat())).unwrap();
        (plan["varied"].clone(), plan["trials"].as_array().unwrap().len())
    };
    // One of the included trials differs only in its epochs, which the file sets.
    assert_eq!(keys(&workspace, &[]).0, json!(["model.latent_dim", "seed", "train.batch_size"]));
    let set =
        ["--set", "sweep.seeds=3", "--set", "sweep.grid.\"model.latent_dim\"=[4, 5]", "--set", "train.batch_size=8"];
    assert_eq!(keys(&workspace, &set), (json!(["model.latent_dim", "seed"]), 6));
    workspace.write("spec.toml", "[sweep.grid]\nseed = [4, 5]\n");
    let set = ["--set", "sweep.seeds=3"];
    assert_eq!(json!(trials(&workspace, &set)), json!([[0], [1], [2]]));
    workspace.write(
        "spec.toml",
        "extends = \"base.toml\"\n[sweep.random]\nsamples = 1\n\"train.batch_size\" = { int = [4, 5] }\n",
    );
    workspace.write("base.toml", "[sweep.grid]\n\"train.batch_size\" = [7, 8]\n");
    assert_eq!(keys(&workspace, &[]), (json!(["train.batch_size"]), 1));
}

/// Paths are relative to the file that contains them, also in a sweep; paths in arguments to the working directory.
#[test]
fn swept_paths_are_relative_to_the_file_that_contains_them() {
    let mut workspace = Workspace::new();
    workspace.create_folder("bases");
    workspace.create_folder("specs");
    let images = crate::harness::idx(&[300, 8, 8], 19_200);
    for name in ["bases/one", "bases/two", "bases/three", "specs/four", "five"] {
        workspace.write(name, &images);
    }
    workspace.write(
        "bases/base.toml",
        "[data]\nsource = \"idx\"\n[sweep.grid]\n\"data.images\" = [\"one\", \"two\"]\n[[sweep.include]]\n\"data.images\" = \"three\"\n\
            [[sweep.exclude]]\n\"data.images\" = \"two\"\n",
    );
    workspace.write(
        "specs/spec.toml",
        "extends = \"../bases/base.toml\"\n[[sweep.include]]\n\"data.images\" = \"four\"\n\"seed\" = 1\n",
    );
    let paths = |arguments: &[&str]| -> Vec<String> {
        let plan = workspace.succeed(&[&["plan", "specs/spec.toml", "--json"], arguments].concat());
        let plan: Value = serde_json::from_str(&plan).unwrap();
        let path =
            |trial: &Value| trial["spec"]["data.images"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        plan["trials"].as_array().unwrap().iter().map(path).collect()
    };
    // Files with equal content give the same trial.
    assert_eq!(paths(&[]), ["one", "four"]);
    assert_eq!(paths(&["--set", "data.images=five"]), ["five", "five"]);
    let shown = workspace.succeed(&["plan", "specs/spec.toml"]);
    let last = "spec: 2 trials (3 combinations, 1 duplicate), 270 training and 30 validation images\n";
    assert!(shown.ends_with(last), "{shown}");
}

/// If an override selects another kind, keys of the file that do not apply to it are left out.
#[test]
fn a_key_that_does_not_apply_to_a_later_choice_is_left_out() {
    let mut workspace = Workspace::with_spec("extends = \"base.toml\"\n");
    workspace
        .write("base.toml", "[train]\noptimizer = \"sgd\"\nlearning_rate = 0.1\nmomentum = 0.9\n[sweep]\nseeds = 2\n");
    let outcome = workspace.vaex(&["plan", "spec.toml", "--set", "train.optimizer=adam"]);
    let expected = "\
warning: `train.momentum` of base.toml:4 applies only if `train.optimizer` is \"sgd\"; it is ignored
 --> --set:1:17
  |
1 | train.optimizer=\"adam\"
  |                 ^^^^^^
";
    assert_eq!((outcome.status, &*outcome.stderr), (Some(0), expected), "\n--- found\n{}", outcome.stderr);
}

/// Trials before the first one that uses a key are in the plan too, in the order of the sweep.
#[test]
fn a_key_may_apply_only_to_later_trials() {
    let spec = "[train]\nmomentum = 0.5\nlearning_rate = 0.01\n[sweep]\nseeds = 2\n[sweep.grid]\n\"train.optimizer\" = [\"adam\", \"rmsprop\", \"sgd\"]\n";
    let workspace = Workspace::with_spec(spec);
    let plan: serde_json::Value = serde_json::from_str(&workspace.succeed(&["plan", "spec.toml", "--json"])).unwrap();
    let value = |trial: &serde_json::Value| {
        let spec = &trial["spec"];
        (spec["train.optimizer"].as_str().unwrap().to_owned(), spec["seed"].as_u64(), spec["train.momentum"].as_f64())
    };
    let found: Vec<_> = plan["trials"].as_array().unwrap().iter().map(value).collect();
    let expected = [("adam", None), ("rmsprop", None), ("sgd", Some(0.5))];
    let expected =
        expected.iter().flat_map(|(name, momentum)| [0, 1].map(|seed| ((*name).to_owned(), Some(seed), *momentum)));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn a_file_that_is_extended_twice_is_read_once_at_its_last_position() {
    let mut workspace = Workspace::with_spec("extends = [\"one.toml\", \"two.toml\"]\n");
    workspace.write("one.toml", "extends = \"base.toml\"\nseed = 1\n[train]\nepochs = 1\n");
    workspace.write("two.toml", "extends = \"base.toml\"\n[train]\nepochs = 2\n");
    workspace.write("base.toml", "seed = 7\n[[sweep.include]]\n\"model.latent_dim\" = 3\n");
    let plan: Value = serde_json::from_str(&workspace.succeed(&["plan", "spec.toml", "--json"])).unwrap();
    let of = |trial: usize, key: &str| plan["trials"][trial]["spec"][key].clone();
    assert_eq!([of(0, "train.epochs"), of(0, "seed"), of(1, "model.latent_dim")], [json!(2), json!(7), json!(3)]);
    assert_eq!(plan["trials"].as_array().unwrap().len(), 2);
}

/// The origins of an included trial are not those of another trial with the same values.
#[test]
fn origins_are_those_of_the_trial_itself() {
    let spec = "tags = [\"a\\nb = 3\"]\n[sweep]\nseeds = 2\n[sweep.grid]\n\"model.latent_dim\" = [2, 3]\n[[sweep.include]]\n\
        \"model.latent_dim\" = 3\nseed = 7\n\"train.epochs\" = 4\n";
    let workspace = Workspace::with_spec(spec);
    let resolved = |only: &[&str]| workspace.succeed(&[&["plan", "spec.toml", "--resolved"], only].concat());
    let first = resolved(&[]);
    let (head, rest) = first.split_once('\n').unwrap();
    assert!(head.ends_with(" of spec, 1 of 5; choose another with --only trial=ID"), "{head}");
    assert!(rest.contains("\ntags = [\"a\\nb = 3\"]  # spec.toml:1\n"), "{rest}");
    assert!(
        rest.contains("\nlatent_dim = 2  # spec.toml:5, swept\n")
            && rest.contains("\nseed = 0  # spec.toml:3, swept\n")
    );
    let last = resolved(&["--only", "epochs=4"]);
    for line in ["latent_dim = 3  # spec.toml:7, swept", "seed = 7  # spec.toml:8, swept"] {
        assert!(last.lines().any(|one| one == line), "{line} is not in:\n{last}");
    }
}

#[test]
fn spaces_in_lists_do_not_matter_to_a_selection() {
    let workspace =
        Workspace::with_spec("[model]\nfamily = \"mlp\"\n[sweep.grid]\n\"model.hidden\" = [[64, 32], [8]]\n");
    for list in ["hidden=[64,32]", "hidden=[64, 32]", "model.hidden=[ 64,  32 ]"] {
        assert_eq!(json!(trials(&workspace, &["--only", list])), json!([[[64, 32]]]));
    }
}

/// Every line of a resolved spec has the origin of its value; the resolved spec gives the same trial.
#[test]
fn a_resolved_spec_has_origins_and_gives_the_same_trial() {
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
fn a_run_of_selected_trials_has_a_plan_of_all_trials() {
    let workspace = Workspace::with_spec(TINY);
    let shown = workspace.succeed(&["plan", "spec.toml", "--only", "kl_weight=1"]);
    assert!(shown.ends_with("tiny: 1 trial of 2, 54 training and 6 validation images\n"), "{shown}");
    workspace.succeed(&["run", "spec.toml", "--only", "objective.kl_weight=1"]);
    assert_eq!(workspace.trials("runs/tiny").len(), 1);
    let states = workspace.succeed(&["status"]);
    assert!(states.starts_with("tiny: 1 planned, 1 done\n"), "{states}");
    let shown = workspace.succeed(&["plan", "spec.toml"]);
    assert_eq!((shown.matches("  new\n").count(), shown.matches("  done\n").count()), (1, 1), "{shown}");
    let output = workspace.succeed(&["run", "spec.toml"]);
    assert!(output.contains(": already done\n") && !output.contains("since the last run"), "{output}");
    for (only, message) in [
        ("train.epoch=1", "`--only train.epoch=1`: no trial has a key `train.epoch`; did you mean `train.epochs`?"),
        ("seed", "`--only seed` is not KEY=VALUE"),
        ("latent=2", "`--only latent=2`: no trial has a key `latent`; did you mean `model.latent_dim`?"),
        ("seed=", "`--only seed=` has no value"),
        ("seed=9", "no trial of `tiny` matches `--only seed=9`: `seed` is 0"),
        ("kl_weight=3", "no trial of `tiny` matches `--only kl_weight=3`: `objective.kl_weight` is 0.5, 1"),
        ("trial=zz", "no trial of `tiny` matches `--only trial=zz`: `vaex plan` lists their ids"),
    ] {
        let outcome = workspace.vaex(&["plan", "spec.toml", "--only", only]);
        assert_eq!((outcome.status, outcome.stderr), (Some(2), format!("error: {message}\n")));
    }
}

#[test]
fn a_new_file_can_be_planned_and_is_never_overwritten() {
    let mut workspace = Workspace::new();
    workspace.write("images", crate::harness::idx(&[300, 8, 8], 19_200));
    workspace.write("few", crate::harness::idx(&[20, 8, 8], 1280));
    workspace.write("text", "no images");
    for (name, word, arguments) in [
        ("one", "one.toml", &[][..]),
        ("two", "two.toml", &["--family", "mlp"]),
        ("three", "three.toml", &["--data", "images"]),
        ("few images", "'few images.toml'", &["--data", "few"]),
        ("{data} {batch}", "'{data} {batch}.toml'", &[]),
        ("four 🚀 \"", "'four 🚀 \".toml'", &[]),
    ] {
        let said = workspace.succeed(&[&["new", name, "--all-keys"], arguments].concat());
        let schema = "experiment.schema.json";
        assert_eq!(
            said,
            format!("wrote {name}.toml, and {schema} for editors; list its trials with: vaex plan {word}\n")
        );
        let plan: Value =
            serde_json::from_str(&workspace.succeed(&["plan", &format!("{name}.toml"), "--json"])).unwrap();
        assert_eq!((&plan["name"], plan["trials"].as_array().unwrap().len()), (&json!(name), 6));
        assert_eq!(plan["warnings"], json!([]));
        // Every key of the trial is in the file.
        let text = std::fs::read_to_string(workspace.path(&format!("{name}.toml"))).unwrap();
        for key in plan["trials"][0]["spec"].as_object().unwrap().keys() {
            let key = key.rsplit('.').next().unwrap();
            assert!(text.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{key} ="))), "{key}");
        }
    }
    assert!(
        std::fs::read_to_string(workspace.path("experiment.schema.json")).unwrap()
            == std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/experiment.schema.json")).unwrap()
    );
    for (arguments, message) in [
        (&["one"][..], "one.toml already exists; choose another name, or remove the file"),
        (
            &["five", "--kind", "likelihood", "--family", "mlp"],
            "`--family` does not go with `--kind likelihood`, which has a network of its own",
        ),
        (&["a/b"], "the name must be a folder name without slashes, line breaks and a leading dot, found \"a/b\""),
        (&["five", "--data", "nowhere"], "cannot read nowhere: No such file or directory (os error 2)"),
        (
            &["five", "--data", "text"],
            "`text` has no format that vaex reads: it begins with the bytes 6E 6F 20 69; see `vaex data --help`",
        ),
    ] {
        let outcome = workspace.vaex(&[&["new"], arguments].concat());
        assert_eq!((outcome.status, outcome.stderr), (Some(2), format!("error: {message}\n")));
    }
    let outcome = workspace.vaex(&["new", &"x".repeat(101)]);
    let message = "error: the name must be 1 to 100 characters long, and at most 240 bytes, found \"x";
    assert!(outcome.status == Some(2) && outcome.stderr.starts_with(message), "{}", outcome.stderr);
}

/// Each kind of new file has a schema and only the keys that matter, and can be planned without warnings, also for own images.
#[test]
fn each_kind_of_new_file_can_be_planned() {
    let mut workspace = Workspace::new();
    workspace.write("images", crate::harness::idx(&[300, 8, 8], 19_200));
    for kind in ["sweep", "search", "disentanglement", "likelihood"] {
        for (name, arguments) in [("plain", &[][..]), ("own", &["--data", "images"])] {
            let name = format!("{kind}_{name}");
            if (kind, arguments.is_empty()) == ("disentanglement", false) {
                let message = "error: `--kind disentanglement` needs images with 2 factors or more, but these have 0; choose another kind\n";
                let outcome = workspace.vaex(&[&["new", &name, "--kind", kind], arguments].concat());
                assert_eq!((outcome.status, &*outcome.stderr), (Some(2), message));
                continue;
            }
            workspace.succeed(&[&["new", &name, "--kind", kind], arguments].concat());
            let file = format!("{name}.toml");
            let text = std::fs::read_to_string(workspace.path(&file)).unwrap();
            let (keys, comments) =
                text.lines().partition::<Vec<_>, _>(|line| line.contains(" = ") && !line.starts_with('#'));
            assert!(text.starts_with("#:schema ./experiment.schema.json\n# "), "{text}");
            assert!((12..=30).contains(&keys.len()) && comments.len() < 80, "{text}");
            let plan: Value = serde_json::from_str(&workspace.succeed(&["plan", &file, "--json"])).unwrap();
            assert_eq!(plan["warnings"], json!([]), "{text}");
            assert!(plan["trials"].as_array().unwrap().len() >= 4 || kind == "search", "{plan}");
            assert_eq!(text.contains("images = \"images\""), name.ends_with("own"), "{text}");
            assert!(name.ends_with("plain") || text.contains("\ntest = 0.1\n"), "{text}");
        }
    }
}

/// Folders of pictures without labels, of different sizes, and of large pictures: the new file has the keys that they need.
#[test]
fn a_new_file_fits_the_pictures_of_a_folder() {
    let cases = [
        ("same", [[8, 8], [8, 8]], None),
        ("large", [[80, 70], [80, 70]], Some(64)),
        ("mixed", [[8, 8], [9, 8]], Some(64)),
    ];
    for (name, sizes, size) in cases {
        let mut workspace = Workspace::new();
        std::fs::create_dir(workspace.path("photos")).unwrap();
        for number in 0..40usize {
            let [height, width] = sizes[usize::from(number == 3)];
            let mut picture = format!("P5 {width} {height} 255\n").into_bytes();
            picture.extend((0..height * width).map(|pixel| if (pixel + number) % 3 == 0 { 255 } else { 0 }));
            workspace.write(&format!("photos/{number:02}.pgm"), picture);
        }
        workspace.succeed(&["new", "first", "--data", "photos"]);
        let text = std::fs::read_to_string(workspace.path("first.toml")).unwrap();
        assert!(text.contains("\nsplit = \"random\"\n"), "{text}");
        let written = text.lines().find_map(|line| line.strip_prefix("size = "));
        assert_eq!(written, size.map(|size: usize| size.to_string()).as_deref(), "{name}: {text}");
        let plan: Value = serde_json::from_str(&workspace.succeed(&["plan", "first.toml", "--json"])).unwrap();
        assert_eq!(plan["warnings"], json!([]), "{text}");
    }
}

/// The same spec gives the same plan.json, byte for byte, in every folder.
#[test]
fn a_plan_is_byte_identical_in_every_folder() {
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
    // The samples of this seed and key on every machine.
    assert_eq!(json!(drawn), json!(DRAWN));
}

const DRAWN: [f64; 3] = [0.531, 0.1085, 0.6805];
