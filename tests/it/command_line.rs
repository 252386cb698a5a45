//! The command line: output, files and exit statuses of the commands.

use crate::harness::{Workspace, json, without_grey};
use crate::runs::TINY;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use vaex::commands::schemas;

const SWEEP: &str = "\
[data]
limit = 60

[model]
family = \"mlp\"
hidden = [16]

[train]
batch_size = 20
epochs = 2

[sweep.grid]
\"objective.kl_weight\" = [0.5, 1.0]
\"seed\" = [0, 1]
";

fn ids(plan: &serde_json::Value) -> Vec<String> {
    let trials = plan["trials"].as_array().unwrap();
    trials.iter().map(|trial| trial["trial"].as_str().unwrap().to_owned()).collect()
}

fn plan(workspace: &Workspace, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&workspace.succeed(&[&["plan", "--json"], arguments].concat())).unwrap()
}

#[test]
fn help_lists_every_command_except_hidden_ones() {
    let workspace = Workspace::new();
    let help = workspace.succeed(&["--help"]);
    for command in ["run", "plan", "report", "schema"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is missing:\n{help}");
    }
    assert!(!help.contains("\n  trial "), "{help}");
    // The number is followed by the commit, if it is known.
    let version = workspace.succeed(&["--version"]);
    let number = format!("vaex {}", env!("CARGO_PKG_VERSION"));
    let rest = version.trim_end().strip_prefix(&number).unwrap();
    assert!(rest.is_empty() || (rest.starts_with(" (") && rest.ends_with(')')), "{version}");
    workspace.holds_nothing_more();
}

#[test]
fn a_wrong_command_line_exits_with_status_2() {
    let message = "\
error: the following required arguments were not provided:
  <SPEC>...

Usage: vaex run <SPEC>...

For more information, try '--help'.
";
    Workspace::new().refuse(&["run"], message);
    for flag in ["--jobs", "--threads"] {
        let message = format!(
            "error: invalid value '0' for '{flag} <N>': it must be a whole number from 1 to 1,024\n\nFor more information, \
             try '--help'.\n"
        );
        Workspace::with_spec("").refuse(&["run", "spec.toml", flag, "0"], &message);
    }
}

/// A setting as an option, and commands of other programs.
#[test]
fn a_wrong_command_line_has_a_tip_that_knows_settings() {
    let workspace = Workspace::with_spec(SWEEP);
    let settings =
        [("--epochs", "train.epochs"), ("--latent-dim", "model.latent_dim"), ("--lr", "train.learning_rate")];
    for (option, key) in settings {
        let tip = format!("  tip: to change a setting of the spec, use '--set {key}=VALUE'");
        let message = format!(
            "error: unexpected argument '{option}' found\n\n{tip}\n\nUsage: vaex run <SPEC>...\n\nFor more information, try \
             '--help'.\n"
        );
        workspace.refuse(&["run", "spec.toml", option, "3"], &message);
        workspace.refuse(&["run", "spec.toml", &format!("{option}=3")], &message);
    }
    let end = "\n\nUsage: vaex <COMMAND>\n\nFor more information, try '--help'.\n";
    for (given, meant) in [("train", "run"), ("repotr", "report")] {
        let tip = format!("\n\n  tip: a similar subcommand exists: '{meant}'");
        workspace.refuse(&[given, "spec.toml"], &format!("error: unrecognized subcommand '{given}'{tip}{end}"));
    }
    workspace.refuse(&["tria"], &format!("error: unrecognized subcommand 'tria'{end}"));
}

#[test]
fn a_plan_is_a_table_of_trials() {
    let workspace = Workspace::with_spec(SWEEP);
    assert_eq!(workspace.succeed(&["plan", "spec.toml"]), TABLE);
    workspace.holds_nothing_more();
}

