//! Networks as lists of layers: `model.encoder` and `model.decoder`.

use super::architecture::Network;
use super::layer::{DenseOutputs, KINDS, Layer, ListedKind, Misfit, Named, WrittenLayer};
use super::list_errors::{self, Fault};
use super::shared_keys;
use crate::data::ImageShape;
use crate::settings::{Description, Key, KeyInfo, Keys, Parts, Problem, Role, Type, as_json};
use crate::tensor::backend::Activation;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::{Table, Value};

/// The dotted keys of the lists.
const ENCODER_DOTTED: &str = "model.encoder";
const DECODER_DOTTED: &str = "model.decoder";

const ENCODER: Key = Key::new(
    "encoder",
    "The layers of the encoder as a list of inline tables, instead of `family`; two dense layers to the posterior follow it. \
     docs/models.md lists the layers and their keys.",
)
.also("encoder_layers layers")
.example("[{ conv = 32, kernel = 4, stride = 2 }, { dense = 256 }]")
.role(Role::Network);
const DECODER: Key = Key::new(
    "decoder",
    "The layers of the decoder as a list of inline tables. The last one has the size \"output\" and gives the shape of the images.",
)
.also("decoder_layers layers")
.example("[{ dense = 256 }, { dense = [14, 14, 32] }, { conv_transpose = \"output\", kernel = 4, stride = 2 }]")
.role(Role::Network);

/// The type of a list of layers.
const LAYERS: Type = Type::Parts(&Layers);

struct Layers;

impl Parts for Layers {
    fn one(&self) -> &'static str {
        "a layer, such as { conv = 32 }"
    }

    fn schema(&self) -> serde_json::Value {
        let kind = |kind: &&'static ListedKind| {
            let keys = keys_of(kind).keys;
            let property = |key: &KeyInfo| {
                let mut schema = key.kind().schema();
                schema["description"] = json!(key.doc());
                if let Some(default) = key.declared().next().and_then(|declared| declared.default.as_ref()) {
                    schema["default"] = as_json(default);
                }
                (key.dotted.clone(), schema)
            };
            json!({
                "type": "object", "properties": keys.iter().map(property).collect::<serde_json::Map<_, _>>(),
                "required": [kind.key.name], "additionalProperties": false,
            })
        };
        json!({ "anyOf": KINDS.iter().map(kind).collect::<Vec<_>>() })
    }
}

/// The keys of a kind of layer.
fn keys_of(kind: &'static ListedKind) -> Description {
    Description::of(|keys| (kind.read)(keys, Activation::Identity))
}

/// Lists of layers.
#[derive(Debug)]
pub(super) struct ListedNetwork {
    encoder: Vec<Box<dyn WrittenLayer>>,
    decoder: Vec<Box<dyn WrittenLayer>>,
    /// Whether encoder and decoder have an error in a layer, so that layers are missing or have other sizes.
    are_faulty: [bool; 2],
}

/// Reads both lists; `None` if neither is written.
pub(super) fn read(keys: &mut Keys<'_>) -> Option<Arc<dyn Network>> {
    let (encoder, decoder) = (keys.value(ENCODER, LAYERS, None), keys.value(DECODER, LAYERS, None));
    if keys.is_describing() {
        shared_keys::activation(keys);
    }
    let (written, missing) = match (&encoder, &decoder) {
        (None, None) => return None,
        (Some(_), Some(_)) => ("", ""),
        (Some(_), None) => (ENCODER_DOTTED, DECODER_DOTTED),
        (None, Some(_)) => (DECODER_DOTTED, ENCODER_DOTTED),
    };
    keys.require(
        missing.is_empty(),
        if encoder.is_some() { &[ENCODER_DOTTED, DECODER_DOTTED] } else { &[DECODER_DOTTED, ENCODER_DOTTED] },
        || format!("`{written}` is set, but `{missing}` is not"),
        "write both lists, or neither: `model.family` and `model.preset` give both",
    );
    let activation = shared_keys::activation(keys);
    let mut layers = |list: Option<Value>, dotted: &'static str| {
        let tables = list.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table);
        let mut layers = Vec::new();
        for (index, table) in tables.enumerate() {
            match layer(table, activation) {
                Ok(layer) => layers.push(layer),
                Err(faults) => faults.into_iter().for_each(|(message, help)| {
                    let message = format!("layer {} of `{dotted}`: {message}", index + 1);
                    keys.add_problem(Problem::new(&[dotted], message, help).at(index));
                }),
            }
        }
        layers
    };
    let (encoder, decoder) = (layers(encoder, ENCODER_DOTTED), layers(decoder, DECODER_DOTTED));
    let mut network = ListedNetwork { encoder, decoder, are_faulty: [false; 2] };
    // Without an error in a layer, the place of the output is that of the list.
    if keys.problems_of(&[ENCODER_DOTTED, DECODER_DOTTED]) == 0 {
        network.output().into_iter().for_each(|problem| keys.add_problem(problem));
    }
    network.are_faulty = [ENCODER_DOTTED, DECODER_DOTTED].map(|dotted| keys.problems_of(&[dotted]) > 0);
    Some(Arc::new(network))
}

