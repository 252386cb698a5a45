//! `vaex plan`: the trials of a spec as a table.

use super::{DONE, PlanArgs, plain_table, say};
use crate::plan::Plan;
use comfy_table::{CellAlignment, Table};

pub(super) fn run(args: &PlanArgs) -> anyhow::Result<u8> {
    let plan = Plan::read(&args.spec_file, &args.spec.overrides())?;
    if args.json {
        say(&json(&plan).to_string());
    } else {
        say(&table(&plan).to_string());
        let dataset = plan.trials().first().map(|trial| trial.dataset());
        let (train, validation) = dataset.map_or((0, 0), |data| (data.train.len(), data.validation.len()));
        let count = plan.trials().len();
        let trials = if count == 1 { "1 trial".to_owned() } else { format!("{count} trials") };
        say(&format!("{}: {trials}, {train} training and {validation} validation images", plan.name()));
    }
    Ok(DONE)
}

fn table(plan: &Plan) -> Table {
    let mut table = plain_table();
    let varied = plan.varied().iter().map(String::as_str);
    table.set_header(["trial"].into_iter().chain(varied).chain(["parameters", "steps"]));
    for trial in plan.trials() {
        let values = trial.texts(plan.varied());
        let sizes = [trial.architecture().parameters().to_string(), trial.steps().to_string()];
        table.add_row([trial.id().to_owned()].into_iter().chain(values).chain(sizes));
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn json(plan: &Plan) -> serde_json::Value {
    let trials = plan.trials().iter().map(|trial| {
        serde_json::json!({
            "trial": trial.id(),
            "parameters": trial.architecture().parameters() as u64,
            "steps": trial.steps(),
            "training_images": trial.dataset().train.len(),
            "validation_images": trial.dataset().validation.len(),
            "spec_hash": trial.spec_hash(),
            "data_hash": trial.dataset().hash,
            "spec": trial.values(),
        })
    });
    serde_json::json!({ "name": plan.name(), "varied": plan.varied(), "trials": trials.collect::<Vec<_>>() })
}
