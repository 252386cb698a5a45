//! What sweeps, bases and versions cannot be.

use super::{data_refused, refused};

#[test]
fn lists_side_by_side_of_different_lengths_are_reported() {
    refused(
        r#"[sweep.zip]
"train.epochs" = [1, 2, 3]
"train.batch_size" = [16, 32]
"#,
        r#"error: `train.batch_size` has 2 values in `[sweep.zip]`, but `train.epochs` has 3
 --> spec.toml:3:22
  |
3 | "train.batch_size" = [16, 32]
  |                      ^^^^^^^^
  |
  = help: these lists go side by side: give them the same length
"#,
    );
}

#[test]
fn a_key_that_is_varied_twice_is_reported() {
    refused(
        r#"[sweep.grid]
"train.epochs" = [1, 2]
[sweep.zip]
"train.epochs" = [3, 4]
"#,
        r#"error: `train.epochs` is varied twice, by `[sweep.grid]` and by `[sweep.zip]`
 --> spec.toml:4:1
  |
4 | "train.epochs" = [3, 4]
  | ^^^^^^^^^^^^^^
  |
  = help: remove one of them
"#,
    );
}

#[test]
fn seeds_beside_a_sweep_of_the_seed_are_reported() {
    refused(
        r#"[sweep]
seeds = 3
[sweep.grid]
seed = [0, 1]
"#,
        r#"error: `seed` is varied twice, by `[sweep.grid]` and by `sweep.seeds`
 --> spec.toml:2:1
  |
2 | seeds = 3
  | ^^^^^
  |
  = help: remove one of them
"#,
    );
}

#[test]
fn no_seeds_are_reported() {
    refused(
        r#"[sweep]
seeds = 0
"#,
        r#"error: `sweep.seeds` must be how many seeds, 1 to 100,000, or a list of seeds
 --> spec.toml:2:9
  |
2 | seeds = 0
  |         ^
  |
  = help: write `seeds = 5` for the seeds 0 to 4, or `seeds = [7, 8]`
"#,
    );
}

#[test]
fn seeds_that_are_no_numbers_are_reported() {
    refused(
        r#"[sweep]
seeds = ["one"]
"#,
        r#"error: `sweep.seeds` must be how many seeds, 1 to 100,000, or a list of seeds
 --> spec.toml:2:9
  |
2 | seeds = ["one"]
  |         ^^^^^^^
  |
  = help: write `seeds = 5` for the seeds 0 to 4, or `seeds = [7, 8]`
"#,
    );
}

#[test]
fn a_range_without_steps_is_reported() {
    refused(
        r#"[sweep.grid]
"train.learning_rate" = { from = 1e-4, to = 1e-2 }
"#,
        r#"error: `train.learning_rate`: a range needs `steps`, 2 or more of them
 --> spec.toml:2:25
  |
2 | "train.learning_rate" = { from = 1e-4, to = 1e-2 }
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write a list of values, or `{ from = 0.001, to = 1.0, steps = 4, scale = "log" }`
"#,
    );
}

#[test]
fn a_logarithmic_range_from_0_is_reported() {
    refused(
        r#"[sweep.grid]
"objective.kl_weight" = { from = 0, to = 1, steps = 3, scale = "log" }
"#,
        r#"error: `objective.kl_weight`: a range on a logarithmic scale needs `from` and `to` above 0
 --> spec.toml:2:25
  |
2 | "objective.kl_weight" = { from = 0, to = 1, steps = 3, scale = "log" }
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write a list of values, or `{ from = 0.001, to = 1.0, steps = 4, scale = "log" }`
"#,
    );
}

#[test]
fn an_unknown_key_of_a_range_is_reported() {
    refused(
        r#"[sweep.grid]
"objective.kl_weight" = { from = 0, to = 1, count = 3 }
"#,
        r#"error: `objective.kl_weight`: a range has no `count`
 --> spec.toml:2:25
  |
2 | "objective.kl_weight" = { from = 0, to = 1, count = 3 }
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `steps`?
"#,
    );
}

