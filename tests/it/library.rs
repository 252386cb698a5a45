//! vaex as a library: what it does is what the program does.

use crate::harness::Workspace;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use vaex::data::Files;
use vaex::trained::Trained;
use vaex::{Error, Experiment, Model, Progress, RunOptions, Status};

const SPEC: &str = r#"
[data]
limit = 60
test = 10
[model]
family = "mlp"
hidden = [8]
[train]
epochs = 3
batch_size = 16
[evaluate]
metrics = ["elbo", "active_units"]
[sweep.grid]
"objective.kl_weight" = [0.5, 1.0]
"#;

/// The weights of all trials of an experiment folder, by id.
fn weights(workspace: &Workspace, experiment: &str) -> BTreeMap<String, Vec<u8>> {
    let trials = workspace.trials(experiment).into_iter();
    trials.map(|(id, folder)| (id, std::fs::read(folder.join("model.safetensors")).unwrap())).collect()
}

fn read(workspace: &Workspace) -> Experiment {
    Experiment::read(workspace.path("spec.toml"), &[]).unwrap()
}

#[test]
fn an_experiment_has_the_results_of_the_program() {
    let workspace = Workspace::with_spec(SPEC);
    workspace.succeed(&["run", "spec.toml", "--runs", "program"]);
    let experiment = read(&workspace);
    let results = experiment.run(workspace.path("library")).unwrap();
    assert_eq!(weights(&workspace, "library/spec"), weights(&workspace, "program/spec"));
    let ids: Vec<&str> = experiment.trials().map(|trial| trial.id()).collect();
    assert_eq!(results.len(), 2);
    for result in &results {
        assert!(ids.contains(&&*result.id), "{ids:?}");
        assert_eq!((result.status, &result.error), (Status::Done, &None));
        let other = Trained::open(&workspace.trial("program/spec", &result.id)).unwrap();
        let rows = other.record().rows();
        let loss = rows.iter().rfind(|row| row.split == vaex::metrics::Split::Validation).unwrap().get("loss");
        assert_eq!(result.metrics.get("validation_loss").copied(), loss);
        assert!(result.metrics.contains_key("test_elbo_nats"), "{:?}", result.metrics);
    }
    // The program finds nothing more to do in the folder, and the library neither.
    let said = workspace.succeed(&["run", "spec.toml", "--runs", "library"]);
    assert_eq!(said.matches("already done").count(), 2, "{said}");
    let mut epochs = 0;
    let mut count = |_: &Progress| {
        epochs += 1;
        ControlFlow::Continue(())
    };
    let again = experiment.run_with(workspace.path("library"), RunOptions::default(), &mut count).unwrap();
    assert_eq!((again.len(), epochs), (2, 0));
    let weights: Vec<Option<String>> = again.iter().map(|result| result.value("objective.kl_weight")).collect();
    assert!(weights.contains(&Some("0.5".to_owned())) && weights.contains(&Some("1".to_owned())), "{weights:?}");
}

/// The number of an epoch that has ended.
fn epoch(progress: &Progress) -> Option<u64> {
    if let Progress::Epoch { epoch, .. } = progress { Some(*epoch) } else { None }
}

