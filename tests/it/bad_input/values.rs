//! Values of the right type that cannot be.

use super::refused;

#[test]
fn a_latent_dim_of_0_is_reported() {
    refused(
        "\
[model]
latent_dim = 0
",
        "\
error: `model.latent_dim` must be 1 or more, found 0
 --> spec.toml:2:14
  |
2 | latent_dim = 0
  |              ^
",
    );
}

#[test]
fn a_hidden_size_of_0_is_reported() {
    refused(
        "\
[model]
hidden = [32, 0]
",
        "\
error: `model.hidden` has a size of 0
 --> spec.toml:2:10
  |
2 | hidden = [32, 0]
  |          ^^^^^^^
  |
  = help: each size is 1 or more
",
    );
}

#[test]
fn a_batch_size_of_0_is_reported() {
    refused(
        "\
[train]
batch_size = 0
",
        "\
error: `train.batch_size` must be 1 or more, found 0
 --> spec.toml:2:14
  |
2 | batch_size = 0
  |              ^
",
    );
}

#[test]
fn a_batch_larger_than_the_data_is_reported() {
    refused(
        "\
[train]
batch_size = 1801
",
        "\
error: `train.batch_size` is 1,801, but there are only 1,800 training images
 --> spec.toml:2:14
  |
2 | batch_size = 1801
  |              ^^^^
  |
  = help: set `train.batch_size` to 1800 or less, or use more images
",
    );
}

#[test]
fn a_default_batch_larger_than_the_limit_is_reported_at_the_limit() {
    refused(
        "\
[data]
limit = 50
",
        "\
error: `train.batch_size` is 128, its default, but there are only 45 training images
 --> spec.toml:2:9
  |
2 | limit = 50
  |         ^^
  |
  = help: set `train.batch_size` to 45 or less, or use more images
",
    );
}

#[test]
fn epochs_of_0_are_reported() {
    refused(
        "\
[train]
epochs = 0
",
        "\
error: `train.epochs` must be 1 to 1,000,000, found 0
 --> spec.toml:2:10
  |
2 | epochs = 0
  |          ^
",
    );
}

#[test]
fn a_learning_rate_of_0_is_reported() {
    refused(
        "\
[train]
learning_rate = 0
",
        "\
error: `train.learning_rate` must be above 0, found 0
 --> spec.toml:2:17
  |
2 | learning_rate = 0
  |                 ^
",
    );
}

#[test]
fn a_negative_learning_rate_is_reported() {
    refused(
        "\
[train]
learning_rate = -0.001
",
        "\
error: `train.learning_rate` must be above 0, found -0.001
 --> spec.toml:2:17
  |
2 | learning_rate = -0.001
  |                 ^^^^^^
",
    );
}

#[test]
fn a_learning_rate_of_nan_is_reported() {
    refused(
        "\
[train]
learning_rate = nan
",
        "\
error: `train.learning_rate` must be a finite number, found nan
 --> spec.toml:2:17
  |
2 | learning_rate = nan
  |                 ^^^
",
    );
}

#[test]
fn a_learning_rate_of_inf_is_reported() {
    refused(
        "\
[train]
learning_rate = inf
",
        "\
error: `train.learning_rate` must be a finite number, found inf
 --> spec.toml:2:17
  |
2 | learning_rate = inf
  |                 ^^^
",
    );
}

#[test]
fn a_negative_kl_weight_is_reported() {
    refused(
        "\
[objective]
kl_weight = -1
",
        "\
error: `objective.kl_weight` must be 0 or more, found -1
 --> spec.toml:2:13
  |
2 | kl_weight = -1
  |             ^^
",
    );
}

#[test]
fn bernoulli_on_data_below_0_is_reported() {
    refused(
        "\
[data]
range = [-1.0, 1.0]
",
        r#"error: a Bernoulli likelihood needs data in [0, 1], but `data.range` is [-1.0, 1.0]
 --> spec.toml:2:9
  |
2 | range = [-1.0, 1.0]
  |         ^^^^^^^^^^^
  |
  = help: leave `data.range` out, or set `model.likelihood = "gaussian"`
"#,
    );
}

#[test]
fn a_reversed_range_is_reported() {
    refused(
        "\
[data]
range = [1.0, 0.0]
",
        "\
error: `data.range` must rise from a finite number to a larger one, found [1.0, 0.0]
 --> spec.toml:2:9
  |
2 | range = [1.0, 0.0]
  |         ^^^^^^^^^^
",
    );
}

#[test]
fn a_name_with_a_slash_is_reported() {
    refused(
        r#"name = "a/b"
"#,
        r#"error: `name` cannot name a folder: "a/b"
 --> spec.toml:1:8
  |
1 | name = "a/b"
  |        ^^^^^
  |
  = help: leave out slashes, line breaks and a leading dot
"#,
    );
}

#[test]
fn a_name_of_no_characters_is_reported() {
    refused(
        r#"name = ""
"#,
        r#"error: `name` must have 1 to 100 characters, found 0
 --> spec.toml:1:8
  |
1 | name = ""
  |        ^^
  |
  = help: the experiment's folder is named after it
"#,
    );
}

#[test]
fn a_name_of_the_parent_folder_is_reported() {
    refused(
        r#"name = ".."
"#,
        r#"error: `name` cannot name a folder: ".."
 --> spec.toml:1:8
  |
1 | name = ".."
  |        ^^^^
  |
  = help: leave out slashes, line breaks and a leading dot
"#,
    );
}

#[test]
fn a_model_far_too_large_is_reported() {
    refused(
        r#"[model]
family = "mlp"
hidden = [1000000000000]
"#,
        "\
error: the model would have 1,576,000,000,000,788 parameters; vaex takes up to 1,000,000,000
 --> spec.toml:3:10
  |
3 | hidden = [1000000000000]
  |          ^^^^^^^^^^^^^^^
  |
  = help: make its layers smaller
",
    );
}

#[test]
fn a_latent_dim_far_too_large_is_reported() {
    refused(
        "\
[model]
latent_dim = 9000000000000000000
",
        "\
error: the model would have 113,490,000,000,000,000,525,409 parameters; vaex takes up to 1,000,000,000
 --> spec.toml:2:14
  |
2 | latent_dim = 9000000000000000000
  |              ^^^^^^^^^^^^^^^^^^^
  |
  = help: make its layers smaller
",
    );
}