const TABLE: &str = concat!(
    "trial       objective.kl_weight  seed  parameters  steps  GFLOP    memory  state\n",
    "────────────────────────────────────────────────────────────────────────────────\n",
    "4514e80804  0.5                  0          26004      6   0.02  57.94 MB  new\n",
    "47c433fafd  0.5                  1          26004      6   0.02  57.94 MB  new\n",
    "3e45ecd3af  1                    0          26004      6   0.02  57.94 MB  new\n",
    "07b759d046  1                    1          26004      6   0.02  57.94 MB  new\n",
    "spec: 4 trials, 54 training and 6 validation images\n",
);

#[test]
fn a_plan_as_json_has_each_trial_resolved() {
    let workspace = Workspace::with_spec(SWEEP);
    let plan = plan(&workspace, &["spec.toml"]);
    assert_eq!(plan["name"], "spec");
    assert_eq!(plan["varied"], serde_json::json!(["objective.kl_weight", "seed"]));
    assert_eq!(plan["trials"].as_array().unwrap().len(), 4);
    let trial = &plan["trials"][2];
    assert_eq!((&trial["training_images"], &trial["validation_images"]), (&54.into(), &6.into()));
    let spec = &trial["spec"];
    assert_eq!((&spec["objective.kl_weight"], &spec["seed"]), (&1.0.into(), &0.into()));
    // Keys that the spec does not set have their default values.
    assert_eq!((&spec["train.optimizer"], &spec["train.beta1"]), (&"adam".into(), &0.9.into()));
}

#[test]
fn order_comments_and_name_do_not_change_an_id() {
    let other = "\
# Another comment.
name = \"another\"

[train]
epochs = 2 # few
batch_size = 20
learning_rate = 1e-3

[model]
hidden = [ 16, ]
family = \"mlp\"

[sweep.grid]
\"objective.kl_weight\" = [0.5, 1.0]
\"seed\" = [0, 1]

[data]
limit = 60
";
    let mut workspace = Workspace::with_spec(SWEEP);
    workspace.write("other.toml", other);
    let (one, two) = (plan(&workspace, &["spec.toml"]), plan(&workspace, &["other.toml"]));
    assert_eq!(ids(&one), ids(&two));
    assert_ne!(one["name"], two["name"]);
    let distinct: BTreeSet<String> = ids(&one).into_iter().collect();
    assert_eq!(distinct.len(), 4);
    // A key that changes the result changes the id.
    let changed = plan(&workspace, &["spec.toml", "--set", "train.epochs=3"]);
    assert!(ids(&changed).iter().all(|id| !distinct.contains(id)));
}

#[test]
fn setting_a_key_replaces_its_sweep() {
    let workspace = Workspace::with_spec(SWEEP);
    let swept = plan(&workspace, &["spec.toml"]);
    let set = plan(&workspace, &["spec.toml", "--set", "seed=1"]);
    assert_eq!(set["varied"], serde_json::json!(["objective.kl_weight"]));
    assert_eq!(ids(&set), [ids(&swept)[1].clone(), ids(&swept)[3].clone()]);
    let all = plan(&workspace, &["spec.toml", "--set", "seed=1", "--set", "objective.kl_weight=0.5"]);
    assert_eq!(ids(&all), [ids(&swept)[1].clone()]);
}

#[test]
fn a_key_may_have_both_a_value_and_a_sweep() {
    let mut workspace = Workspace::new();
    let spec = "seed = 7\n[data]\nlimit = 50\n[model]\nlatent_dim = 3\n[objective]\nkl_weight = 2.0\n[train]\n\
        batch_size = 16\n[sweep.grid]\n\"train.batch_size\" = [8, 32]\nseed = [0, 1]\n\"data.limit\" = [60, 70]\n\
        \"model.latent_dim\" = [1, 2]\n\"objective.kl_weight\" = [0.5, 1.0]\n";
    workspace.write("spec.toml", spec);
    assert_eq!(ids(&plan(&workspace, &["spec.toml"])).len(), 32);
}

#[test]
fn the_last_override_of_a_key_wins_and_words_need_no_quotes() {
    let workspace = Workspace::with_spec(SWEEP);
    let arguments = ["spec.toml", "--set", "train.optimizer=sgd", "--set", "train.optimizer=rmsprop"];
    let plan = plan(&workspace, &arguments);
    assert_eq!(plan["trials"][0]["spec"]["train.optimizer"], "rmsprop");
}

