//! A full disk, and a limit on the size of files.

use super::{as_undisturbed, nothing_left_over};
use crate::harness::{Outcome, PROGRAM, Workspace, without_grey};
use crate::runs::{model, only, rows, status};
use std::path::Path;
use std::process::Command;
use vaex::folder::TrialFolder;
use vaex::record::trial::TrialRecord;

/// Two trials; the first one is trained before the disk becomes full.
const SPEC: &str = "\
name = \"disk\"

[data]
limit = 40

[model]
family = \"mlp\"
hidden = [16]

[train]
batch_size = 10
epochs = 3
checkpoint_steps = 4

[sweep.grid]
\"objective.kl_weight\" = [0.5, 1.0]
";

/// Whether a private disk can be mounted here.
fn can_mount() -> bool {
    let can = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status();
    can.is_ok_and(|status| status.success())
}

/// In a private mount namespace: a disk of 8 MB; the first trial; the disk filled up to `$1` KB; both trials; free space
/// again; both trials again. The results are copied to `$2`.
const SCRIPT: &str = "\
set -e
mkdir -p runs \"$2\"
mount -t tmpfs -o size=8m tmpfs runs
\"$3\" run spec.toml --set objective.kl_weight=0.5 > /dev/null
cp -a runs/disk \"$2/before\"
free=$(df --output=avail -k runs | tail -n 1)
head -c $(((free - $1) * 1024)) /dev/zero > runs/ballast || true
code=0
\"$3\" run spec.toml > \"$2/said\" 2>&1 || code=$?
echo $code > \"$2/code\"
cp -a runs/disk \"$2/full\"
rm runs/ballast
\"$3\" run spec.toml > \"$2/then\" 2>&1
cp -a runs/disk \"$2/after\"
";