/// Reads the lists of a preset, which are TOML. What is wrong in it is an empty list; a test reads all presets.
pub(super) fn from_toml(encoder: &str, decoder: &str, activation: Activation) -> ListedNetwork {
    let layers = |list: &str| {
        let mut table: Table = format!("list = {list}").parse().unwrap_or_default();
        let list = table.remove("list");
        let tables = list.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table);
        tables.filter_map(|table| layer(table, activation).ok()).collect()
    };
    ListedNetwork { encoder: layers(encoder), decoder: layers(decoder), are_faulty: [false; 2] }
}

/// Reads a layer.
fn layer(table: &Table, activation: Activation) -> Result<Box<dyn WrittenLayer>, Vec<Fault>> {
    if let Some(fault) = list_errors::batch_norm(table) {
        return Err(vec![fault]);
    }
    let named: Vec<&&ListedKind> = KINDS.iter().filter(|kind| table.contains_key(kind.key.name)).collect();
    let kind = match named[..] {
        [kind] => *kind,
        [] => return Err(vec![list_errors::unknown_layer(table)]),
        [one, other, ..] => {
            let message = format!("it is both `{}` and `{}`", one.key.name, other.key.name);
            return Err(vec![(message, "write two layers, each in braces of its own".to_owned())]);
        }
    };
    let description = keys_of(kind);
    let unknown = table.keys().filter(|name| description.key(name).is_none());
    let mut faults: Vec<Fault> = unknown.map(|name| list_errors::unknown_key(name, kind, &description)).collect();
    let written: BTreeMap<String, Value> = table.clone().into_iter().collect();
    let (layer, found) = Keys::read(&written, |keys| (kind.read)(keys, activation));
    faults.extend(found.problems.into_iter().map(|problem| (problem.message, problem.help.unwrap_or_default())));
    if faults.is_empty() { Ok(layer) } else { Err(faults) }
}

/// What to write at the end of a decoder.
const OUTPUT_HELP: &str = "end the decoder with { dense = \"output\" }, { gated_dense = \"output\" }, { conv = \"output\" } or \
                           { conv_transpose = \"output\" }";

impl ListedNetwork {
    /// An error if another layer than the last one of the decoder has the size `"output"`, or if that one has not.
    fn output(&self) -> Option<Problem> {
        if let Some(index) = self.encoder.iter().position(|layer| layer.is_output()) {
            let message =
                format!("layer {} of `{ENCODER_DOTTED}` has the size \"output\", which only a decoder has", index + 1);
            let help = "write a number; two dense layers to the posterior follow the encoder";
            return Some(Problem::new(&[ENCODER_DOTTED], message, help).at(index));
        }
        let last = self.decoder.len().saturating_sub(1);
        match self.decoder.iter().position(|layer| layer.is_output()) {
            Some(index) if index == last => None,
            Some(index) => {
                let message = format!(
                    "layer {} of `{DECODER_DOTTED}` has the size \"output\", but is not the last one",
                    index + 1
                );
                Some(
                    Problem::new(&[DECODER_DOTTED], message, "write a number, or remove the layers after it").at(index),
                )
            }
            None => {
                let message = format!("the last layer of `{DECODER_DOTTED}` does not have the size \"output\"");
                Some(Problem::new(&[DECODER_DOTTED], message, OUTPUT_HELP).at(last))
            }
        }
    }
}

impl Network for ListedNetwork {
    fn encoder(&self, image: ImageShape) -> Vec<Named> {
        placed(&self.encoder, image, image).0
    }

    fn decoder(&self, _: ImageShape, latent: usize, outputs: ImageShape) -> Vec<Named> {
        placed(&self.decoder, code(latent), outputs).0
    }

    fn is_whole(&self) -> bool {
        self.are_faulty == [false; 2]
    }

