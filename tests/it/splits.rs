//! The three splits: no validation images, test images that training never sees, noise and mirrored images, and paths in lists.

use crate::data_files::idx_of;
use crate::harness::{Workspace, json, untimed};
use crate::runs::{only, rows, same_bits};
use serde_json::Value;
use vaex::folder::differences;

/// A small trial on embedded images, with these lines in `[data]`.
fn spec(data: &str) -> String {
    format!(
        "name = \"tiny\"\n[data]\nlimit = 60\nbinarize = \"static\"\n{data}\n[model]\nfamily = \"mlp\"\nhidden = [4]\n[train]\n\
         epochs = 2\nbatch_size = 10\n"
    )
}

fn planned(workspace: &Workspace) -> Value {
    serde_json::from_str(&workspace.succeed(&["plan", "spec.toml", "--json"])).unwrap()
}

#[test]
fn a_plan_says_how_many_images_each_split_has() {
    let mut workspace = Workspace::new();
    for (data, images, counts) in [
        ("", "54 training and 6 validation images", [54, 6, 0]),
        ("test = 0.1", "48 training, 6 validation and 6 test images", [48, 6, 6]),
        ("test = 5\nvalidation = 0", "55 training, 0 validation and 5 test images", [55, 0, 5]),
    ] {
        workspace.write("spec.toml", spec(data));
        let said = workspace.succeed(&["plan", "spec.toml"]);
        assert!(said.ends_with(&format!("tiny: 1 trial, {images}\n")), "{said}");
        let trial = &planned(&workspace)["trials"][0];
        let found = ["training_images", "validation_images", "test_images"].map(|name| trial[name].as_u64().unwrap());
        assert_eq!(found, counts);
    }
}

#[test]
fn without_validation_images_a_trial_is_trained_and_reported() {
    let workspace = Workspace::with_spec(&spec("validation = 0\ntest = 10"));
    let said = workspace.succeed(&["run", "spec.toml"]);
    let id = planned(&workspace)["trials"][0]["trial"].as_str().unwrap().to_owned();
    let epochs: Vec<String> = said.lines().map(untimed).filter(|line| line.contains(": epoch ")).collect();
    assert_eq!(epochs.len(), 2, "{said}");
    for line in epochs {
        assert!(line.contains(", loss ") && !line.contains("validation") && !line.contains("finite"), "{line}");
    }
    assert!(said.contains("\ntrain metrics of the last epoch, mean ± sample standard deviation"), "{said}");
    assert!(!said.contains("best: ") && said.ends_with("  vaex tensorboard runs/tiny\n"), "{said}");
    let folder = only(&workspace, "runs/tiny");
    let record = json(&folder.join("trial.json"));
    let counts = ["train_images", "validation_images", "test_images"].map(|name| record[name].as_u64().unwrap());
    assert_eq!((record["status"].as_str(), counts), (Some("done"), [50, 0, 10]));
    let trial = folder.to_str().unwrap();
    // Pictures show training images.
    assert!(folder.join("embedding").is_dir());
    for format in ["html", "parquet", "csv", "markdown"] {
        workspace.succeed(&["report", "runs", "--format", format]);
    }
    let report: Value = serde_json::from_str(&workspace.succeed(&["report", "runs/tiny", "--json"])).unwrap();
    let trials = &report["experiments"][0]["trials"][0];
    assert!(trials["final"]["train"]["loss"].is_number() && trials["final"]["validation"].is_null(), "{trials}");
    assert!(trials["best_epoch"].is_null() && trials["best_validation_loss"].is_null(), "{trials}");
    for arguments in [&["status", "runs"][..], &["sample", trial], &["traverse", trial], &["run", "spec.toml"]] {
        workspace.succeed(arguments);
    }
    let verified = workspace.succeed(&["run", "--verify-repro", trial]);
    let end = format!("{id}: reproduced; all weights and all metrics of every epoch are bit-identical\n");
    assert!(verified.ends_with(&end), "{verified}");
    for command in ["sample", "traverse", "export", "embed"] {
        let message = "error: runs/tiny has no validation images, so no trial is the best one: give the folder or the id of a \
                       trial\n";
        let outcome = workspace.vaex(&[command, "runs/tiny", "--best"]);
        assert_eq!((outcome.status, &*outcome.stderr), (Some(2), message), "{command}");
    }
    let message = format!("error: {trial} has no validation images: give images with --data\n");
    for arguments in
        [&["reconstruct"][..], &["embed"], &["traverse", "--image", "0"], &["interpolate", "--from", "0", "--to", "1"]]
    {
        let outcome = workspace.vaex(&[arguments, &[trial]].concat());
        assert_eq!((outcome.status, &*outcome.stderr), (Some(2), &*message), "{arguments:?}");
    }
}

