//! What `vaex data` and `--data` say about files that people have: parts, labels, and what to write instead.

use crate::data_files::idx_of;
use crate::harness::Workspace;
use crate::runs::only;
use std::io::{Cursor, Write};

/// An npy file of bytes.
fn npy(sizes: &[usize], value: impl Fn(usize) -> u8) -> Vec<u8> {
    let shape = sizes.iter().map(|size| format!("{size}, ")).collect::<String>();
    let mut header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.into_bytes());
    bytes.extend((0..sizes.iter().product()).map(value));
    bytes
}

fn zip(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn images(count: usize) -> Vec<u8> {
    npy(&[count, 4, 4], |place| (place * 37 % 251) as u8)
}

#[test]
fn images_with_parts_are_not_taken_for_one_of_them() {
    let mut workspace = Workspace::with_spec(
        "name = \"tiny\"\n[data]\nimages = \"parts.npz\"\nbinarize = \"static\"\n[model]\nfamily = \"mlp\"\nhidden = [4]\n\
         [train]\nepochs = 1\nbatch_size = 8\n",
    );
    workspace.write("parts.npz", zip(&[("x_train.npy", images(40)), ("x_test.npy", images(10))]));
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/tiny");
    let trial = folder.to_str().unwrap();
    let message = "error: `parts.npz` has several parts; name one of them, as in `parts.npz:x_test`\n";
    for command in ["embed", "reconstruct"] {
        let outcome = workspace.vaex(&[command, trial, "--data", "parts.npz"]);
        assert_eq!((outcome.status, &*outcome.stderr), (Some(2), message));
    }
    workspace.succeed(&["embed", trial, "--data", "parts.npz:x_test"]);
}

#[test]
fn files_in_folders_and_archives_are_named_by_part() {
    let mut workspace = Workspace::new();
    workspace.create_folder("hf");
    workspace.create_folder("hf/data");
    workspace.write("hf/data/train-0.parquet", "");
    workspace.refuse(
        &["data", "hf"],
        "error: `hf` has no pictures; to read its files, name them, as in `images = \"hf/data/*.parquet\"`\n",
    );
    workspace.write("hf/data/test-0.parquet", "");
    workspace.refuse(
        &["data", "hf"],
        "error: `hf` has no pictures; to read its files, name those of each part, as in `images = \
         \"hf/data/*train*.parquet\"` and `validation_images` for files such as `test-0.parquet`\n",
    );
    workspace.create_folder("cifar");
    workspace.create_folder("cifar/cifar-10-batches-bin");
    workspace.write("cifar/cifar-10-batches-bin/data_batch_1.bin", "");
    workspace.refuse(
        &["data", "cifar"],
        "error: `cifar` has no pictures, but the binary version of CIFAR; name its folder: `cifar/cifar-10-batches-bin`\n",
    );
    workspace.write("kaggle.zip", zip(&[("train.csv", b"label,a\n1,2\n".to_vec())]));
    workspace
        .refuse(&["data", "kaggle.zip"], "error: `kaggle.zip` has no pictures; unpack it to read the files in it\n");
}

#[test]
fn rows_of_numbers_have_the_size_that_fits() {
    let mut workspace = Workspace::new();
    workspace.write("rows.npy", npy(&[6, 480], |place| (place % 251) as u8));
    workspace.refuse(
        &["data", "rows.npy"],
        "error: `rows.npy` has 480 numbers per image, which are not a square; write the height and width in `[data]`, such as \
         `size = [20, 24]`\n",
    );
    workspace.refuse(
        &["data", "rows.npy", "--set", "size=[28, 20]"],
        "error: `rows.npy` has 480 numbers per image, but `size` in `[data]` is 28 x 20, which are 560\n",
    );
    workspace.write("labels.npy", npy(&[6, 1], |place| place as u8));
    workspace.refuse(
        &["data", "labels.npy"],
        "error: `labels.npy` has one number per image: labels or other values, but no picture\n",
    );
    workspace.refuse(
        &["data", "rows.npy", "--set", "limit=3"],
        "error: `data.limit` does not change the images of the files, which are what `vaex data` shows; try it with `vaex plan`\n",
    );
}

#[test]
fn values_of_labels_are_those_that_are_there() {
    let mut workspace = Workspace::new();
    workspace.write("images", idx_of(&[6, 4, 4], (0..96).map(|value| value as u8)));
    workspace.write("labels", idx_of(&[6], [1, 2, 3, 1, 2, 3]));
    let said = workspace.succeed(&["data", "images", "--labels", "labels"]);
    assert!(said.contains("column     label: 3 values (1 to 3)\n"), "{said}");
}
