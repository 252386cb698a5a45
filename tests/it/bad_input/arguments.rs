//! What `--set` cannot set: messages point into the command line.

use super::arguments_refused;

#[test]
fn a_set_without_a_value_is_reported() {
    arguments_refused(
        &["--set", "train.epochs"],
        "",
        "\
error: `--set` needs KEY=VALUE
 --> --set:1:1
  |
1 | train.epochs
  | ^^^^^^^^^^^^
  |
  = help: give a key of the spec and its value: --set train.epochs=20
",
    );
}

#[test]
fn a_set_without_a_key_is_reported() {
    arguments_refused(
        &["--set", "=3"],
        "",
        "\
error: `--set` needs KEY=VALUE
 --> --set:1:1
  |
1 | =3
  | ^^
  |
  = help: give a key of the spec and its value: --set train.epochs=20
",
    );
}

#[test]
fn an_empty_set_is_reported() {
    arguments_refused(
        &["--set", ""],
        "",
        "\
error: `--set` needs KEY=VALUE
 --> --set:1:1
  |
1 |
  | ^
  |
  = help: give a key of the spec and its value: --set train.epochs=20
",
    );
}

#[test]
fn a_set_of_bad_toml_is_reported() {
    arguments_refused(
        &["--set", "model.hidden=[1, 2"],
        "",
        "\
error: the TOML does not parse: unclosed array, expected `]`
 --> --set:1:19
  |
1 | model.hidden=[1, 2
  |                   ^
",
    );
}

#[test]
fn a_set_of_an_unknown_key_is_reported() {
    arguments_refused(
        &["--set", "train.epoch=3"],
        "",
        "\
error: unknown key `train.epoch`
 --> --set:1:7
  |
1 | train.epoch=3
  |       ^^^^^
  |
  = help: did you mean `train.epochs`?
",
    );
}

#[test]
fn a_set_of_a_wrong_type_points_into_the_command_line() {
    arguments_refused(
        &["--set", "seed=2", "--set", "train.epochs=many"],
        "seed = 1\n",
        r#"error: `train.epochs` must be a whole number, 0 or more, found `"many"`
 --> --set:1:14
  |
1 | train.epochs="many"
  |              ^^^^^^
"#,
    );
}

#[test]
fn a_set_of_a_wrong_value_points_into_the_command_line() {
    arguments_refused(
        &["--set", "model.latent_dim=0"],
        "\
[model]
latent_dim = 2
",
        "\
error: `model.latent_dim` must be 1 or more, found 0
 --> --set:1:18
  |
1 | model.latent_dim=0
  |                  ^
",
    );
}
