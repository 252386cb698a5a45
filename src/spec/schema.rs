//! The JSON schema of a spec, made from the types, and the list of its keys.

use super::Spec;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The JSON schema of an experiment file.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Spec).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".into(), "vaex experiment".into());
    }
    schema
}

/// Every key of a spec, dotted: `seed`, `train.batch_size`, ... Tables themselves are not listed.
pub fn known_keys() -> BTreeSet<String> {
    let schema = json_schema();
    let mut keys = BTreeSet::new();
    collect(&schema, &schema, "", &mut keys);
    keys
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
    use super::known_keys;

    #[test]
    fn keys_of_all_tables_are_known() {
        let keys = known_keys();
        for key in ["name", "seed", "data.source", "model.latent_dim", "objective.kl_weight", "sweep.grid"] {
            assert!(keys.contains(key), "{key} is missing from {keys:?}");
        }
        assert!(!keys.contains("data"));
    }
}
