//! The types of keys: which values are valid, in words and as a JSON schema.

use super::{Words, other_name};
use serde_json::json;
use std::fmt;
use strsim::jaro_winkler;
use toml::Value;

/// A range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    least: f64,
    /// Whether `least` itself is excluded.
    above: bool,
    most: f64,
    /// Whether `most` itself is excluded.
    below: bool,
}

impl Interval {
    /// All finite numbers.
    pub const ALL: Interval = Interval { least: f64::NEG_INFINITY, above: false, most: f64::INFINITY, below: false };
    /// Above 0.
    pub const POSITIVE: Interval = Interval { least: 0.0, above: true, ..Interval::ALL };
    /// 0 or more.
    pub const NOT_NEGATIVE: Interval = Interval { least: 0.0, ..Interval::ALL };
    /// 0 or more and below 1.
    pub const SHARE: Interval = Interval { most: 1.0, below: true, ..Interval::NOT_NEGATIVE };
    /// From 0 to 1.
    pub const UNIT: Interval = Interval { most: 1.0, ..Interval::NOT_NEGATIVE };
    /// At most 1.
    pub const AT_MOST_ONE: Interval = Interval { most: 1.0, ..Interval::ALL };
    /// Above 0 and below 1.
    pub const FRACTION: Interval = Interval { above: true, ..Interval::SHARE };

    /// What a number must be instead; `None` if it is in the range. Training uses single precision, so the number must also be
    /// in the range after conversion to single precision.
    fn fault(&self, value: f64) -> Option<String> {
        let single = value as f32;
        let fits = single.is_finite() && (value == 0.0 || single.abs() >= f32::MIN_POSITIVE);
        let inside = |value: f64| {
            (if self.above { value > self.least } else { value >= self.least })
                && (if self.below { value < self.most } else { value <= self.most })
        };
        match (value.is_finite(), fits) {
            (false, _) => Some("a finite number".to_owned()),
            (true, false) => {
                let zero = if inside(0.0) { "0, or " } else { "" };
                let size = if self.least < 0.0 { "a number with an absolute value " } else { "" };
                Some(format!("{zero}{size}between 1e-37 and 1e38 (single precision)"))
            }
            (true, true) if inside(value) && inside(f64::from(single)) => None,
            (true, true) if inside(value) => Some(format!("{self} after rounding to single precision")),
            (true, true) => Some(self.to_string()),
        }
    }

    fn schema(&self) -> serde_json::Value {
        let mut schema = json!({ "type": "number" });
        if self.least.is_finite() {
            schema[if self.above { "exclusiveMinimum" } else { "minimum" }] = number(self.least);
        }
        if self.most.is_finite() {
            schema[if self.below { "exclusiveMaximum" } else { "maximum" }] = number(self.most);
        }
        schema
    }
}

/// A JSON number, without a decimal point if it is whole.
fn number(value: f64) -> serde_json::Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

/// As in "must be 0 or more and below 1".
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = match (self.least.is_finite(), self.above) {
            (false, _) => None,
            (true, true) => Some(format!("above {}", self.least)),
            (true, false) => Some(format!("{} or more", self.least)),
        };
        let most = match (self.most.is_finite(), self.below) {
            (false, _) => None,
            (true, true) => Some(format!("below {}", self.most)),
            (true, false) => Some(format!("at most {}", self.most)),
        };
        f.write_str(&[least, most].into_iter().flatten().collect::<Vec<_>>().join(" and "))
    }
}

