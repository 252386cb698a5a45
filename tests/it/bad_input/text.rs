//! Text that is not TOML.

use super::refused;

#[test]
fn toml_that_does_not_parse_is_shown_where_it_breaks() {
    refused(
        "\
seed = 1
[model]
latent_dim =
",
        "\
error: the TOML does not parse: the value is missing
 --> spec.toml:3:13
  |
3 | latent_dim =
  |             ^
",
    );
}

#[test]
fn all_that_does_not_parse_is_reported() {
    refused(
        "\
seed =
[model
latent_dim = 2
",
        "\
error: the TOML does not parse: the value is missing
 --> spec.toml:1:7
  |
1 | seed =
  |       ^

error: the TOML does not parse: unclosed table, expected `]`
 --> spec.toml:2:7
  |
2 | [model
  |       ^
",
    );
}

#[test]
fn a_key_given_twice_is_reported() {
    refused(
        "\
[train]
epochs = 1
epochs = 2
",
        "\
error: the TOML does not parse: duplicate key
 --> spec.toml:3:1
  |
3 | epochs = 2
  | ^^^^^^
",
    );
}

#[test]
fn a_file_without_a_last_newline_is_read_to_its_end() {
    refused(
        "[model]\nlatent_dim = 0",
        "\
error: `model.latent_dim` must be 1 or more, found 0
 --> spec.toml:2:14
  |
2 | latent_dim = 0
  |              ^
",
    );
}
