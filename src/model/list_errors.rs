//! Errors of layers in lists that are written as in other programs, and what to write instead.

use super::layer::{KINDS, ListedKind};
use crate::settings::{Description, KeyInfo, nearest, plain};
use toml::{Table, Value};

/// A message, and what to do.
pub(super) type Fault = (String, String);

/// A layer that couples the images of a batch.
const BATCH_NORM: &str = "batch_norm batchnorm batch_normalization batchnorm2d batch_norm2d bn batchnorm1d";

/// Layers and keys of layers that other programs have, and what to do instead.
const INSTEAD: &[(&str, &str)] = &[
    (
        "upsample upsampling upsampling2d upsample2d up interpolate resize unpool pixel_shuffle scale_factor",
        "to double the sides, use { conv_transpose = 32, kernel = 4, stride = 2 }",
    ),
    (
        "maxpool maxpool2d max_pool max_pool2d max_pooling maxpooling max_pooling2d maxpooling2d avgpool avgpool2d avg_pool \
         avg_pool2d average_pooling averagepooling2d pool pooling pool_size global_pool globalaveragepooling2d adaptive_avg_pool2d \
         downsample",
        "to halve the sides, use a convolution with `stride = 2`",
    ),
    ("flatten", "remove it: a dense layer takes all values of a feature map"),
    (
        "reshape view unflatten",
        "remove it: a dense layer to a feature map is { dense = [height, width, channels] }, as in { dense = [7, 7, 64] }",
    ),
    (
        "dropout dropout2d spatial_dropout drop drop_rate dropout_rate",
        "remove it: for less overfitting, use smaller layers, or `train.optimizer = \"adamw\"` with its `weight_decay`",
    ),
    (
        "layer_norm layernorm layer_normalization ln norm normalization rms_norm",
        "for layer normalization, use { group_norm = 1 }",
    ),
    (
        "instance_norm instancenorm instance_normalization instancenorm2d",
        "use { group_norm = 32 } with as many groups as there are channels",
    ),
    (
        "weight_norm spectral_norm",
        "remove it: for stable training of deep networks, use { group_norm = 1 }, `train.clip_norm` or `train.warmup_epochs`",
    ),
    (
        "relu tanh leaky_relu leakyrelu elu silu swish gelu softplus sigmoid softmax act_layer",
        "write the function of a layer as its key, as in { conv = 32, activation = \"relu\" }",
    ),
    ("use_bias bias", "remove it: every layer has biases"),
    (
        "dilation dilation_rate groups",
        "remove it: for more pixels at once, use a larger kernel, strides of 2, or more layers",
    ),
];

/// Keys by which other programs choose the kind of a layer, and those of its size.
const KINDS_ELSEWHERE: &str = "type kind layer class name op module";
const SIZES_ELSEWHERE: &str = "channels out_channels filters units size out_features features n_units width out output";

/// Whether a name is one of some words.
fn is_one_of(words: &str, name: &str) -> bool {
    let name = plain(name);
    words.split_whitespace().any(|word| word == name)
}

/// What to do instead of a layer or a key that other programs have.
fn instead(name: &str) -> Option<String> {
    INSTEAD.iter().find(|(names, _)| is_one_of(names, name)).map(|(_, help)| (*help).to_owned())
}

/// The kind with this name, or with this other name.
fn kind_of(name: &str) -> Option<&'static ListedKind> {
    KINDS.iter().copied().find(|kind| kind.key.name == plain(name) || is_one_of(kind.key.also, name))
}

/// The error for a layer with batch normalization.
pub(super) fn batch_norm(table: &Table) -> Option<Fault> {
    let name = table.keys().find(|name| is_one_of(BATCH_NORM, name))?;
    let message = format!("`{name}` is refused: batch normalization couples the images of a batch");
    let help = "the results would depend on how a batch is divided among threads, and the code of an image on other images: \
                use { group_norm = 8 }, which normalizes each image by itself";
    Some((message, help.to_owned()))
}

