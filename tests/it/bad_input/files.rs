//! Files that cannot be read or written.

use super::SPEC;
use crate::harness::Workspace;

#[test]
fn a_spec_that_is_not_there_is_reported() {
    let message = "error: cannot read the spec absent.toml: No such file or directory (os error 2)\n";
    Workspace::new().refuse(&["run", "absent.toml"], message);
    Workspace::new().refuse(&["plan", "absent.toml"], message);
}

#[test]
fn a_folder_in_place_of_a_spec_is_reported() {
    let mut workspace = Workspace::new();
    workspace.create_folder("folder");
    workspace.refuse(&["run", "folder"], "error: cannot read the spec folder: Is a directory (os error 21)\n");
}

#[test]
fn a_spec_that_is_not_utf_8_is_reported() {
    let mut workspace = Workspace::new();
    workspace.write("spec.toml", b"seed = 1\nname = \"caf\xe9\"\n");
    let message =
        "error: the spec is not UTF-8 text: line 2 has other bytes\n--> spec.toml\n = help: save it as UTF-8\n";
    workspace.refuse(&["run", SPEC], message);
}

#[test]
fn a_wrong_spec_keeps_the_right_one_beside_it_from_starting() {
    let mut workspace = Workspace::with_spec("[train]\nepochs = 1\n");
    workspace.write("wrong.toml", "seed = -1\n");
    workspace.refuse(
        &["run", SPEC, "wrong.toml"],
        "\
error: `seed` must be a whole number, 0 or more, found `-1`
 --> wrong.toml:1:8
  |
1 | seed = -1
  |        ^^
",
    );
}

// Where the results go

#[test]
fn a_folder_of_runs_below_a_file_is_reported() {
    let mut workspace = Workspace::with_spec("");
    workspace.write("file", "");
    let message = "error: cannot create the folder file/spec: Not a directory (os error 20)\n";
    workspace.refuse(&["run", SPEC, "--runs", "file"], message);
}

#[test]
fn a_folder_of_runs_that_cannot_be_created_is_reported() {
    // Not even root can create a folder there.
    let message = "error: cannot create the folder /proc/vaex/spec: No such file or directory (os error 2)\n";
    Workspace::with_spec("").refuse(&["run", SPEC, "--runs", "/proc/vaex"], message);
}

#[test]
fn errors_of_several_specs_are_reported_at_once() {
    let mut workspace = Workspace::new();
    workspace.write("one.toml", "seeed = 1\n");
    workspace.write("two.toml", "seed = -1\n");
    let message = r"error: unknown key `seeed`
 --> one.toml:1:1
  |
1 | seeed = 1
  | ^^^^^
  |
  = help: did you mean `seed`?
error: `seed` must be a whole number, 0 or more, found `-1`
 --> two.toml:1:8
  |
1 | seed = -1
  |        ^^
";
    workspace.refuse(&["run", "one.toml", "two.toml"], message);
}

#[test]
fn two_specs_of_one_name_would_share_a_folder() {
    let mut workspace = Workspace::new();
    workspace.write("one.toml", "name = \"same\"\n");
    workspace.write("two.toml", "name = \"same\"\nseed = 1\n");
    let message = "error: two.toml is of the name `same` too; give each experiment a name of its own\n";
    workspace.refuse(&["run", "one.toml", "two.toml"], message);
}
