//! The evaluation of trials that are done: what is measured, kept, measured again and refused.

use crate::harness::{Outcome, Workspace, json};
use crate::runs::only;
use polars::prelude::{ParquetReader, SerReader};
use serde_json::Value;
use std::fs::File;
use std::path::Path;

const SPEC: &str = "\
name = \"measured\"

[data]
limit = 160
validation = 40
test = 40
binarize = \"static\"

[model]
family = \"mlp\"
hidden = [16]
latent_dim = 3

[train]
batch_size = 20
epochs = 2
";

/// A trial that is done, and its folder.
fn trained(more: &str) -> (Workspace, std::path::PathBuf) {
    let workspace = Workspace::with_spec(&format!("{SPEC}{more}"));
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/measured");
    (workspace, folder)
}

fn results(folder: &Path) -> Vec<Value> {
    json(&folder.join("evaluation.json"))["results"].as_array().unwrap().clone()
}

/// The values of all results, with the bits of numbers.
fn values(folder: &Path) -> Vec<String> {
    results(folder)
        .iter()
        .map(|result| format!("{} {} {}", result["metric"], result["settings"], result["values"]))
        .collect()
}

fn result(folder: &Path, metric: &str) -> Value {
    results(folder).into_iter().find(|result| result["metric"] == metric).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_trial_is_measured_when_it_is_done_and_never_twice() {
    let (workspace, folder) = trained("[evaluate]\nmetrics = [\"elbo\", \"nll\"]\nnll_samples = 1000\n");
    let [elbo, nll] = ["elbo", "nll"].map(|metric| result(&folder, metric));
    assert_eq!((&elbo["split"], &nll["split"]), (&"test".into(), &"test".into()));
    let number = |result: &Value, name: &str| result["values"][name].as_f64().unwrap();
    // The bound of one sample is below that of five, of fifty, and the estimate.
    let bounds = [
        number(&elbo, "test_elbo_nats"),
        number(&nll, "test_iwae_5_nats"),
        number(&nll, "test_iwae_50_nats"),
        -number(&nll, "test_nll_nats"),
    ];
    assert!(bounds.windows(2).all(|pair| pair[0] < pair[1] + 1e-9), "{bounds:?}");
    assert!(number(&nll, "test_nll_sampling_nats") < number(&nll, "test_nll_nats_se"));
    let before = std::fs::read(folder.join("evaluation.json")).unwrap();
    let said = workspace.succeed(&["run", "spec.toml"]);
    assert!(said.contains("already done"), "{said}");
    assert_eq!(std::fs::read(folder.join("evaluation.json")).unwrap(), before);
    // Other settings: measured again, the rest is kept.
    workspace.vaex(&["evaluate", text(&folder), "--metrics", "nll", "--nll-samples", "70"]);
    assert_eq!(result(&folder, "nll")["settings"]["samples"], 70);
    assert_eq!(result(&folder, "elbo"), elbo);
    // The spec asks for 1,000 samples, so the next run measures with them.
    workspace.succeed(&["run", "spec.toml"]);
    let again = result(&folder, "nll");
    assert_eq!((&again["values"], &again["settings"]), (&nll["values"], &nll["settings"]));
}

#[test]
fn the_values_of_validation_images_are_those_of_training() {
    let (workspace, folder) = trained("");
    assert!(!folder.join("evaluation.json").exists(), "nothing is evaluated without being asked");
    let outcome =
        workspace.vaex(&["evaluate", text(&folder), "--split", "validation", "--metrics", "elbo,active_units"]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    let table = ParquetReader::new(File::open(folder.join("metrics.parquet")).unwrap()).finish().unwrap();
    let last = |name: &str| table.column(name).unwrap().f64().unwrap().get(table.height() - 1).unwrap();
    let elbo = result(&folder, "elbo");
    for name in ["elbo_nats", "recon_nats", "kl_nats", "bits_per_dim", "elbo_nats_se"] {
        let value = elbo["values"][format!("validation_{name}")].as_f64().unwrap();
        assert!((value - last(name)).abs() < 1e-4 * last(name).abs(), "{name}: {value} {}", last(name));
    }
    let units = result(&folder, "active_units");
    let active = table.column("active_units").unwrap().i64().unwrap().get(table.height() - 1).unwrap();
    assert_eq!(units["values"]["validation_active_units"], active);
}

#[test]
fn threads_and_stops_change_no_bit() {
    let (workspace, folder) = trained("");
    let all = [
        "evaluate",
        text(&folder),
        "--metrics",
        "elbo,nll,active_units,aggregate,reconstruction,mmd",
        "--nll-samples",
        "120",
    ];
    let with = |threads: &str| {
        let outcome = workspace.vaex(&[&all[..], &["--again", "--threads", threads]].concat());
        assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
        let table = std::fs::read(folder.join("evaluation/test_nll.parquet")).unwrap();
        (values(&folder), table)
    };
    let [one, two] = ["1", "2"].map(with);
    assert_eq!(one, two);
}

#[cfg(unix)]
#[test]
fn an_evaluation_that_is_stopped_goes_on_where_it_stopped() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::io::{BufRead, BufReader};
    let (workspace, folder) = trained("");
    let arguments =
        ["evaluate", text(&folder), "--metrics", "nll", "--nll-samples", "50000", "--threads", "1", "--json"];
    let mut stopped = 0;
    loop {
        let mut process = workspace.command(&arguments).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // After the first part of the images, unless they are all done.
        let first = lines.find(|line| line.as_ref().unwrap().contains("\"evaluating\""));
        if first.is_some() && stopped < 2 {
            kill(Pid::from_raw(process.id() as i32), Signal::SIGTERM).unwrap();
        }
        let _ = lines.count();
        match process.wait().unwrap().code() {
            Some(130) => {
                stopped += 1;
                let kept = json(&folder.join("evaluation/unfinished.json"));
                assert!(!kept["bits"].as_array().unwrap().is_empty());
                assert!(!folder.join("evaluation.json").exists());
            }
            status => {
                assert_eq!(status, Some(0));
                break;
            }
        }
    }
    assert!(stopped > 0, "it was too fast to be stopped");
    assert!(!folder.join("evaluation/unfinished.json").exists());
    let parts = values(&folder);
    workspace.vaex(&["evaluate", text(&folder), "--metrics", "nll", "--nll-samples", "50000", "--again"]);
    assert_eq!(values(&folder), parts);
}

#[test]
fn many_trials_are_measured_in_parallel_and_reported() {
    let workspace = Workspace::with_spec(&format!("{SPEC}[sweep]\nseeds = 3\n"));
    workspace.succeed(&["run", "spec.toml"]);
    let outcome = workspace.vaex(&[
        "evaluate",
        "runs/measured",
        "--jobs",
        "2",
        "--metrics",
        "nll,active_units",
        "--nll-samples",
        "50",
    ]);
    assert_eq!((outcome.status, &*outcome.stderr), (Some(0), ""), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("test_nll_nats"), "{}", outcome.stdout);
    let table =
        ParquetReader::new(File::open(workspace.path("runs/measured/trials.parquet")).unwrap()).finish().unwrap();
    let column = |name: &str| table.column(name).unwrap().clone();
    assert_eq!(column("test_nll_nats").f64().unwrap().null_count(), 0);
    assert_eq!(column("validation_nll_nats").f64().unwrap().null_count(), 3);
    assert_eq!(column("test_collapse").str().unwrap().null_count(), 0);
    let report: Value = serde_json::from_str(&workspace.succeed(&["report", "runs/measured", "--json"])).unwrap();
    let setting = &report["experiments"][0]["settings"][0]["metrics"]["test_nll_nats"];
    assert_eq!(setting["count"], 3);
    let ids: Vec<String> = workspace.trials("runs/measured").into_keys().collect();
    let diff: Value = serde_json::from_str(&workspace.succeed(&["diff", &ids[0], &ids[1], "--json"])).unwrap();
    assert!(diff["metrics"]["test_nll_nats"][0].is_number(), "{diff}");
}

#[test]
fn what_a_trial_does_not_have_is_said_and_the_rest_is_measured() {
    let (workspace, folder) = trained("");
    std::fs::remove_dir_all(&folder).unwrap();
    workspace.succeed(&["run", "spec.toml", "--set", "model.posterior=\"none\"", "--set", "data.test=0"]);
    let folder = only(&workspace, "runs/measured");
    let Outcome { status, stdout, stderr } =
        workspace.vaex(&["evaluate", text(&folder), "--metrics", "elbo,nll,active_units", "--split", "validation"]);
    assert_eq!(status, Some(1), "{stderr}");
    let why = "nll: the codes of a plain autoencoder (`model.posterior = \"none\"`) have no distribution";
    assert!(stdout.contains(why), "{stdout}");
    assert!(result(&folder, "elbo")["refused"].is_null());
    let outcome = workspace.vaex(&["evaluate", text(&folder), "--metrics", "elbo", "--split", "test"]);
    let why = "elbo: the trial has no test images; its splits are `train` and `validation`";
    assert!(outcome.status == Some(1) && outcome.stdout.contains(why), "{}", outcome.stdout);
    // Without names, what does not apply is no error.
    let outcome = workspace.vaex(&["evaluate", text(&folder)]);
    assert_eq!(outcome.status, Some(0), "{}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn wrong_requests_have_their_sentences() {
    let (workspace, folder) = trained("");
    let evaluate = |more: &[&str]| {
        let outcome = workspace.vaex(&[&["evaluate", text(&folder)][..], more].concat());
        assert_eq!((outcome.status, &*outcome.stdout), (Some(2), ""));
        outcome.stderr
    };
    let said = evaluate(&["--metrics", "likelihood"]);
    assert!(said.contains("there is no metric of this name; did you mean nll?"), "{said}");
    assert!(evaluate(&["--nll-samples", "0"]).contains("0 is not in 1..=1000000"));
    assert!(evaluate(&["--split", "holdout"]).contains("[possible values: test, validation, train]"));
    std::fs::write(folder.join("model.safetensors"), b"broken").unwrap();
    let said = evaluate(&[]);
    assert!(said.contains("model.safetensors"), "{said}");
}

/// An evaluation that is added to the spec of a trial that is done counts for `run` and for `evaluate`, as does one that is changed.
#[test]
fn the_present_spec_says_what_is_measured() {
    let (mut workspace, folder) = trained("");
    for samples in [60, 70] {
        let table = format!("[evaluate]\nmetrics = [\"nll\"]\nnll_samples = {samples}\nsplit = \"validation\"\n");
        workspace.write("spec.toml", format!("{SPEC}{table}"));
        workspace.succeed(&["run", "spec.toml"]);
        let before = result(&folder, "nll");
        assert_eq!((&before["settings"]["samples"], &before["split"]), (&samples.into(), &"validation".into()));
        assert_eq!(workspace.vaex(&["evaluate", text(&folder)]).status, Some(0));
        assert_eq!(results(&folder), [before]);
    }
}

/// Metrics are measured again if the images or labels that they were measured on have changed, which the trial's id does not tell.
#[test]
fn other_test_images_are_measured_again() {
    let (mut workspace, _) = trained("");
    let images = |first: u8| -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 30, 0, 0, 0, 4, 0, 0, 0, 4];
        bytes.extend((0..480u32).map(|place| (place * 7 % 256) as u8 ^ first));
        bytes
    };
    workspace.write("train.idx", images(0));
    workspace.write("test.idx", images(0));
    let spec = "\
name = \"files\"
data.images = \"train.idx\"
data.test_images = \"test.idx\"
data.validation = 5
model.family = \"mlp\"
model.hidden = [8]
model.latent_dim = 2
train.epochs = 1
train.batch_size = 5
evaluate.metrics = [\"elbo\"]
";
    workspace.write("spec.toml", spec);
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/files");
    let before = result(&folder, "elbo");
    workspace.write("test.idx", images(0x5a));
    workspace.succeed(&["run", "spec.toml"]);
    let after = result(&folder, "elbo");
    assert_eq!(only(&workspace, "runs/files"), folder);
    assert_ne!((&before["data"], &before["values"]), (&after["data"], &after["values"]));
    assert_ne!(before["values"], after["values"]);
    // And by the command, which reads the same spec.
    workspace.write("test.idx", images(0));
    assert_eq!(workspace.vaex(&["evaluate", text(&folder)]).status, Some(0));
    assert_eq!(result(&folder, "elbo")["values"], before["values"]);
}

/// A killed evaluation loses no metric that was finished, and the same command gives the same values as one that was not killed.
#[cfg(unix)]
#[test]
fn an_evaluation_that_is_killed_goes_on() {
    use std::io::{BufRead, BufReader};
    let (workspace, folder) = trained("");
    let arguments =
        ["evaluate", text(&folder), "--metrics", "elbo,nll,mmd", "--nll-samples", "50000", "--threads", "1", "--json"];
    let mut process = workspace.command(&arguments).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut nll =
        lines.map_while(Result::ok).filter(|line| line.contains("\"evaluating\"") && line.contains("\"nll\""));
    assert!(nll.next().is_some());
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(results(&folder).len(), 1, "the bound was finished, the likelihood not");
    let bound = result(&folder, "elbo");
    workspace.succeed(&arguments);
    assert_eq!(result(&folder, "elbo"), bound);
    let killed = values(&folder);
    workspace.succeed(&[&arguments[..], &["--again"]].concat());
    assert_eq!(values(&folder), killed);
}

/// Samples are compared with images in the features of a classifier; the scores of settings are measured after the last trial of a
/// run; the page shows what was measured.
#[test]
fn a_run_measures_samples_settings_and_factors() {
    let spec = "\
name = \"factors\"

[data]
source = \"sprites\"
limit = 400
validation = 60
test = 60
size = 16

[model]
family = \"mlp\"
hidden = [16]
latent_dim = 3

[train]
batch_size = 20
epochs = 1

[evaluate]
metrics = [\"frechet_labels\", \"mig\", \"udr\"]

[sweep]
seeds = 2
";
    let workspace = Workspace::with_spec(spec);
    workspace.succeed(&["run", "spec.toml"]);
    let folders: Vec<_> = workspace.trials("runs/factors").into_values().collect();
    for folder in &folders {
        let number = |metric: &str, name: &str| result(folder, metric)["values"][name].as_f64().unwrap();
        assert!(number("frechet_labels", "test_frechet_labels") > 0.0);
        for name in ["precision_labels", "recall_labels", "classifier_accuracy"] {
            assert!((0.0..=1.0).contains(&number("frechet_labels", &format!("test_{name}"))), "{name}");
        }
        assert!(number("udr", "udr").is_finite());
        let axes = json(&folder.join("evaluation.json"))["traversals"].as_array().unwrap().len();
        assert_eq!((axes, folder.join("evaluation/traversals.png").exists()), (3, true));
    }
    // A picture that is lost is drawn again.
    std::fs::remove_file(folders[0].join("evaluation/traversals.png")).unwrap();
    assert_eq!(workspace.vaex(&["evaluate", text(&folders[0])]).status, Some(0));
    assert!(folders[0].join("evaluation/traversals.png").exists());
    workspace.succeed(&["report", "runs/factors"]);
    let page = std::fs::read_to_string(workspace.path("runs/factors/report.html")).unwrap();
    assert!(page.contains("\"matrices\":{\"mig\":{\"factors\":[\"shape\""), "the matrix of the score is on the page");
    // One and two threads train the same classifier.
    let before = result(&folders[0], "frechet_labels")["values"].clone();
    let again = ["evaluate", text(&folders[0]), "--metrics", "frechet_labels,udr", "--again", "--threads", "2"];
    let outcome = workspace.vaex(&again);
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("udr compares the trials of a setting"), "{}", outcome.stderr);
    assert_eq!(result(&folders[0], "frechet_labels")["values"], before);
}

/// A trial that another process uses is not touched: the command says which process.
#[test]
fn a_trial_in_use_is_left_alone() {
    let (workspace, folder) = trained("[evaluate]\nmetrics = [\"elbo\"]\n");
    let lock = vaex::launch::lock::take(&folder, std::time::Duration::ZERO).unwrap();
    let before = std::fs::read(folder.join("evaluation.json")).unwrap();
    let outcome = workspace.vaex(&["evaluate", text(&folder), "--again"]);
    assert_eq!(outcome.status, Some(2));
    assert!(outcome.stderr.contains("another vaex process holds the lock of "), "{}", outcome.stderr);
    assert_eq!(std::fs::read(folder.join("evaluation.json")).unwrap(), before);
    // A run leaves what is done as it is, and does not wait.
    assert!(workspace.succeed(&["run", "spec.toml"]).contains("already done"));
    drop(lock);
    assert_eq!(workspace.vaex(&["evaluate", text(&folder), "--again"]).status, Some(0));
}

#[test]
#[cfg(unix)]
fn any_scheduler_can_evaluate_trials() {
    let (mut workspace, folder) = trained("");
    let template = "\
for number in $(seq 0 {last}); do
    {task} $number > {folder}/$number.log 2>&1 || true
done
echo job of {count}
";
    workspace.write("template.sh", template);
    let command = [
        "evaluate",
        "runs/measured",
        "--metrics",
        "elbo",
        "--launcher",
        "command",
        "--template",
        "template.sh",
        "--wait",
    ];
    let said = workspace.succeed(&command);
    assert!(said.starts_with("evaluation of 1 trial submitted as job of 1\n"), "{said}");
    let first = result(&folder, "elbo");
    // With --again, older results do not count as measured.
    workspace.succeed(&[&command[..], &["--again"]].concat());
    let second = result(&folder, "elbo");
    assert!(second["ended"].as_f64() > first["ended"].as_f64(), "{second}");
    assert_eq!(second["values"], first["values"]);
    // The tasks of a run train and evaluate; waiting includes the evaluation.
    workspace.write("spec.toml", format!("{SPEC}[evaluate]\nmetrics = [\"nll\"]\nnll_samples = 3000\n"));
    let run = ["run", "spec.toml", "--runs", "other", "--launcher", "command", "--template", "template.sh", "--wait"];
    workspace.succeed(&run);
    assert!(result(&only(&workspace, "other/measured"), "nll")["refused"].is_null());
}
