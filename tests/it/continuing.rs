//! More epochs, initial weights, the best epoch and patience. Equal means bit-identical.

use crate::harness::{Workspace, json};
use crate::runs::{LONG, in_training, only, rows, same_bits, signal, status};
use snapbox::{Assert, Data};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vaex::folder::{Arrays, Stored, TrialFolder};
use vaex::record::checkpoint::{read_checkpoint, write_checkpoint};
use vaex::record::trial::{Gpu, Status, TrialRecord};

const SPEC: &str = "\
name = \"one\"

[data]
limit = 60
binarize = \"dynamic\"

[model]
family = \"mlp\"
hidden = [16]

[train]
batch_size = 20
epochs = 2
";

/// A spec that overfits its few images: the lowest validation loss is not that of the last epoch.
const OVERFIT: &str = "\
name = \"one\"

[data]
limit = 60
validation = 20

[model]
family = \"mlp\"
hidden = [64]

[train]
batch_size = 10
epochs = 40
learning_rate = 0.02
";

/// The arrays of a file of weights, as bits.
fn arrays(path: &Path) -> BTreeMap<String, Vec<u32>> {
    let stored = Stored::read_own(path).unwrap();
    let bits = |name: String| {
        let values = stored.values(&name).unwrap();
        (name, values.into_iter().map(f32::to_bits).collect())
    };
    stored.names().into_iter().map(bits).collect()
}

fn weights(trial: &Path) -> BTreeMap<String, Vec<u32>> {
    arrays(&trial.join("model.safetensors"))
}

/// The pictures of a trial by file name.
fn pictures(trial: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(trial.join("images")).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().into(), std::fs::read(&path).unwrap())).collect()
}

/// The folder and the record of the trial with this number of epochs.
fn with_epochs(workspace: &Workspace, experiment: &str, epochs: u64) -> (PathBuf, serde_json::Value) {
    let trials = workspace.trials(experiment).into_values();
    let read = trials.map(|folder| (json(&folder.join("trial.json")), folder));
    let found = read.into_iter().find(|(record, _)| record["spec"]["train.epochs"] == epochs);
    let (record, folder) = found.unwrap();
    (folder, record)
}

#[test]
fn more_epochs_continue_a_trial_and_end_with_the_same_bits() {
    let others = [
        "",
        "[objective]\nkind = \"factor\"\n",
        "[objective]\nkl_warmup_epochs = 1.5\n",
        "keep = \"best\"\n",
        "keep = \"best\"\npatience = 2\nlearning_rate = 0.05\n",
        "warmup_epochs = 1\nschedule = \"step\"\nmilestones = [1]\n[model]\nprior = \"vamp\"\ncomponents = 5\n",
    ];
    for other in others {
        let spec = match other.split_once("[model]\n") {
            Some((train, model)) => SPEC.replace("[train]", &format!("{model}\n[train]")) + train,
            None => format!("{SPEC}{other}"),
        };
        let workspace = Workspace::with_spec(&spec);
        workspace.succeed(&["run", "spec.toml"]);
        let (short, _) = with_epochs(&workspace, "runs/one", 2);
        let id = short.file_name().unwrap().to_str().unwrap().rsplit('-').next().unwrap().to_owned();
        let longer = ["spec.toml", "--set", "train.epochs=5"];
        let planned = workspace.succeed(&[&["plan"], &longer[..]].concat());
        assert!(planned.contains(&format!("continues {id} after epoch 2")), "{planned}");
        let said = workspace.succeed(&[&["run"], &longer[..]].concat());
        assert!(said.contains(&format!(": continues {id} after epoch 2\n")), "{said}");
        let (long, record) = with_epochs(&workspace, "runs/one", 5);
        assert_eq!(record["continued"], serde_json::json!({ "trial": id, "epochs": 2 }));
        workspace.succeed(&[&["run"], &longer[..], &["--runs", "whole"]].concat());
        let (whole, record) = with_epochs(&workspace, "whole/one", 5);
        assert!(record["continued"].is_null());
        same_bits(&long, &whole);
        assert_eq!(pictures(&long), pictures(&whole));
        let named = |folder: &Path, name: &str| folder.join(name).exists();
        assert_eq!(named(&long, "model.last.safetensors"), named(&whole, "model.last.safetensors"), "{other}");
        for folder in [&short, &long] {
            assert!(named(folder, "state.safetensors") && !named(folder, "checkpoint.safetensors"), "{other}");
        }
        // The event log has all epochs.
        assert!(workspace.succeed(&["status", "runs/one"]).contains(&format!("{id} after epoch 2")));
        let again = workspace.succeed(&[&["plan", "--json"], &longer[..]].concat());
        let again: serde_json::Value = serde_json::from_str(&again).unwrap();
        assert_eq!((&again["trials"][0]["state"], &again["trials"][0]["continues"]), (&"done".into(), &().into()));
        let said = workspace.succeed(&[&["run", "--fresh"], &longer[..]].concat());
        assert!(said.contains(": started\n") && !said.contains("continues"), "{said}");
        same_bits(&with_epochs(&workspace, "runs/one", 5).0, &whole);
    }
}

