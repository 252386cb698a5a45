//! Real data, where it is present: Fashion-MNIST of Debian, and the files in the folder of the variable `VAEX_TEST_DATA`.

use crate::harness::Workspace;
use crate::runs::only;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The folder of Debian's package `dataset-fashion-mnist`.
const FASHION: &str = "/usr/share/datasets/fashion-mnist";

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn skipped(why: &str) {
    println!("skipped: {why}");
}

/// The folder, or a message that the test was skipped.
fn present(folder: PathBuf) -> Option<PathBuf> {
    let found = folder.exists().then_some(folder.clone());
    if found.is_none() {
        skipped(&format!("there is no {}", folder.display()));
    }
    found
}

/// The description of images by `vaex data`: of the training part.
fn described(workspace: &Workspace, arguments: &[&str]) -> Value {
    let all: Value = serde_json::from_str(&workspace.succeed(&[&["data", "--json"], arguments].concat())).unwrap();
    all[0].clone()
}

#[test]
#[cfg(unix)]
fn a_named_data_set_beside_the_spec_is_found_by_every_command() {
    let Some(fashion) = present(PathBuf::from(FASHION)) else { return };
    let mut workspace = Workspace::new();
    std::fs::create_dir_all(workspace.path("data/FashionMNIST")).unwrap();
    std::os::unix::fs::symlink(fashion, workspace.path("data/FashionMNIST/raw")).unwrap();
    workspace.write(
        "spec.toml",
        "name = \"named\"\n[data]\nsource = \"fashion-mnist\"\nlimit = 40\nvalidation = 10\nbinarize = \"dynamic\"\n[model]\n\
         family = \"mlp\"\nhidden = [4]\n[train]\nepochs = 1\nbatch_size = 10\n",
    );
    let planned = workspace.succeed(&["plan", "spec.toml"]);
    assert!(planned.ends_with("1 trial, 30 training, 10 validation and 10000 test images\n"), "{planned}");
    workspace.succeed(&["run", "spec.toml"]);
    let trial = only(&workspace, "runs/named");
    workspace.succeed(&["embed", trial.to_str().unwrap(), "-o", "embedded.csv"]);
    let table = std::fs::read_to_string(workspace.path("embedded.csv")).unwrap();
    // The labels of the images 30 to 39 of the file.
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..4], ["image", "source_image", "label", "label_name"]);
    let [numbers, labels] = [1, 2].map(|column| rows[1..].iter().map(|row| row[column]).collect::<Vec<_>>());
    assert_eq!(numbers, ["30", "31", "32", "33", "34", "35", "36", "37", "38", "39"]);
    assert_eq!(labels, ["5", "3", "6", "6", "0", "8", "5", "2", "1", "6"]);
    assert_eq!(rows[1][3], "sandal");
}

#[test]
#[cfg(unix)]
fn a_named_data_set_is_found_from_another_folder() {
    let Some(fashion) = present(PathBuf::from(FASHION)) else { return };
    let mut workspace = Workspace::new();
    for folder in ["specs/data", "specs/sets", "elsewhere"] {
        std::fs::create_dir_all(workspace.path(folder)).unwrap();
        std::os::unix::fs::symlink(&fashion, workspace.path(&format!("{folder}/fashion-mnist"))).unwrap();
    }
    for (name, line, variable, folder) in [
        ("beside", "", None, "specs/data"),
        ("of_the_spec", "data_dir = \"sets\"\n", None, "specs/sets"),
        ("of_the_variable", "", Some("elsewhere"), "elsewhere"),
    ] {
        let spec = format!("specs/{name}.toml");
        workspace.write(
            &spec,
            format!(
                "[data]\nsource = \"fashion-mnist\"\n{line}limit = 40\nvalidation = 10\nbinarize = \"dynamic\"\n\
                 [model]\nfamily = \"mlp\"\nhidden = [4]\n[train]\nepochs = 1\nbatch_size = 10\n",
            ),
        );
        let mut command = workspace.command(&["run", &spec]);
        command.envs(variable.map(|folder| ("VAEX_DATA", folder)));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        // The package of Debian would do too: the spec of the trial says where the images were.
        let text = std::fs::read_to_string(only(&workspace, &format!("runs/{name}")).join("spec.toml")).unwrap();
        let expected = workspace.path(folder);
        let written = text.lines().find_map(|line| line.strip_prefix("data_dir = ")).unwrap();
        assert_eq!(written.trim_matches('"'), expected.to_str().unwrap(), "{name}");
    }
}

#[test]
fn photographs_faces_and_characters_are_read() {
    let Some(folder) = std::env::var_os("VAEX_TEST_DATA").map(PathBuf::from).and_then(present) else {
        skipped("VAEX_TEST_DATA is not set");
        return;
    };
    let workspace = Workspace::new();
    let path = |name: &str| Path::new(&folder).join(name).to_str().unwrap().to_owned();
    for (name, more, images, shape, classes) in [
        ("cifar10-jpeg-6000.tar", "data.color=keep", 5000, [32, 32, 3], Some(10)),
        ("frey_faces.npy", "data.color=keep", 1965, [28, 20, 1], None),
        ("omniglot_small1.zip", "data.size=28", 2720, [28, 28, 1], Some(5)),
        ("dsprites-12.npz", "data.color=keep", 12, [64, 64, 1], Some(1)),
    ] {
        let found = described(&workspace, &[&path(name), "--set", more]);
        assert_eq!(
            (&found["images"], &found["columns"][0]["size"]),
            (&images.into(), &classes.into()),
            "{name}: {found}"
        );
        assert_eq!(
            [&found["height"], &found["width"], &found["channels"]],
            shape.map(Value::from).each_ref(),
            "{name}"
        );
    }
}