    fn misfits(&self, image: ImageShape, latent: usize, outputs: ImageShape) -> Vec<Problem> {
        let of = |dotted: &'static str, (layers, misfit): (Vec<Named>, Option<Misfit>)| {
            let index = layers.len();
            let problem = misfit.map(|misfit| {
                let message = format!("layer {} of `{dotted}`: {}", index + 1, misfit.message);
                Problem::new(&[dotted], message, with_sizes(misfit.help, &layers)).at(index)
            });
            (layers, problem)
        };
        let [encoder_is_faulty, decoder_is_faulty] = self.are_faulty;
        let (_, in_encoder) = of(ENCODER_DOTTED, placed(&self.encoder, image, image));
        let in_encoder = in_encoder.filter(|_| !encoder_is_faulty);
        if decoder_is_faulty {
            return in_encoder.into_iter().collect();
        }
        let (layers, in_decoder) = of(DECODER_DOTTED, placed(&self.decoder, code(latent), outputs));
        let end =
            layers.last().map(|last| last.layer.outputs()).filter(|end| in_decoder.is_none() && !ends(*end, outputs));
        let wrong_end = end.map(|end| {
            let (found, image) = (end.with_channels(1), image.with_channels(1));
            let message = format!("the last layer of `{DECODER_DOTTED}` gives images of {found}, but the images are {image}");
            let help = match units_before_map(&layers) {
                Some((number, kind, units)) => format!(
                    "layer {number}, {{ {kind} = {units} }}, gives a feature map of 1x1; write {{ {kind} = [height, width, channels] \
                     }} for a larger one"
                ),
                None => "change the feature map that the transposed convolutions start from, or their strides, kernels and \
                         paddings; or set `data.size`"
                    .to_owned(),
            };
            Problem::new(&[DECODER_DOTTED], message, with_sizes(&help, &layers)).at(layers.len() - 1)
        });
        in_encoder.into_iter().chain(in_decoder).chain(wrong_end).collect()
    }
}

/// What to do about a wrong size, after the sizes of the outputs of the layers.
fn with_sizes(help: &str, layers: &[Named]) -> String {
    let size = |one: &Named| one.layer.outputs().sizes().map(|size| size.to_string()).join("x");
    let sizes: Vec<String> = layers.iter().map(size).collect();
    if sizes.is_empty() { help.to_owned() } else { format!("{help} (the layers give {})", sizes.join(", ")) }
}

/// The number, the kind and the units of the last dense layer to units that a convolution follows.
fn units_before_map(layers: &[Named]) -> Option<(usize, &'static str, usize)> {
    let is_dense = |layer: Layer| matches!(layer, Layer::Dense(_) | Layer::GatedDense(_));
    let pairs = layers.windows(2).enumerate().rev();
    let mut found = pairs.filter_map(|(index, pair)| {
        let [one, next] = pair else { return None };
        let outputs = one.layer.outputs();
        let is_before_map = is_dense(one.layer) && outputs.pixels() == 1 && !is_dense(next.layer);
        is_before_map.then_some((index + 1, one.layer.kind(), outputs.channels))
    });
    found.next()
}

/// A code as the input of a decoder.
fn code(latent: usize) -> ImageShape {
    ImageShape { height: 1, width: 1, channels: latent }
}

/// Whether the output of the last layer has the shape that it must have; that of a dense layer has only a number of values.
fn ends(end: ImageShape, outputs: ImageShape) -> bool {
    end == outputs || (end.pixels() == 1 && end.values() == outputs.values())
}

/// The layers with their sizes and names, up to the first one that does not fit.
fn placed(list: &[Box<dyn WrittenLayer>], inputs: ImageShape, outputs: ImageShape) -> (Vec<Named>, Option<Misfit>) {
    let (mut layers, mut inputs) = (Vec::new(), inputs);
    for written in list {
        match written.place(inputs, outputs) {
            Ok(layer) => {
                inputs = layer.outputs();
                let name = name(&layers, layer, written.is_output());
                layers.push(Named::new(name, layer));
            }
            Err(misfit) => return (layers, Some(misfit)),
        }
    }
    (layers, None)
}

/// The name of the next layer: its kind and a number. It depends on the layers alone, so that the families, whose trials have the
/// same ids, have the same names: the first dense layer to a feature map has no number.
fn name(before: &[Named], layer: Layer, is_output: bool) -> String {
    let kind = layer.kind();
    let is_map = matches!(layer, Layer::Dense(dense) if matches!(dense.outputs, DenseOutputs::Map(_)));
    if is_output {
        return Named::OUTPUT.to_owned();
    }
    if is_map && before.iter().all(|one| one.name != kind) {
        return kind.to_owned();
    }
    let numbered = before.iter().filter(|one| one.layer.kind() == kind && one.name != kind).count();
    format!("{kind}.{numbered}")
}
