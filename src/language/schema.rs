//! The JSON schema of a spec, made from the types, and the list of its keys.

use super::Spec;
use super::types::can_vary;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Every key with a value that it may have, in the order of the reference.
const EXAMPLES: [(&str, &str); 54] = [
    ("name", "\"beta_sweep\""),
    ("tags", "[\"baseline\"]"),
    ("seed", "7"),
    ("extends", "\"base.toml\""),
    ("spec_version", "1"),
    ("data.source", "\"idx\""),
    ("data.images", "\"train-images-idx3-ubyte.gz\""),
    ("data.labels", "\"train-labels-idx1-ubyte.gz\""),
    ("data.test_images", "\"t10k-images-idx3-ubyte.gz\""),
    ("data.test_labels", "\"t10k-labels-idx1-ubyte.gz\""),
    ("data.limit", "1000"),
    ("data.validation", "0.1"),
    ("data.stored", "[0, 1]"),
    ("data.binarize", "\"dynamic\""),
    ("data.range", "[-1.0, 1.0]"),
    ("model.family", "\"mlp\""),
    ("model.latent_dim", "20"),
    ("model.hidden", "[500, 100]"),
    ("model.channels", "[16, 32]"),
    ("model.strides", "[1, 2]"),
    ("model.activation", "\"tanh\""),
    ("model.likelihood", "\"gaussian\""),
    ("model.variance", "\"learned\""),
    ("model.posterior", "\"none\""),
    ("model.initializer", "\"he\""),
    ("objective.kl_weight", "0.5"),
    ("objective.kl_warmup_epochs", "5"),
    ("objective.reduction", "\"mean\""),
    ("objective.posterior_scale", "\"log_std\""),
    ("train.batch_size", "32"),
    ("train.epochs", "20"),
    ("train.optimizer", "\"rmsprop\""),
    ("train.learning_rate", "0.0003"),
    ("train.schedule", "\"cosine\""),
    ("train.milestones", "[5, 8]"),
    ("train.gamma", "0.5"),
    ("train.warmup_epochs", "1"),
    ("train.momentum", "0.9"),
    ("train.rho", "0.99"),
    ("train.beta1", "0.8"),
    ("train.beta2", "0.99"),
    ("train.epsilon", "1e-6"),
    ("train.weight_decay", "0.001"),
    ("train.clip_norm", "1.0"),
    ("train.checkpoint_steps", "1000"),
    ("train.device", "\"cuda\""),
    ("log.pictures_every", "5"),
    (
        "sweep.grid",
        "{\"objective.kl_weight\": [0.1, 1.0], \"model.latent_dim\": {\"from\": 2, \"to\": 8, \"steps\": 4}}",
    ),
    ("sweep.zip", "{\"train.epochs\": [10, 20], \"train.learning_rate\": [0.001, 0.0005]}"),
    ("sweep.random", "{\"samples\": 20, \"objective.kl_weight\": {\"log_uniform\": [0.001, 1.0]}}"),
    ("sweep.seeds", "5"),
    ("sweep.limit", "200000"),
    ("sweep.include", "[{\"objective.kl_weight\": 0.0}]"),
    ("sweep.exclude", "[{\"model.latent_dim\": [2, 4], \"seed\": 0}]"),
];

/// The JSON schema of an experiment file.
pub fn json_schema() -> Value {
    let mut schema = plain_schema();
    let keys = known_keys();
    for (key, example) in EXAMPLES {
        let example: Value = serde_json::from_str(example).unwrap_or_default();
        if let Some(property) = schema.pointer_mut(&pointer(key)).and_then(Value::as_object_mut) {
            property.insert("examples".into(), json!([example]));
        }
    }
    let varied: Vec<&String> = keys.iter().filter(|key| can_vary(key)).collect();
    let mut table = |name: &str, more: &[(&str, Value)], of_key: &dyn Fn(&str) -> Value| {
        let keys = varied.iter().map(|key| ((*key).clone(), of_key(key)));
        // The parts of a table have their names before keys of the same name.
        let more = more.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        let properties: Map<String, Value> = keys.chain(more).collect();
        let place = format!("/$defs/Sweep/properties/{name}");
        let target = match schema.pointer_mut(&place) {
            Some(property) if property["type"] == "array" => property.get_mut("items"),
            property => property,
        };
        if let Some(target) = target.and_then(Value::as_object_mut) {
            target.remove("$ref");
            target.insert("type".into(), "object".into());
            target.insert("properties".into(), properties.into());
            target.insert("additionalProperties".into(), false.into());
        }
    };
    // Values are of the type of the key that they are for.
    let one = |key: &str| json!({ "$ref": format!("#{}", pointer(key)) });
    let listed = |key: &str| {
        let list = json!({ "type": "array", "minItems": 1, "items": one(key) });
        json!({ "anyOf": [list, { "$ref": "#/$defs/Range" }] })
    };
    table("grid", &[], &listed);
    table("zip", &[], &listed);
    let count = json!({ "type": "integer", "minimum": 1, "description": "How many samples to draw." });
    let seed = json!({ "type": "integer", "minimum": 0, "default": 0, "description": "Seed of the draws." });
    table("random", &[("samples", count), ("seed", seed)], &|_| json!({ "$ref": "#/$defs/Distribution" }));
    table("include", &[], &one);
    table("exclude", &[], &|key| json!({ "anyOf": [one(key), { "type": "array", "items": one(key) }] }));
    schema
}

fn plain_schema() -> Value {
    let mut schema = schemars::schema_for!(Spec).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".into(), "vaex experiment".into());
    }
    schema
}