/// The type of a key's values.
#[derive(Clone, Copy)]
pub enum Type {
    /// Text in quotes.
    Text,
    /// The name of a folder.
    Name,
    /// The path of a file.
    Path,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Whole {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A number of percent in quotes, 0 or more: `"1%"`.
    Percentage,
    /// A number.
    Number(Interval),
    /// One of a set of words.
    Word(&'static dyn Words),
    /// A list with at least this number of elements.
    List(&'static Type, usize),
    /// Two values.
    Pair(&'static Type),
    /// Any of several types; the first that accepts the value is used. The text describes all of them, after "must be".
    OneOf(&'static [Type], &'static str),
    /// A list of inline tables, whose keys another module reads.
    Parts(&'static dyn Parts),
    /// A table that the reader of specs reads itself.
    Table,
    /// A list of such tables.
    Tables,
}

/// The inline tables of a list.
pub trait Parts: Sync {
    /// What an element is, in the singular, with an example: `a layer, such as { conv = 32 }`.
    fn one(&self) -> &'static str;

    /// The valid elements as a JSON schema.
    fn schema(&self) -> serde_json::Value;
}

/// The largest whole number in TOML.
const LARGEST: u64 = i64::MAX as u64;

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_words())
    }
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The index of the wrong element, in a list of the right type.
    pub element: Option<usize>,
    /// The valid values, as in "must be ...".
    pub expected: String,
    /// Whether the value has the right type but is out of range.
    pub is_range: bool,
    /// What to do.
    pub help: Option<Advice>,
}

/// What to do about an invalid value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// A text.
    Text(String),
    /// The value is a list of valid values. Such a list belongs into a sweep; the reader of specs says where.
    ListOfValues,
}

impl Type {
    /// The largest whole number in TOML.
    pub const MOST: u64 = LARGEST;
    /// Any whole number.
    pub const WHOLE: Type = Type::Whole { least: 0, most: LARGEST };
    /// A whole number, 1 or more.
    pub const COUNT: Type = Type::Whole { least: 1, most: LARGEST };

    /// Whether it accepts a value.
    pub fn takes(&self, value: &Value) -> bool {
        self.fault(value).is_none()
    }

    /// Whether it accepts numbers with fractions, and whether it accepts whole numbers.
    pub fn takes_numbers(&self) -> (bool, bool) {
        match self {
            Type::Whole { .. } => (false, true),
            Type::Number(_) => (true, true),
            Type::OneOf(types, _) => {
                types.iter().map(Type::takes_numbers).fold((false, false), |all, one| (all.0 || one.0, all.1 || one.1))
            }
            _ => (false, false),
        }
    }

    /// What is wrong with a value, and what to write instead; `None` if the value is valid.
    pub fn fault(&self, value: &Value) -> Option<Fault> {
        let fault = |expected: String| Some(Fault { element: None, expected, is_range: false, help: None });
        let range = |expected: String| Some(Fault { element: None, expected, is_range: true, help: None });
        let found = match (self, value) {
            (Type::Text | Type::Path, Value::String(_)) | (Type::Bool, Value::Boolean(_)) => None,
            (Type::Name, Value::String(name)) => name_fault(name).and_then(|expected| range(expected.to_owned())),
            // A whole number that is too large for TOML is read as a number.
            (Type::Whole { most, .. }, Value::Float(number)) if *number >= LARGEST as f64 => {
                range(format!("at most {}", crate::text::grouped(most)))
            }
            (Type::Whole { least, most }, Value::Integer(integer)) => {
                match u64::try_from(*integer).is_ok_and(|value| (*least..=*most).contains(&value)) {
                    true => None,
                    false => range(self.range().unwrap_or_default()),
                }
            }
            (Type::Number(interval), Value::Float(number)) => interval.fault(*number).and_then(range),
            (Type::Number(interval), Value::Integer(integer)) => interval.fault(*integer as f64).and_then(range),
            (Type::Percentage, Value::String(text)) if percent(text).is_some() => None,
            (Type::Word(words), Value::String(word)) if words.names().contains(&word.as_str()) => None,
            (Type::List(inner, least), Value::Array(values)) if values.len() >= *least => inner.element_fault(values),
            (Type::List(..), Value::Array(_)) => range("a list with at least one value".to_owned()),
            (Type::Pair(inner), Value::Array(values)) if values.len() == 2 => inner.element_fault(values),
            (Type::Table, Value::Table(_)) | (Type::Tables, Value::Array(_)) => None,
            (Type::Parts(parts), Value::Array(values)) => {
                let wrong = values.iter().position(|value| !value.is_table());
                let expected = parts.one().to_owned();
                wrong.map(|index| Fault { element: Some(index), expected, is_range: false, help: None })
            }
            (Type::OneOf(types, what), value) => {
                let faults: Option<Vec<Fault>> = types.iter().map(|one| one.fault(value)).collect();
                match faults {
                    None => None,
                    // If the value has the right type for one of them, the message is about the range of that one.
                    Some(faults) => match faults.into_iter().find(|fault| fault.is_range || fault.element.is_some()) {
                        Some(near) if near.element.is_some() => Some(near),
                        Some(near) => {
                            range(near.expected).filter(|_| types.len() < 2).or_else(|| range((*what).to_owned()))
                        }
                        None => fault((*what).to_owned()),
                    },
                }
            }
            _ => fault(self.expected()),
        };
        found.map(|fault| match fault.element {
            None if fault.help.is_none() => Fault { help: self.instead(value), ..fault },
            _ => fault,
        })
    }