#[test]
fn test_images_change_neither_training_nor_the_id() {
    let mut workspace = Workspace::new();
    let greys = |seed: usize, count: usize| (0..16 * count).map(move |value| (value * 37 % (251 - seed)) as u8);
    workspace.write("images", idx_of(&[40, 4, 4], greys(0, 40)));
    workspace.write("others", idx_of(&[9, 4, 4], greys(50, 9)));
    let of = |data: &str| spec(data).replace("limit = 60\n", "images = \"images\"\n");
    workspace.write("spec.toml", of("validation = 4"));
    workspace.succeed(&["run", "spec.toml", "--runs", "plain"]);
    workspace.write("spec.toml", of("validation = 4\ntest_images = \"others\""));
    workspace.succeed(&["run", "spec.toml", "--runs", "tested"]);
    let (plain, tested) = (only(&workspace, "plain/tiny"), only(&workspace, "tested/tiny"));
    assert_eq!(plain.file_name(), tested.file_name());
    assert_eq!(rows(&plain), rows(&tested));
    let [one, other] = [&plain, &tested].map(|folder| folder.join("model.safetensors"));
    // The files differ only in their notes on the spec.
    assert_eq!(differences(&one, &other).unwrap(), Vec::<String>::new());
    let counts = [&plain, &tested].map(|folder| json(&folder.join("trial.json"))["test_images"].as_u64());
    assert_eq!(counts, [Some(0), Some(9)]);
    // The file of test images is checked like the others.
    workspace.write("others", idx_of(&[9, 4, 5], vec![9; 180]));
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    let message =
        "error: `others` holds images of 4x5, but `images` holds images of 4x4; both must have the same shape\n";
    assert!(outcome.status == Some(2) && outcome.stderr.starts_with(message), "{}", outcome.stderr);
}

#[test]
fn images_in_the_order_of_their_labels_give_a_warning() {
    let mut workspace = Workspace::new();
    workspace.write("images", idx_of(&[40, 4, 4], (0..640).map(|value| (value * 37 % 251) as u8)));
    workspace.write("labels", idx_of(&[40], (0..40).map(|image| image / 10)));
    let of = |data: &str| spec(data).replace("limit = 60\n", "images = \"images\"\nlabels = \"labels\"\n");
    workspace.write("spec.toml", of("split = \"tail\""));
    let expected = "\
warning: the images are in the order of their `label`, and the last ones are held out: they differ from the training images
 --> spec.toml:6:9
  |
6 | split = \"tail\"
  |         ^^^^^^
  |
  = help: set `data.split` to \"random\" or \"stratified\"
";
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    assert_eq!((outcome.status, &*outcome.stderr), (Some(0), expected), "{}", outcome.stderr);
    for data in ["split = \"random\"", "split = \"stratified\"", "validation = 0", "limit = 10"] {
        workspace.write("spec.toml", of(data).replace("batch_size = 10", "batch_size = 5"));
        workspace.succeed(&["plan", "spec.toml"]);
    }
}