#[test]
fn a_sweep_over_the_epochs_trains_each_epoch_once() {
    let sweep = "[sweep.grid]\n\"train.epochs\" = [2, 6, 4]\n\"objective.kl_weight\" = [0.5, 1.0]\n";
    let workspace = Workspace::with_spec(&format!("{SPEC}{sweep}"));
    let planned = workspace.succeed(&["plan", "spec.toml"]);
    assert_eq!(planned.matches(" after epoch 2").count(), 2, "{planned}");
    assert_eq!(planned.matches(" after epoch 4").count(), 2, "{planned}");
    let said = workspace.succeed(&["run", "spec.toml", "--jobs", "2"]);
    assert_eq!(said.matches(": started\n").count(), 2, "{said}");
    assert_eq!(said.matches(" after epoch 4\n").count(), 2, "{said}");
    workspace.succeed(&["run", "spec.toml", "--runs", "whole", "--fresh"]);
    for (id, folder) in workspace.trials("runs/one") {
        let whole = workspace.trial("whole/one", &id);
        assert!(json(&whole.join("trial.json"))["continued"].is_null());
        same_bits(&folder, &whole);
    }
}

#[test]
fn a_schedule_that_depends_on_the_end_starts_again() {
    let workspace = Workspace::with_spec(&format!("{SPEC}schedule = \"cosine\"\n"));
    workspace.succeed(&["run", "spec.toml"]);
    let longer = ["spec.toml", "--set", "train.epochs=3"];
    let planned = workspace.succeed(&[&["plan"], &longer[..]].concat());
    let reason =
        "1 trial is trained from the start, although a shorter one is done: `train.schedule` depends on `train.epochs`";
    assert!(planned.contains(reason), "{planned}");
    let said = workspace.succeed(&[&["run"], &longer[..]].concat());
    assert!(said.contains(": started\n"), "{said}");
}

#[test]
#[cfg(unix)]
fn a_trial_that_continues_another_one_resumes() {
    let workspace = Workspace::with_spec(&LONG.replace("epochs = 40", "epochs = 200"));
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    workspace.succeed(&["run", "spec.toml", "--set", "train.epochs=1"]);
    let process = in_training(&workspace);
    signal("-KILL", process.id());
    process.wait_with_output().unwrap();
    let said = workspace.succeed(&["run", "spec.toml"]);
    assert!(said.contains("resuming after "), "{said}");
    let (folder, record) = with_epochs(&workspace, "runs/long", 200);
    assert_eq!(record["continued"]["epochs"], 1);
    same_bits(&folder, &only(&workspace, "undisturbed/long"));
}

