//! The folder of prepared images: what the program keeps in it, and when it prepares images again.

#![expect(clippy::print_stderr, reason = "skipped tests print why")]

use crate::data_files::idx_of;
use crate::harness::{Outcome, PROGRAM, Workspace, json};
use crate::runs::{only, same_bits};
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const SPEC: &str = "name = \"tiny\"\n[data]\nimages = \"images\"\nbinarize = \"static\"\n[model]\nfamily = \"mlp\"\nhidden = [4]\n\
                    [train]\nepochs = 1\nbatch_size = 8\n";

fn greys(count: u32) -> Vec<u8> {
    idx_of(&[count, 4, 4], (0..16 * count).map(|value| (value * 37 % 251) as u8))
}

fn workspace() -> Workspace {
    let mut workspace = Workspace::with_spec(SPEC);
    workspace.write("images", greys(40));
    workspace
}

/// The files of prepared images.
fn cached(workspace: &Workspace) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(workspace.cache()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "images")).collect()
}

fn with(workspace: &Workspace, variables: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let output = workspace.command(arguments).envs(variables.iter().copied()).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    Outcome { status: output.status.code(), stdout, stderr }
}

#[test]
fn all_commands_share_one_file() {
    let workspace = workspace();
    workspace.succeed(&["plan", "spec.toml"]);
    let [file] = &cached(&workspace)[..] else { panic!("one file") };
    let inode = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(file).unwrap());
    let before = inode();
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/tiny");
    workspace.succeed(&["run", "spec.toml", "--set", "data.binarize=\"dynamic\"", "--set", "data.validation=0.2"]);
    for command in ["embed", "reconstruct"] {
        workspace.succeed(&[command, folder.to_str().unwrap()]);
    }
    assert_eq!((cached(&workspace).len(), inode()), (1, before));
}

#[test]
fn embedded_images_need_no_file() {
    let workspace = Workspace::with_spec(&SPEC.replace("images = \"images\"", "limit = 20"));
    let below = workspace.path("spec.toml").join("cache").display().to_string();
    let outcome = with(&workspace, &[("VAEX_CACHE", &below)], &["plan", "spec.toml"]);
    assert_eq!((outcome.status, &*outcome.stderr), (Some(0), ""));
}

/// A plan needs only the hashes of the images; the process that trains checks their values.
#[test]
fn a_trial_does_not_train_on_damaged_values() {
    let workspace = workspace();
    workspace.succeed(&["run", "spec.toml"]);
    let [file] = &cached(&workspace)[..] else { panic!("one file") };
    let whole = std::fs::read(file).unwrap();
    let mut damaged = whole.clone();
    damaged[4096..4096 + 320].fill(0);
    std::fs::write(file, &damaged).unwrap();
    workspace.succeed(&["plan", "spec.toml"]);
    assert!(std::fs::read(file).unwrap() == damaged);
    workspace.succeed(&["run", "spec.toml", "--runs", "again"]);
    assert!(std::fs::read(file).unwrap() == whole);
    same_bits(&only(&workspace, "runs/tiny"), &only(&workspace, "again/tiny"));
}

#[test]
fn changed_images_are_another_trial() {
    let mut workspace = workspace();
    let id = |workspace: &Workspace| {
        let plan: Value = serde_json::from_str(&workspace.succeed(&["plan", "spec.toml", "--json"])).unwrap();
        plan["trials"][0]["trial"].as_str().unwrap().to_owned()
    };
    let before = id(&workspace);
    workspace.write("images", greys(50));
    let after = id(&workspace);
    assert_ne!(after, before);
    workspace.write("images", greys(40));
    assert_eq!(id(&workspace), before);
}

