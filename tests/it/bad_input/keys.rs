//! Keys and tables that are none, or are elsewhere.

use super::refused;

#[test]
fn an_unknown_key_comes_with_the_nearest_one() {
    refused(
        "\
[model]
latent_dims = 2
",
        "\
error: unknown key `model.latent_dims`
 --> spec.toml:2:1
  |
2 | latent_dims = 2
  | ^^^^^^^^^^^
  |
  = help: did you mean `latent_dim`?
",
    );
}

#[test]
fn an_unknown_key_like_no_other_comes_with_the_keys_of_its_table() {
    refused(
        "\
[objective]
zzz = 1
",
        "\
error: unknown key `objective.zzz`
 --> spec.toml:2:1
  |
2 | zzz = 1
  | ^^^
  |
  = help: what can be here: `kl_warmup_epochs`, `kl_weight`, `posterior_scale`, `reduction`
",
    );
}

#[test]
fn an_unknown_key_outside_of_tables_is_reported() {
    refused(
        "sede = 1\n",
        "\
error: unknown key `sede`
 --> spec.toml:1:1
  |
1 | sede = 1
  | ^^^^
  |
  = help: did you mean `seed`?
",
    );
}

#[test]
fn an_unknown_table_is_reported() {
    refused(
        "\
[trian]
epochs = 1
",
        "\
error: unknown table `[trian]`
 --> spec.toml:1:2
  |
1 | [trian]
  |  ^^^^^
  |
  = help: did you mean `train`?
",
    );
}

#[test]
fn an_unknown_table_like_no_other_is_reported() {
    refused(
        "\
[zzz]
epochs = 1
",
        "\
error: unknown table `[zzz]`
 --> spec.toml:1:2
  |
1 | [zzz]
  |  ^^^
  |
  = help: what can be here: `[data]`, `[log]`, `[model]`, `[objective]`, `[sweep]`, `[train]`, `extends`, `name`, `seed`, `spec_version`, `tags`
",
    );
}

#[test]
fn a_key_in_the_wrong_table_comes_with_the_right_one() {
    refused(
        "\
[model]
batch_size = 16
",
        "\
error: unknown key `model.batch_size`
 --> spec.toml:2:1
  |
2 | batch_size = 16
  | ^^^^^^^^^^
  |
  = help: `batch_size` belongs in `[train]`
",
    );
}

#[test]
fn a_key_of_a_table_outside_of_it_comes_with_the_table() {
    refused(
        "epochs = 1\n",
        "\
error: unknown key `epochs`
 --> spec.toml:1:1
  |
1 | epochs = 1
  | ^^^^^^
  |
  = help: `epochs` belongs in `[train]`
",
    );
}

#[test]
fn a_top_level_key_inside_a_table_is_reported() {
    refused(
        "\
[train]
seed = 1
",
        "\
error: unknown key `train.seed`
 --> spec.toml:2:1
  |
2 | seed = 1
  | ^^^^
  |
  = help: `seed` belongs at the top of the file, above all tables
",
    );
}

#[test]
fn a_value_in_place_of_a_table_is_reported() {
    refused(
        "train = 3\n",
        "\
error: `train` must be a table
 --> spec.toml:1:9
  |
1 | train = 3
  |         ^
  |
  = help: write `[train]` once, and its keys below it
",
    );
}

#[test]
fn a_list_of_tables_in_place_of_a_table_is_reported() {
    refused(
        "\
[[train]]
epochs = 1
",
        "\
error: `train` must be a table
 --> spec.toml:1:1
  |
1 | [[train]]
  | ^^^^^^^^^
  |
  = help: write `[train]` once, and its keys below it
",
    );
}

#[test]
fn a_table_in_place_of_a_value_is_reported() {
    refused(
        "\
[train.epochs]
first = 1
",
        "\
error: `train.epochs` must be a whole number, 0 or more, found a table
 --> spec.toml:1:1
  |
1 | [train.epochs]
  | ^^^^^^^^^^^^^^
",
    );
}