/// A trial killed before its first checkpoint begins again with the same state, and its time counts once.
#[test]
fn the_time_of_a_shorter_trial_counts_once() {
    let workspace = Workspace::with_spec(SPEC);
    workspace.succeed(&["run", "spec.toml"]);
    let files = TrialFolder::new(only(&workspace, "runs/one"));
    let record = TrialRecord::read(&files).unwrap();
    TrialRecord { seconds: 1000.0, ..record }.write(&files).unwrap();
    let longer = ["run", "spec.toml", "--set", "train.epochs=3"];
    workspace.succeed(&longer);
    let (folder, _) = with_epochs(&workspace, "runs/one", 3);
    let files = TrialFolder::new(&folder);
    let record = TrialRecord::read(&files).unwrap();
    assert!((1000.0..1100.0).contains(&record.seconds), "{}", record.seconds);
    // As if it had been killed.
    ["state.safetensors", "model.safetensors", "metrics.parquet"]
        .iter()
        .for_each(|name| std::fs::remove_file(folder.join(name)).unwrap());
    TrialRecord { status: Status::Running, kept_epoch: None, ..record }.write(&files).unwrap();
    assert!(workspace.succeed(&longer).contains(" after epoch 2\n"));
    let again = TrialRecord::read(&files).unwrap();
    assert!((1000.0..1100.0).contains(&again.seconds), "{}", again.seconds);
}

/// If the longest of the shorter trials cannot be continued, the next one is; a record that cannot be read is named.
#[test]
fn the_next_shorter_trial_is_continued_if_the_longest_is_damaged() {
    let workspace = Workspace::with_spec(SPEC);
    workspace.succeed(&["run", "spec.toml"]);
    workspace.succeed(&["run", "spec.toml", "--set", "train.epochs=4"]);
    let (four, _) = with_epochs(&workspace, "runs/one", 4);
    std::fs::write(four.join("state.safetensors"), "damaged").unwrap();
    let said = workspace.succeed(&["run", "spec.toml", "--set", "train.epochs=6"]);
    assert!(said.contains(" after epoch 2; cannot continue the trial "), "{said}");
    workspace.succeed(&["run", "spec.toml", "--set", "train.epochs=6", "--runs", "whole"]);
    same_bits(&with_epochs(&workspace, "runs/one", 6).0, &only(&workspace, "whole/one"));
    std::fs::write(four.join("trial.json"), "{}").unwrap();
    for command in ["plan", "run"] {
        let outcome = workspace.vaex(&[command, "spec.toml", "--set", "train.epochs=7"]);
        let said = outcome.stdout + &outcome.stderr;
        assert!(said.contains("trial.json: ") && said.contains("; this trial is not continued\n"), "{said}");
    }
}

#[test]
fn a_state_that_is_damaged_or_missing_is_not_continued() {
    for is_damaged in [true, false] {
        let workspace = Workspace::with_spec(SPEC);
        workspace.succeed(&["run", "spec.toml"]);
        let state = only(&workspace, "runs/one").join("state.safetensors");
        let mut bytes = std::fs::read(&state).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        match is_damaged {
            true => std::fs::write(&state, bytes).unwrap(),
            false => std::fs::remove_file(&state).unwrap(),
        }
        let longer = ["run", "spec.toml", "--set", "train.epochs=4"];
        let planned = workspace.succeed(&["plan", "spec.toml", "--set", "train.epochs=4"]);
        let missing =
            "1 trial is trained from the start, although a shorter one is done: its state.safetensors is missing";
        assert_eq!(planned.contains(missing), !is_damaged, "{planned}");
        let said = workspace.succeed(&longer);
        let fault = if is_damaged { "it is damaged: its checksum differs\n" } else { "No such file or directory" };
        assert!(said.contains(": started; cannot continue the trial ") && said.contains(fault), "{said}");
        workspace.succeed(&[&longer[..], &["--runs", "whole"]].concat());
        same_bits(&with_epochs(&workspace, "runs/one", 4).0, &only(&workspace, "whole/one"));
    }
}

