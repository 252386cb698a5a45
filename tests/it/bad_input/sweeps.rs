//! What `[sweep.grid]` cannot vary.

use super::refused;

#[test]
fn an_empty_list_is_reported() {
    refused(
        "\
[sweep.grid]
seed = []
",
        "\
error: the list of `seed` is empty
 --> spec.toml:2:8
  |
2 | seed = []
  |        ^^
  |
  = help: list the values to try, or remove the line
",
    );
}

#[test]
fn a_sweep_of_a_key_that_does_not_exist_is_reported() {
    refused(
        r#"[sweep.grid]
"objective.kl_wieght" = [0.1, 1.0]
"#,
        r#"error: unknown key `objective.kl_wieght`
 --> spec.toml:2:1
  |
2 | "objective.kl_wieght" = [0.1, 1.0]
  | ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `objective.kl_weight`?
"#,
    );
}

#[test]
fn a_sweep_of_a_key_without_its_table_is_reported() {
    refused(
        "\
[sweep.grid]
kl_weight = [0.1, 1.0]
",
        "\
error: unknown key `kl_weight`
 --> spec.toml:2:1
  |
2 | kl_weight = [0.1, 1.0]
  | ^^^^^^^^^
  |
  = help: did you mean `objective.kl_weight`?
",
    );
}

#[test]
fn a_sweep_of_a_value_that_is_no_list_is_reported() {
    refused(
        r#"[sweep.grid]
"objective.kl_weight" = 0.1
"#,
        r#"error: `objective.kl_weight` in `[sweep.grid]` is not a list
 --> spec.toml:2:25
  |
2 | "objective.kl_weight" = 0.1
  |                         ^^^
  |
  = help: write `"objective.kl_weight" = [0.1]`
"#,
    );
}

#[test]
fn a_sweep_of_a_nested_table_is_reported() {
    refused(
        "\
[sweep.grid]
objective.kl_weight = [0.1, 1.0]
",
        r#"error: `objective` in `[sweep.grid]` is a table
 --> spec.toml:2:1
  |
2 | objective.kl_weight = [0.1, 1.0]
  | ^^^^^^^^^
  |
  = help: write the dotted key in quotes: `"objective.kl_weight" = [0.1, 1.0]`
"#,
    );
}

#[test]
fn a_sweep_of_the_name_is_reported() {
    refused(
        r#"[sweep.grid]
name = ["a", "b"]
"#,
        r#"error: `name` cannot be swept
 --> spec.toml:2:1
  |
2 | name = ["a", "b"]
  | ^^^^
  |
  = help: remove the line; what can be swept are the other keys of the spec
"#,
    );
}

#[test]
fn a_key_beside_the_grid_is_reported() {
    refused(
        "\
[sweep]
seed = [0, 1]
",
        "\
error: unknown key `sweep.seed`
 --> spec.toml:2:1
  |
2 | seed = [0, 1]
  | ^^^^
  |
  = help: write `seed = [0, 1]` in `[sweep.grid]`
",
    );
}

#[test]
fn a_grid_that_is_no_table_is_reported() {
    refused(
        "\
[sweep]
grid = [1, 2]
",
        r#"error: `sweep.grid` is a table of keys and lists of values
 --> spec.toml:2:8
  |
2 | grid = [1, 2]
  |        ^^^^^^
  |
  = help: write it as `[sweep.grid]`, with lines like `"objective.kl_weight" = [0.1, 1.0]`
"#,
    );
}

#[test]
fn an_element_of_the_wrong_type_is_underlined() {
    refused(
        r#"[sweep.grid]
seed = [0, "one", 2]
"#,
        r#"error: `seed` must be a whole number, 0 or more, found `"one"`
 --> spec.toml:2:12
  |
2 | seed = [0, "one", 2]
  |            ^^^^^
"#,
    );
}

#[test]
fn a_list_that_is_swept_is_a_list_of_lists() {
    refused(
        r#"[sweep.grid]
"model.hidden" = [32, 64]
"#,
        r#"error: `model.hidden` takes a list, so that its values in `[sweep.grid]` are a list of lists
 --> spec.toml:2:18
  |
2 | "model.hidden" = [32, 64]
  |                  ^^^^^^^^
  |
  = help: write `[[32, 64]]` to try this one list, or `[[32], [64]]` to try each
"#,
    );
}

#[test]
fn a_bad_element_is_reported_once() {
    refused(
        r#"[sweep.grid]
"model.latent_dim" = [2, 0]
seed = [0, 1, 2]
"#,
        r#"error: `model.latent_dim` must be 1 or more, found 0
 --> spec.toml:2:26
  |
2 | "model.latent_dim" = [2, 0]
  |                          ^
  |
  = note: in 3 of 6 trials
"#,
    );
}

#[test]
fn a_sweep_of_too_many_trials_is_reported() {
    refused(
        r#"[sweep.grid]
"seed" = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
"train.epochs" = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
"train.batch_size" = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
"model.latent_dim" = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
"objective.kl_weight" = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
"train.learning_rate" = [1e-3, 1e-4]
"#,
        r#"error: the sweep has 200,000 trials, and its limit is 100,000
 --> spec.toml:2:11
  |
2 | "seed" = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: shorten its lists, split the experiment, or raise `sweep.limit`
"#,
    );
}

#[test]
fn an_option_of_no_optimizer_of_a_sweep_is_reported_once() {
    refused(
        r#"[train]
rho = 0.9
[sweep.grid]
"train.optimizer" = ["sgd", "adam"]
"#,
        r#"error: `train.rho` applies only where `train.optimizer` is "rmsprop"
 --> spec.toml:2:7
  |
2 | rho = 0.9
  |       ^^^
  |
  = help: remove it, or set `train.optimizer` to "rmsprop"
"#,
    );
}
