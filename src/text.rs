//! Text helpers that several modules use: grouped digits, counts, templates, shell quoting.

use std::fmt::Display;

/// A whole number with digits in groups of three: `1,234,567`.
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

/// A number and its noun: `1 image`, `2,000 images`.
pub(crate) fn counted(number: impl Display, noun: &str) -> String {
    let number = grouped(number);
    if number == "1" { format!("{number} {noun}") } else { format!("{number} {noun}s") }
}

/// A template with its placeholders replaced, in one pass: a placeholder inside a value is not replaced. A placeholder
/// after a `$` is a shell variable, such as `${name}`, and is not replaced either.
pub(crate) fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let (mut text, mut rest) = (String::new(), template);
    let next = |rest: &str| values.iter().filter_map(|(name, value)| Some((rest.find(name)?, *name, *value))).min();
    while let Some((start, name, value)) = next(rest) {
        let (before, from) = rest.split_at(start);
        text.push_str(before);
        text.push_str(if before.ends_with('$') { name } else { value });
        rest = &from[name.len()..];
    }
    text + rest
}

/// A text as one word of a shell command, quoted if necessary.
pub(crate) fn shell_word(word: &str) -> String {
    // Only a text with a zero byte cannot be quoted; paths and arguments never contain one.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

/// A number in its shortest notation: `1e-50` instead of fifty zeros.
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
    fn placeholders_are_replaced_once_and_shell_variables_stay() {
        let values = [("{task}", "vaex {count}"), ("{count}", "3")];
        assert_eq!(filled("run {task} ${task} {count}{count} {other}", &values), "run vaex {count} ${task} 33 {other}");
        assert_eq!(filled("", &values), "");
    }

    #[test]
    fn words_are_quoted_if_the_shell_would_split_or_expand_them() {
        let words = ["runs/a-b_c.toml", "two words", "it's", "$HOME", ""].map(shell_word);
        assert_eq!(words, ["runs/a-b_c.toml", "'two words'", "\"it's\"", "'$HOME'", "''"]);
    }
}
