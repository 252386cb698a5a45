//! Values of the wrong type.

use super::refused;

#[test]
fn a_string_is_no_number() {
    refused(
        r#"[train]
learning_rate = "fast"
"#,
        r#"error: `train.learning_rate` must be a number, found `"fast"`
 --> spec.toml:2:17
  |
2 | learning_rate = "fast"
  |                 ^^^^^^
"#,
    );
}

#[test]
fn a_string_is_no_whole_number() {
    refused(
        r#"[model]
latent_dim = "2"
"#,
        r#"error: `model.latent_dim` must be a whole number, 0 or more, found `"2"`
 --> spec.toml:2:14
  |
2 | latent_dim = "2"
  |              ^^^
  |
  = help: remove the quotes
"#,
    );
}

#[test]
fn a_number_is_no_list() {
    refused(
        "\
[model]
hidden = 500
",
        "\
error: `model.hidden` must be a list, found `500`
 --> spec.toml:2:10
  |
2 | hidden = 500
  |          ^^^
  |
  = help: put it in brackets
",
    );
}

#[test]
fn a_list_holds_whole_numbers() {
    refused(
        r#"[model]
hidden = [500, "a"]
"#,
        r#"error: each of `model.hidden` must be a whole number, 0 or more, found `"a"`
 --> spec.toml:2:16
  |
2 | hidden = [500, "a"]
  |                ^^^
"#,
    );
}

#[test]
fn a_negative_number_is_no_size() {
    refused(
        "\
[model]
latent_dim = -2
",
        "\
error: `model.latent_dim` must be a whole number, 0 or more, found `-2`
 --> spec.toml:2:14
  |
2 | latent_dim = -2
  |              ^^
",
    );
}

#[test]
fn a_fraction_is_no_whole_number() {
    refused(
        "\
[train]
epochs = 1.5
",
        "\
error: `train.epochs` must be a whole number, 0 or more, found `1.5`
 --> spec.toml:2:10
  |
2 | epochs = 1.5
  |          ^^^
",
    );
}

#[test]
fn a_list_is_no_string() {
    refused(
        r#"name = ["a", "b"]
"#,
        r#"error: `name` must be text in quotes, found a list
 --> spec.toml:1:8
  |
1 | name = ["a", "b"]
  |        ^^^^^^^^^^
"#,
    );
}

#[test]
fn a_list_is_no_choice() {
    refused(
        r#"[train]
optimizer = ["adam", "sgd"]
"#,
        r#"error: `train.optimizer` must be one of `sgd`, `rmsprop`, `adam`, `adamw`, `adagrad`, found a list
 --> spec.toml:2:13
  |
2 | optimizer = ["adam", "sgd"]
  |             ^^^^^^^^^^^^^^^
  |
  = help: to try several values, write `"train.optimizer" = ["adam", "sgd"]` in `[sweep.grid]`
"#,
    );
}

#[test]
fn a_list_is_no_number() {
    refused(
        "\
[objective]
kl_weight = [0.1, 1.0]
",
        r#"error: `objective.kl_weight` must be a number, found a list
 --> spec.toml:2:13
  |
2 | kl_weight = [0.1, 1.0]
  |             ^^^^^^^^^^
  |
  = help: to try several values, write `"objective.kl_weight" = [0.1, 1.0]` in `[sweep.grid]`
"#,
    );
}

#[test]
fn a_number_is_no_choice() {
    refused(
        "\
[model]
family = 3
",
        "\
error: `model.family` must be `conv` or `mlp`, found `3`
 --> spec.toml:2:10
  |
2 | family = 3
  |          ^
",
    );
}

#[test]
fn a_number_is_no_path() {
    refused(
        r#"[data]
source = "idx"
images = 3
"#,
        "\
error: `data.images` must be a path in quotes, found `3`
 --> spec.toml:3:10
  |
3 | images = 3
  |          ^
",
    );
}

#[test]
fn a_boolean_is_no_number() {
    refused(
        "\
[train]
epochs = true
",
        "\
error: `train.epochs` must be a whole number, 0 or more, found `true`
 --> spec.toml:2:10
  |
2 | epochs = true
  |          ^^^^
",
    );
}

