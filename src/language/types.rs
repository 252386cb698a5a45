//! Which values a key takes, and what to write instead of one that it does not take.

use super::description;
use crate::settings::{Fault, KeyInfo, LIST_OF_VALUES, Type};
use toml::Value;

/// What a key takes; `None` for a key that does not exist.
pub(super) fn kind_of(key: &str) -> Option<Type> {
    description().key(key).map(KeyInfo::kind)
}

/// Whether a key takes a value.
pub(super) fn takes(key: &str, value: &Value) -> bool {
    kind_of(key).is_some_and(|kind| kind.takes(value))
}

/// Whether a key's values are paths of files.
pub(super) fn is_path(key: &str) -> bool {
    matches!(kind_of(key), Some(Type::Path))
}

/// Why a value is not one for `key`, and what would be.
pub(super) fn fault(key: &str, value: &Value) -> Option<Fault> {
    let info = description().key(key)?;
    let fault = info.kind().fault(value)?;
    let help = match (&fault.help, fault.element) {
        (Some(help), Some(_)) if help == LIST_OF_VALUES => Some("remove the inner brackets".to_owned()),
        (Some(help), None) if help == LIST_OF_VALUES => {
            let write = || format!("to try several values, write `{} = {value}` in `[sweep.grid]`", dotted(key));
            can_vary(key).then(write)
        }
        (None, _) if fault.is_range => Some(info.hint().to_owned()).filter(|hint| !hint.is_empty()),
        (help, _) => help.clone(),
    };
    Some(Fault { help, ..fault })
}

/// A key as it is written in a table of dotted keys.
pub(super) fn dotted(key: &str) -> String {
    if key.contains('.') { format!("\"{key}\"") } else { key.to_owned() }
}

/// Whether a sweep can vary a key.
pub(super) fn can_vary(key: &str) -> bool {
    description().key(key).is_some_and(|key| key.role().can_vary())
}