/// Where in the schema a dotted key is.
fn pointer(key: &str) -> String {
    match key.split_once('.') {
        None => format!("/properties/{key}"),
        Some((table, name)) => {
            let table: String =
                table.chars().take(1).flat_map(char::to_uppercase).chain(table.chars().skip(1)).collect();
            format!("/$defs/{table}/properties/{name}")
        }
    }
}

/// The reference of all keys as a Markdown table.
pub fn reference() -> String {
    let schema = json_schema();
    let mut text = "| key | values | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    let mut last = "";
    for (key, _) in EXAMPLES {
        let (table, name) = key.split_once('.').unwrap_or(("", key));
        if table != last {
            text.push_str(&format!("| **`[{table}]`** | | | |\n"));
            last = table;
        }
        let property = schema.pointer(&pointer(key)).cloned().unwrap_or_default();
        let description = property["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        // What the description says of the default is in the column of defaults.
        let (meaning, described) = match description.rsplit_once(", default ").or(description.rsplit_once("; default "))
        {
            Some((meaning, default)) if !default.contains(". ") && !meaning.contains("default `") => {
                (format!("{meaning}."), Some(default.trim_end_matches('.').to_owned()))
            }
            _ => (description.clone(), None),
        };
        let default = match &property["default"] {
            Value::Null | Value::Object(_) => described.unwrap_or_default(),
            Value::Array(values) if values.is_empty() => described.unwrap_or_default(),
            Value::String(text) => format!("`{text}`"),
            other => other.to_string(),
        };
        text.push_str(&format!("| `{name}` | {} | {default} | {meaning} |\n", values(&schema, &property)));
    }
    text
}

/// What a property's values are, in words.
fn values(schema: &Value, property: &Value) -> String {
    let property = resolve(schema, property);
    let options = ["anyOf", "oneOf"].iter().find_map(|name| property[name].as_array());
    if let Some(options) = options {
        let options = options.iter().filter(|option| option["type"] != "null");
        let words: BTreeSet<String> = options.clone().map(|option| values(schema, option)).collect();
        let in_order: Vec<String> = options.map(|option| values(schema, option)).collect();
        let all_words = in_order.iter().all(|one| one.starts_with('`'));
        let between = if all_words { ", " } else { " or " };
        return if words.len() == 1 { in_order.into_iter().take(1).collect() } else { in_order.join(between) };
    }
    if let Some(word) = property["const"].as_str() {
        return format!("`{word}`");
    }
    if let Some(words) = property["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    if property["minimum"].is_number() && property["minimum"] == property["maximum"] {
        return property["minimum"].to_string();
    }
    let least = property["minimum"].as_f64().map(|least| format!(", {least} or more"));
    let above = property["exclusiveMinimum"].as_f64().map(|least| format!(", above {least}"));
    let below = property["exclusiveMaximum"].as_f64().map(|most| format!(" and below {most}"));
    let most = property["maximum"].as_f64().filter(|most| *most < 1e9).map(|most| format!(", up to {most}"));
    let range = [least.or(above), below, most].into_iter().flatten().collect::<String>();
    let kinds: Vec<&str> = match &property["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    match kinds.first() {
        Some(&"integer") => format!("whole number{range}"),
        Some(&"number") => format!("number{range}"),
        Some(&"string") => "text".to_owned(),
        Some(&"array") => match property["items"]["type"].as_str() {
            Some("object") => "tables".to_owned(),
            _ => format!("list: {}", values(schema, &property["items"])),
        },
        Some(&"object") => "table".to_owned(),
        _ => "value".to_owned(),
    }
}

/// Every key of a spec, dotted: `seed`, `train.batch_size`, ... Tables themselves are not listed.
pub fn known_keys() -> &'static BTreeSet<String> {
    static KEYS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let schema = plain_schema();
        let mut keys = BTreeSet::new();
        collect(&schema, &schema, "", &mut keys);
        keys
    });
    &KEYS
}

fn collect(root: &Value, node: &Value, prefix: &str, keys: &mut BTreeSet<String>) {
    for (name, property) in properties(node).into_iter().flatten() {
        let dotted = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let target = resolve(root, property);
        if properties(target).is_some() {
            collect(root, target, &dotted, keys);
        } else {
            keys.insert(dotted);
        }
    }
}

fn properties(node: &Value) -> Option<&Map<String, Value>> {
    node.get("properties")?.as_object()
}

fn resolve<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    let reference = node.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    reference.and_then(|pointer| root.pointer(pointer)).unwrap_or(node)
}

#[cfg(test)]
mod tests {
    use super::{EXAMPLES, json_schema, known_keys, pointer};

    #[test]
    fn keys_of_all_tables_are_known() {
        let keys = known_keys();
        for key in ["name", "seed", "data.source", "model.latent_dim", "objective.kl_weight", "sweep.grid"] {
            assert!(keys.contains(key), "{key} is missing from {keys:?}");
        }
        assert!(!keys.contains("data"));
    }

    #[test]
    fn every_key_has_an_example_and_a_description() {
        let schema = json_schema();
        // The parts of `[sweep.random]` are in its example.
        let keys = known_keys().iter().filter(|key| !key.starts_with("sweep.random."));
        let with_examples: Vec<&str> = EXAMPLES.iter().map(|(key, _)| *key).collect();
        for key in keys {
            assert!(with_examples.contains(&key.as_str()), "{key}");
        }
        for (key, _) in EXAMPLES {
            let property = schema.pointer(&pointer(key)).unwrap_or_else(|| panic!("there is no {key}"));
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 10), "{key}");
            assert!(!property["examples"][0].is_null(), "{key}");
        }
    }
}