fn fill(rooms: impl Iterator<Item = u64>) {
    let workspace = Workspace::with_spec(SPEC);
    if !can_mount() {
        eprintln!("skipped: no disk can be mounted here");
        return;
    }
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    let first = workspace.succeed(&["plan", "spec.toml", "--json"]);
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    let first = first["trials"][0]["trial"].as_str().unwrap().to_owned();
    let (mut tried, mut failed, mut recorded) = (0, 0, 0);
    for room in rooms {
        let folder = format!("room{room}");
        let mut script = workspace.shell(Command::new("unshare"));
        script.args(["-rm", "sh", "-c", SCRIPT, "sh", &room.to_string(), &folder]).arg(PROGRAM);
        let output = script.output().unwrap();
        let read = |name: &str| std::fs::read_to_string(workspace.path(&format!("{folder}/{name}"))).unwrap();
        assert!(output.status.success(), "{room}: {output:?}");
        tried += 1;
        let (code, said) = (read("code"), read("said"));
        if code.trim() != "0" {
            failed += 1;
            assert!(["1", "2"].contains(&code.trim()), "{room} KB: {said}");
            assert!(said.contains("No space left on device (os error 28)"), "{room} KB: {said}");
            assert!(said.contains("runs/disk") && !said.contains("panicked"), "{room} KB: {said}");
            // Errors about folders and empty files have no number of bytes.
            assert!(said.contains(" bytes, the disk has ") || said.contains("create"), "{room} KB: {said}");
        }
        let trials = |place: &str| workspace.trials(&format!("{folder}/{place}"));
        let statuses: Vec<String> = trials("full").values().map(|folder| status(folder)).collect();
        recorded += usize::from(statuses.contains(&"failed".to_owned()));
        for (id, after) in trials("after") {
            let undisturbed = workspace.trial("undisturbed/disk", &id);
            assert_eq!(rows(&after), rows(&undisturbed), "{room} KB");
            assert!(model(&after) == model(&undisturbed), "{room} KB: the weights differ");
        }
        let names = ["trial.json", "metrics.parquet", "model.safetensors", "spec.toml", "images/samples.png"];
        for name in names {
            let place =
                |place: &str| std::fs::read(workspace.trial(&format!("{folder}/{place}"), &first).join(name)).unwrap();
            assert!(place("before") == place("full"), "{room} KB: {name} of a finished trial was harmed");
        }
        nothing_left_over(&workspace.path(&format!("{folder}/after")));
        std::fs::remove_dir_all(workspace.path(&folder)).unwrap();
    }
    assert!(recorded > 0 && failed > recorded, "of {failed} failures {recorded} are in the trial's record");
    println!("{tried} fillings of the disk, {failed} of them too full, {recorded} in the trial's record");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_does_not_harm_finished_trials() {
    fill([0, 4, 8, 16, 32, 64, 96, 128, 256, 384, 512, 768, 1024, 1536].into_iter());
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "long form: a full disk at 200 places"]
fn long_form_of_a_full_disk() {
    fill((0..200).map(|place| place * 8));
}

#[test]
#[cfg(unix)]
fn a_limit_on_the_size_of_files_is_reported() {
    let limits = [1, 2, 4, 8, 16, 32, 64, 128, 256, 400];
    let mut named = std::collections::BTreeSet::new();
    for limit in limits {
        let workspace = Workspace::with_spec(SPEC);
        let Outcome { status, stdout, stderr } = limited(&workspace, "trap '' XFSZ; ", limit);
        let said = stdout + &stderr;
        assert!(matches!(status, Some(1 | 2)), "{limit}: {said}");
        let needs = "File too large (os error 27); the file needs ";
        assert!(said.contains(needs), "{limit}: {said}");
        for (at, _) in said.match_indices(needs) {
            named.insert(said[..at].rsplit_once('/').unwrap().1.to_owned());
            assert!(said[at + needs.len()..].contains(" bytes"), "{limit}: {said}");
        }
        workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
        workspace.succeed(&["run", "spec.toml"]);
        as_undisturbed(&workspace, "disk");
    }
    // The names of the files that reached the limit.
    let named: Vec<String> = named.into_iter().map(|name| name.split([':', '.']).next().unwrap().to_owned()).collect();
    for name in ["plan", "checkpoint"] {
        assert!(named.iter().any(|one| one == name), "{named:?} has no {name}");
    }
    println!("{} limits on the size of files", limits.len());
}

#[test]
#[cfg(unix)]
fn an_event_log_that_cannot_be_written_does_not_stop_training() {
    // A small model with many pictures: only its event log exceeds the limit.
    let workspace = Workspace::with_spec(
        "\
name = \"disk\"

[data]
limit = 60

[model]
family = \"mlp\"
hidden = [1]
latent_dim = 1

[train]
batch_size = 20
epochs = 40

[log]
pictures_every = 1
",
    );
    let Outcome { status, stdout, stderr } = limited(&workspace, "trap '' XFSZ; ", 300);
    assert_eq!((status, &*stderr), (Some(0), ""), "{stdout}");
    let folder = only(&workspace, "runs/disk");
    let note = TrialRecord::read(&TrialFolder::new(&folder)).unwrap().note.unwrap();
    assert!(note.starts_with(&format!("cannot write runs/disk/{}/events.out", name(&folder))), "{note}");
    assert!(note.ends_with("; training continues without TensorBoard"), "{note}");
    assert_eq!(stdout.matches(&format!(": warning: {note}\n")).count(), 1, "{stdout}");
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    as_undisturbed(&workspace, "disk");
}

fn name(folder: &Path) -> &str {
    folder.file_name().unwrap().to_str().unwrap()
}

/// The signal of the limit is caught, so that the write fails, and its error names the file: also where vaex itself reaches it.
#[test]
#[cfg(target_os = "linux")]
fn a_process_that_exceeds_the_file_size_limit_is_one_failed_trial() {
    for blocks in [400, 40] {
        let workspace = Workspace::with_spec(SPEC);
        let outcome = limited(&workspace, "", blocks);
        assert_eq!(outcome.status, Some(1), "{}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stdout.matches("File too large (os error 27)").count() >= 4, "{}", outcome.stdout);
        assert!(!outcome.stdout.contains("signal"), "{}", outcome.stdout);
        if blocks == 400 {
            resumed(&workspace);
        }
    }
}

/// The trials are resumed to the bits of an undisturbed run.
fn resumed(workspace: &Workspace) {
    workspace.succeed(&["run", "spec.toml", "--runs", "undisturbed"]);
    workspace.succeed(&["run", "spec.toml"]);
    as_undisturbed(workspace, "disk");
}

/// A run whose files have at most `blocks` blocks of 512 bytes.
fn limited(workspace: &Workspace, before: &str, blocks: u64) -> Outcome {
    let script = format!("{before}ulimit -f {blocks}; exec \"$0\" run spec.toml");
    let mut command = workspace.shell(Command::new("sh"));
    let output = command.args(["-c", &script]).arg(PROGRAM).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome { status: output.status.code(), stdout: text(output.stdout), stderr: without_grey(&text(output.stderr)) }
}