#[test]
fn a_run_that_is_stopped_resumes_to_the_same_bits() {
    let workspace = Workspace::with_spec(SPEC);
    let experiment = read(&workspace);
    experiment.run(workspace.path("whole")).unwrap();
    let options = RunOptions { threads: Some(2), ..RunOptions::default() };
    let results = experiment.run_with(workspace.path("parts"), options, &mut |progress| {
        if epoch(progress) == Some(2) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let states: Vec<Status> = results.unwrap().iter().map(|result| result.status).collect();
    assert!(states.contains(&Status::Interrupted) && !states.contains(&Status::Done), "{states:?}");
    let mut seen = Vec::new();
    let options = RunOptions { threads: Some(1), ..RunOptions::default() };
    let mut note = |progress: &Progress| {
        seen.extend(epoch(progress));
        ControlFlow::Continue(())
    };
    experiment.run_with(workspace.path("parts"), options, &mut note).unwrap();
    assert_eq!(seen, [3, 1, 2, 3]);
    assert_eq!(weights(&workspace, "parts/spec"), weights(&workspace, "whole/spec"));
}

#[test]
fn a_search_proposes_the_same_settings() {
    let spec = r#"
        [data]
        limit = 40
        [model]
        family = "mlp"
        hidden = [8]
        [train]
        epochs = 4
        batch_size = 16
        [search]
        method = "random"
        trials = 5
        metric = "validation_elbo_nats"
        [search.space]
        "objective.kl_weight" = { log_uniform = [0.1, 4.0] }
        [search.stop]
        method = "halving"
        min_epochs = 1
    "#;
    let workspace = Workspace::with_spec(spec);
    workspace.vaex(&["run", "spec.toml", "--runs", "program"]);
    let results = read(&workspace).run(workspace.path("library")).unwrap();
    let statuses = |folder: &str| -> BTreeMap<String, Status> {
        let trials = workspace.trials(folder).into_iter();
        trials.map(|(id, path)| (id, status_of(&path))).collect()
    };
    let found: BTreeMap<String, Status> = results.into_iter().map(|result| (result.id, result.status)).collect();
    assert_eq!(found, statuses("program/spec"));
    assert_eq!(found.len(), 5);
    assert!(found.values().any(|status| *status == Status::Pruned), "{found:?}");
}

/// TPE proposes many settings again in a small space: the search goes on behind them.
#[test]
fn a_search_in_a_small_space_trains_what_the_program_trains() {
    let spec = r#"
        [data]
        limit = 30
        [model]
        family = "mlp"
        hidden = [4]
        [train]
        epochs = 1
        batch_size = 16
        [search]
        method = "tpe"
        trials = 60
        metric = "validation_elbo_nats"
        [search.space]
        "model.latent_dim" = { choice = [1, 2, 3] }
        "train.learning_rate" = { choice = [1e-4, 1e-3, 1e-2] }
    "#;
    let workspace = Workspace::with_spec(spec);
    workspace.vaex(&["run", "spec.toml", "--runs", "program", "--jobs", "1"]);
    let results = read(&workspace).run(workspace.path("library")).unwrap();
    let found: Vec<&String> = results.iter().map(|result| &result.id).collect();
    let trained = workspace.trials("program/spec");
    assert_eq!(found.len(), trained.len());
    assert!(found.iter().all(|id| trained.contains_key(*id)), "{found:?}");
    let proposed = |folder: &str| {
        let plan = std::fs::read_to_string(workspace.path(folder).join("plan.json")).unwrap();
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        let settings = plan["search"]["settings"].as_array().unwrap().clone();
        settings.into_iter().map(|setting| (setting["values"].clone(), setting["seen"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(proposed("library/spec"), proposed("program/spec"));
}

/// A trial that panics is one failed trial, and an evaluation that fails is said.
#[test]
fn what_goes_wrong_in_a_trial_is_in_its_result() {
    let workspace = Workspace::with_spec(&SPEC.replace("[evaluate]", "[log]\npictures_every = 1\n[evaluate]"));
    let experiment = read(&workspace);
    let results = experiment.run(workspace.path("runs")).unwrap();
    // A file in the place of the file that the evaluation writes.
    let folder = &results[0].folder;
    std::fs::remove_file(folder.join("evaluation.json")).unwrap();
    std::fs::create_dir(folder.join("evaluation.json")).unwrap();
    let again = experiment.run(workspace.path("runs")).unwrap();
    let result = again.iter().find(|result| result.folder == *folder).unwrap();
    assert_eq!(result.status, Status::Done);
    let error = result.error.as_deref().unwrap();
    assert!(error.starts_with("not evaluated: ") && error.contains("evaluation.json"), "{error}");
    let mut panics = |_: &Progress| -> ControlFlow<()> { panic!("observed") };
    let options = RunOptions { fresh: true, ..RunOptions::default() };
    let results = experiment.run_with(workspace.path("runs"), options, &mut panics).unwrap();
    for result in results {
        assert_eq!((result.status, result.error.as_deref()), (Status::Failed, Some("it panicked: observed")));
    }
}

fn status_of(folder: &Path) -> Status {
    vaex::record::trial::TrialRecord::read(&vaex::folder::TrialFolder::new(folder)).unwrap().status
}

#[test]
fn a_model_encodes_decodes_and_is_measured() {
    let workspace = Workspace::with_spec(SPEC);
    let results = read(&workspace).run(workspace.path("runs")).unwrap();
    let mut model = Model::best(workspace.path("runs/spec")).unwrap();
    assert_eq!((model.image_shape(), model.latent_dim(), model.range()), ([28, 28, 1], 2, [0.0, 1.0]));

    // The validation images, given as bytes, have the posteriors that the program finds.
    let own = Trained::open(model.folder()).unwrap().with_its_images(&mut Files::default()).unwrap();
    let mut bytes = Vec::new();
    for image in 0..own.images().len() {
        bytes.extend_from_slice(own.images().image(image, &mut Vec::new()).bytes().unwrap());
    }
    let indices: Vec<u32> = (0..own.images().len() as u32).collect();
    let expected = own.encode(&indices).unwrap().posterior;
    let codes = model.encode(bytes).unwrap();
    assert_eq!((&codes.mean, &codes.deviation), (&expected.mean, &expected.deviation));
    assert!(codes.deviation.iter().all(|deviation| *deviation > 0.0));
    let decoded = model.decode(&codes.mean).unwrap();
    assert_eq!(decoded, own.decode(&expected.mean).unwrap());
    assert_eq!(decoded.len(), own.images().len() * 784);

    let prior = model.prior_codes(3, 7).unwrap();
    assert_eq!((prior.len(), &prior), (6, &model.prior_codes(3, 7).unwrap()));
    assert_ne!(prior, model.prior_codes(3, 8).unwrap());

    // Nothing is measured again, and a metric more is measured.
    let result = results.iter().find(|result| result.folder.ends_with(model.folder().file_name().unwrap())).unwrap();
    let known = model.evaluate(&[]).unwrap();
    assert!(known.contains_key("test_elbo_nats") && known.contains_key("test_active_units"), "{known:?}");
    for (name, value) in known {
        assert_eq!(result.metrics.get(&name), Some(&value), "{name}");
    }
    let measured = model.evaluate(&["reconstruction"]).unwrap();
    assert!(measured.keys().all(|name| name.starts_with("test_")) && !measured.is_empty(), "{measured:?}");
}

#[test]
fn errors_say_what_is_wrong() {
    let workspace = Workspace::with_spec(SPEC);
    let wrong = Experiment::from_toml("wrong", "model.latent_dims = 2\ntrain.epochs = 0").unwrap_err();
    let text = wrong.to_string();
    assert!(matches!(wrong, Error::Plan(_)) && text.contains("--> wrong.toml:1:"), "{text}");
    assert!(text.contains("latent_dim") && text.contains("wrong.toml:2:"), "{text}");

    read(&workspace).run(workspace.path("runs")).unwrap();
    let mut model = Model::best(workspace.path("runs/spec")).unwrap();
    let mut refused =
        |values: Vec<f32>, message: &str| assert_eq!(model.encode(values).unwrap_err().to_string(), message);
    refused(vec![0.0; 10], "10 values are not whole images of 28x28, 784 values each");
    let mut floats = vec![9.0f32; 2 * 784];
    floats[784] = 300.0;
    refused(floats.clone(), "image 1 has the value 300, but the model was trained on values from 0 to 255");
    floats[784] = f32::NAN;
    refused(floats, "image 1 has the value NaN, but the model was trained on values from 0 to 255");
    let of_bytes = "the values are floats, but the model was trained on bytes from 0 to 255; give bytes";
    refused(vec![0.5; 784], of_bytes);
    assert!(model.encode(Vec::<u8>::new()).unwrap().mean.is_empty());
    assert_eq!(model.decode(&[0.0; 3]).unwrap_err().to_string(), "3 numbers are not whole codes of 2 latent axes");
    let unknown = "there is no metric `fid`; docs/likelihood.md lists them";
    assert_eq!(model.evaluate(&["fid"]).unwrap_err().to_string(), unknown);
    let of_setting = "`udr` compares the trials of a setting: measure it with `vaex evaluate`";
    assert_eq!(model.evaluate(&["udr"]).unwrap_err().to_string(), of_setting);
    let name = Experiment::from_toml("a/b", "").unwrap_err().to_string();
    assert!(name.starts_with("the name must be a folder name"), "{name}");
    let none = Model::open(workspace.path("runs")).unwrap_err().to_string();
    assert_eq!(none, format!("{} is not a trial folder: it has no trial.json", workspace.path("runs").display()));
}