/// A finished trial has no checkpoints; its other files are written again from its state.
#[test]
fn a_picture_of_a_finished_trial_is_written_again_without_training() {
    let workspace = Workspace::with_spec(&format!("{OVERFIT}keep = \"best\"\n"));
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/one");
    let before = (weights(&folder), arrays(&folder.join("model.last.safetensors")), pictures(&folder));
    std::fs::remove_file(folder.join("images/samples.png")).unwrap();
    let said = workspace.succeed(&["run", "spec.toml"]);
    assert!(said.contains("samples.png is damaged or missing"), "{said}");
    assert!(said.contains(": resuming after epoch 40\n") && !said.contains("epoch 40/40"), "{said}");
    assert!(before == (weights(&folder), arrays(&folder.join("model.last.safetensors")), pictures(&folder)));
    // Without the weights, it is trained again.
    std::fs::remove_file(folder.join("model.safetensors")).unwrap();
    let said = workspace.succeed(&["run", "spec.toml"]);
    assert!(said.contains("model.safetensors is damaged or missing") && said.contains("epoch 40/40"), "{said}");
    assert!(before == (weights(&folder), arrays(&folder.join("model.last.safetensors")), pictures(&folder)));
}

/// A trial that was never saved in the middle has the seals of its event log too.
#[test]
fn a_damaged_event_log_of_a_finished_trial_is_reported() {
    let workspace = Workspace::with_spec(SPEC);
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/one");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let log = files.into_iter().find(|path| path.to_str().unwrap().contains("events.")).unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let said = workspace.succeed(&["run", "spec.toml"]);
    assert!(said.contains("the event log is written again, without earlier pictures: "), "{said}");
    assert_eq!(status(&folder), "done");
}

#[test]
fn without_validation_images_a_trial_resumes_from_its_checkpoint() {
    let spec = LONG.replace("epochs = 40", "epochs = 200").replace("limit = 200", "limit = 200\nvalidation = 0");
    let workspace = Workspace::with_spec(&spec);
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    let process = in_training(&workspace);
    signal("-INT", process.id());
    process.wait_with_output().unwrap();
    let said = workspace.succeed(&["run", "spec.toml"]);
    assert!(said.contains(": resuming after epoch "), "{said}");
    same_bits(&only(&workspace, "runs/long"), &only(&workspace, "undisturbed/long"));
}

