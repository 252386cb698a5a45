//! All errors in a spec, its data or the command line are reported before anything starts. The cases are in
//! `tests/bad_input`; its README says how to add one.

mod special;

use crate::harness::{Workspace, gzip, idx};
use rayon::prelude::*;
use snapbox::{Assert, Data};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

#[test]
fn every_case_is_refused_with_its_message() {
    let (cases, mut faults) = cases();
    faults.par_extend(cases.par_iter().filter_map(|case| check(case).err()));
    faults.sort();
    assert!(faults.is_empty(), "{} faults in {} cases\n\n{}", faults.len(), cases.len(), faults.join("\n"));
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_input")
}

/// The names of the cases to check, and the errors in the files of the other cases.
fn cases() -> (Vec<String>, Vec<String>) {
    let mut parts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let (case, part) = file.split_once('.').unwrap_or((&file, ""));
        parts.entry(case.to_owned()).or_default().insert(part.to_owned());
    }
    parts.remove("README");
    let made = BINARY_FILES.iter().filter(|(case, ..)| !parts.contains_key(*case));
    let made = made.map(|(case, file, _)| format!("{case}: `{file}` is for a case that does not exist\n"));
    let mut faults = Vec::from_iter(made);
    parts.retain(|case, parts| {
        let other = parts.iter().find(|part| !["toml", "stderr", "args", "in"].contains(&part.as_str()));
        let has_spec = parts.contains("toml") || (parts.contains("in") && parts.contains("args"));
        if let Some(other) = other {
            faults.push(format!("{case}: unexpected file `{case}.{other}`\n"));
        } else if !has_spec {
            faults.push(format!("{case}: the spec `{case}.toml` is missing\n"));
        }
        // A build with CUDA accepts these specs.
        let is_taken = cfg!(feature = "cuda") && case.starts_with("without_cuda");
        other.is_none() && has_spec && !is_taken
    });
    (parts.into_keys().collect(), faults)
}

/// Checks for status 2, the whole message on standard error, nothing on standard output, and no new file.
fn check(case: &str) -> Result<(), String> {
    let part = |ending: &str| folder().join(format!("{case}.{ending}"));
    let mut workspace = Workspace::new();
    if let Ok(spec) = std::fs::read(part("toml")) {
        workspace.write("spec.toml", spec);
    }
    if part("in").exists() {
        for entry in WalkDir::new(part("in")).min_depth(1) {
            let path = entry.unwrap().into_path();
            let name = path.strip_prefix(part("in")).unwrap().to_str().unwrap().to_owned();
            match path.is_dir() {
                true => workspace.create_folder(&name),
                false => workspace.write(&name, std::fs::read(&path).unwrap()),
            }
        }
    }
    for (_, file, content) in BINARY_FILES.iter().filter(|(of, ..)| *of == case) {
        workspace.write(file, content());
    }
    let arguments = std::fs::read_to_string(part("args")).unwrap_or_else(|_| "run\nspec.toml\n".to_owned());
    let outcome = workspace.vaex(&Vec::from_iter(arguments.lines()));

    let printed = outcome.stderr.replace(workspace.path("").to_str().unwrap(), "[FOLDER]/");
    if (outcome.status, &*outcome.stdout) != (Some(2), "") {
        return Err(format!("{case}: the spec is accepted ({:?})\n{}{printed}", outcome.status, outcome.stdout));
    }
    let changes = workspace.changes();
    if !changes.is_empty() {
        return Err(format!("{case}: the spec is refused, but vaex changed files: {changes:?}\n"));
    }
    let expected = Data::read_from(&part("stderr"), None).raw();
    let assert = Assert::new().action_env("SNAPSHOTS");
    assert.try_eq(Some(&"printed"), Data::text(printed), expected).map_err(|difference| format!("{case}: {difference}"))
}

/// An IDX file of 32-bit floats.
fn floats() -> Vec<u8> {
    let mut file = idx(&[10, 4, 4], 640);
    file[2] = 0x0D;
    file
}

type BinaryFile = (&'static str, &'static str, fn() -> Vec<u8>);

/// The case, name and content of binary files.
const BINARY_FILES: [BinaryFile; 25] = [
    ("discretized_logistic_of_floats", "images.idx", floats),
    ("gzip_bomb", "images.gz", || gzip(&idx(&[10, 4, 4], 64 << 20))),
    ("idx_file_that_claims_2_to_the_40_bytes", "images.idx", || idx(&[1 << 20, 1 << 10, 1 << 10], 100)),
    ("idx_file_that_ends_early", "images.idx", || idx(&[10, 4, 4], 100)),
    ("images_given_as_labels", "images.idx", || idx(&[10, 4, 4], 160)),
    ("images_given_as_labels", "labels.idx", || idx(&[10, 4, 4], 160)),
    ("labels_given_as_images", "images.idx", || idx(&[10], 10)),
    ("labels_of_other_images", "images.idx", || idx(&[10, 4, 4], 160)),
    ("labels_of_other_images", "labels.idx", || idx(&[9], 9)),
    ("limit_larger_than_the_file", "images.idx", || idx(&[10, 4, 4], 160)),
    ("logistic_mixture_of_two_channels", "images.idx", || idx(&[10, 4, 4, 2], 320)),
    ("logistic_mixture_of_two_levels", "images.idx", || [&idx(&[10, 4, 4], 0)[..], &[0, 1].repeat(80)].concat()),
    ("stratified_split_without_labels", "images.idx", || idx(&[10, 4, 4], 160)),
    ("test_count_and_files", "images.idx", || idx(&[10, 4, 4], 160)),
    ("test_count_and_files", "test.idx", || idx(&[5, 4, 4], 80)),
    ("test_images_of_other_sides", "images.idx", || idx(&[10, 4, 4], 160)),
    ("test_images_of_other_sides", "test.idx", || idx(&[5, 4, 5], 100)),
    ("test_images_without_validation", "images.idx", || idx(&[200, 4, 4], 3200)),
    ("test_images_without_validation", "test.idx", || idx(&[5, 4, 4], 80)),
    ("test_labels_without_test_images", "images.idx", || idx(&[10, 4, 4], 160)),
    ("test_labels_without_test_images", "labels.idx", || idx(&[9], 9)),
    ("validation_count_and_files", "images.idx", || idx(&[10, 4, 4], 160)),
    ("validation_count_and_files", "test.idx", || idx(&[5, 4, 4], 80)),
    ("validation_images_of_other_sides", "images.idx", || idx(&[10, 4, 4], 160)),
    ("validation_images_of_other_sides", "test.idx", || idx(&[5, 4, 5], 100)),
];
