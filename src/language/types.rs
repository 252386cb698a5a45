//! Which values a key takes, and what to write instead of one that it does not take.

use super::Spec;
use super::names::word_instead;
use serde::Deserialize;
use toml::Value;

/// Puts a value at a dotted key.
pub(super) fn insert(table: &mut toml::Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = table.entry(head).or_insert_with(|| Value::Table(toml::Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// A value of the wrong type.
pub(super) struct TypeFault {
    /// The element that is wrong, in a list of the right kind.
    pub(super) element: Option<usize>,
    /// What the key takes, as in "must be ...".
    pub(super) expected: String,
    pub(super) help: Option<String>,
}

/// Why a value is not one for `key`, and what would be.
pub(super) fn type_fault(key: &str, value: &Value) -> Option<TypeFault> {
    let message = refusal(key, value.clone())?;
    let expected = match message.rsplit_once("expected ").map_or("", |(_, expected)| expected) {
        "u64" => "a whole number, 0 or more".to_owned(),
        "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "path string" => "a path in quotes".to_owned(),
        "a string" => "text in quotes".to_owned(),
        "an array of length 2" | "fewer elements in array" => "a list of two numbers".to_owned(),
        _ if message.starts_with("invalid type: unit variant") || message.contains("wanted string or table") => {
            // A word that no choice has: the refusal lists them.
            let refusal = refusal(key, Value::String(String::new())).unwrap_or_default();
            refusal.rsplit_once("expected ").map_or_else(|| "text in quotes".to_owned(), |(_, all)| all.to_owned())
        }
        other => other.to_owned(),
    };
    let list = value.as_array().filter(|_| takes_list(key) && expected != "a list of two numbers");
    let wrong = list.and_then(|list| {
        // A list of nothing but the element is refused where the element is.
        let fits = |element: &Value| refusal(key, Value::Array(vec![element.clone(); list.len()])).is_none();
        list.iter().enumerate().find(|(_, element)| !fits(element)).map(|(index, element)| (index, element, list.len()))
    });
    let Some((index, element, length)) = wrong else {
        let help = slip(Some(key), value, &expected, &|value| refusal(key, value).is_none());
        return Some(TypeFault { element: None, expected, help });
    };
    let fits = |value: Value| refusal(key, Value::Array(vec![value; length])).is_none();
    // As in "a path in quotes, or a list of them".
    let expected = expected.split_once(", or a list of").map_or(expected.as_str(), |(one, _)| one).to_owned();
    let help = slip(None, element, &expected, &fits);
    Some(TypeFault { element: Some(index), expected, help })
}

/// What to write instead of a value of a key, or of an element of a list, that was nearly right.
fn slip(key: Option<&str>, value: &Value, expected: &str, fits: &dyn Fn(Value) -> bool) -> Option<String> {
    match value {
        Value::String(text) => number_in_quotes(text, fits).or_else(|| {
            let quoted = |quote: char| expected.split(quote).skip(1).step_by(2);
            word_instead(text, &Vec::from_iter(quoted('`').chain(quoted('"'))))
                .map(|near| format!("did you mean `\"{near}\"`?"))
        }),
        Value::Float(number) if number.fract() == 0.0 && fits(Value::Integer(*number as i64)) => {
            Some(format!("write {}", *number as i64))
        }
        Value::Array(values) if !values.is_empty() && values.iter().all(|value| fits(value.clone())) => match key {
            None => Some("remove the inner brackets".to_owned()),
            Some(key) if can_vary(key) => {
                Some(format!("to try several values, write `{} = {value}` in `[sweep.grid]`", dotted(key)))
            }
            Some(_) => None,
        },
        _ if expected == "a list" && fits(Value::Array(vec![value.clone()])) => Some("put it in brackets".to_owned()),
        _ => None,
    }
}

/// What to write instead of a number that is text: it has quotes, or is none in TOML, as `.5` and `05`.
fn number_in_quotes(text: &str, fits: &dyn Fn(Value) -> bool) -> Option<String> {
    let bare = text.trim().replace('_', "");
    let whole = bare.parse::<i64>().ok().map(Value::Integer).filter(|value| fits(value.clone()));
    let number = bare.parse::<f64>().ok().filter(|number| number.is_finite());
    let number = number.map(Value::Float).filter(|value| fits(value.clone()));
    let meant = whole.or(number)?;
    let is_toml = toml::de::DeTable::parse(&format!("a={}", text.trim())).is_ok();
    Some(if is_toml { "remove the quotes".to_owned() } else { format!("write {meant}") })
}

/// A key as it is written in a table of dotted keys.
pub(super) fn dotted(key: &str) -> String {
    if key.contains('.') { format!("\"{key}\"") } else { key.to_owned() }
}

/// Keys of the experiment as a whole, and keys that change nothing of a trial's result: no sweep varies them.
pub(super) const FIXED: [&str; 6] =
    ["name", "extends", "spec_version", "tags", "train.checkpoint_steps", "log.pictures_every"];

/// Whether a sweep can vary a key.
pub(super) fn can_vary(key: &str) -> bool {
    !FIXED.contains(&key) && !key.starts_with("sweep") && !key.starts_with("log.")
}

/// What serde says against a value for `key`.
fn refusal(key: &str, value: Value) -> Option<String> {
    let mut table = toml::Table::new();
    insert(&mut table, key, value);
    Spec::deserialize(table).err().map(|error| error.message().lines().next().unwrap_or_default().to_owned())
}

fn takes_list(key: &str) -> bool {
    refusal(key, Value::Array(Vec::new())).is_none_or(|message| message.starts_with("invalid length"))
}
