//! Keys that do not go together, or not with this program.

use super::{arguments_refused, refused};

#[test]
fn an_option_of_another_optimizer_is_reported() {
    refused(
        r#"[train]
optimizer = "adam"
rho = 0.9
"#,
        r#"error: `train.rho` applies only where `train.optimizer` is "rmsprop"
 --> spec.toml:3:7
  |
3 | rho = 0.9
  |       ^^^
  |
  = help: remove it, or set `train.optimizer` to "rmsprop"
"#,
    );
}

#[test]
fn an_option_of_an_optimizer_that_is_not_the_default_is_reported() {
    refused(
        "\
[train]
momentum = 0.9
",
        r#"error: `train.momentum` applies only where `train.optimizer` is "sgd"
 --> spec.toml:2:12
  |
2 | momentum = 0.9
  |            ^^^
  |
  = help: remove it, or set `train.optimizer` to "sgd"
"#,
    );
}

#[test]
fn a_variance_with_bernoulli_is_reported() {
    refused(
        r#"[model]
likelihood = "bernoulli"
variance = 0.1
"#,
        r#"error: `model.variance` applies only where `model.likelihood` is "gaussian"
 --> spec.toml:3:12
  |
3 | variance = 0.1
  |            ^^^
  |
  = help: remove it, or set `model.likelihood` to "gaussian"
"#,
    );
}

#[test]
fn channels_with_mlp_are_reported() {
    refused(
        r#"[model]
family = "mlp"
channels = [8, 16]
"#,
        r#"error: `model.channels` applies only where `model.family` is "conv"
 --> spec.toml:3:12
  |
3 | channels = [8, 16]
  |            ^^^^^^^
  |
  = help: remove it, or set `model.family` to "conv"
"#,
    );
}

#[test]
fn strides_of_another_length_are_reported() {
    refused(
        "\
[model]
channels = [8, 16]
strides = [1, 2, 1]
",
        "\
error: `model.channels` lists 2 convolutions, `model.strides` 3
 --> spec.toml:3:11
  |
3 | strides = [1, 2, 1]
  |           ^^^^^^^^^
  |
  = help: give one stride for each convolution
",
    );
}

#[test]
fn channels_without_strides_are_reported() {
    refused(
        "\
[model]
channels = [8, 16]
",
        "\
error: `model.channels` is given without `model.strides`
 --> spec.toml:2:12
  |
2 | channels = [8, 16]
  |            ^^^^^^^
  |
  = help: give both, one channel count and one stride for each convolution, or neither
",
    );
}

#[test]
fn strides_without_channels_are_reported() {
    refused(
        "\
[model]
strides = [1, 2]
",
        "\
error: `model.strides` is given without `model.channels`
 --> spec.toml:2:11
  |
2 | strides = [1, 2]
  |           ^^^^^^
  |
  = help: give both, one channel count and one stride for each convolution, or neither
",
    );
}

#[test]
fn no_channels_at_all_are_reported() {
    refused(
        "\
[model]
channels = []
strides = []
",
        "\
error: `model.channels` is empty
 --> spec.toml:2:12
  |
2 | channels = []
  |            ^^
  |
  = help: list one size for each convolution
",
    );
}

#[test]
fn a_stride_of_3_is_reported() {
    refused(
        "\
[model]
channels = [8, 16]
strides = [1, 3]
",
        "\
error: `model.strides` must be 1 or 2, found 3
 --> spec.toml:3:11
  |
3 | strides = [1, 3]
  |           ^^^^^^
  |
  = help: 2 halves height and width, 1 keeps them
",
    );
}

#[test]
fn tanh_with_conv_is_reported() {
    refused(
        r#"[model]
family = "conv"
activation = "tanh"
"#,
        r#"error: `model.activation = "tanh"` is only for `model.family = "mlp"`
 --> spec.toml:3:14
  |
3 | activation = "tanh"
  |              ^^^^^^
  |
  = help: remove it, or set `model.family` to "mlp"
"#,
    );
}

#[test]
fn tanh_with_the_default_family_is_reported() {
    refused(
        r#"[model]
activation = "tanh"
"#,
        r#"error: `model.activation = "tanh"` is only for `model.family = "mlp"`
 --> spec.toml:2:14
  |
2 | activation = "tanh"
  |              ^^^^^^
  |
  = help: remove it, or set `model.family` to "mlp"
"#,
    );
}

#[test]
fn a_step_schedule_without_milestones_is_reported() {
    refused(
        r#"[train]
schedule = "step"
"#,
        r#"error: `train.schedule = "step"` needs `train.milestones`
 --> spec.toml:2:12
  |
2 | schedule = "step"
  |            ^^^^^^
  |
  = help: list the epochs after which the rate is multiplied by `gamma`: milestones = [5, 8]
"#,
    );
}

#[test]
fn falling_milestones_are_reported() {
    refused(
        r#"[train]
schedule = "step"
milestones = [8, 5]
"#,
        "\
error: `train.milestones` must rise
 --> spec.toml:3:14
  |
3 | milestones = [8, 5]
  |              ^^^^^^
  |
  = help: list each epoch once, the earliest first
",
    );
}

#[test]
fn milestones_without_a_step_schedule_are_reported() {
    refused(
        "\
[train]
milestones = [5, 8]
",
        r#"error: `train.milestones` applies only where `train.schedule` is "step"
 --> spec.toml:2:14
  |
2 | milestones = [5, 8]
  |              ^^^^^^
  |
  = help: remove it, or set `train.schedule` to "step"
"#,
    );
}

#[cfg(not(feature = "cuda"))]
#[test]
fn cuda_in_a_binary_without_it_names_the_feature() {
    arguments_refused(
        &["--device", "cuda"],
        "",
        r#"error: `train.device` is "cuda", but this vaex was built without CUDA
 --> --device:1:16
  |
1 | train.device = "cuda"
  |                ^^^^^^
  |
  = help: build it with the `cuda` feature: cargo build --release --features cuda
"#,
    );
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_cuda_spec_in_a_binary_without_it_names_the_feature() {
    refused(
        r#"[train]
device = "cuda"
"#,
        r#"error: `train.device` is "cuda", but this vaex was built without CUDA
 --> spec.toml:2:10
  |
2 | device = "cuda"
  |          ^^^^^^
  |
  = help: build it with the `cuda` feature: cargo build --release --features cuda
"#,
    );
}
