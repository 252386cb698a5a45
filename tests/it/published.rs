//! docs/published.md: its tables are those of the results in experiments/published/results.

use std::path::{Path, PathBuf};
use vaex::report::{Experiment, collect};

const START: &str = "<!-- results -->\n";
const END: &str = "<!-- end of results -->\n";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A number with five significant digits.
fn short(value: f64) -> String {
    let digits = (4.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.digits$}")
}

/// The rows of the table of an experiment: what is expected, and what each trial gave.
fn rows(experiment: &Experiment, expectations: &serde_json::Value) -> String {
    let row = |one: &serde_json::Value| {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let (value, within) = (one["value"].as_f64().unwrap(), one["within"].as_f64().unwrap());
        let epoch = one["epoch"].as_u64().map_or(String::new(), |epoch| format!(", epoch {epoch}"));
        let keys = one["where"].as_object().unwrap().iter();
        let keys: String =
            keys.map(|(key, value)| format!(", {} = {value}", key.rsplit('.').next().unwrap())).collect();
        let of_trial = |id: &serde_json::Value| one["values"][id.as_str().unwrap()].as_f64();
        let values: Vec<f64> = one["trials"].as_array().unwrap().iter().filter_map(of_trial).collect();
        let each = values.iter().map(|value| short(*value)).collect::<Vec<_>>().join(", ");
        let (mean, off) = match one["result"].as_f64() {
            Some(mean) => {
                let off = mean - value;
                // Two significant digits.
                let digits = (1.0 - off.abs().log10().floor()).clamp(0.0, 6.0) as usize;
                (short(mean), format!("{off:+.digits$} ({:+.1} %)", 100.0 * off / value.abs()))
            }
            None => ("-".to_owned(), "-".to_owned()),
        };
        format!(
            "| {} | `{}`{epoch}{keys} | {} | {} | {mean} | {each} | {off} | {} |\n",
            experiment.name,
            text("metric"),
            short(value),
            short(within),
            text("status")
        )
    };
    expectations.as_array().unwrap().iter().map(row).collect()
}

/// The lines about the trials of an experiment.
fn trials(experiment: &Experiment) -> String {
    let line = |trial: &vaex::report::ReportedTrial| {
        let record = &trial.record;
        let commit = record.git_commit.as_ref().map_or(String::new(), |commit| format!(" ({commit})"));
        format!(
            "| {} | {} | {} | {} | {:.0} | {} | {} | {}{commit} |\n",
            experiment.name,
            record.trial,
            record.spec.get("seed").map_or(String::new(), ToString::to_string),
            trial.last_epoch().unwrap_or_default(),
            record.seconds,
            record.threads,
            record.processor.as_deref().unwrap_or("-"),
            record.version,
        )
    };
    experiment.trials.iter().map(line).collect()
}

/// The generated part of the page.
fn generated() -> String {
    let report = collect(&path("experiments/published/results")).unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    let json = report.json();
    let mut tables = [
        "| experiment | metric | published | within | vaex, mean | each trial | distance | |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n".to_owned(),
        "| experiment | trial | seed | epochs | seconds | threads | processor | version |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n".to_owned(),
    ];
    for (experiment, json) in report.experiments.iter().zip(json["experiments"].as_array().unwrap()) {
        assert_eq!(json["name"], *experiment.name);
        tables[0].push_str(&rows(experiment, &json["expectations"]));
        tables[1].push_str(&trials(experiment));
    }
    let [expected, trials] = tables;
    format!("{expected}\nThe trials:\n\n{trials}")
}

/// VAEX_WRITE_DOCS=1 updates it.
#[test]
fn the_page_of_published_results_has_the_results() {
    let page = path("docs/published.md");
    let mut text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(START).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{START}{}{END}{after}", generated());
    if std::env::var_os("VAEX_WRITE_DOCS").is_some() {
        std::fs::write(&page, &expected).unwrap();
        text = expected.clone();
    }
    assert!(text == expected, "docs/published.md: update it with VAEX_WRITE_DOCS=1");
}

/// Each experiment with results has a spec, and the numbers that it expects are those of the results.
#[test]
fn results_are_of_the_specs() {
    let mut count = 0;
    for experiment in collect(&path("experiments/published/results")).unwrap().experiments {
        let spec = path(&format!("experiments/published/{}.toml", experiment.name));
        let text = std::fs::read_to_string(&spec).unwrap();
        assert!(text.contains("[[expect]]") || experiment.expectations.is_empty(), "{}", spec.display());
        let written: toml::Value = toml::from_str(&text).unwrap();
        let written = written.get("expect").and_then(|one| one.as_array()).cloned().unwrap_or_default();
        assert_eq!(written.len(), experiment.expectations.len(), "{}", spec.display());
        for (expectation, written) in experiment.expectations.iter().zip(&written) {
            assert_eq!(written["metric"].as_str(), Some(&*expectation.metric));
            assert_eq!(written["value"].as_float(), Some(expectation.value));
            assert_eq!(written["source"].as_str(), expectation.source.as_deref());
            assert!(!expectation.trials.is_empty());
            count += 1;
        }
    }
    assert!(count > 0);
}