    fn element_fault(&self, values: &[Value]) -> Option<Fault> {
        let mut faults = values.iter().enumerate().filter_map(|(index, value)| Some((index, self.fault(value)?)));
        let (index, fault) = faults.next()?;
        Some(Fault { element: Some(index), ..fault })
    }

    /// The valid values, as in "must be a number".
    fn expected(&self) -> String {
        match self {
            Type::Text | Type::Name => "text in quotes".to_owned(),
            Type::Percentage => "a percentage in quotes, such as \"1%\"".to_owned(),
            Type::Path => "a path in quotes".to_owned(),
            Type::Bool => "true or false".to_owned(),
            Type::Whole { .. } => format!("a whole number, {}", self.range().unwrap_or_default()),
            Type::Number(_) => "a number".to_owned(),
            Type::Word(words) => match &*words.names() {
                [one, other] => format!("`{one}` or `{other}`"),
                all => format!("one of {}", all.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")),
            },
            Type::List(..) => "a list".to_owned(),
            Type::Pair(_) => "a list of two numbers".to_owned(),
            Type::OneOf(_, what) => (*what).to_owned(),
            Type::Table => "a table".to_owned(),
            Type::Tables | Type::Parts(_) => "a list of tables".to_owned(),
        }
    }

    /// The range of a whole number, as in "must be 1 or more".
    fn range(&self) -> Option<String> {
        let Type::Whole { least, most } = self else { return None };
        let grouped = |number: &u64| crate::text::grouped(number);
        Some(match (least, most) {
            (least, most) if least == most => least.to_string(),
            (least, &LARGEST) => format!("{least} or more"),
            (least, most) if least + 1 == *most => format!("{least} or {most}"),
            (least, most) => format!("{} to {}", grouped(least), grouped(most)),
        })
    }

    /// What to do about a value that is nearly valid.
    fn instead(&self, value: &Value) -> Option<Advice> {
        let text = match value {
            Value::String(text) => self
                .number_in_quotes(text)
                .or_else(|| self.nearest_word(text).map(|near| format!("did you mean `\"{near}\"`?"))),
            Value::Float(number)
                if matches!(self, Type::Whole { .. })
                    && number.abs() < LARGEST as f64
                    && number.fract() == 0.0
                    && self.takes(&Value::Integer(*number as i64)) =>
            {
                Some(format!("write {}", *number as i64))
            }
            Value::Array(values) if !values.is_empty() && values.iter().all(|value| self.takes(value)) => {
                return Some(Advice::ListOfValues);
            }
            _ if matches!(self, Type::List(_, 0 | 1)) && self.takes(&Value::Array(vec![value.clone()])) => {
                Some(format!("write a list: [{value}]"))
            }
            _ => None,
        };
        text.map(Advice::Text)
    }

    /// What to write instead of a number that was read as text: it is in quotes, or is not valid TOML, such as `.5` and `05`.
    fn number_in_quotes(&self, text: &str) -> Option<String> {
        let bare = text.trim().replace('_', "");
        let whole = bare.parse::<i64>().ok().map(Value::Integer).filter(|value| self.takes(value));
        let number = bare.parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.map(Value::Float).filter(|value| self.takes(value));
        let meant = whole.or(number)?;
        let is_toml = toml::de::DeTable::parse(&format!("a={}", text.trim())).is_ok();
        Some(if is_toml { "remove the quotes".to_owned() } else { format!("write {meant}") })
    }

    /// The valid word that an invalid word most likely means: the word is another name of it, or a misspelling.
    pub fn nearest_word(&self, word: &str) -> Option<String> {
        let words = self.words();
        let synonym = other_name(words.iter().copied(), word);
        synonym.map(str::to_owned).or_else(|| nearest(word, words.iter().map(|word| word.name)))
    }

    /// The valid words.
    pub fn words(&self) -> Vec<&'static super::Word> {
        match self {
            Type::Word(words) => words.words(),
            Type::OneOf(types, _) => types.iter().flat_map(Type::words).collect(),
            _ => Vec::new(),
        }
    }

