//! The metrics of an epoch: scalars, and lists as histograms.

use super::{EventWriter, tensor};
use crate::folder::FileError;
use crate::metrics::{Metric, Row, Value};
use tensorboard_proto::summary::Summary_Value;
use tensorboard_proto::types::DataType;

impl EventWriter {
    /// The metrics of an epoch and split as scalars, `1_validation/loss` and so on, at the step `row.step`; lists as
    /// histograms, `kl_axis_nats/validation`, in which bucket [i, i + 1) has the value of axis i.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn metrics(&mut self, row: &Row) -> Result<(), FileError> {
        let mut values = Vec::new();
        for (metric, tag, value) in tagged(row) {
            match value {
                Value::List(axes) => values.extend(self.by_axis(metric, &tag, axes)),
                Value::Text(_) => {}
                Value::Number(_) | Value::Count(_) => {
                    values.extend(value.number().map(|value| self.scalar(&tag, value, &metric.doc)));
                }
            }
        }
        self.summary(row.step, values)
    }

    /// The metrics of the evaluation as scalars, `0_evaluation/test_nll_nats` and so on, at the last step: names, values and
    /// meanings.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn evaluation<'a>(
        &mut self,
        step: u64,
        values: impl IntoIterator<Item = (String, f64, &'a str)>,
    ) -> Result<(), FileError> {
        let values = values.into_iter();
        let values =
            values.map(|(name, value, doc)| self.scalar(&format!("0_evaluation/{name}"), value, doc)).collect();
        self.summary(step, values)?;
        self.flush()
    }

    fn scalar(&mut self, tag: &str, value: f64, description: &str) -> Summary_Value {
        let mut scalar = self.value(tag, "scalars", description);
        scalar.set_simple_value(value as f32);
        scalar
    }

    /// A list as a histogram; `None` if it is empty or has a number that is not finite.
    fn by_axis(&mut self, metric: &Metric, tag: &str, axes: &[f64]) -> Option<Summary_Value> {
        // A bucket that is not finite breaks the whole chart.
        if axes.is_empty() || axes.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut buckets = tensor(DataType::DT_FLOAT, &[axes.len(), 3]);
        let bucket = |(axis, &value): (usize, &f64)| [axis as f32, (axis + 1) as f32, value as f32];
        buckets.set_float_val(axes.iter().enumerate().flat_map(bucket).collect());
        let mut value = self.value(tag, "histograms", &format!("{} Bucket i is axis i.", metric.doc));
        value.set_tensor(buckets);
        Some(value)
    }
}

/// The values of a row that TensorBoard shows, with their tags.
pub(super) fn tagged(row: &Row) -> impl Iterator<Item = (&'static Metric, String, &Value)> {
    row.values().filter_map(|(metric, value)| Some((metric, metric.tag(row.split)?, value)))
}