#[test]
fn the_best_epoch_is_kept() {
    let workspace = Workspace::with_spec(OVERFIT);
    let best = ["run", "spec.toml", "--set", "train.keep=\"best\""];
    workspace.succeed(&best);
    let folder = only(&workspace, "runs/one");
    let record = json(&folder.join("trial.json"));
    let losses: Vec<f64> = rows(&folder).iter().skip(1).step_by(2).map(|row| row.get("loss").unwrap()).collect();
    let lowest = (0..losses.len()).min_by(|one, other| losses[*one].total_cmp(&losses[*other])).unwrap() as u64 + 1;
    assert!((2..40).contains(&lowest), "{losses:?}");
    assert_eq!((record["kept_epoch"].as_u64(), record["stopped_after"].as_u64()), (Some(lowest), None));

    // The same weights as those of a trial that ends there, and the same pictures.
    let epochs = format!("train.epochs={lowest}");
    workspace.succeed(&["run", "spec.toml", "--runs", "short", "--set", &epochs]);
    workspace.succeed(&["run", "spec.toml", "--runs", "last"]);
    let (short, last) = (only(&workspace, "short/one"), only(&workspace, "last/one"));
    assert!(weights(&folder) == weights(&short) && pictures(&folder) == pictures(&short));
    assert!(arrays(&folder.join("model.last.safetensors")) == weights(&last));
    assert_eq!(rows(&folder), rows(&last));

    // The tables are of that epoch.
    let report = workspace.succeed(&["report", "runs/one"]);
    let shown = format!(" {:.2} ", losses[lowest as usize - 1]);
    assert!(report.contains("validation metrics of the best epoch") && report.contains(&shown), "{report}");
    let report = workspace.succeed(&["report", "runs/one", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let trial = &report["experiments"][0]["trials"][0];
    assert_eq!((&trial["kept_epoch"], &trial["kept"]["validation"]["epoch"]), (&lowest.into(), &lowest.into()));
    assert_eq!(trial["final"]["validation"]["epoch"], 40);

    // Commands use these weights, or those of `--weights`.
    let sample = |trial: &Path, weights: &[&str]| {
        let folder = trial.to_str().unwrap();
        workspace.succeed(&[&["sample", folder, "-n", "4", "--output", "samples.png"], weights].concat());
        std::fs::read(workspace.path("samples.png")).unwrap()
    };
    let (kept, of_last) = (sample(&short, &[]), sample(&last, &[]));
    assert!(kept != of_last);
    assert!(sample(&folder, &[]) == kept && sample(&folder, &["--weights", "best"]) == kept);
    assert!(sample(&folder, &["--weights", "last"]) == of_last && sample(&last, &["--weights", "last"]) == of_last);
    let folder_of_last = last.to_str().unwrap();
    let refused = format!(
        "error: {folder_of_last} does not have the weights of epoch {lowest}, its best one, but those of epoch 40: train it with \
         `train.keep = \"best\"`\n"
    );
    let outcome = workspace.vaex(&["sample", folder_of_last, "--weights", "best"]);
    assert_eq!((outcome.status, outcome.stderr), (Some(2), refused));

    // So does the evaluation.
    let elbo = |trial: &Path, options: &[&str]| {
        let evaluate = ["evaluate", trial.to_str().unwrap(), "--metrics", "elbo", "--json"];
        let said = workspace.succeed(&[&evaluate, options].concat());
        let summary: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        summary["results"][0]["values"]["validation_elbo_nats"].as_f64().unwrap()
    };
    let (kept, of_last) = (elbo(&short, &[]), elbo(&last, &[]));
    assert!(kept != of_last);
    assert_eq!([elbo(&folder, &["--weights", "last"]), elbo(&folder, &[])], [of_last, kept]);
    assert!(folder.join("last/evaluation.json").exists());
    let report = workspace.succeed(&["report", "runs/one", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let results = &report["experiments"][0]["trials"][0]["evaluation"];
    assert_eq!(results.as_array().unwrap().len(), 1);
    assert_eq!(results[0]["values"]["validation_elbo_nats"], kept);
}

#[test]
fn patience_ends_a_training_that_does_not_improve() {
    let workspace = Workspace::with_spec(&format!("{OVERFIT}keep = \"best\"\npatience = 3\n"));
    let said = workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/one");
    let record = json(&folder.join("trial.json"));
    let [kept, last] = ["kept_epoch", "stopped_after"].map(|name| record[name].as_u64().unwrap());
    assert_eq!((status(&folder), last, rows(&folder).len() as u64), ("done".to_owned(), kept + 3, 2 * (kept + 3)));
    assert!(last < 40);
    let reason =
        format!("ends after epoch {last}: the lowest validation loss was that of epoch {kept} (train.patience)\n");
    assert!(said.contains(&reason), "{said}");
    workspace.succeed(&[
        "run",
        "spec.toml",
        "--runs",
        "short",
        "--set",
        &format!("train.epochs={kept}"),
        "--set",
        "train.patience=9",
    ]);
    assert!(weights(&folder) == weights(&only(&workspace, "short/one")));
    // It is done, and a longer one would end at the same epoch.
    assert!(workspace.succeed(&["run", "spec.toml"]).contains(": already done\n"));
    workspace.succeed(&["run", "spec.toml", "--set", "train.epochs=60"]);
    let (longer, record) = with_epochs(&workspace, "runs/one", 60);
    assert_eq!((record["stopped_after"].as_u64(), record["continued"]["epochs"].as_u64()), (Some(last), Some(last)));
    assert!(weights(&longer) == weights(&folder) && rows(&longer) == rows(&folder));
    let table = vaex::report::collect(&workspace.path("runs/one")).unwrap();
    assert!(table.experiments[0].trials.iter().all(|trial| trial.kept_epoch() == Some(kept)));
}

/// Without noise and shuffling, and with a rate that changes nothing or with the optimizer's state, the result is known.
#[test]
fn initial_weights_are_those_of_another_trial() {
    const PLAIN: &str = "\
name = \"one\"

[data]
limit = 60

[model]
family = \"mlp\"
hidden = [16]
posterior = \"none\"

[train]
batch_size = 20
shuffle = false
epochs = 2
";
    let mut workspace = Workspace::with_spec(PLAIN);
    workspace.succeed(&["run", "spec.toml"]);
    workspace.succeed(&["run", "spec.toml", "--runs", "whole", "--set", "train.epochs=3"]);
    let folder = only(&workspace, "runs/one");
    let place = folder.strip_prefix(workspace.path("")).unwrap().to_str().unwrap();
    let from = PLAIN.replace("epochs = 2", &format!("epochs = 1\ninit_from = \"{place}\""));
    let run = |workspace: &mut Workspace, spec: String, runs: &str| {
        workspace.write("other.toml", spec);
        workspace.succeed(&["run", "other.toml", "--runs", runs]);
        only(workspace, &format!("{runs}/one"))
    };
    let trained = weights(&folder);
    let still = "learning_rate = 1e-30\n";
    let same = run(&mut workspace, format!("{from}{still}"), "same");
    assert!(weights(&same) == trained);
    // A file is the same as the trial, and a moved one too.
    workspace.write("moved.safetensors", std::fs::read(folder.join("model.safetensors")).unwrap());
    let moved = from.replace(place, "moved.safetensors");
    let id = |folder: &Path| json(&folder.join("trial.json"))["trial"].clone();
    assert_eq!(id(&run(&mut workspace, format!("{moved}{still}"), "moved")), id(&same));

    let drawn = run(&mut workspace, PLAIN.replace("epochs = 2", "epochs = 1") + still, "drawn");
    for (part, is_taken) in [("encoder", ["encoder.", "posterior."]), ("decoder", ["decoder.", "likelihood."])] {
        let found = run(&mut workspace, format!("{from}{still}init_part = \"{part}\"\n"), part);
        assert!(id(&found) != id(&same));
        for (name, bits) in weights(&found) {
            let is_taken = is_taken.iter().any(|start| name.starts_with(start));
            let source = if is_taken { &trained[&name] } else { &weights(&drawn)[&name] };
            // A bias of 0 becomes 1e-30.
            let mut pairs = bits.iter().zip(source).map(|(one, other)| [*one, *other].map(f32::from_bits));
            assert!(pairs.all(|[one, other]| (one - other).abs() < 1e-20), "{part}: {name}");
        }
    }
    // The third epoch of a trial is the first one after two others.
    let third = run(&mut workspace, format!("{from}init_optimizer = true\n"), "third");
    assert!(weights(&third) == weights(&only(&workspace, "whole/one")));
    assert!(weights(&run(&mut workspace, from.clone(), "new")) != weights(&third));
    // The trial is used without the weights that it started with.
    std::fs::remove_dir_all(&folder).unwrap();
    workspace.succeed(&["reconstruct", third.to_str().unwrap(), "--output", "images.png"]);
    let said = workspace.vaex(&["run", "other.toml", "--runs", "new"]);
    assert!(said.stderr.contains("the trial or file of `train.init_from` does not exist"), "{}", said.stderr);
}

/// The message of a spec that is refused, without its first lines.
fn refusal(workspace: &mut Workspace, spec: &str) -> String {
    workspace.write("wrong.toml", spec);
    let outcome = workspace.vaex(&["plan", "wrong.toml"]);
    assert_eq!((outcome.status, &*outcome.stdout), (Some(2), ""));
    outcome.stderr.replace(workspace.path("").to_str().unwrap(), "/")
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let mut workspace = Workspace::with_spec(SPEC);
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/one");
    let place = folder.strip_prefix(workspace.path("")).unwrap().to_str().unwrap().to_owned();
    let id = place.rsplit('-').next().unwrap().to_owned();
    let mut bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    workspace.write("damaged.safetensors", bytes);
    workspace.write("text.safetensors", "no weights");
    workspace.create_folder("empty");
    let written = |name: &str, value: f32| {
        let (stored, mut arrays) = (Stored::read_own(&folder.join("model.safetensors")).unwrap(), Arrays::default());
        for name in stored.names() {
            let (sizes, values) = stored.sized(&name).unwrap();
            arrays.push(name, sizes, vec![value; values.len()]);
        }
        arrays.write(&folder.join(name), BTreeMap::new()).unwrap();
        std::fs::read(folder.join(name)).unwrap()
    };
    workspace.write("nan.safetensors", written("nan", f32::NAN));
    // Whole numbers.
    let whole: Vec<u8> = {
        let bytes = written("whole", 1.0);
        let mut changed = bytes.clone();
        let places = bytes.windows(5).enumerate().filter(|(_, text)| *text == b"\"F32\"").map(|(place, _)| place);
        places.for_each(|place| changed[place..place + 5].copy_from_slice(b"\"I32\""));
        // Without its checksum, it is a file of another program.
        let seal = changed.windows(8).position(|text| text == b"checksum").unwrap();
        changed[seal..seal + 8].copy_from_slice(b"anything");
        changed
    };
    workspace.write("whole.safetensors", whole);
    let from = |name: &str| format!("init_from = \"{name}\"\n");
    let cases = [
        format!("{SPEC}{}", from("empty")),
        format!("{SPEC}{}", from("runs/one")),
        format!("{SPEC}{}", from("damaged.safetensors")),
        format!("{SPEC}{}", from("text.safetensors")),
        format!("{}{}", SPEC.replace("hidden = [16]", "hidden = [17]"), from(&place)),
        format!(
            "{}{}init_part = \"encoder\"\n",
            SPEC.replace("hidden = [16]", "latent_dim = 3\nhidden = [16]"),
            from(&place)
        ),
        format!("{SPEC}{}init_optimizer = true\ninit_part = \"decoder\"\n", from(&place)),
        format!("{SPEC}{}init_optimizer = true\noptimizer = \"rmsprop\"\n", from(&place)),
        format!("{SPEC}{}init_optimizer = true\n", from("damaged.safetensors")),
        format!("{SPEC}{}", from(&format!("{place}/state.safetensors"))),
        format!("{SPEC}{}", from("nan.safetensors")),
        format!("{SPEC}{}", from("whole.safetensors")),
    ];
    let said: Vec<String> = cases.iter().map(|spec| refusal(&mut workspace, spec).replace(&id, "ID")).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/initial_weights.txt");
    Assert::new().action_env("SNAPSHOTS").eq(said.join("\n"), Data::read_from(&path, None).raw());
}

/// Training starts again, and what another GPU computed stays until it is done.
#[test]
fn a_checkpoint_of_another_gpu_is_set_aside() {
    let workspace = Workspace::with_spec(&LONG.replace("epochs = 40", "epochs = 200"));
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    let interrupt = |process: std::process::Child| {
        signal("-INT", process.id());
        process.wait_with_output().unwrap();
    };
    interrupt(in_training(&workspace));
    let folder = TrialFolder::new(only(&workspace, "runs/long"));
    let saved = [folder.checkpoint(), folder.previous_checkpoint()];
    let by_another_gpu = || {
        for path in &saved {
            let (snapshot, mut past) = read_checkpoint(path, folder.id().unwrap()).unwrap();
            let text = |text: &str| text.to_owned();
            past.gpu = Some(Gpu { card: text("NVIDIA A100"), driver: text("580.1"), library: text("cuBLAS 13.0.2") });
            write_checkpoint(path, &snapshot, folder.id().unwrap(), &past).unwrap();
        }
        saved.each_ref().map(|path| std::fs::read(path).unwrap())
    };
    let before = by_another_gpu();
    interrupt(in_training(&workspace));
    let aside = saved.each_ref().map(|path| TrialFolder::of_another_gpu(path));
    assert!(aside.each_ref().map(|path| std::fs::read(path).unwrap()) == before);
    by_another_gpu();
    let said = workspace.succeed(&["run", "spec.toml"]);
    let why =
        "it was computed on NVIDIA A100 with driver 580.1 and cuBLAS 13.0.2, and the results on the CPU would differ";
    let start = format!("training starts again, without {}: {why}; the file is now ", saved[0].display());
    assert!(said.contains(&start.replace(workspace.path("").to_str().unwrap(), "")), "{said}");
    assert!(!aside.iter().any(|path| path.exists()));
    same_bits(folder.path(), &only(&workspace, "undisturbed/long"));
}
