//! Checks the values of keys by dotted name, and suggests what to write instead of an invalid value.

use super::description;
use crate::settings::{Advice, Fault, KeyInfo, Role, Type};
use toml::Value;

/// The type of a key; `None` if there is no such key.
pub(super) fn kind_of(key: &str) -> Option<Type> {
    description().key(key).map(KeyInfo::kind)
}

/// Whether a value is valid for a key.
pub(super) fn takes(key: &str, value: &Value) -> bool {
    kind_of(key).is_some_and(|kind| kind.takes(value))
}

/// Whether the values of a key are paths of files, or lists of paths.
pub(super) fn is_path(key: &str) -> bool {
    description().key(key).is_some_and(|key| key.role() == Role::File)
}

/// What is wrong with a value of `key`, and what to write instead; `None` if it is valid.
pub(super) fn fault(key: &str, value: &Value) -> Option<Fault> {
    let info = description().key(key)?;
    let fault = info.kind().fault(value)?;
    let help = match (&fault.help, fault.element) {
        (Some(Advice::ListOfValues), Some(_)) => Some(Advice::Text("remove the inner brackets".to_owned())),
        (Some(Advice::ListOfValues), None) if !can_vary(key) => None,
        (None, None) if fault.is_range || matches!(info.kind(), Type::OneOf(..)) => {
            Some(info.hint()).filter(|hint| !hint.is_empty()).map(|hint| Advice::Text(hint.to_owned()))
        }
        (help, _) => help.clone(),
    };
    Some(Fault { help, ..fault })
}

/// A dotted key as it is written in a table: in quotes if it contains a dot.
pub(super) fn dotted(key: &str) -> String {
    if key.contains('.') { format!("\"{key}\"") } else { key.to_owned() }
}

/// Whether a sweep can vary a key.
pub(super) fn can_vary(key: &str) -> bool {
    description().key(key).is_some_and(|key| key.role().can_vary())
}
