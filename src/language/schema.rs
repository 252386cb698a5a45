//! The JSON schema of specs and the reference of keys, generated from the description of the keys.

use super::description;
use super::expectation;
use super::search;
use super::sweep::{DISTRIBUTIONS, Distribution, OfRandom, RANGE_KEYS, SCALES};
use crate::settings::{KeyInfo, TableInfo};
use serde_json::{Map, Value, json};

/// The JSON schema of an experiment file.
pub fn json_schema() -> Value {
    let description = description();
    let of_table = |table: &str| -> Map<String, Value> {
        let keys = description.keys.iter().filter(|key| key.table() == table);
        keys.map(|key| (key.name().to_owned(), property(key))).collect()
    };
    let table = |table: &TableInfo| {
        let content = json!({
            "type": "object",
            "description": table.doc,
            "properties": of_table(table.name),
            "additionalProperties": false,
        });
        (table.name.to_owned(), content)
    };
    let (inner, outer): (Vec<_>, Vec<_>) =
        description.tables.iter().map(table).partition(|(name, _)| name.contains('.'));
    let mut properties: Map<String, Value> = of_table("").into_iter().chain(outer).collect();
    for (name, content) in inner {
        if let Some((table, name)) = name.split_once('.') {
            properties[table]["properties"][name] = content;
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vaex experiment",
        "description": "An experiment: data, model, objective, training, and a sweep over any of their keys.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": { "Range": range(), "Distribution": distribution(false), "SearchedDistribution": distribution(true) },
    })
}

/// The schema of a key.
fn property(key: &KeyInfo) -> Value {
    let mut schema = match key.dotted.as_str() {
        "sweep.grid" | "sweep.zip" => varied(
            &[],
            &|key| json!({ "anyOf": [{ "type": "array", "minItems": 1, "items": one(key) }, { "$ref": "#/$defs/Range" }] }),
        ),
        "sweep.random" => {
            let own = OfRandom::ALL.map(|own| {
                let mut schema = own.kind.schema();
                schema["description"] = json!(own.doc);
                own.default.into_iter().for_each(|default| schema["default"] = json!(default));
                (own.name, schema)
            });
            varied(&own, &|_| json!({ "$ref": "#/$defs/Distribution" }))
        }
        search::SPACE => varied(&[], &|_| json!({ "$ref": "#/$defs/SearchedDistribution" })),
        "search.metric" => json!({ "enum": search::metric_names() }),
        "sweep.include" => json!({ "type": "array", "items": varied(&[], &one) }),
        "sweep.exclude" => {
            let any = |key: &KeyInfo| json!({ "anyOf": [one(key), { "type": "array", "items": one(key) }] });
            json!({ "type": "array", "items": varied(&[], &any) })
        }
        expectation::TABLE => json!({ "type": "array", "items": expected() }),
        "expect.metric" => {
            let names = expectation::number_columns().iter().chain(expectation::metrics_of_epochs());
            json!({ "enum": names.collect::<Vec<_>>() })
        }
        "expect.where" => setting(),
        _ => key.kind().schema(),
    };
    schema["description"] = json!(key.meaning());
    let mut declared = key.declared();
    if let (Some(declared), None) = (declared.next(), declared.next())
        && let Some(default) = &declared.default
        && declared.conditions.is_empty()
    {
        schema["default"] = json!(default);
    }
    let example: Option<toml::Table> = format!("example = {}", key.example()).parse().ok();
    if let Some(example) = example.and_then(|mut table| table.remove("example")) {
        schema["examples"] = json!([example]);
    }
    schema
}

/// The schema of a table of `[[expect]]`.
fn expected() -> Value {
    let keys = expectation::description().keys.iter().map(|key| (key.name().to_owned(), property(key)));
    json!({
        "type": "object", "properties": keys.collect::<Map<_, _>>(),
        "required": expectation::REQUIRED.map(|key| key.name), "additionalProperties": false,
    })
}