/// As on another machine, which has other files under the same paths.
#[test]
fn a_trial_does_not_train_on_other_images() {
    let mut workspace = workspace();
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/tiny");
    let hash = json(&folder.join("trial.json"))["data_hash"].as_str().unwrap().to_owned();
    workspace.write("images", greys(41));
    // A trial stops when its standard input is closed.
    let mut trial = workspace.command(&["trial", folder.to_str().unwrap(), "--threads", "1"]);
    let mut child = trial.stdin(Stdio::piped()).spawn().unwrap();
    let input = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(input);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let start = format!(
        "error: the images that {} names are not those that the trial was planned with: their hash is ",
        folder.join("spec.toml").display()
    );
    let end = format!(
        ", but was {hash}; restore them, or run the experiment again with the images that are there, which makes a new trial\n"
    );
    let is_whole = stderr.starts_with(&start) && stderr.ends_with(&end);
    assert!(output.status.code() == Some(2) && is_whole, "{stderr}");
}

#[test]
fn of_two_runs_one_prepares() {
    let mut workspace = Workspace::with_spec(SPEC);
    workspace.write("images", greys(60_000));
    let start = |name: &str| {
        let mut command = workspace.command(&["run", "spec.toml", "--runs", name, "--set", "data.limit=80"]);
        command.spawn().unwrap()
    };
    let runs = [start("one"), start("two")].map(|run| run.wait_with_output().unwrap());
    for run in &runs {
        assert_eq!(run.status.code(), Some(0), "{run:?}");
    }
    assert_eq!(cached(&workspace).len(), 1);
    same_bits(&only(&workspace, "one/tiny"), &only(&workspace, "two/tiny"));
    let left: Vec<_> = std::fs::read_dir(workspace.cache()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.iter().all(|path| path.extension().is_none_or(|ending| ending != "part")), "{left:?}");
}

/// A process that is killed while it prepares images leaves a part that the next one replaces.
#[test]
fn a_part_that_was_left_is_replaced() {
    let workspace = workspace();
    workspace.succeed(&["plan", "spec.toml"]);
    let [file] = &cached(&workspace)[..] else { panic!("one file") };
    let whole = std::fs::read(file).unwrap();
    std::fs::remove_file(file).unwrap();
    std::fs::write(file.with_extension("part"), &whole[..4000]).unwrap();
    workspace.succeed(&["plan", "spec.toml"]);
    assert!(std::fs::read(file).unwrap() == whole && !file.with_extension("part").exists());
}

#[test]
fn a_folder_that_others_can_change_is_refused() {
    let workspace = workspace();
    let path = workspace.cache().display().to_string();
    for mode in [0o770, 0o703, 0o1777] {
        std::fs::set_permissions(workspace.cache(), Permissions::from_mode(mode)).unwrap();
        let message = format!(
            "error: {path}: other users can write to it, so prepared images in it could be changed by others; run: chmod go-w \
             {path}\n--> spec.toml\n"
        );
        workspace.refuse(&["plan", "spec.toml"], &message);
        assert_eq!(cached(&workspace), Vec::<PathBuf>::new());
    }
    std::fs::set_permissions(workspace.cache(), Permissions::from_mode(0o700)).unwrap();
    workspace.succeed(&["plan", "spec.toml"]);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let workspace = workspace();
    let below = workspace.path("images").join("cache").display().to_string();
    let outcome = with(&workspace, &[("VAEX_CACHE", &below)], &["plan", "spec.toml"]);
    let message = format!(
        "error: cannot create the folder {below}: Not a directory (os error 20); prepared images are kept in {below}, which \
         VAEX_CACHE can change\n"
    );
    assert_eq!(outcome.status, Some(2));
    assert!(outcome.stderr.starts_with(&message), "{}", outcome.stderr);
    let nowhere = [("VAEX_CACHE", ""), ("XDG_CACHE_HOME", ""), ("HOME", "")];
    let outcome = with(&workspace, &nowhere, &["plan", "spec.toml"]);
    let message = "error: there is no folder for prepared images: set VAEX_CACHE to one, or set HOME\n";
    assert_eq!(outcome.status, Some(2));
    assert!(outcome.stderr.starts_with(message), "{}", outcome.stderr);
}

