//! Small things done to texts in several places: numbers in groups of three digits, templates, words of a shell.

use std::fmt::Display;

/// A whole number with its digits in groups of three: `1,234,567`.
pub(crate) fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// As in `1 image`, `2,000 images`.
pub(crate) fn counted(number: impl Display, noun: &str) -> String {
    let number = grouped(number);
    if number == "1" { format!("{number} {noun}") } else { format!("{number} {noun}s") }
}

/// A template with its places filled in, in one pass: a value that contains something like a place stays as it is. A place
/// after a `$` is a variable of the shell, as in `${name}`, and stays too.
pub(crate) fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let (mut text, mut rest) = (String::new(), template);
    let next = |rest: &str| values.iter().filter_map(|(place, value)| Some((rest.find(place)?, *place, *value))).min();
    while let Some((start, place, value)) = next(rest) {
        let (before, from) = rest.split_at(start);
        text.push_str(before);
        text.push_str(if before.ends_with('$') { place } else { value });
        rest = &from[place.len()..];
    }
    text + rest
}

/// A text as one word of a shell command, quoted where it must be.
pub(crate) fn shell_word(word: &str) -> String {
    // Only a text with a zero byte cannot be quoted, and neither a path nor an argument has one.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

/// A number as one would write it: 1e-50 and not fifty zeros.
pub(crate) fn short(value: f64) -> String {
    let magnitude = value.abs();
    let text =
        if value != 0.0 && !(1e-4..1e15).contains(&magnitude) { format!("{value:e}") } else { value.to_string() };
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_in_threes() {
        assert_eq!([0, 12, 999, 1000, 47_040_016].map(grouped), ["0", "12", "999", "1,000", "47,040,016"]);
        assert_eq!([0, 1, 2000].map(|n| counted(n, "image")), ["0 images", "1 image", "2,000 images"]);
    }

    #[test]
    fn places_are_filled_once_and_variables_stay() {
        let values = [("{task}", "vaex {count}"), ("{count}", "3")];
        assert_eq!(filled("run {task} ${task} {count}{count} {other}", &values), "run vaex {count} ${task} 33 {other}");
        assert_eq!(filled("", &values), "");
    }

    #[test]
    fn words_are_quoted_where_the_shell_would_split_or_expand_them() {
        let words = ["runs/a-b_c.toml", "two words", "it's", "$HOME", ""].map(shell_word);
        assert_eq!(words, ["runs/a-b_c.toml", "'two words'", "\"it's\"", "'$HOME'", "''"]);
    }
}
