//! `vaex run`: trains trials on this machine, submits them to a scheduler, or verifies that a trial is reproducible.

mod arguments;
mod local;
mod repro;
mod submit;

pub(super) use arguments::RunArgs;

use super::command::Command;
use super::shared::exit::WRONG;
use super::shared::print::{complain, explain_as, warn};
use super::shared::progress::say_event;
use super::shared::schedulers::scheduler;
use super::shared::trial;
use crate::plan::Plan;
use serde_json::json;

impl Command for RunArgs {
    fn run(&self) -> anyhow::Result<u8> {
        if let Some(trial) = &self.verify_repro {
            return repro::run(&trial::folder(trial, &self.runs)?, self);
        }
        let Some(plans) = plans(self) else { return Ok(WRONG) };
        match scheduler(&self.submit)? {
            Some(scheduler) => submit::run(&plans, self, &scheduler),
            None => local::run(&plans, self),
        }
    }

    fn is_json(&self) -> bool {
        self.json
    }
}

/// The plans of all specs; `None` if any spec has errors. The errors of all specs are printed.
fn plans(args: &RunArgs) -> Option<Vec<Plan>> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut wrong = false;
    for spec in &args.specs {
        match args.spec.plan(spec) {
            Ok(plan) if plan.search().is_some() && args.spec.selects() => {
                wrong = true;
                let name = plan.name();
                complain(&format!(
                    "error: `--only` and `--limit` select trials of a sweep; the search of `{name}` selects its own"
                ));
            }
            Ok(plan) if plans.iter().any(|other| other.name() == plan.name()) => {
                wrong = true;
                let (path, name) = (spec.display(), plan.name());
                complain(&format!("error: {path} also has the name `{name}`; give each experiment its own name"));
            }
            Ok(plan) => {
                if !args.json {
                    warn(&plan);
                } else if !plan.warnings().is_empty() {
                    let (name, warnings) = (plan.name(), plan.warnings().json());
                    say_event(json!({ "event": "warnings", "name": name, "warnings": warnings }));
                }
                plans.push(plan);
            }
            Err(error) => {
                wrong = true;
                explain_as(&error, args.json);
            }
        }
    }
    (!wrong).then_some(plans)
}
