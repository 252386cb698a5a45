//! Values and keys that are nearly right, and files and arguments on top of one another.

use super::{arguments_refused, data_refused, refused};

#[test]
fn a_key_in_quotes_with_its_table_is_reported() {
    refused(
        r#""train.epochs" = 5
"#,
        r#"error: `"train.epochs"` in quotes is one name
 --> spec.toml:1:1
  |
1 | "train.epochs" = 5
  | ^^^^^^^^^^^^^^
  |
  = help: write `[train]`, and `epochs = 5` below it
"#,
    );
}

#[test]
fn a_part_of_the_sweep_in_quotes_is_reported() {
    refused(
        r#""sweep.seeds" = 3
[sweep]
"random.samples" = 5
"#,
        r#"error: `"sweep.seeds"` in quotes is one name
 --> spec.toml:1:1
  |
1 | "sweep.seeds" = 3
  | ^^^^^^^^^^^^^
  |
  = help: write `[sweep]`, and `seeds = 3` below it

error: `"random.samples"` in quotes is one name
 --> spec.toml:3:1
  |
3 | "random.samples" = 5
  | ^^^^^^^^^^^^^^^^
  |
  = help: write `[sweep.random]`, and `samples = 5` below it
"#,
    );
}

#[test]
fn a_key_in_quotes_is_reported_on_the_command_line() {
    arguments_refused(
        &["--set", r#""train.epochs"=5"#],
        "",
        r#"error: `"train.epochs"` in quotes is one name
 --> --set:1:1
  |
1 | "train.epochs"=5
  | ^^^^^^^^^^^^^^
  |
  = help: write it without quotes: --set train.epochs=5
"#,
    );
}

#[test]
fn a_key_in_the_sweep_itself_belongs_in_the_grid() {
    refused(
        r#"[sweep]
learning_rate = [0.1, 0.01]
"#,
        r#"error: unknown key `sweep.learning_rate`
 --> spec.toml:2:1
  |
2 | learning_rate = [0.1, 0.01]
  | ^^^^^^^^^^^^^
  |
  = help: write `"train.learning_rate" = [0.1, 0.01]` in `[sweep.grid]`
"#,
    );
}

#[test]
fn a_table_in_the_sweep_itself_belongs_in_the_grid() {
    refused(
        r#"[sweep]
train.batch_size = [8, 16]
"#,
        r#"error: unknown table `[sweep.train]`
 --> spec.toml:2:1
  |
2 | train.batch_size = [8, 16]
  | ^^^^^
  |
  = help: write `"train.batch_size" = [8, 16]` in `[sweep.grid]`
"#,
    );
}

#[test]
fn a_misspelled_part_of_a_random_sweep_is_reported_with_what_is_missing() {
    refused(
        r#"[sweep.random]
sample = 4
"objective.kl_weight" = { uniform = [0.1, 1.0] }
"#,
        r#"error: unknown key `sample`
 --> spec.toml:2:1
  |
2 | sample = 4
  | ^^^^^^
  |
  = help: did you mean `samples`?

error: `[sweep.random]` does not say how many trials to draw
 --> spec.toml:3:1
  |
3 | "objective.kl_weight" = { uniform = [0.1, 1.0] }
  | ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: add a line like `samples = 20`
"#,
    );
}

#[test]
fn a_table_in_an_include_is_written_as_a_dotted_key() {
    refused(
        r#"[[sweep.include]]
train.epochs = 3
"#,
        r#"error: `train` in `[[sweep.include]]` is a table
 --> spec.toml:2:1
  |
2 | train.epochs = 3
  | ^^^^^
  |
  = help: write the dotted key in quotes: `"train.epochs" = 3`
"#,
    );
}

#[test]
fn a_misspelled_distribution_comes_with_the_nearest_one() {
    refused(
        r#"[sweep.random]
samples = 4
"objective.kl_weight" = { loguniform = [0.1, 1.0] }
"#,
        r#"error: `objective.kl_weight` cannot be drawn by `loguniform`: there are `uniform`, `log_uniform`, `int` and `choice`
 --> spec.toml:3:25
  |
3 | "objective.kl_weight" = { loguniform = [0.1, 1.0] }
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `log_uniform`?
"#,
    );
}

#[test]
fn names_of_other_programs_for_the_parts_of_a_range_are_known() {
    refused(
        r#"[sweep.grid]
"objective.kl_weight" = { start = 0, to = 1, steps = 3 }
"train.learning_rate" = { from = 1, to = 2, step = 3 }
"#,
        r#"error: `objective.kl_weight`: a range has no `start`
 --> spec.toml:2:25
  |
2 | "objective.kl_weight" = { start = 0, to = 1, steps = 3 }
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `from`?

error: `train.learning_rate`: a range has no `step`
 --> spec.toml:3:25
  |
3 | "train.learning_rate" = { from = 1, to = 2, step = 3 }
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `steps`?
"#,
    );
}

#[test]
fn a_whole_number_with_a_point_is_reported() {
    refused(
        r#"[train]
epochs = 1000.0
"#,
        r#"error: `train.epochs` must be a whole number, 0 or more, found `1000.0`
 --> spec.toml:2:10
  |
2 | epochs = 1000.0
  |          ^^^^^^
  |
  = help: write 1000
"#,
    );
}

#[test]
fn a_number_without_its_zero_is_reported() {
    refused(
        r#"[train]
learning_rate = .001
"#,
        r#"error: the TOML does not parse: invalid mantissa, expected digits
 --> spec.toml:2:17
  |
2 | learning_rate = .001
  |                 ^
  |
  = help: write 0.001
"#,
    );
}

#[test]
fn a_number_without_its_zero_is_reported_on_the_command_line() {
    arguments_refused(
        &["--set", "train.learning_rate=.001"],
        "",
        r#"error: `train.learning_rate` must be a number, found `".001"`
 --> --set:1:21
  |
1 | train.learning_rate=".001"
  |                     ^^^^^^
  |
  = help: write 0.001
"#,
    );
}

#[test]
fn a_list_for_one_value_belongs_in_the_grid() {
    arguments_refused(
        &["--set", "train.epochs=[1, 2]"],
        "",
        r#"error: `train.epochs` must be a whole number, 0 or more, found a list
 --> --set:1:14
  |
1 | train.epochs=[1, 2]
  |              ^^^^^^
  |
  = help: to try several values, write `"train.epochs" = [1, 2]` in `[sweep.grid]`
"#,
    );
}

#[test]
fn a_list_of_two_numbers_that_is_swept_is_in_a_list() {
    refused(
        r#"[sweep.grid]
"data.range" = [0, 1]
"#,
        r#"error: `data.range` takes a list, so that its values in `[sweep.grid]` are a list of lists
 --> spec.toml:2:16
  |
2 | "data.range" = [0, 1]
  |                ^^^^^^
  |
  = help: write `[[0, 1]]` to try this one list
"#,
    );
}

#[test]
fn one_list_of_strides_is_reported_once() {
    refused(
        r#"[sweep.grid]
"model.strides" = [1, 2, 1, 1]
"#,
        r#"error: `model.strides` takes a list, so that its values in `[sweep.grid]` are a list of lists
 --> spec.toml:2:19
  |
2 | "model.strides" = [1, 2, 1, 1]
  |                   ^^^^^^^^^^^^
  |
  = help: write `[[1, 2, 1, 1]]` to try this one list, or `[[1], [2], [1], [1]]` to try each
"#,
    );
}

#[test]
fn each_tag_is_text() {
    refused(
        r#"tags = ["a", 3]
"#,
        r#"error: each of `tags` must be text in quotes, found `3`
 --> spec.toml:1:14
  |
1 | tags = ["a", 3]
  |              ^
"#,
    );
}

#[test]
fn each_base_is_a_path() {
    refused(
        r#"extends = [3]
"#,
        r#"error: each of `extends` must be a path in quotes, found `3`
 --> spec.toml:1:12
  |
1 | extends = [3]
  |            ^
"#,
    );
}

#[test]
fn a_bad_choice_is_underlined() {
    refused(
        r#"[sweep.random]
samples = 2
"train.epochs" = { choice = [1, "many"] }
"#,
        r#"error: `train.epochs` must be a whole number, 0 or more, found `"many"`
 --> spec.toml:3:33
  |
3 | "train.epochs" = { choice = [1, "many"] }
  |                                 ^^^^^^
"#,
    );
}

#[test]
fn a_bound_below_0_is_underlined() {
    refused(
        r#"[sweep.random]
samples = 2
"model.latent_dim" = { int = [-2, 4] }
"#,
        r#"error: `model.latent_dim` must be a whole number, 0 or more, found `-2`
 --> spec.toml:3:31
  |
3 | "model.latent_dim" = { int = [-2, 4] }
  |                               ^^
"#,
    );
}

#[test]
fn words_are_not_drawn_between_numbers() {
    refused(
        r#"[sweep.random]
samples = 2
"train.optimizer" = { uniform = [0, 1] }
"#,
        r#"error: `train.optimizer` must be one of `sgd`, `rmsprop`, `adam`, `adamw`, `adagrad`, found `{ uniform = [0, 1] }`
 --> spec.toml:3:21
  |
3 | "train.optimizer" = { uniform = [0, 1] }
  |                     ^^^^^^^^^^^^^^^^^^^^
  |
  = help: values that are no numbers are drawn by `choice`
"#,
    );
}

#[test]
fn a_range_of_whole_numbers_has_whole_ends() {
    refused(
        r#"[sweep.grid]
"train.epochs" = { from = 0.5, to = 4, steps = 3 }
"#,
        r#"error: `train.epochs`: a range of whole numbers cannot have `from = 0.5`
 --> spec.toml:2:18
  |
2 | "train.epochs" = { from = 0.5, to = 4, steps = 3 }
  |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write a whole number as `from`
"#,
    );
}

#[test]
fn samples_of_nothing_are_reported() {
    refused(
        r#"[sweep.random]
samples = 20
"#,
        r#"error: `[sweep.random]` has `samples`, and no key to draw
 --> spec.toml:2:1
  |
2 | samples = 20
  | ^^^^^^^
  |
  = help: add a line like `"objective.kl_weight" = { log_uniform = [0.01, 1.0] }`, or remove it
"#,
    );
}

#[test]
fn no_milestones_are_reported() {
    refused(
        r#"[train]
schedule = "step"
milestones = []
"#,
        r#"error: `train.milestones` is empty
 --> spec.toml:3:14
  |
3 | milestones = []
  |              ^^
  |
  = help: list the epochs after which the rate is multiplied by `gamma`: milestones = [5, 8]
"#,
    );
}

#[test]
fn a_rate_below_single_precision_is_reported() {
    refused(
        r#"[train]
learning_rate = 1e-50
"#,
        r#"error: `train.learning_rate` must be between 1e-37 and 1e38, found 1e-50
 --> spec.toml:2:17
  |
2 | learning_rate = 1e-50
  |                 ^^^^^
"#,
    );
}

#[test]
fn a_share_that_is_1_in_single_precision_is_reported() {
    refused(
        r#"[train]
beta1 = 0.99999999
"#,
        r#"error: `train.beta1` must be 0 or more and below 1, found 0.99999999, which is 1 in single precision
 --> spec.toml:2:9
  |
2 | beta1 = 0.99999999
  |         ^^^^^^^^^^
"#,
    );
}

#[test]
fn what_changes_nothing_of_the_result_is_not_swept() {
    refused(
        r#"[sweep.grid]
tags = [["a"], ["b"]]
"train.checkpoint_steps" = [10, 20]
[[sweep.include]]
"log.pictures_every" = 2
"#,
        r#"error: `tags` cannot be swept
 --> spec.toml:2:1
  |
2 | tags = [["a"], ["b"]]
  | ^^^^
  |
  = help: it changes nothing of what a trial comes to; set it outside of the sweep

error: `train.checkpoint_steps` cannot be swept
 --> spec.toml:3:1
  |
3 | "train.checkpoint_steps" = [10, 20]
  | ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: it changes nothing of what a trial comes to; set it outside of the sweep

error: `log.pictures_every` cannot be swept
 --> spec.toml:5:1
  |
5 | "log.pictures_every" = 2
  | ^^^^^^^^^^^^^^^^^^^^
  |
  = help: it changes nothing of what a trial comes to; set it outside of the sweep
"#,
    );
}

#[test]
fn a_sweep_beyond_all_numbers_is_reported() {
    refused(
        r#"[sweep.grid]
"seed" = { from = 1, to = 90000, steps = 90000 }
"train.epochs" = { from = 1, to = 90000, steps = 90000 }
"train.batch_size" = { from = 1, to = 90000, steps = 90000 }
"model.latent_dim" = { from = 1, to = 90000, steps = 90000 }
"data.limit" = { from = 1, to = 90000, steps = 90000 }
"train.learning_rate" = { from = 1, to = 90000, steps = 90000 }
"train.warmup_epochs" = { from = 1, to = 90000, steps = 90000 }
"#,
        r#"error: the sweep has more than 10^30 trials, and its limit is 100,000
 --> spec.toml:2:10
  |
2 | "seed" = { from = 1, to = 90000, steps = 90000 }
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: shorten its lists, or draw samples; no experiment has more than 1,000,000
"#,
    );
}

#[test]
fn errors_of_one_line_are_one() {
    refused(
        r#"[sweep.grid]
"objective.kl_weight" = { from = -3, to = 1, steps = 5 }
"#,
        r#"error: `objective.kl_weight` must be 0 or more, found -3
 --> spec.toml:2:25
  |
2 | "objective.kl_weight" = { from = -3, to = 1, steps = 5 }
  |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: in 3 of 5 trials, and 2 more like it
"#,
    );
}

#[test]
fn a_value_that_cannot_be_read_makes_no_others_wrong() {
    refused(
        r#"[model]
latent_dim = 0
[sweep.grid]
"train.epochs" = [0, "x", 2]
[[sweep.include]]
"train.optimizer" = "adamm"
"train.momentum" = 0.5
"#,
        r#"error: `model.latent_dim` must be 1 or more, found 0
 --> spec.toml:2:14
  |
2 | latent_dim = 0
  |              ^

error: `train.epochs` must be 1 to 1,000,000, found 0
 --> spec.toml:4:19
  |
4 | "train.epochs" = [0, "x", 2]
  |                   ^
  |
  = note: in 1 of 4 trials

error: `train.epochs` must be a whole number, 0 or more, found `"x"`
 --> spec.toml:4:22
  |
4 | "train.epochs" = [0, "x", 2]
  |                      ^^^

error: `train.optimizer` must be one of `sgd`, `rmsprop`, `adam`, `adamw`, `adagrad`, found `"adamm"`
 --> spec.toml:6:21
  |
6 | "train.optimizer" = "adamm"
  |                     ^^^^^^^
  |
  = help: did you mean `"adam"`?
"#,
    );
}

#[test]
fn a_swept_value_that_cannot_be_read_hides_what_follows_from_it() {
    refused(
        r#"[sweep.grid]
"train.optimizer" = ["sdg"]
[train]
momentum = 0.5
optimizer = "adam"
"#,
        r#"error: `train.optimizer` must be one of `sgd`, `rmsprop`, `adam`, `adamw`, `adagrad`, found `"sdg"`
 --> spec.toml:2:22
  |
2 | "train.optimizer" = ["sdg"]
  |                      ^^^^^
"#,
    );
}

#[test]
fn every_trial_excluded_by_two_patterns_is_reported() {
    refused(
        r#"[sweep.grid]
seed = [0, 1]
[[sweep.exclude]]
seed = [0, 1]
[[sweep.exclude]]
seed = 1
"#,
        r#"error: every trial is excluded
 --> spec.toml:3:1
  |
3 | [[sweep.exclude]]
  | ^^^^^^^^^^^^^^^^^
  |
  = help: remove it, or give it more keys, so that it matches fewer
"#,
    );
}

#[test]
fn extends_is_for_files() {
    arguments_refused(
        &["--set", r#"extends="base.toml""#],
        "",
        r#"error: `--set` cannot set `extends`
 --> --set:1:1
  |
1 | extends="base.toml"
  | ^^^^^^^
  |
  = help: write it into the file; `--set` sets keys on top of it
"#,
    );
}

#[test]
fn the_version_of_each_file_counts() {
    data_refused(
        r#"extends = "base.toml"
spec_version = 1
"#,
        &[(
            "base.toml",
            r#"spec_version = 2
"#
            .as_bytes(),
        )],
        r#"error: `spec_version` is 2, and this vaex knows 1
 --> base.toml:1:16
  |
1 | spec_version = 2
  |                ^
  |
  = help: use a newer vaex
"#,
    );
}

#[test]
fn a_file_that_two_extend_is_reported_once() {
    data_refused(
        r#"extends = ["one.toml", "two.toml"]
"#,
        &[
            (
                "one.toml",
                r#"extends = "base.toml"
"#
                .as_bytes(),
            ),
            (
                "two.toml",
                r#"extends = "base.toml"
"#
                .as_bytes(),
            ),
            (
                "base.toml",
                r#"sed = 1
"#
                .as_bytes(),
            ),
        ],
        r#"error: unknown key `sed`
 --> base.toml:1:1
  |
1 | sed = 1
  | ^^^
  |
  = help: did you mean `seed`?
"#,
    );
}

#[test]
fn a_mark_at_the_beginning_of_a_file_has_no_column() {
    refused(
        "\u{feff}sed = 1\n",
        r#"error: unknown key `sed`
 --> spec.toml:1:1
  |
1 | sed = 1
  | ^^^
  |
  = help: did you mean `seed`?
"#,
    );
}

#[test]
fn a_base_that_is_no_text_is_reported_with_its_line() {
    data_refused(
        r#"extends = "base.toml"
"#,
        &[("base.toml", b"seed = 1\n# \xff\n")],
        r#"error: base.toml is not UTF-8 text: line 2 has other bytes
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
fn a_key_on_which_a_word_of_the_same_file_bears_is_an_error() {
    data_refused(
        r#"extends = "base.toml"
"#,
        &[(
            "base.toml",
            r#"[train]
optimizer = "adam"
momentum = 0.9
"#
            .as_bytes(),
        )],
        r#"error: `train.momentum` applies only where `train.optimizer` is "sgd"
 --> base.toml:3:12
  |
3 | momentum = 0.9
  |            ^^^
  |
  = help: remove it, or set `train.optimizer` to "sgd"
"#,
    );
}
