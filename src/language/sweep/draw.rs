//! How `[sweep.random]` draws values of a key.

use super::Reason;
use crate::folder::digest;
use crate::language::numbers::{finite, magnitude, to_place};
use crate::random::{Purpose, Stream};
use crate::settings::nearest;
use toml::Value;

/// The distribution of a key.
#[derive(Clone, Debug)]
pub(in crate::language) enum Draw {
    Uniform(f64, f64),
    LogUniform(f64, f64),
    Int(i64, i64),
    Choice(Vec<Value>),
}

impl Draw {
    /// Reads a distribution such as `{ log_uniform = [1e-4, 1.0] }`.
    pub(in crate::language) fn read(key: &str, value: &Value) -> Result<Draw, Reason> {
        let mut entries = value.as_table().into_iter().flatten();
        let (Some((name, bounds)), None) = (entries.next(), entries.next()) else {
            let message = format!("`{key}` needs one distribution: `uniform`, `log_uniform`, `int` or `choice`");
            return Err((message, None));
        };
        let list = bounds.as_array().cloned().unwrap_or_default();
        let numbers = match &list[..] {
            [low, high] => finite(low).zip(finite(high)).filter(|(low, high)| low < high),
            _ => None,
        };
        let needs = |what: &str| (format!("`{name}` of `{key}` needs {what}"), None);
        let rising = || numbers.ok_or_else(|| needs("a list of two numbers, the smaller one first"));
        match name.as_str() {
            "uniform" => rising().map(|(low, high)| Draw::Uniform(low, high)),
            "log_uniform" => match rising()? {
                (low, high) if low > 0.0 => Ok(Draw::LogUniform(low, high)),
                _ => Err(needs("two numbers above 0")),
            },
            "int" => match &list[..] {
                [Value::Integer(low), Value::Integer(high)] if low < high => Ok(Draw::Int(*low, *high)),
                _ => Err(needs("a list of two whole numbers, the smaller one first")),
            },
            "choice" if !list.is_empty() => Ok(Draw::Choice(list)),
            "choice" => Err(needs("a list with at least one value")),
            other => {
                let near = nearest(other, ["uniform", "log_uniform", "int", "choice"]);
                Err((
                    format!(
                        "unknown distribution `{other}` of `{key}`; expected `uniform`, `log_uniform`, `int` or `choice`"
                    ),
                    near.map(|near| format!("did you mean `{near}`?")),
                ))
            }
        }
    }

    /// The value of a sample. It depends only on the seed, the key and the number of the sample.
    pub(in crate::language) fn value(&self, seed: u64, key: &str, sample: u64) -> Value {
        let of_key = u64::from_str_radix(&digest(&[key.as_bytes()], 16), 16).unwrap_or_default();
        let mut stream = Stream::new(seed, Purpose::Sweep, sample, of_key);
        let mut share = || stream.below(1 << 53) as f64 / (1u64 << 53) as f64;
        match self {
            Draw::Uniform(low, high) => Value::Float(between(low + share() * (high - low), *low, *high)),
            Draw::LogUniform(low, high) => {
                Value::Float(between((low.ln() + share() * (high.ln() - low.ln())).exp(), *low, *high))
            }
            Draw::Int(low, high) => {
                let span = high.abs_diff(*low).saturating_add(1);
                Value::Integer(low.wrapping_add_unsigned(stream.below(span)))
            }
            Draw::Choice(values) => {
                let index = stream.below(values.len() as u64) as usize;
                values.get(index).cloned().unwrap_or(Value::Boolean(false))
            }
        }
    }
}

/// Rounds a drawn number to four digits of the number or of the width of the bounds, whichever is finer. If rounding would
/// move it to a bound, it is not rounded.
fn between(drawn: f64, low: f64, high: f64) -> f64 {
    let rounded = to_place(drawn, magnitude(drawn).min(magnitude(high - low)) - 3);
    if (low..high).contains(&rounded) { rounded } else { drawn.clamp(low, high) }
}