#[test]
fn an_unknown_scale_of_a_range_is_reported() {
    refused(
        r#"[sweep.grid]
"objective.kl_weight" = { from = 0, to = 1, steps = 3, scale = "square" }
"#,
        r#"error: `objective.kl_weight`: the `scale` of a range is "linear" or "log"
 --> spec.toml:2:25
  |
2 | "objective.kl_weight" = { from = 0, to = 1, steps = 3, scale = "square" }
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write a list of values, or `{ from = 0.001, to = 1.0, steps = 4, scale = "log" }`
"#,
    );
}

#[test]
fn a_range_of_words_is_reported() {
    refused(
        r#"[sweep.grid]
"train.optimizer" = { from = 0, to = 1, steps = 3 }
"#,
        r#"error: `train.optimizer` must be one of `sgd`, `rmsprop`, `adam`, `adamw`, `adagrad`, found `{ from = 0, to = 1, steps = 3 }`
 --> spec.toml:2:21
  |
2 | "train.optimizer" = { from = 0, to = 1, steps = 3 }
  |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_random_sweep_without_samples_is_reported() {
    refused(
        r#"[sweep.random]
"objective.kl_weight" = { uniform = [0.1, 1.0] }
"#,
        r#"error: `[sweep.random]` does not say how many trials to draw
 --> spec.toml:2:1
  |
2 | "objective.kl_weight" = { uniform = [0.1, 1.0] }
  | ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: add a line like `samples = 20`
"#,
    );
}

#[test]
fn samples_that_are_none_are_reported() {
    refused(
        r#"[sweep.random]
samples = 0
"objective.kl_weight" = { uniform = [0.1, 1.0] }
"#,
        r#"error: `samples` of `[sweep.random]` must be a whole number, 1 or more
 --> spec.toml:2:11
  |
2 | samples = 0
  |           ^
"#,
    );
}

#[test]
fn a_distribution_that_does_not_exist_is_reported() {
    refused(
        r#"[sweep.random]
samples = 4
"objective.kl_weight" = { normal = [0.0, 1.0] }
"#,
        r#"error: `objective.kl_weight` cannot be drawn by `normal`: there are `uniform`, `log_uniform`, `int` and `choice`
 --> spec.toml:3:25
  |
3 | "objective.kl_weight" = { normal = [0.0, 1.0] }
  |                         ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write for example `"objective.kl_weight" = { uniform = [0.0, 1.0] }`
"#,
    );
}

#[test]
fn a_distribution_whose_bounds_fall_is_reported() {
    refused(
        r#"[sweep.random]
samples = 4
"objective.kl_weight" = { uniform = [1.0, 0.1] }
"#,
        r#"error: `uniform` of `objective.kl_weight` needs a list of two numbers that rise
 --> spec.toml:3:25
  |
3 | "objective.kl_weight" = { uniform = [1.0, 0.1] }
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write for example `"objective.kl_weight" = { uniform = [0.0, 1.0] }`
"#,
    );
}

#[test]
fn a_logarithmic_distribution_from_0_is_reported() {
    refused(
        r#"[sweep.random]
samples = 4
"objective.kl_weight" = { log_uniform = [0.0, 1.0] }
"#,
        r#"error: `log_uniform` of `objective.kl_weight` needs two numbers above 0
 --> spec.toml:3:25
  |
3 | "objective.kl_weight" = { log_uniform = [0.0, 1.0] }
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write for example `"objective.kl_weight" = { uniform = [0.0, 1.0] }`
"#,
    );
}

#[test]
fn fractions_for_whole_numbers_are_reported() {
    refused(
        r#"[sweep.random]
samples = 4
"model.latent_dim" = { uniform = [2, 8] }
"#,
        r#"error: `model.latent_dim` must be a whole number, 0 or more, found `{ uniform = [2, 8] }`
 --> spec.toml:3:22
  |
3 | "model.latent_dim" = { uniform = [2, 8] }
  |                      ^^^^^^^^^^^^^^^^^^^^
  |
  = help: whole numbers are drawn by `int`
"#,
    );
}

#[test]
fn a_list_in_a_random_sweep_is_reported() {
    refused(
        r#"[sweep.random]
samples = 4
"model.latent_dim" = [2, 8]
"#,
        r#"error: `model.latent_dim` needs one of `uniform`, `log_uniform`, `int` and `choice`
 --> spec.toml:3:22
  |
3 | "model.latent_dim" = [2, 8]
  |                      ^^^^^^
  |
  = help: write for example `"model.latent_dim" = { int = [2, 8] }`
"#,
    );
}

#[test]
fn more_samples_than_trials_may_be_are_reported() {
    refused(
        r#"[sweep.random]
samples = 1000000000000
"objective.kl_weight" = { uniform = [0.1, 1.0] }
"#,
        r#"error: 1,000,000,000,000 samples are more than the limit of 100,000 trials
 --> spec.toml:2:11
  |
2 | samples = 1000000000000
  |           ^^^^^^^^^^^^^
  |
  = help: draw fewer
"#,
    );
}

#[test]
fn a_grid_of_a_trillion_trials_is_reported() {
    refused(
        r#"[sweep.grid]
"seed" = { from = 1, to = 1000, steps = 1000 }
"train.epochs" = { from = 1, to = 1000, steps = 1000 }
"train.batch_size" = { from = 1, to = 1000, steps = 1000 }
"model.latent_dim" = { from = 1, to = 1000, steps = 1000 }
"#,
        r#"error: the sweep has 1,000,000,000,000 trials, and its limit is 100,000
 --> spec.toml:2:10
  |
2 | "seed" = { from = 1, to = 1000, steps = 1000 }
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: shorten its lists, or draw samples; no experiment has more than 1,000,000
"#,
    );
}

#[test]
fn a_limit_that_is_none_is_reported() {
    refused(
        r#"[sweep]
limit = 0
"#,
        r#"error: `sweep.limit` must be a whole number from 1 to 1,000,000
 --> spec.toml:2:9
  |
2 | limit = 0
  |         ^
"#,
    );
}

#[test]
fn an_include_that_is_no_list_of_tables_is_reported() {
    refused(
        r#"[sweep]
include = 3
"#,
        r#"error: `sweep.include` is a list of tables
 --> spec.toml:2:11
  |
2 | include = 3
  |           ^
  |
  = help: write `[[sweep.include]]` once for each, with lines like `"objective.kl_weight" = 0.1`
"#,
    );
}

#[test]
fn an_unknown_key_in_an_include_is_reported() {
    refused(
        r#"[[sweep.include]]
"train.epoch" = 3
"#,
        r#"error: unknown key `train.epoch`
 --> spec.toml:2:1
  |
2 | "train.epoch" = 3
  | ^^^^^^^^^^^^^
  |
  = help: did you mean `train.epochs`?
"#,
    );
}

#[test]
fn a_wrong_value_in_an_include_is_reported() {
    refused(
        r#"[[sweep.include]]
"train.epochs" = "many"
"#,
        r#"error: `train.epochs` must be a whole number, 0 or more, found `"many"`
 --> spec.toml:2:18
  |
2 | "train.epochs" = "many"
  |                  ^^^^^^
"#,
    );
}

#[test]
fn a_bad_value_in_an_include_is_reported_where_it_is() {
    refused(
        r#"[[sweep.include]]
"train.epochs" = 0
"#,
        r#"error: `train.epochs` must be 1 to 1,000,000, found 0
 --> spec.toml:2:18
  |
2 | "train.epochs" = 0
  |                  ^
  |
  = note: in 1 of 2 trials
"#,
    );
}

#[test]
fn excluding_all_trials_is_reported() {
    refused(
        r#"[[sweep.exclude]]
seed = 0
"#,
        r#"error: every trial is excluded
 --> spec.toml:1:1
  |
1 | [[sweep.exclude]]
  | ^^^^^^^^^^^^^^^^^
  |
  = help: remove it, or give it more keys, so that it matches fewer
"#,
    );
}

#[test]
fn an_unknown_key_in_an_exclude_is_reported() {
    refused(
        r#"[[sweep.exclude]]
seeds = 0
"#,
        r#"error: unknown key `seeds`
 --> spec.toml:2:1
  |
2 | seeds = 0
  | ^^^^^
  |
  = help: did you mean `sweep.seeds`?
"#,
    );
}

#[test]
fn a_spec_of_a_later_version_is_refused() {
    refused(
        r#"spec_version = 2
"#,
        r#"error: `spec_version` is 2, and this vaex knows 1
 --> spec.toml:1:16
  |
1 | spec_version = 2
  |                ^
  |
  = help: use a newer vaex
"#,
    );
}

#[test]
fn a_spec_of_no_version_is_refused() {
    refused(
        r#"spec_version = 0
"#,
        r#"error: `spec_version` is 0, and this vaex knows 1
 --> spec.toml:1:16
  |
1 | spec_version = 0
  |                ^
  |
  = help: versions begin at 1; remove the line
"#,
    );
}

#[test]
fn a_base_that_is_missing_is_reported() {
    refused(
        r#"extends = "nowhere.toml"
"#,
        r#"error: cannot read nowhere.toml: No such file or directory (os error 2)
 --> spec.toml:1:11
  |
1 | extends = "nowhere.toml"
  |           ^^^^^^^^^^^^^^
  |
  = help: paths are relative to the folder of the file that has them
"#,
    );
}

#[test]
fn a_base_that_extends_itself_is_reported() {
    data_refused(
        r#"extends = "base.toml"
"#,
        &[("base.toml", "extends = \"spec.toml\"\n".as_bytes())],
        r#"error: spec.toml extends itself
 --> base.toml:1:11
  |
1 | extends = "spec.toml"
  |           ^^^^^^^^^^^
  |
  = help: a file cannot be its own base, nor that of its bases
"#,
    );
}

#[test]
fn what_is_wrong_in_a_base_is_shown_there() {
    data_refused(
        r#"extends = ["base.toml"]
seed = -1
"#,
        &[("base.toml", "[train]\nepoch = 3\nlearning_rate = 0\n".as_bytes())],
        r#"error: `seed` must be a whole number, 0 or more, found `-1`
 --> spec.toml:2:8
  |
2 | seed = -1
  |        ^^

error: unknown key `train.epoch`
 --> base.toml:2:1
  |
2 | epoch = 3
  | ^^^^^
  |
  = help: did you mean `epochs`?

error: `train.learning_rate` must be above 0, found 0
 --> base.toml:3:17
  |
3 | learning_rate = 0
  |                 ^
"#,
    );
}

#[test]
fn a_base_that_does_not_parse_is_shown() {
    data_refused(
        r#"extends = "base.toml"
"#,
        &[("base.toml", "[train\n".as_bytes())],
        r#"error: the TOML does not parse: unclosed table, expected `]`
 --> base.toml:1:7
  |
1 | [train
  |       ^
"#,
    );
}

#[test]
fn a_base_that_is_no_path_is_reported() {
    refused(
        r#"extends = 3
"#,
        r#"error: `extends` must be a path in quotes, or a list of them, found `3`
 --> spec.toml:1:11
  |
1 | extends = 3
  |           ^
"#,
    );
}

#[test]
fn tags_that_are_no_list_are_reported() {
    refused(
        r#"tags = "mine"
"#,
        r#"error: `tags` must be a list, found `"mine"`
 --> spec.toml:1:8
  |
1 | tags = "mine"
  |        ^^^^^^
"#,
    );
}