/// The schema of the values of a setting: dotted keys, or nested tables.
fn setting() -> Value {
    let keys = || description().keys.iter().filter(|key| key.role().can_vary() && !key.table().is_empty());
    let table = |table: &TableInfo| {
        let own = keys().filter(|key| key.table() == table.name).map(|key| (key.name().to_owned(), one(key)));
        let own: Map<String, Value> = own.collect();
        let schema = json!({ "type": "object", "properties": own, "additionalProperties": false });
        (!schema["properties"].as_object().is_none_or(Map::is_empty)).then(|| (table.name.to_owned(), schema))
    };
    let dotted = keys().map(|key| (key.dotted.clone(), one(key)));
    let properties: Map<String, Value> = dotted.chain(description().tables.iter().filter_map(table)).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The schema of one value of a varied key: a reference to the schema of the key.
fn one(key: &KeyInfo) -> Value {
    match key.dotted.split_once('.') {
        Some((table, name)) => json!({ "$ref": format!("#/properties/{table}/properties/{name}") }),
        None => json!({ "$ref": format!("#/properties/{}", key.dotted) }),
    }
}

/// The schema of a table of keys that a sweep can vary. The extra entries `more` replace keys of the same name.
fn varied(more: &[(&str, Value)], of_key: &dyn Fn(&KeyInfo) -> Value) -> Value {
    let keys = description().keys.iter().filter(|key| key.role().can_vary());
    let keys = keys.map(|key| (key.dotted.clone(), of_key(key)));
    let more = more.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
    let properties: Map<String, Value> = keys.chain(more).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn range() -> Value {
    let property = |(name, doc, _): (&str, &str, &str)| {
        let mut schema = match name {
            "steps" => json!({ "type": "integer", "minimum": 2 }),
            "scale" => json!({ "enum": SCALES, "default": SCALES[0] }),
            _ => json!({ "type": "number" }),
        };
        schema["description"] = json!(doc);
        (name.to_owned(), schema)
    };
    json!({
        "description": "Evenly spaced numbers on a linear or logarithmic scale.",
        "type": "object",
        "properties": RANGE_KEYS.into_iter().map(property).collect::<Map<_, _>>(),
        "required": ["from", "to", "steps"],
        "additionalProperties": false,
    })
}

/// The schema of a distribution; of a search it may also have no value.
fn distribution(can_be_unset: bool) -> Value {
    let one = |distribution: &Distribution| {
        let list = match distribution.element {
            Some(kind) => json!({ "type": "array", "items": { "type": kind }, "minItems": 2, "maxItems": 2 }),
            None => json!({ "type": "array" }),
        };
        let mut properties = json!({ distribution.name: list });
        if can_be_unset {
            properties[search::UNSET] =
                json!({ "type": "boolean", "description": "Whether the key may also have no value." });
        }
        json!({
            "type": "object", "description": distribution.doc, "properties": properties,
            "required": [distribution.name], "additionalProperties": false,
        })
    };
    json!({
        "description": "The distribution of a key.",
        "oneOf": DISTRIBUTIONS.iter().map(one).collect::<Vec<_>>(),
    })
}

/// The reference of all keys as a Markdown table.
pub fn reference() -> String {
    let mut text = "| key | values | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    let mut last = "";
    for key in description().keys.iter().chain(&expectation::description().keys) {
        if key.table() != last {
            last = key.table();
            let head = if last == expectation::TABLE { format!("[[{last}]]") } else { format!("[{last}]") };
            text.push_str(&format!("| **`{head}`** | | | |\n"));
        }
        let default = |(default, kinds): &(String, Vec<&str>)| {
            let default = match default.strip_prefix('"') {
                Some(word) => word.trim_end_matches('"'),
                None => default,
            };
            match &**kinds {
                [] => format!("`{default}`"),
                kinds => format!("`{default}` ({})", kinds.join(", ")),
            }
        };
        let shown = key.defaults();
        let defaults: Vec<String> = shown.iter().filter(|(text, _)| *text != "[]").map(default).collect();
        let choices = key.applies_with();
        let is_by_kind = key.declared().any(|declared| declared.key.doc != key.doc());
        let meaning = match choices.is_empty() || is_by_kind {
            true => key.meaning(),
            false => format!("{choices}: {}", key.meaning()),
        };
        let words = key.kind().words();
        let words: Vec<String> =
            words.iter().map(|word| format!("`{}`: {}", word.name, word.doc.trim_end_matches('.'))).collect();
        let words = if words.is_empty() { String::new() } else { format!(" {}.", words.join("; ")) };
        let meaning = format!("{meaning}{words}").replace('|', "\\|");
        let values = key.kind().in_words();
        text.push_str(&format!("| `{}` | {values} | {} | {meaning} |\n", key.name(), defaults.join(", ")));
    }
    text
}