#[test]
fn the_committed_schema_is_the_one_that_vaex_writes() {
    let workspace = Workspace::new();
    let said = workspace.succeed(&["schema"]);
    for (file, text) in schemas() {
        assert!(said.contains(&format!("wrote {file}\n")));
        assert_eq!(std::fs::read_to_string(workspace.path(file)).unwrap(), text);
        let committed = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
        assert_eq!(committed, text, "write {file} again with: vaex schema");
    }
}

fn schema_text() -> String {
    schemas().remove(0).1
}

/// plan.json and trial.json are valid by their schemas.
#[test]
fn files_of_a_run_are_valid_by_their_schemas() {
    let workspace = Workspace::with_spec(SWEEP);
    workspace.succeed(&["run", "spec.toml"]);
    let fits = |schema: usize, path: &Path| {
        let schema = jsonschema::validator_for(&serde_json::from_str(&schemas()[schema].1).unwrap()).unwrap();
        let instance = json(path);
        let errors: Vec<String> = schema.iter_errors(&instance).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    };
    fits(1, &workspace.path("runs/spec/plan.json"));
    workspace.trials("runs/spec").values().for_each(|folder| fits(2, &folder.join("trial.json")));
}

fn as_json(toml: &str) -> serde_json::Value {
    serde_json::to_value(toml.parse::<toml::Table>().unwrap()).unwrap()
}

#[test]
fn every_experiment_is_valid_by_the_schema() {
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema_text()).unwrap()).unwrap();
    let folders = ["experiments", "experiments/published"].map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    assert!(files.len() > 15);
    for file in files {
        let instance = as_json(&std::fs::read_to_string(&file).unwrap());
        let errors: Vec<String> = schema.iter_errors(&instance).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
    }
}

/// Each file in tests/wrong has one error that an editor can find with the schema.
#[test]
fn invalid_specs_are_refused_by_the_schema_and_by_the_program() {
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema_text()).unwrap()).unwrap();
    assert!(schema.is_valid(&as_json(SWEEP)));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 40);
    let workspace = Workspace::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!schema.is_valid(&as_json(&text)), "{}", file.display());
        let outcome = workspace.vaex(&["plan", file.to_str().unwrap()]);
        assert_eq!(outcome.status, Some(2), "{}", file.display());
        assert!(outcome.stderr.starts_with("error: "), "{}: {}", file.display(), outcome.stderr);
    }
}

/// VAEX_WRITE_DOCS=1 updates it.
#[test]
fn the_documented_table_of_metrics_matches_the_registry() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/output.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let (start, end) = ("<!-- metrics -->\n", "<!-- end of metrics -->\n");
    let (before, rest) = text.split_once(start).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let expected = format!("{before}{start}{}{end}{after}", vaex::report::metrics());
    if std::env::var_os("VAEX_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
        text = expected.clone();
    }
    assert!(text == expected, "docs/output.md: update its table with VAEX_WRITE_DOCS=1");
}

/// A page of the documentation.
fn page(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_documented_table_of_keys_matches_the_types() {
    let reference = vaex::language::reference();
    let documented = page("docs/spec.md").contains(&reference);
    assert!(documented, "put this into docs/spec.md (vaex schema --reference):\n{reference}");
}

/// The specs in the documentation are valid by the schema. tests/docs_check.py plans them.
#[test]
fn the_documented_specs_are_valid() {
    let pages = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let pages = pages.map(|entry| format!("docs/{}", entry.unwrap().file_name().display()));
    let pages = pages.filter(|path| path.ends_with(".md")).chain(["README.md".to_owned()]);
    let text: String = pages.map(|path| page(&path)).collect();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema_text()).unwrap()).unwrap();
    let blocks: Vec<&str> = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 10, "{}", blocks.len());
    for block in blocks {
        assert!(schema.is_valid(&as_json(block)), "{block}");
    }
}

