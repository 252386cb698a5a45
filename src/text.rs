//! Numbers in words.

/// A whole number with a comma before each three digits: `47,040,016`.
pub(crate) fn grouped(number: impl std::fmt::Display) -> String {
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
pub(crate) fn counted(number: impl std::fmt::Display, noun: &str) -> String {
    let number = grouped(number);
    if number == "1" { format!("{number} {noun}") } else { format!("{number} {noun}s") }
}

/// A number as one would write it: 1e-50 and not fifty zeros.
pub(crate) fn short(value: f64) -> String {
    let magnitude = value.abs();
    let text =
        if value != 0.0 && !(1e-4..1e15).contains(&magnitude) { format!("{value:e}") } else { value.to_string() };
    text.to_lowercase()
}