#[test]
fn a_date_is_no_number() {
    refused(
        "\
[train]
epochs = 2026-01-01
",
        "\
error: `train.epochs` must be a whole number, 0 or more, found `2026-01-01`
 --> spec.toml:2:10
  |
2 | epochs = 2026-01-01
  |          ^^^^^^^^^^
",
    );
}

#[test]
fn a_number_beyond_64_bits_is_reported() {
    refused(
        "seed = 99999999999999999999\n",
        "\
error: `seed` must be at most 9223372036854775807, found `99999999999999999999`
 --> spec.toml:1:8
  |
1 | seed = 99999999999999999999
  |        ^^^^^^^^^^^^^^^^^^^^
",
    );
}

#[test]
fn a_whole_number_in_quotes_is_no_number_in_a_list() {
    refused(
        r#"[data]
range = [0.0, "1"]
"#,
        r#"error: each of `data.range` must be a number, found `"1"`
 --> spec.toml:2:15
  |
2 | range = [0.0, "1"]
  |               ^^^
  |
  = help: remove the quotes
"#,
    );
}

#[test]
fn a_table_is_no_list() {
    refused(
        "\
[model]
hidden = { first = 2 }
",
        "\
error: `model.hidden` must be a list, found a table
 --> spec.toml:2:10
  |
2 | hidden = { first = 2 }
  |          ^^^^^^^^^^^^^
",
    );
}

#[test]
fn a_list_of_lists_is_no_list_of_numbers() {
    refused(
        "\
[model]
hidden = [[500]]
",
        "\
error: each of `model.hidden` must be a whole number, 0 or more, found a list
 --> spec.toml:2:11
  |
2 | hidden = [[500]]
  |           ^^^^^
  |
  = help: remove the inner brackets
",
    );
}

#[test]
fn a_range_has_two_numbers() {
    refused(
        "\
[data]
range = [0.0, 0.5, 1.0]
",
        "\
error: `data.range` must be a list of two numbers, found 3 of them
 --> spec.toml:2:9
  |
2 | range = [0.0, 0.5, 1.0]
  |         ^^^^^^^^^^^^^^^
",
    );
}

#[test]
fn a_range_has_no_fewer_than_two_numbers() {
    refused(
        "\
[data]
range = [0.0]
",
        "\
error: `data.range` must be a list of two numbers, found 1 of them
 --> spec.toml:2:9
  |
2 | range = [0.0]
  |         ^^^^^
",
    );
}

#[test]
fn a_validation_is_a_number() {
    refused(
        r#"[data]
validation = "some"
"#,
        r#"error: `data.validation` must be a count of images, or a fraction between 0 and 1, found `"some"`
 --> spec.toml:2:14
  |
2 | validation = "some"
  |              ^^^^^^
"#,
    );
}

#[test]
fn a_negative_validation_is_reported() {
    refused(
        "\
[data]
validation = -5
",
        "\
error: `data.validation` is -5; give a number of images, or a fraction above 0 and below 1
 --> spec.toml:2:14
  |
2 | validation = -5
  |              ^^
",
    );
}

#[test]
fn a_variance_is_a_number_or_a_word() {
    refused(
        r#"[model]
likelihood = "gaussian"
variance = "learnd"
"#,
        r#"error: `model.variance` must be a number, "learned" or "per_pixel", found `"learnd"`
 --> spec.toml:3:12
  |
3 | variance = "learnd"
  |            ^^^^^^^^
  |
  = help: did you mean `"learned"`?
"#,
    );
}

#[test]
fn an_unknown_choice_comes_with_the_nearest_one() {
    refused(
        r#"[train]
optimizer = "adamm"
"#,
        r#"error: `train.optimizer` must be one of `sgd`, `rmsprop`, `adam`, `adamw`, `adagrad`, found `"adamm"`
 --> spec.toml:2:13
  |
2 | optimizer = "adamm"
  |             ^^^^^^^
  |
  = help: did you mean `"adam"`?
"#,
    );
}

#[test]
fn an_unknown_choice_like_no_other_comes_with_all() {
    refused(
        r#"[model]
family = "transformer"
"#,
        r#"error: `model.family` must be `conv` or `mlp`, found `"transformer"`
 --> spec.toml:2:10
  |
2 | family = "transformer"
  |          ^^^^^^^^^^^^^
"#,
    );
}
