//! What is in the columns of the parquet tables, for whoever reads them.

use super::frames;
use crate::folder::{ExperimentFolder, TrialFolder};
use crate::record::tables as logged;
use crate::record::trial::TrialRecord;
use crate::train::Metrics;
use polars::prelude::Column;
use serde_json::{Value, json};

/// The columns of metrics.parquet, curves.parquet and trials.parquet: names, types and meanings.
pub fn tables() -> Value {
    let meanings = [schemars::schema_for!(Metrics).to_value(), schemars::schema_for!(TrialRecord).to_value()];
    let described = |columns: Vec<Column>| -> Vec<Value> {
        let column = |column: &Column| {
            let name = column.name().as_str();
            let dtype = column.dtype().to_string();
            json!({ "name": name, "type": dtype, "description": description(&meanings, name) })
        };
        columns.iter().map(column).collect()
    };
    json!({
        (TrialFolder::METRICS): {
            "description": "One row an epoch and split of a trial.",
            "columns": described(logged::metrics_columns(std::iter::empty())),
        },
        (ExperimentFolder::CURVES): {
            "description": "One row an epoch and split of each trial.",
            "columns": described(frames::curves(&[])),
        },
        (ExperimentFolder::TRIALS): {
            "description": "One row a trial. Between `status` and `final_epoch` come the keys of the spec, dotted, each in \
                the narrowest type that holds all its values: integer, float, boolean, or text, which has lists as JSON.",
            "columns": described(frames::trials(&[])),
        },
    })
}

/// What a column has, from the fields that it is made of.
fn description(meanings: &[Value; 2], name: &str) -> String {
    let field = |name: &str| {
        let mut found = meanings.iter().filter_map(|meaning| meaning["properties"][name]["description"].as_str());
        found.next().map(|text| text.replace('\n', " "))
    };
    let of_last = |split: &str| {
        let rest = name.strip_prefix("final_")?.strip_prefix(split)?.strip_prefix('_')?;
        Some(format!("Of the last epoch's {split} row: {}", field(rest)?))
    };
    let known = match name {
        "in_plan" => Some(
            "Whether the present plan of the trial's experiment has it; `vaex report` lists others apart.".to_owned(),
        ),
        "final_epoch" => Some("The last epoch.".to_owned()),
        "best_epoch" => Some("The epoch with the lowest validation loss.".to_owned()),
        "best_validation_loss" => Some("The lowest validation loss of an epoch.".to_owned()),
        "best_validation_elbo_nats" => Some("The highest validation elbo_nats of an epoch.".to_owned()),
        _ => None,
    };
    known.or_else(|| field(name)).or_else(|| of_last("train")).or_else(|| of_last("validation")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::tables;

    #[test]
    fn every_column_says_what_it_has() {
        let tables = tables();
        for (table, least) in [("metrics.parquet", 16), ("curves.parquet", 18), ("trials.parquet", 30)] {
            let columns = tables[table]["columns"].as_array().unwrap();
            assert!(columns.len() >= least, "{table}: {}", columns.len());
            for column in columns {
                assert!(column["description"].as_str().is_some_and(|text| text.len() > 8), "{table}: {column}");
            }
        }
    }
}
