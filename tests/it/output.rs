//! Output to a full disk, to a pipe, to terminals of different widths, and to programs that read events.

use crate::harness::{Workspace, json, untimed, without_grey};
use crate::runs::{LONG, TINY, in_training, signal, wait_for};
use polars::prelude::{ParquetReader, SerReader};
use serde_json::Value;
use std::fs::File;
use vaex::folder::Stored;

fn events(said: &str) -> Vec<Value> {
    said.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// A sweep over `keys` keys.
fn sweep(keys: usize) -> String {
    let all = [
        ("objective.kl_weight", "[0.5, 1.0]"),
        ("model.latent_dim", "[2, 3]"),
        ("train.learning_rate", "[1e-3, 1.25e-2]"),
        ("train.batch_size", "[20, 30]"),
        ("train.optimizer", "[\"adam\", \"rmsprop\"]"),
        ("objective.reduction", "[\"sum\", \"mean\"]"),
    ];
    let zip: String = all[..keys].iter().map(|(key, values)| format!("\"{key}\" = {values}\n")).collect();
    let spec = TINY.split("[sweep.grid]").next().unwrap().to_owned();
    format!("{spec}\n[sweep]\nseeds = 2\n\n[sweep.zip]\n{zip}")
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written_is_an_error() {
    let workspace = Workspace::with_spec(TINY);
    let said = "error: cannot write to standard output: No space left on device (os error 28)\n";
    let full = |arguments: &[&str]| {
        let mut command = workspace.command(arguments);
        let output = command.stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
        (output.status.code(), without_grey(&String::from_utf8(output.stderr).unwrap()))
    };
    for arguments in [
        &["--help"][..],
        &["help", "run"],
        &["--version"],
        &["plan", "spec.toml"],
        &["plan", "spec.toml", "--json"],
        &["plan", "spec.toml", "--resolved"],
        &["man"],
        &["completions", "bash"],
        &["schema", "--reference"],
        &["run", "spec.toml"],
        &["run", "spec.toml", "--json"],
        &["status"],
        &["report"],
        &["report", "--json"],
    ] {
        assert_eq!(full(arguments), (Some(1), said.to_owned()), "{arguments:?}");
    }
    // The trained trials are kept.
    for folder in workspace.trials("runs/tiny").values() {
        assert_eq!(json(&folder.join("trial.json"))["status"], "done");
    }
    // An exit status other than success does not change.
    assert_eq!(full(&["plan", "spec.toml", "--json", "--set", "train.epoch=1"]), (Some(2), said.to_owned()));
    assert_eq!(full(&["run"]).0, Some(2));
}

/// Rows as a table; the first row is the heading. Numbers are right-aligned.
fn table(rows: &[Vec<&str>], is_number: impl Fn(usize) -> bool) -> String {
    let columns = rows[0].len();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap();
    let line = |row: &Vec<&str>| {
        let cells = row.iter().enumerate().map(|(column, cell)| match is_number(column) {
            true => format!("{cell:>0$}", width(column)),
            false => format!("{cell:<0$}", width(column)),
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let rule = "─".repeat((0..columns).map(width).sum::<usize>() + 2 * (columns - 1));
    let body: String = rows[1..].iter().map(line).collect();
    format!("{}{rule}\n{body}", line(&rows[0]))
}

#[test]
fn the_status_has_every_planned_trial_and_the_metrics_of_the_report() {
    let workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml", "--limit", "1"]);
    let said = workspace.succeed(&["status", "runs/tiny"]);
    let report: Value = serde_json::from_str(&workspace.succeed(&["report", "runs/tiny", "--json"])).unwrap();
    let reported = workspace.succeed(&["report", "runs/tiny"]);
    let status: Value = serde_json::from_str(&workspace.succeed(&["status", "runs/tiny", "--json"])).unwrap();
    let trials = status[0]["trials"].as_array().unwrap();
    let row = reported.lines().nth(4).unwrap().split("  ").map(str::trim);
    let row: Vec<&str> = row.filter(|part| !part.is_empty()).collect();
    // The setting and its seeds; then the metrics, as in the report.
    let [loss, elbo, recon, kl, active, images, seconds] = row[row.len() - 7..] else { panic!("{reported}") };
    let ids: Vec<&str> = trials.iter().map(|trial| trial["trial"].as_str().unwrap()).collect();
    let host = trials[0]["host"].as_str().unwrap();
    let rows = [
        "trial kl_weight state epochs loss elbo_nats recon_nats kl_nats active images/s seconds where"
            .split(' ')
            .collect(),
        vec![ids[0], "0.5", "done", "2/2", loss, elbo, recon, kl, active, images, seconds, host],
        vec![ids[1], "1", "planned", "0/2", "-", "-", "-", "-", "-", "-", "-", "-"],
    ];
    let expected = format!(
        "\
tiny: 1 done, 1 planned

{}
validation metrics of the last epoch
active: latent axes whose posterior mean has a variance above 0.01 over the validation images

",
        table(&rows, |column| (3..11).contains(&column))
    );
    assert_eq!(said, expected, "\n{said}\n{expected}");
    let metrics = &report["experiments"][0]["settings"][0]["metrics"];
    for (name, metric) in metrics.as_object().unwrap() {
        assert_eq!(trials[0]["metrics"][name], metric["mean"], "{name}");
    }
    let kept = |trial: &Value| {
        let fields = ["keys", "state", "epoch", "epochs", "eta_seconds"];
        Value::from(fields.map(|field| trial[field].clone()).to_vec())
    };
    let key = "objective.kl_weight";
    assert_eq!(kept(&trials[0]), serde_json::json!([{ key: 0.5 }, "done", 2, 2, null]));
    assert_eq!(kept(&trials[1]), serde_json::json!([{ key: 1.0 }, "planned", null, 2, null]));
    assert_eq!((&trials[1]["metrics"], &status[0]["eta_seconds"]), (&serde_json::json!({}), &Value::Null));
}

#[test]
#[cfg(unix)]
fn the_status_of_a_run_has_an_estimate_of_the_time_left() {
    let workspace = Workspace::with_spec(&LONG.replace("epochs = 40", "epochs = 4000"));
    let process = in_training(&workspace);
    let mut status = Value::Null;
    wait_for("an estimate", || {
        status = serde_json::from_str(&workspace.succeed(&["status", "--json"])).unwrap();
        !status[0]["eta_seconds"].is_null()
    });
    assert_eq!((&status[0]["eta_seconds"], &status[0]["running"]), (&status[0]["trials"][0]["eta_seconds"], &1.into()));
    let said = workspace.succeed(&["status"]);
    assert!(said.contains(" ETA "), "{said}");
    assert!(said.contains("\nETA of all trials: ") && said.contains(" (1 running)\n"), "{said}");
    assert!(!said.contains("ETA of all trials: -"), "{said}");
    signal("-INT", process.id());
    process.wait_with_output().unwrap();
    assert!(!workspace.succeed(&["status"]).contains("ETA of all trials"));
}

#[test]
fn a_log_has_the_time_and_the_time_left() {
    let workspace = Workspace::with_spec(TINY);
    let said = workspace.succeed(&["run", "spec.toml", "--jobs", "1"]);
    let (log, table) = said.split_once("tiny: 2 done\n").unwrap();
    let plain = untimed(log);
    for (line, timed) in plain.lines().zip(log.lines()) {
        assert!(timed.len() == line.len() + "2026-01-02T03:04:05Z ".len(), "{timed}");
        if line.contains(": epoch ") {
            let (_, left) = line.split_once(" images/s, ETA ").expect(line);
            assert!(left.ends_with(')') && left.contains("s (all trials: "), "{line}");
        }
    }
    assert_eq!(untimed(table), table);
    let ids: Vec<&str> = plain.lines().filter(|line| line.ends_with(": started")).map(|line| &line[..10]).collect();
    let ends: Vec<&str> = plain.lines().filter(|line| line.contains(": done")).collect();
    assert_eq!(ends[1], format!("{} kl_weight=1: done (2 of 2 trials)", ids[1]));
}

#[test]
fn events_have_time_keys_and_metrics_and_the_last_one_is_a_summary() {
    let mut workspace = Workspace::with_spec(&TINY.replace("[0.5, 1.0]", "[0.5, 1e30]"));
    workspace.write("fine.toml", TINY);
    let outcome = workspace.vaex(&["run", "spec.toml", "--json"]);
    let found = events(&outcome.stdout);
    let diverges = outcome.status == Some(1);
    for event in &found {
        let time = event["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
        if !event["trial"].is_null() {
            let weight = &event["keys"]["objective.kl_weight"];
            assert!(*weight == 0.5 || *weight == 1e30, "{event}");
        }
    }
    let trials = workspace.trials("runs/tiny");
    let epochs: Vec<&Value> = found.iter().filter(|event| event["event"] == "epoch").collect();
    assert!(epochs.len() >= 2);
    for event in epochs.iter().filter(|event| event["keys"]["objective.kl_weight"] == 0.5) {
        let rows = crate::runs::rows(&trials[event["trial"].as_str().unwrap()]);
        let epoch = event["epoch"].as_u64().unwrap();
        for row in rows.iter().filter(|row| row.epoch == epoch) {
            for name in ["loss", "elbo_nats", "recon_nats", "kl_nats"] {
                assert_eq!(event["metrics"][format!("{}_{name}", row.split.name())], row.get(name).unwrap());
            }
        }
        assert_eq!(event["metrics"]["train_loss"], event["loss"]);
        assert_eq!(event["metrics"]["validation_loss"], event["validation_loss"]);
        assert!(event["eta_seconds"].is_number() && event["eta_seconds_all"].is_number(), "{event}");
    }
    let last = found.last().unwrap();
    assert_eq!((&last["event"], &last["name"]), (&"summary".into(), &"tiny".into()));
    let counts = if diverges { serde_json::json!({"done": 1, "diverged": 1}) } else { serde_json::json!({"done": 2}) };
    assert_eq!(last["counts"], counts);
    let best = &last["best"];
    assert_eq!(best["keys"]["objective.kl_weight"], 0.5);
    let of_best = epochs.iter().rfind(|event| event["trial"] == best["trial"]).unwrap();
    assert_eq!(of_best["metrics"], best["metrics"]);
    // For trials that were finished before, there is only the summary.
    let again = events(&workspace.succeed(&["run", "fine.toml", "--json", "--only", "kl_weight=0.5"]));
    assert_eq!(again.last().unwrap()["counts"], serde_json::json!({"done": 1}));
    assert_eq!(again.last().unwrap()["best"]["trial"], best["trial"]);
}

/// The squared error of a plain autoencoder is that of its reconstructions. Every output has it, for validation only.
#[test]
fn a_metric_is_in_every_output() {
    let spec = TINY
        .replace("[model]", "[model]\nposterior = \"none\"")
        .replace("\"objective.kl_weight\" = [0.5, 1.0]", "seed = [0, 1]");
    let workspace = Workspace::with_spec(&spec);
    let said = events(&workspace.succeed(&["run", "spec.toml", "--json"]));
    let trials = workspace.trials("runs/tiny");
    let (id, folder) = trials.iter().next().unwrap();
    workspace.succeed(&["report", "runs/tiny"]);

    let stored = Stored::read(&folder.join("images/reconstructions.safetensors")).unwrap();
    let [inputs, reconstructions] = ["input", "reconstruction"].map(|name| stored.values(name).unwrap());
    assert_eq!(inputs.len(), 6 * 784, "all validation images");
    let errors = inputs.iter().zip(&reconstructions).map(|(one, other)| (f64::from(*one) - f64::from(*other)).powi(2));
    let expected = errors.sum::<f64>() / inputs.len() as f64;
    let rows = crate::runs::rows(folder);
    let mse = rows[3].get("mse").unwrap();
    assert!((mse / expected - 1.0).abs() < 1e-6, "{mse} {expected}");
    assert_eq!((rows[2].get("mse"), rows[1].get("mse").is_some()), (None, true));

    let event = said.iter().rfind(|event| event["event"] == "epoch" && event["trial"] == **id).unwrap();
    assert_eq!(event["metrics"]["validation_mse"], mse);
    let table =
        |name: &str| ParquetReader::new(File::open(workspace.path("runs/tiny").join(name)).unwrap()).finish().unwrap();
    let (of_trials, curves) = (table("trials.parquet"), table("curves.parquet"));
    let ids = of_trials.column("trial").unwrap().str().unwrap().clone();
    let index = ids.iter().position(|one| one == Some(id)).unwrap();
    assert_eq!(of_trials.column("final_validation_mse").unwrap().f64().unwrap().get(index), Some(mse));
    assert!(of_trials.column("best_validation_mse").is_ok() && of_trials.column("final_train_mse").is_err());
    assert_eq!(curves.column("mse").unwrap().null_count(), curves.height() / 2);
    let report: Value = serde_json::from_str(&workspace.succeed(&["report", "runs/tiny", "--json"])).unwrap();
    assert_eq!(report["experiments"][0]["trials"][index]["final"]["validation"]["mse"], mse);
    let ids: Vec<&str> = trials.keys().map(String::as_str).collect();
    let diff: Value = serde_json::from_str(&workspace.succeed(&["diff", ids[0], ids[1], "--json"])).unwrap();
    assert_eq!((&diff["metrics"]["validation_mse"][0], &diff["metrics"]["train_mse"]), (&mse.into(), &Value::Null));
    let page = std::fs::read_to_string(workspace.path("runs/tiny/report.html")).unwrap();
    assert!(page.contains("\"title\":\"squared error (mean over values)\""));
    let log = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let log = log.into_iter().find(|entry| entry.file_name().to_string_lossy().starts_with("events.out")).unwrap();
    let log = std::fs::read(log.path()).unwrap();
    let has = |tag: &str| log.windows(tag.len()).any(|part| part == tag.as_bytes());
    assert!(has("mse/validation") && !has("mse/train"));
}

/// The widest line of the first table: from the rule below its heading to the next blank line.
#[cfg(unix)]
fn widest_of_table(shown: &str) -> usize {
    let mut lines = shown.lines();
    let rule = lines.find(|line| line.starts_with('─')).expect(shown);
    let rows = lines.take_while(|line| !line.is_empty() && !line.starts_with("left out"));
    rows.map(|line| line.chars().count()).max().unwrap_or(0).max(rule.chars().count())
}

#[test]
#[cfg(unix)]
fn tables_fit_the_terminal_and_files_have_one_line_per_row() {
    for keys in [1, 2, 4, 6] {
        let workspace = Workspace::with_spec(&sweep(keys));
        let ran = workspace.on_terminal(80, &[], &["run", "spec.toml"]).1;
        assert!(widest_of_table(&ran) <= 80, "{ran}");
        let ids: Vec<String> = workspace.trials("runs/tiny").into_keys().collect();
        for arguments in [
            &["report", "runs/tiny"][..],
            &["status", "runs/tiny"],
            &["plan", "spec.toml"],
            &["diff", &ids[0], &ids[1]],
        ] {
            let heads: Vec<String> = [60, 80, 100, 200]
                .map(|columns| {
                    let (status, shown) = workspace.on_terminal(columns, &[], arguments);
                    assert_eq!(status, 0, "{shown}");
                    let widest = widest_of_table(&shown);
                    assert!(widest <= usize::from(columns), "{arguments:?} {columns} {keys}: {widest}\n{shown}");
                    shown.lines().take_while(|line| !line.starts_with('─')).collect()
                })
                .to_vec();
            // COLUMNS is used only on a terminal.
            let (_, shown) = workspace.on_terminal(200, &[("COLUMNS", "60")], arguments);
            let head: String = shown.lines().take_while(|line| !line.starts_with('─')).collect();
            assert_eq!(head, heads[0]);
            let output = workspace.command(arguments).env("COLUMNS", "60").output().unwrap();
            let piped = String::from_utf8(output.stdout).unwrap();
            assert!(!piped.contains("left out"), "{piped}");
            let rows =
                piped.lines().skip_while(|line| !line.starts_with('─')).skip(1).take_while(|line| !line.is_empty());
            let expected = match arguments[0] {
                "report" => 2,
                "status" => 4,
                "plan" => 5,
                _ => rows.clone().count(),
            };
            assert_eq!(rows.count(), expected, "{piped}");
        }
    }
}

#[cfg(unix)]
fn has_colours(shown: &str) -> bool {
    shown
        .split("\x1b[")
        .skip(1)
        .any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
}

#[test]
#[cfg(unix)]
fn colours_are_only_for_terminals_that_support_and_allow_them() {
    let mut workspace = Workspace::with_spec(TINY);
    workspace.write("wrong.toml", "[train]\nepoch = 3\n");
    workspace.write("warned.toml", "[train]\nlearning_rate = 5.0\n");
    for arguments in [&["--help"][..], &["run", "--nothing"], &["plan", "wrong.toml"], &["plan", "warned.toml"]] {
        let shown = |variables: &[(&str, &str)]| workspace.on_terminal(80, variables, arguments).1;
        assert!(has_colours(&shown(&[])), "{arguments:?}: {}", shown(&[]));
        assert!(has_colours(&shown(&[("NO_COLOR", "")])), "{arguments:?}");
        for without in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let shown = shown(&[without]);
            assert!(!shown.contains('\x1b'), "{arguments:?} {without:?}: {shown}");
        }
        let outcome = workspace.vaex(arguments);
        assert!(!(outcome.stdout + &outcome.stderr).contains('\x1b'), "{arguments:?}");
    }
    // Progress bars move the cursor; if the terminal cannot do that, lines are printed instead.
    let shown = workspace.on_terminal(80, &[("NO_COLOR", "1")], &["run", "spec.toml"]).1;
    assert!(shown.contains("\x1b[") && !has_colours(&shown) && !shown.contains(": epoch 1/2"), "{shown}");
    let shown = workspace.on_terminal(80, &[("TERM", "dumb")], &["run", "spec.toml", "--fresh"]).1;
    assert!(!shown.contains('\x1b') && shown.contains(": epoch 1/2"), "{shown}");
}
