//! All that is wrong is said at once, in the order of the file.

use super::refused;

#[test]
fn errors_of_all_kinds_are_reported_at_once_in_the_order_of_the_file() {
    refused(
        r#"name = "several"
sed = 3

[data]
limit = 5000

[model]
latent_dim = 0
hidden = "wide"

[train]
learning_rate = -1
batchsize = 16
optimizer = "adamm"

[sweep.grid]
"objective.kl_weight" = [0.1, -1.0]
"#,
        r#"error: unknown key `sed`
 --> spec.toml:2:1
  |
2 | sed = 3
  | ^^^
  |
  = help: did you mean `seed`?

error: `data.limit` is 5,000, but `fashion-mini` holds 2,000 images; lower it or remove it
 --> spec.toml:5:9
  |
5 | limit = 5000
  |         ^^^^

error: `model.latent_dim` must be 1 or more, found 0
 --> spec.toml:8:14
  |
8 | latent_dim = 0
  |              ^

error: `model.hidden` must be a list, found `"wide"`
 --> spec.toml:9:10
  |
9 | hidden = "wide"
  |          ^^^^^^

error: `train.learning_rate` must be above 0, found -1
  --> spec.toml:12:17
   |
12 | learning_rate = -1
   |                 ^^

error: unknown key `train.batchsize`
  --> spec.toml:13:1
   |
13 | batchsize = 16
   | ^^^^^^^^^
   |
   = help: did you mean `batch_size`?

error: `train.optimizer` must be one of `sgd`, `rmsprop`, `adam`, `adamw`, `adagrad`, found `"adamm"`
  --> spec.toml:14:13
   |
14 | optimizer = "adamm"
   |             ^^^^^^^
   |
   = help: did you mean `"adam"`?

error: `objective.kl_weight` must be 0 or more, found -1
  --> spec.toml:17:31
   |
17 | "objective.kl_weight" = [0.1, -1.0]
   |                               ^^^^
   |
   = note: in 1 of 2 trials
"#,
    );
}

#[test]
fn errors_of_data_do_not_hide_others() {
    refused(
        r#"[data]
source = "idx"
images = "absent.idx"

[train]
epochs = 0
"#,
        r#"error: cannot read absent.idx: No such file or directory (os error 2)
 --> spec.toml:3:10
  |
3 | images = "absent.idx"
  |          ^^^^^^^^^^^^
  |
  = help: paths are relative to the folder of the spec

error: `train.epochs` must be 1 to 1,000,000, found 0
 --> spec.toml:6:10
  |
6 | epochs = 0
  |          ^
"#,
    );
}