#[test]
fn noise_needs_whole_values_and_no_binarization() {
    let mut workspace = Workspace::new();
    let gaussian = |data: &str| spec(data).replace("hidden", "likelihood = \"gaussian\"\nhidden");
    workspace.write("spec.toml", gaussian("dequantize = true"));
    let message = "\
error: `data.dequantize` and `data.binarize` are both set: one makes values continuous, the other binary
 --> spec.toml:5:14
  |
5 | dequantize = true
  |              ^^^^
  |
  = help: remove one of them
";
    workspace.refuse(&["plan", "spec.toml"], message);
    let floats = (0..640).flat_map(|value| ((value * 37 % 251) as f32 / 250.0).to_be_bytes());
    let file: Vec<u8> = [0, 0, 0x0D, 3, 0, 0, 0, 40, 0, 0, 0, 4, 0, 0, 0, 4].into_iter().chain(floats).collect();
    workspace.write("floats", file);
    let of = |data: &str| {
        gaussian(data).replace("limit = 60\n", "images = \"floats\"\n").replace("binarize = \"static\"\n", "")
    };
    workspace.write("spec.toml", of("dequantize = true"));
    let message = "\
error: `data.dequantize` adds noise to bytes, but the images have 32-bit floats
 --> spec.toml:4:14
  |
4 | dequantize = true
  |              ^^^^
  |
  = help: remove `dequantize`
";
    workspace.refuse(&["plan", "spec.toml"], message);
    workspace.write("spec.toml", of("flip = true"));
    workspace.succeed(&["plan", "spec.toml"]);
}

/// A trial with noise and mirrored images has the same bits when it is resumed, and on any number of threads.
#[test]
fn noise_and_mirrored_images_are_the_same_in_every_run() {
    let text = spec("dequantize = true\nflip = true").replace("binarize = \"static\"\n", "");
    let workspace = Workspace::with_spec(&text.replace("hidden", "likelihood = \"gaussian\"\nhidden"));
    workspace.succeed(&["run", "spec.toml", "--runs", "one", "--threads", "1"]);
    workspace.succeed(&["run", "spec.toml", "--runs", "two", "--threads", "2"]);
    same_bits(&only(&workspace, "one/tiny"), &only(&workspace, "two/tiny"));
    workspace.succeed(&["run", "spec.toml", "--runs", "plain", "--set", "data.flip=false"]);
    assert_ne!(only(&workspace, "plain/tiny").file_name(), only(&workspace, "one/tiny").file_name());
}

/// Paths in a list are relative to the file that has it, as a single path is.
#[test]
fn lists_of_files_are_one_pool() {
    let mut workspace = Workspace::new();
    workspace.create_folder("base");
    let greys: Vec<u8> = (0..640).map(|value| (value * 37 % 251) as u8).collect();
    workspace.write("base/whole", idx_of(&[40, 4, 4], greys.iter().copied()));
    workspace.write("base/a", idx_of(&[30, 4, 4], greys[..480].iter().copied()));
    workspace.write("base/b", idx_of(&[10, 4, 4], greys[480..].iter().copied()));
    workspace.write("base/la", idx_of(&[30], (0..30).map(|image| image % 3)));
    workspace.write("base/lb", idx_of(&[10], [1; 10]));
    let hash = |workspace: &mut Workspace, images: &str, folder: &str, rest: &str| {
        let base = spec(images).replace("limit = 60\n", "");
        workspace.write(&format!("{folder}base.toml"), base);
        workspace.write("spec.toml", format!("extends = \"{folder}base.toml\"\n{rest}"));
        planned(workspace)["trials"][0]["data_hash"].as_str().unwrap().to_owned()
    };
    let whole = hash(&mut workspace, "images = \"whole\"", "base/", "");
    let lists = "images = [\"a\", \"b\"]\nlabels = [\"la\", \"lb\"]";
    assert_eq!(hash(&mut workspace, lists, "base/", ""), whole);
    assert_eq!(hash(&mut workspace, "images = \"[ab]\"", "base/", ""), whole);
    assert_ne!(hash(&mut workspace, "images = [\"b\", \"a\"]", "base/", ""), whole);
    // A path of `--set` is relative to the working directory.
    let set =
        ["plan", "spec.toml", "--set", "data.images=[\"base/a\", \"base/b\"]", "--set", "data.labels=\"base/la\""];
    let outcome = workspace.vaex(&set);
    let message = "error: `base/la` holds 30 labels, but `base` holds 40 images; use the label file of these images\n";
    assert!(
        outcome.stderr.replace(workspace.path("").to_str().unwrap(), "").starts_with(message),
        "{}",
        outcome.stderr
    );
    // The trial can be used from any folder.
    hash(&mut workspace, lists, "base/", "");
    workspace.succeed(&["run", "spec.toml"]);
    let trial = only(&workspace, "runs/spec");
    workspace.succeed(&["embed", trial.to_str().unwrap()]);
}