#[test]
fn a_report_of_a_folder_without_trials_is_refused() {
    let mut workspace = Workspace::new();
    workspace.refuse(&["report"], "error: runs is not a folder\n");
    workspace.create_folder("empty");
    workspace.refuse(&["report", "empty"], "error: empty has no trials: no folder in it contains a trial.json\n");
    workspace
        .refuse(&["report", "--json", "empty"], "error: empty has no trials: no folder in it contains a trial.json\n");
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let workspace = Workspace::with_spec(SWEEP);
    for arguments in [&["plan", "spec.toml"][..], &["plan", "--json", "spec.toml"], &["run", "spec.toml"]] {
        let mut process = workspace.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        drop(process.stdout.take());
        let output = process.wait_with_output().unwrap();
        assert_eq!(without_grey(&String::from_utf8(output.stderr).unwrap()), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
    // Training continued to the end.
    let trials = workspace.trials("runs/spec");
    assert_eq!(trials.len(), 4);
    for folder in trials.values() {
        assert_eq!(json(&folder.join("trial.json"))["status"], "done");
    }
}

#[test]
fn reports_are_written_in_all_formats() {
    let workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    let said = workspace.succeed(&["report", "runs/tiny", "--format", "html,csv,markdown"]);
    let written = "wrote runs/tiny/report.html\nwrote runs/tiny/trials.csv\nwrote runs/tiny/curves.csv\nwrote runs/tiny/report.md\n";
    assert!(said.ends_with(written), "{said}");
    let text = |name: &str| std::fs::read_to_string(workspace.path("runs/tiny").join(name)).unwrap();
    let page = text("report.html");
    assert!(page.len() < 5_000_000 && !page.contains("{{"));
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let trial = &data["experiments"][0]["trials"][0];
    assert_eq!(trial["curves"]["train"]["epoch"], serde_json::json!([1, 2]));
    assert!(trial["pictures"]["manifold"].as_str().unwrap().starts_with("data:image/png;base64,"));
    assert_eq!(text("trials.csv").lines().count(), 3);
    assert_eq!(text("curves.csv").lines().count(), 9);
    assert!(text("report.md").starts_with("## tiny\n\n2 done\n\n| kl_weight |"));
}

#[test]
fn the_manual_and_the_completions_know_every_command() {
    let workspace = Workspace::new();
    let (manual, completions) = (workspace.succeed(&["man"]), workspace.succeed(&["completions", "bash"]));
    for command in ["run", "traverse", "export", "tensorboard"] {
        assert!(manual.contains(&format!(".SH VAEX {}", command.to_uppercase())), "{command}");
        assert!(
            completions.contains(&format!("vaex__subcmd__{command}"))
                || completions.contains(&format!("vaex__{command}")),
            "{command}"
        );
    }
    assert!(!manual.contains("VAEX TASK"));
}

#[test]
#[cfg(unix)]
fn without_tensorboard_it_says_how_to_get_it() {
    let mut workspace = Workspace::new();
    workspace.create_folder("runs");
    let output = workspace.command(&["tensorboard"]).env("PATH", "").output().unwrap();
    let message = "error: tensorboard is not on the PATH; install it with: pip install tensorboard\n";
    assert_eq!((output.status.code(), &*String::from_utf8(output.stderr).unwrap()), (Some(2), message));
}

#[test]
fn devices_are_the_processor_and_the_gpus() {
    let workspace = Workspace::new();
    let (said, json) = (workspace.succeed(&["devices"]), workspace.succeed(&["devices", "--json"]));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("cpu   ") && lines[0].contains(" core"), "{said}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["cpu"]["cores"].as_u64().unwrap() > 0, "{json}");
    assert!(lines.len() > 1 && lines[1..].iter().all(|line| line.starts_with("cuda  ")), "{said}");
    if !cfg!(feature = "cuda") {
        let reason = "this vaex was built without CUDA; build it with `cargo build --release --features cuda`";
        assert_eq!((lines.len(), lines[1]), (2, &*format!("cuda  none: {reason}")));
        assert_eq!(json["cuda"], serde_json::json!({ "driver": null, "gpus": [], "reason": reason }));
    }
}
