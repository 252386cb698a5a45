//! The table of metrics, written with each checkpoint and at the end.

use super::{TrainingEvent, Writer};
use crate::record::tables;
use crate::train::Execute;
use crate::trial::TrialError;
use crate::trial::session::Session;

/// metrics.parquet: the rows of all epochs.
pub(super) struct MetricsTable;

impl<B: Execute> Writer<B> for MetricsTable {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        match event {
            TrainingEvent::Save | TrainingEvent::Recovered | TrainingEvent::Finished => {
                Ok(tables::write_metrics_unsynced(&session.run.folder.metrics(), &session.past.rows)?)
            }
            // No checkpoint has these rows.
            TrainingEvent::Diverged { .. } => {
                Ok(tables::write_metrics(&session.run.folder.metrics(), &session.past.rows)?)
            }
            _ => Ok(()),
        }
    }
}
