//! The tables of a report in LaTeX, for papers: one table per experiment, with one row per setting.

use super::Report;
use super::columns::{MetricColumn, of_trials};
use super::comparison::{Comparison, Setting};
use super::numbers::{self, Summary};
use crate::metrics::Split;
use crate::plan::value_text;
use crate::text::counted;
use serde_json::Value;

/// The tables, each with a comment that says what its numbers are. They need the package booktabs.
pub(super) fn report(report: &Report) -> String {
    let tables = report.experiments.iter().map(|one| table(&report.heading(one), &Comparison::of(one)));
    format!("% \\usepackage{{booktabs}}\n{}", tables.collect::<String>())
}

fn table(heading: &str, comparison: &Comparison) -> String {
    // Times are not results.
    let is_time = |column: &MetricColumn| of_trials().any(|one| one.name == column.name);
    let columns: Vec<&MetricColumn> = comparison.columns.iter().copied().filter(|column| !is_time(column)).collect();
    let keys = comparison.varied.iter().map(|key| escaped(comparison.short(key)));
    let heads = keys.chain(["seeds".to_owned()]).chain(columns.iter().map(|column| escaped(column.head)));
    // Of a search, those that were stopped early or not reached.
    let (settings, others): (Vec<&Setting>, Vec<_>) =
        comparison.settings.iter().partition(|one| one.done().count() > 0);
    let values_of = |key: &&str| settings.iter().map(|setting| setting.value(key)).collect::<Vec<_>>();
    let keys_of: Vec<Vec<String>> = comparison.varied.iter().map(|key| cells_of(&values_of(key))).collect();
    let rows = settings.iter().enumerate().map(|(index, setting)| {
        let values = keys_of.iter().map(|column| column[index].clone());
        let seeds = setting.done().count().to_string();
        let metrics = columns.iter().map(|column| cell(setting, column, comparison.split));
        row(values.chain([seeds]).chain(metrics))
    });
    let alignment = format!("{}r{}", "l".repeat(comparison.varied.len()), "r".repeat(columns.len()));
    let about = format!("{heading}: {} metrics of {}", comparison.split.name(), comparison.of_epochs());
    let about = about.replace(['\n', '\r'], " ");
    let mut comments: Vec<String> =
        comparison.notes.iter().filter(|note| note.starts_with("warning: ")).cloned().collect();
    if !others.is_empty() {
        comments.push(format!("left out, because no trial is done: {}", counted(others.len(), "setting")));
    }
    let comments: String =
        comments.iter().map(|comment| format!("% {}\n", comment.replace(['\n', '\r'], " "))).collect();
    format!(
        "\n% {about}, mean $\\pm$ sample standard deviation over the seeds\n{comments}\\begin{{tabular}}{{{alignment}}}\n\\toprule\n{}\\midrule\n{}\
         \\bottomrule\n\\end{{tabular}}\n",
        row(heads),
        rows.collect::<String>()
    )
}

/// The cells of the values of a key. If one of its numbers needs a power of ten, all have one but 0 and whole numbers.
fn cells_of(values: &[Option<&Value>]) -> Vec<String> {
    let number = |value: &Value| value.as_f64().filter(|number| value.is_f64() && *number != 0.0);
    let has_power = values.iter().any(|one| one.and_then(number).is_some() && value_text(*one).contains('e'));
    let cell = |one: &Option<&Value>| match one.and_then(number) {
        Some(number) if has_power => value(&format!("{number:e}")),
        _ => value(&value_text(*one)),
    };
    values.iter().map(cell).collect()
}

fn row(cells: impl Iterator<Item = String>) -> String {
    format!("{} \\\\\n", cells.collect::<Vec<_>>().join(" & "))
}

fn cell(setting: &Setting, column: &MetricColumn, split: Split) -> String {
    let Some(summary) = setting.summary(column, split).filter(Summary::is_finite) else { return "--".to_owned() };
    if !column.with_deviation {
        return value(&numbers::short(summary.mean));
    }
    match summary.text() {
        (mean, Some(deviation)) => format!("${} \\pm {}$", power(&mean), power(&deviation)),
        (mean, None) => value(&mean),
    }
}

/// A number in math mode, or text.
fn value(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => format!("${}$", power(text)),
        _ if text == "-" => "--".to_owned(),
        _ => escaped(text),
    }
}

/// A number in math mode: `5e-5` as 5 times a power of ten.
fn power(number: &str) -> String {
    match number.split_once('e') {
        Some((factor, exponent)) => format!("{factor} \\cdot 10^{{{exponent}}}"),
        None => number.to_owned(),
    }
}

/// Text in which no character has a meaning for LaTeX.
fn escaped(text: &str) -> String {
    let character = |c: char| match c {
        '\\' => "\\textbackslash{}".to_owned(),
        '~' => "\\textasciitilde{}".to_owned(),
        '^' => "\\textasciicircum{}".to_owned(),
        // At the start of a row, these would belong to the end of the row before.
        '[' | '*' => format!("{{{c}}}"),
        '&' | '%' | '$' | '#' | '_' | '{' | '}' => format!("\\{c}"),
        c if c.is_control() => " ".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_math_and_text_is_escaped() {
        let shown = ["-280.30", "5e-5", "1.5e10", "[32,64]", "a_b & c\\", "NaN", "-"].map(value);
        let expected = [
            "$-280.30$",
            "$5 \\cdot 10^{-5}$",
            "$1.5 \\cdot 10^{10}$",
            "{[}32,64]",
            "a\\_b \\& c\\textbackslash{}",
            "NaN",
            "--",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn fractions_of_a_key_have_a_power_of_ten_if_one_needs_it() {
        let values = [json!(5e-5), json!(0.001), json!(0.0), json!(3), json!("adam")];
        let cells = cells_of(&[Some(&values[0]), Some(&values[1]), Some(&values[2]), Some(&values[3]), None]);
        assert_eq!(cells, ["$5 \\cdot 10^{-5}$", "$1 \\cdot 10^{-3}$", "$0$", "$3$", "--"]);
        assert_eq!(cells_of(&[Some(&values[1]), Some(&values[4])]), ["$0.001$", "adam"]);
    }
}