#[test]
fn the_folder_is_that_of_the_user_by_default() {
    let workspace = workspace();
    let path = |name: &str| workspace.path(name).display().to_string();
    let (cache, home) = (path("cache"), path("home"));
    let plan = |variables: &[(&str, &str)]| {
        let outcome = with(&workspace, variables, &["plan", "spec.toml"]);
        assert_eq!((outcome.status, &*outcome.stderr), (Some(0), ""), "{variables:?}");
    };
    plan(&[("VAEX_CACHE", ""), ("XDG_CACHE_HOME", &cache), ("HOME", &home)]);
    assert!(workspace.path("cache/vaex").is_dir() && !workspace.path("home").exists());
    // As the XDG specification says, a relative path is ignored.
    plan(&[("VAEX_CACHE", ""), ("XDG_CACHE_HOME", "relative"), ("HOME", &home)]);
    assert!(workspace.path("home/.cache/vaex").is_dir() && !workspace.path("relative").exists());
    assert_eq!(cached(&workspace), Vec::<PathBuf>::new());
}

#[test]
fn the_size_has_a_limit() {
    let mut workspace = workspace();
    let plan =
        |workspace: &Workspace, limit: &str| with(workspace, &[("VAEX_CACHE_GB", limit)], &["plan", "spec.toml"]);
    let accepted = |workspace: &Workspace, limit: &str| {
        let outcome = plan(workspace, limit);
        assert_eq!((outcome.status, &*outcome.stderr), (Some(0), ""), "{limit}");
        cached(workspace).len()
    };
    assert_eq!(accepted(&workspace, "1"), 1);
    workspace.write("images", greys(50));
    assert_eq!(accepted(&workspace, "1"), 2);
    // Only the file that is in use stays, although it alone is too large.
    workspace.write("images", greys(60));
    assert_eq!(accepted(&workspace, "0"), 1);
    let trials = planned_images(&workspace);
    assert_eq!(trials, 54);
    for text in ["much", "-1", "nan", ""] {
        workspace.write("images", greys(70));
        let outcome = plan(&workspace, text);
        let message = format!("error: VAEX_CACHE_GB must be a number of gigabytes, 0 or more, found \"{text}\"\n");
        assert!(outcome.status == Some(2) && outcome.stderr.starts_with(&message), "{text}: {}", outcome.stderr);
    }
}

fn planned_images(workspace: &Workspace) -> u64 {
    let plan: Value = serde_json::from_str(&workspace.succeed(&["plan", "spec.toml", "--json"])).unwrap();
    plan["trials"][0]["training_images"].as_u64().unwrap()
}

/// A disk that is too small for the prepared images: the message says how to free it, and nothing is left on it.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_reported() {
    let mut workspace = workspace();
    workspace.write("images", greys(100_000));
    let script = "mkdir small && mount -t tmpfs -o size=1m,mode=700 tmpfs small || exit 77; export VAEX_CACHE=$PWD/small; \
                  \"$0\" plan spec.toml > said 2> complained; echo $? > code; ls small > left";
    let mut command = workspace.shell(Command::new("unshare"));
    let status = command.args(["-rm", "sh", "-c", script]).arg(PROGRAM).stdin(Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no disk can be mounted here");
        return;
    }
    let read = |name: &str| std::fs::read_to_string(workspace.path(name)).unwrap();
    let complaint = read("complained");
    assert_eq!((&*read("code"), &*read("said")), ("2\n", ""), "{complaint}");
    assert!(complaint.contains("small") && complaint.contains("No space left on device"), "{complaint}");
    assert!(
        complaint.contains(
            "remove prepared images with `vaex clean --cache`, or set VAEX_CACHE to a folder on another disk"
        )
    );
    assert!(!read("left").contains(".part") && !read("left").contains(".images"), "{}", read("left"));
    assert!(!workspace.path("runs").exists());
}
