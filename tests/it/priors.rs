//! Everything that a trained model is used for follows its prior.

use crate::harness::Workspace;
use polars::prelude::{ParquetReader, SerReader};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vaex::folder::Stored;
use vaex::folder::TrialFolder;
use vaex::model::prior::MixtureNumbers;
use vaex::record::trial::{Status, TrialRecord};

const PIXELS: usize = 784;

/// A trained trial with this `[model]` table.
fn trained(model: &str, further: &str) -> (Workspace, PathBuf) {
    let workspace = Workspace::with_spec(&format!(
        "name = \"p\"\n[data]\nlimit = 60\n[train]\nbatch_size = 20\nepochs = 2\nlearning_rate = 0.01\n\
         [model]\nfamily = \"mlp\"\nhidden = [8]\nlatent_dim = 2\n{model}\n{further}"
    ));
    workspace.succeed(&["run", "spec.toml", "--threads", "1"]);
    let folder = workspace.trials("runs/p").into_values().next().unwrap();
    assert_eq!(TrialRecord::read(&TrialFolder::new(&folder)).unwrap().status, Status::Done);
    (workspace, folder)
}

/// The images that a command wrote with `--raw`, (Images, Values).
fn raw(path: &Path, images: usize) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    bytes[bytes.len() - 4 * images * PIXELS..].chunks(4 * PIXELS).map(<[u8]>::to_vec).collect()
}

fn model(folder: &Path) -> Stored {
    Stored::read_own(&folder.join("model.safetensors")).unwrap()
}

#[test]
fn samples_and_pictures_follow_a_mixture() {
    let (workspace, folder) = trained("prior = \"mixture\"\ncomponents = 3", "");
    let trial = folder.to_str().unwrap();
    let stored = model(&folder);
    let array = |name: &str| stored.values(&format!("prior.{name}")).unwrap();
    let (mean, log_variance, logits) = (array("mean"), array("log_var"), array("logits"));
    assert_eq!([mean.len(), log_variance.len(), logits.len()], [6, 6, 3]);
    // All of them were trained.
    assert!(log_variance.iter().chain(&logits).all(|value| *value != 0.0));
    // Without noise, samples are the images of the means of the components.
    workspace.succeed(&["sample", trial, "-n", "50", "--temperature", "0", "--raw", "raw.npy"]);
    let distinct: BTreeSet<Vec<u8>> = raw(&workspace.path("raw.npy"), 50).into_iter().collect();
    assert_eq!(distinct.len(), 3);
    workspace.succeed(&["sample", trial, "-n", "50", "--raw", "noisy.npy"]);
    let distinct: BTreeSet<Vec<u8>> = raw(&workspace.path("noisy.npy"), 50).into_iter().collect();
    assert_eq!(distinct.len(), 50);
    workspace.succeed(&["manifold", trial]);
    let said = workspace.succeed(&["traverse", trial]);
    assert!(
        said.starts_with(
            "wrote traversal.png: one row per latent axis, from -3 to 3 standard deviations of the prior: "
        ),
        "{said}"
    );
    assert!(folder.join("images/samples.png").exists() && folder.join("images/manifold.png").exists());
    assert!(!folder.join("images/pseudo_inputs.png").exists());
    let own = [mean, log_variance, logits].concat();
    let axes = MixtureNumbers::of(&own, 2).axes();
    assert!(axes.iter().all(|[mean, deviation]| mean.is_finite() && *deviation > 0.5), "{axes:?}");
}

#[test]
fn the_nats_of_images_have_the_metrics_as_their_means() {
    for prior in ["mixture\"\ncomponents = 3", "vamp\"\ncomponents = 5"] {
        let (workspace, folder) = trained(&format!("prior = \"{prior}"), "");
        let trial = folder.to_str().unwrap();
        workspace.succeed(&["embed", trial]);
        let open = |path: PathBuf| ParquetReader::new(std::fs::File::open(path).unwrap()).finish().unwrap();
        let embedded = open(workspace.path("embeddings.parquet"));
        let metrics = open(folder.join("metrics.parquet"));
        for name in ["kl_nats", "recon_nats"] {
            let found: f64 = embedded.column(name).unwrap().f32().unwrap().into_no_null_iter().map(f64::from).sum();
            let expected = metrics.column(name).unwrap().f64().unwrap();
            let expected = expected.get(expected.len() - 1).unwrap();
            assert!((found / embedded.height() as f64 - expected).abs() < 1e-4 * expected.abs(), "{prior}: {name}");
        }
        assert_eq!(metrics.column("kl_axis_nats").unwrap().null_count(), metrics.height());
        assert_eq!(metrics.column("mean_variance_axis").unwrap().null_count(), 0);
        workspace.succeed(&["report", "runs/p"]);
        workspace.succeed(&["export", trial, "-o", "networks"]);
        workspace.succeed(&["reconstruct", trial]);
    }
}

#[test]
fn pseudo_inputs_are_trained_and_shown() {
    // More components than training images.
    let (_workspace, folder) = trained("prior = \"vamp\"\ncomponents = 70\npseudo_inputs = \"data\"", "");
    let images = model(&folder).values("prior.pseudo_inputs").unwrap();
    assert_eq!(images.len(), 70 * PIXELS);
    assert!(images.iter().any(|value| *value > 0.5));
    assert!(folder.join("images/pseudo_inputs.png").exists());
    let described: serde_json::Value = serde_json::from_str(&model(&folder).notes["layers"]).unwrap();
    assert_eq!(described["prior"], serde_json::json!({ "kind": "vamp", "components": 70 }));
}

#[test]
fn a_plain_autoencoder_with_a_mixture_is_sampled() {
    let (workspace, folder) =
        trained("posterior = \"none\"\nprior = \"mixture\"\ncomponents = 4", "[objective]\nkind = \"wae\"\n");
    let trial = folder.to_str().unwrap();
    workspace.succeed(&["sample", trial, "-n", "9"]);
    workspace.succeed(&["embed", trial]);
    // The discrepancy moves the components, not their weights.
    let stored = model(&folder);
    assert!(stored.values("prior.log_var").unwrap().iter().all(|value| *value != 0.0));
    assert_eq!(stored.values("prior.logits").unwrap(), vec![0.0; 4]);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let spec = "name = \"p\"\n[data]\nlimit = 60\n[train]\nbatch_size = 20\nepochs = 1\n\
                [model]\nfamily = \"mlp\"\nhidden = [8]\nlatent_dim = 2\nprior = \"vamp\"\ncomponents = 9\n";
    let weights = ["1", "2"].map(|threads| {
        let workspace = Workspace::with_spec(spec);
        workspace.succeed(&["run", "spec.toml", "--threads", threads]);
        let folder = workspace.trials("runs/p").into_values().next().unwrap();
        std::fs::read(folder.join("model.safetensors")).unwrap()
    });
    assert!(weights[0] == weights[1]);
}