    /// A valid value in the type's own form: for a number, a whole number becomes a float.
    pub fn canonical(&self, value: &Value) -> Value {
        match (self, value) {
            (Type::Number(_), Value::Integer(integer)) => Value::Float(*integer as f64),
            (Type::List(inner, _) | Type::Pair(inner), Value::Array(values)) => {
                Value::Array(values.iter().map(|value| inner.canonical(value)).collect())
            }
            (Type::OneOf(types, _), value) => {
                let taker = types.iter().find(|one| one.takes(value));
                taker.map_or_else(|| value.clone(), |one| one.canonical(value))
            }
            _ => value.clone(),
        }
    }

    /// The valid values in words, for the reference of keys.
    pub fn in_words(&self) -> String {
        match self {
            Type::Text | Type::Name | Type::Path => "text".to_owned(),
            Type::Percentage => "percentage such as `\"1%\"`".to_owned(),
            Type::Bool => "true or false".to_owned(),
            Type::Whole { least, most } if least == most => least.to_string(),
            Type::Whole { least: 0, most: LARGEST } => "whole number".to_owned(),
            Type::Whole { .. } => format!("whole number, {}", self.range().unwrap_or_default()),
            Type::Number(interval) => match interval.to_string() {
                range if range.is_empty() => "number".to_owned(),
                range => format!("number, {range}"),
            },
            Type::Word(words) => words.names().iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Type::List(inner, _) => format!("list of {}", plural(&inner.in_words())),
            Type::Pair(inner) => format!("two {}", plural(&inner.in_words())),
            Type::OneOf(types, _) => types.iter().map(Type::in_words).collect::<Vec<_>>().join(" or "),
            Type::Table => "table".to_owned(),
            Type::Tables => "tables".to_owned(),
            Type::Parts(_) => "list of tables".to_owned(),
        }
    }

    /// The valid values as a JSON schema.
    pub fn schema(&self) -> serde_json::Value {
        match self {
            Type::Text | Type::Path => json!({ "type": "string" }),
            Type::Bool => json!({ "type": "boolean" }),
            Type::Percentage => json!({ "type": "string", "pattern": r"^\s*(\d+(\.\d*)?|\.\d+)\s*%\s*$" }),
            Type::Name => json!({
                "type": "string", "minLength": 1, "maxLength": 100, "pattern": r"^[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*$",
            }),
            Type::Whole { least, most } => {
                let mut schema = json!({ "type": "integer", "minimum": least });
                if *most < LARGEST {
                    schema["maximum"] = json!(most);
                }
                schema
            }
            Type::Number(interval) => interval.schema(),
            Type::Word(words) => {
                let word = |word: &&super::Word| json!({ "const": word.name, "description": word.doc });
                json!({ "oneOf": words.words().iter().map(word).collect::<Vec<_>>() })
            }
            Type::List(inner, least) => json!({ "type": "array", "minItems": least, "items": inner.schema() }),
            Type::Pair(inner) => {
                json!({ "type": "array", "minItems": 2, "maxItems": 2, "items": inner.schema() })
            }
            Type::OneOf(types, _) => json!({ "anyOf": types.iter().map(Type::schema).collect::<Vec<_>>() }),
            Type::Table => json!({ "type": "object" }),
            Type::Tables => json!({ "type": "array", "items": { "type": "object" } }),
            Type::Parts(parts) => json!({ "type": "array", "items": parts.schema() }),
        }
    }
}

/// The number of a percentage such as `1%`; `None` if the text is not a percentage. Only digits and one point are accepted.
pub fn percent(text: &str) -> Option<f64> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let is_plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
    number.parse().ok().filter(|number: &f64| is_plain && number.is_finite())
}

/// What the name of a folder must be instead; `None` if it is valid. File systems limit the number of bytes.
pub fn name_fault(name: &str) -> Option<&'static str> {
    let is_plain = !name.starts_with('.') && !name.chars().any(|c| c == '/' || c == '\\' || c.is_control());
    match (1..=100).contains(&name.chars().count()) && name.len() <= 240 {
        false => Some("1 to 100 characters long, and at most 240 bytes"),
        true if !is_plain => Some("a folder name without slashes, line breaks and a leading dot"),
        true => None,
    }
}

/// The candidate that is most similar to a misspelled name; `None` if none is similar enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (jaro_winkler(&name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.84)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate.to_owned())
}

/// The words of a type in the plural: "whole numbers, 1 or more".
fn plural(words: &str) -> String {
    let noun = ["whole number", "number", "text"].into_iter().find(|noun| words.starts_with(noun));
    noun.map_or_else(|| words.to_owned(), |noun| words.replacen(noun, &format!("{noun}s"), 1))
}
