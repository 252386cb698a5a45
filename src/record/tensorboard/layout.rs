//! The layout of the Custom Scalars tab.

use super::{EventWriter, tensor};
use crate::folder::FileError;
use crate::metrics::Split;
use crate::train::measure;
use protobuf::{Message, RepeatedField};
use std::io;
use tensorboard_proto::layout::{Category, Chart, Layout, MultilineChartContent};
use tensorboard_proto::types::DataType;

impl EventWriter {
    /// The layout of the Custom Scalars tab: the charts of [`crate::metrics::Metric::layout`], each with its metrics for both splits.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn layout(&mut self) -> Result<(), FileError> {
        let mut charts: Vec<(&str, Vec<String>)> = Vec::new();
        for metric in measure::all() {
            let Some(title) = metric.layout else { continue };
            let tags = [Split::Validation, Split::Train].into_iter().filter_map(|split| metric.tag(split));
            match charts.iter_mut().find(|(one, _)| *one == title) {
                Some((_, all)) => all.extend(tags),
                None => charts.push((title, tags.collect())),
            }
        }
        let chart = |(title, tags): (&str, Vec<String>)| {
            let mut lines = MultilineChartContent::new();
            lines.set_tag(tags.into());
            let mut chart = Chart::new();
            chart.set_title(title.to_owned());
            chart.set_multiline(lines);
            chart
        };
        let mut category = Category::new();
        category.set_title("Nats per image".to_owned());
        category.set_chart(charts.into_iter().map(chart).collect());
        let mut layout = Layout::new();
        layout.set_category(RepeatedField::from_vec(vec![category]));
        let bytes = layout.write_to_bytes().map_err(io::Error::from).map_err(FileError::at("write", &self.path))?;
        let mut content = tensor(DataType::DT_STRING, &[]);
        content.set_string_val(RepeatedField::from_vec(vec![bytes]));
        let mut value = self.value("custom_scalars__config__", "custom_scalars", "");
        value.set_tensor(content);
        self.summary(0, vec![value])
    }
}
