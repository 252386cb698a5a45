//! Specs that are missing, are not files, or have bytes that an editor would not keep.

use crate::harness::Workspace;

const SPEC: &str = "spec.toml";

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
        "error: the spec is not UTF-8 text: line 2 has invalid bytes\n--> spec.toml\n = help: save it as UTF-8\n";
    workspace.refuse(&["run", SPEC], message);
}

#[test]
fn a_base_that_is_no_text_is_reported_with_its_line() {
    let mut workspace = Workspace::with_spec("extends = \"base.toml\"\n");
    workspace.write("base.toml", b"seed = 1\n# \xff\n");
    workspace.refuse(
        &["run", SPEC],
        r#"error: base.toml is not UTF-8 text: line 2 has invalid bytes
 --> spec.toml:1:11
  |
1 | extends = "base.toml"
  |           ^^^^^^^^^^^
  |
  = help: save it as UTF-8
"#,
    );
}

#[test]
fn a_mark_at_the_beginning_of_a_file_has_no_column() {
    Workspace::with_spec("\u{feff}sed = 1\n").refuse(
        &["run", SPEC],
        "\
error: unknown key `sed`
 --> spec.toml:1:1
  |
1 | sed = 1
  | ^^^
  |
  = help: did you mean `seed`?
",
    );
}

#[test]
fn a_file_without_a_last_newline_is_read_to_its_end() {
    Workspace::with_spec("[model]\nlatent_dim = 0").refuse(
        &["run", SPEC],
        "\
error: `model.latent_dim` must be 1 or more, found `0`
 --> spec.toml:2:14
  |
2 | latent_dim = 0
  |              ^
",
    );
}
