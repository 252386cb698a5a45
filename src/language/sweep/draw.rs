//! The distributions of the values of a key, from which `[sweep.random]` draws and in which a search looks.

use super::Reason;
use crate::folder::digest_number;
use crate::language::numbers::{finite, magnitude, to_place};
use crate::random::{Purpose, Stream};
use crate::search::Domain;
use crate::settings::nearest;
use toml::Value;

/// The distribution of a key.
#[derive(Clone, Debug)]
pub(in crate::language) enum Draw {
    Uniform(f64, f64),
    LogUniform(f64, f64),
    Int(i64, i64),
    IntLog(i64, i64),
    Choice(Vec<Value>),
}

/// A distribution that a spec can name.
pub(in crate::language) struct Distribution {
    pub(in crate::language) name: &'static str,
    pub(in crate::language) doc: &'static str,
    /// The type of the elements of its list as in JSON schema; `None` for any.
    pub(in crate::language) element: Option<&'static str>,
    /// Reads its list; the error is what it needs instead.
    read: fn(&[Value]) -> Result<Draw, &'static str>,
}

/// The distributions.
pub(in crate::language) static DISTRIBUTIONS: [Distribution; 5] = [
    Distribution {
        name: "uniform",
        doc: "Uniform between two numbers.",
        element: Some("number"),
        read: |list| rising(list).map(|(low, high)| Draw::Uniform(low, high)),
    },
    Distribution {
        name: "log_uniform",
        doc: "Log-uniform between two numbers above 0.",
        element: Some("number"),
        read: |list| match rising(list)? {
            (low, high) if low > 0.0 => Ok(Draw::LogUniform(low, high)),
            _ => Err("two numbers above 0"),
        },
    },
    Distribution {
        name: "int",
        doc: "Uniform over the whole numbers from the first to the second, both included.",
        element: Some("integer"),
        read: |list| wholes(list).map(|(low, high)| Draw::Int(low, high)),
    },
    Distribution {
        name: "int_log",
        doc: "Log-uniform over the whole numbers from the first, which is 1 or more, to the second, both included.",
        element: Some("integer"),
        read: |list| match wholes(list)? {
            (low, high) if low > 0 => Ok(Draw::IntLog(low, high)),
            _ => Err("two whole numbers above 0"),
        },
    },
    Distribution {
        name: "choice",
        doc: "One of a list of values, each equally likely.",
        element: None,
        read: |list| match list {
            [] => Err("a list with at least one value"),
            list => Ok(Draw::Choice(list.to_vec())),
        },
    },
];

fn rising(list: &[Value]) -> Result<(f64, f64), &'static str> {
    let ends = match list {
        [low, high] => finite(low).zip(finite(high)).filter(|(low, high)| low < high),
        _ => None,
    };
    ends.ok_or("a list of two numbers, the smaller one first")
}

fn wholes(list: &[Value]) -> Result<(i64, i64), &'static str> {
    match list {
        [Value::Integer(low), Value::Integer(high)] if low < high => Ok((*low, *high)),
        _ => Err("a list of two whole numbers, the smaller one first"),
    }
}

/// The names of all distributions, as in "expected ...".
fn names() -> String {
    let [all @ .., last] = &DISTRIBUTIONS.each_ref().map(|one| format!("`{}`", one.name));
    format!("{} or {last}", all.join(", "))
}

impl Draw {
    /// Reads a distribution such as `{ log_uniform = [1e-4, 1.0] }`.
    pub(in crate::language) fn read(key: &str, value: &Value) -> Result<Draw, Reason> {
        let mut entries = value.as_table().into_iter().flatten();
        let (Some((name, bounds)), None) = (entries.next(), entries.next()) else {
            return Err((format!("`{key}` needs one distribution: {}", names()), None));
        };
        let Some(distribution) = DISTRIBUTIONS.iter().find(|one| one.name == name) else {
            let near = nearest(name, DISTRIBUTIONS.iter().map(|one| one.name));
            return Err((
                format!("unknown distribution `{name}` of `{key}`; expected {}", names()),
                near.map(|near| format!("did you mean `{near}`?")),
            ));
        };
        let list: &[Value] = bounds.as_array().map_or(&[], |list| list);
        (distribution.read)(list).map_err(|needs| {
            // Two numbers in the wrong order.
            let turned = match list {
                [high, low] => {
                    (distribution.read)(&[low.clone(), high.clone()]).ok().map(|_| format!("[{low}, {high}]"))
                }
                _ => None,
            };
            let help = turned.map(|turned| format!("write `\"{key}\" = {{ {name} = {turned} }}`"));
            (format!("`{name}` of `{key}` needs {needs}"), help)
        })
    }

    /// The value of a sample. It depends only on the seed, the key and the number of the sample. `None` without choices.
    pub(in crate::language) fn value(&self, seed: u64, key: &str, sample: u64) -> Option<Value> {
        let of_key = digest_number(key.as_bytes());
        let mut stream = Stream::new(seed, Purpose::Sweep, sample, of_key);
        let mut share = || stream.below(1 << 53) as f64 / (1u64 << 53) as f64;
        Some(match self {
            Draw::Uniform(low, high) => Value::Float(between(low + share() * (high - low), *low, *high)),
            Draw::LogUniform(low, high) => {
                Value::Float(between((low.ln() + share() * (high.ln() - low.ln())).exp(), *low, *high))
            }
            Draw::Int(low, high) => {
                let span = high.abs_diff(*low).saturating_add(1);
                Value::Integer(low.wrapping_add_unsigned(stream.below(span)))
            }
            Draw::IntLog(..) => self.value_of(self.domain().at(share()))?,
            Draw::Choice(values) => {
                let index = stream.below(values.len() as u64) as usize;
                values.get(index)?.clone()
            }
        })
    }

    /// The values as a search has them. Choices are numbers from 0.
    pub(in crate::language) fn domain(&self) -> Domain {
        match *self {
            Draw::Uniform(low, high) => Domain::Real { ends: [low, high], log: false },
            Draw::LogUniform(low, high) => Domain::Real { ends: [low, high], log: true },
            Draw::Int(low, high) => Domain::Whole { ends: [low, high], log: false },
            Draw::IntLog(low, high) => Domain::Whole { ends: [low, high], log: true },
            Draw::Choice(ref values) => Domain::Choice(values.len()),
        }
    }

    /// The value of a number of its domain. `None` if there is no such choice.
    pub(in crate::language) fn value_of(&self, number: f64) -> Option<Value> {
        match self {
            Draw::Uniform(low, high) | Draw::LogUniform(low, high) => Some(Value::Float(between(number, *low, *high))),
            Draw::Int(..) | Draw::IntLog(..) => Some(Value::Integer(number as i64)),
            Draw::Choice(values) => values.get(number as usize).cloned(),
        }
    }
}

/// Rounds a drawn number to four digits of the number or of the width of the bounds, whichever is finer. If rounding would
/// move it to a bound, it is not rounded.
fn between(drawn: f64, low: f64, high: f64) -> f64 {
    let rounded = to_place(drawn, magnitude(drawn).min(magnitude(high - low)) - 3);
    if (low..high).contains(&rounded) { rounded } else { drawn.clamp(low, high) }
}