/// The error for a table that names no kind of layer.
pub(super) fn unknown_layer(table: &Table) -> Fault {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.key.name).collect();
    let all = format!("the layers are {}", listed(&names));
    if let Some(fault) = kind_as_value(table) {
        return fault;
    }
    if let Some((name, help)) = table.keys().find_map(|name| Some((name, instead(name)?))) {
        return (format!("unknown layer `{name}`"), help);
    }
    let meant = table.keys().find_map(|name| Some((name, kind_of(name)?.key.name.to_owned())));
    let meant = meant.or_else(|| table.keys().find_map(|name| Some((name, nearest(name, names.iter().copied())?))));
    match (meant, table.keys().next()) {
        (Some((name, meant)), _) => (format!("unknown layer `{name}`"), format!("did you mean `{meant}`? {all}")),
        (None, Some(name)) => (format!("unknown layer `{name}`"), all),
        (None, None) => ("it is empty".to_owned(), all),
    }
}

/// The error for a table whose kind is a value: `{ type = "conv", channels = 32 }`.
fn kind_as_value(table: &Table) -> Option<Fault> {
    let (key, word) = table.iter().find_map(|(key, value)| {
        let word = value.as_str().filter(|_| is_one_of(KINDS_ELSEWHERE, key))?;
        Some((key, word))
    })?;
    let message = format!("unknown layer `{key}`");
    if let Some(help) = instead(word) {
        return Some((message, help));
    }
    let Some(kind) = kind_of(word) else {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.key.name).collect();
        return Some((
            message,
            format!("the kind of a layer is its key, as in {{ conv = 32 }}; the layers are {}", listed(&names)),
        ));
    };
    let size = table.iter().find(|(key, value)| is_one_of(SIZES_ELSEWHERE, key) && is_size(value));
    let size = size.map_or(kind.key.example.to_owned(), |(_, value)| value.to_string());
    Some((message, format!("the kind of a layer is its key: write {{ {} = {size} }}", kind.key.name)))
}

/// Whether a value can be the size of a layer.
fn is_size(value: &Value) -> bool {
    matches!(value, Value::Integer(_) | Value::Array(_)) || value.as_str() == Some("output")
}

/// The error for a key that a kind of layer does not have.
pub(super) fn unknown_key(name: &str, kind: &ListedKind, description: &Description) -> Fault {
    let message = format!("unknown key `{name}` of a layer `{}`", kind.key.name);
    let also = description.keys.iter().find(|key: &&KeyInfo| key.also().any(|also| also == plain(name)));
    let meant = also.map(|key| key.dotted.clone()).or_else(|| nearest(name, description.names()));
    let names: Vec<&str> = description.names().filter(|known| *known != kind.key.name).collect();
    let help = match (instead(name), meant, names.is_empty()) {
        (Some(help), ..) => help,
        (None, Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, None, false) => format!("its keys are {}", listed(&names)),
        (None, None, true) => "remove it: this layer has no other keys".to_owned(),
    };
    (message, help)
}

/// Names in backticks: `` `a`, `b` and `c` ``.
fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match &*quoted {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        all => all.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(layer: &str) -> Fault {
        let list: Table = format!("layer = {layer}").parse().unwrap();
        unknown_layer(list["layer"].as_table().unwrap())
    }

    #[test]
    fn what_other_programs_have_is_told_apart_from_layers() {
        for (names, help) in INSTEAD {
            for name in names.split_whitespace() {
                assert!(kind_of(name).is_none(), "{name}");
                assert_eq!(
                    error(&format!("{{ {name} = 2 }}")),
                    (format!("unknown layer `{name}`"), (*help).to_owned())
                );
            }
        }
    }

    #[test]
    fn a_kind_as_a_value_is_written_as_a_key() {
        assert_eq!(
            error("{ type = \"conv\", channels = 16 }").1,
            "the kind of a layer is its key: write { conv = 16 }"
        );
        assert_eq!(
            error("{ kind = \"Linear\", units = 9, activation = \"relu\" }").1,
            "the kind of a layer is its key: write { dense = 9 }"
        );
        assert_eq!(error("{ type = \"conv\" }").1, "the kind of a layer is its key: write { conv = 32 }");
        assert!(error("{ type = \"MaxPool2d\", size = 2 }").1.contains("`stride = 2`"));
        assert!(error("{ type = \"other\" }").1.contains("as in { conv = 32 }; the layers are `dense`"));
    }
}
