//! Rate and distortion: the mean KL and reconstruction of each setting, with their intervals over other seeds.

use super::chart::{Axis, Chart, Point, SERIES, Series};
use super::{Shown, split};
use crate::report::columns::{MetricColumn, columns};
use crate::report::comparison::Setting;
use crate::report::numbers::Summary;
use crate::report::trial::POSTERIOR;

pub(super) fn charts(shown: &[Shown<'_>]) -> Vec<Chart> {
    let column = |name: &str| columns().iter().find(|column| column.name == name);
    let (Some(kl), Some(recon)) = (column("kl_nats"), column("recon_nats")) else { return Vec::new() };
    let point = |one: &Shown<'_>, setting: &Setting<'_>| {
        let has_kl = setting.value(POSTERIOR).is_none_or(|posterior| posterior != "none");
        let of = |column: &MetricColumn| setting.summary(column, one.comparison.split).filter(Summary::is_finite);
        let (x, y) = (of(kl).filter(|_| has_kl)?, of(recon)?);
        // A KL is not negative.
        let of_kl = x.interval().map(|ends| ends.map(|end| end.max(0.0)));
        Some(Point { at: [x.mean, y.mean], intervals: [of_kl, y.interval()] })
    };
    // A few settings of one experiment have a colour each, otherwise each experiment has one.
    let series: Vec<Series> = match shown {
        [one] if one.comparison.settings.len() <= SERIES => {
            let of_setting = |setting: &Setting<'_>| {
                let points = vec![point(one, setting)?];
                Some(Series { name: one.name_of(setting, None), points, ..Series::default() })
            };
            one.comparison.settings.iter().filter_map(of_setting).collect()
        }
        shown => {
            let of_experiment = |one: &Shown<'_>| Series {
                name: one.name.clone().unwrap_or_default(),
                points: one.comparison.settings.iter().filter_map(|setting| point(one, setting)).collect(),
                ..Series::default()
            };
            shown.iter().map(of_experiment).filter(|series| !series.points.is_empty()).collect()
        }
    };
    let axis = |column: &MetricColumn| Axis { title: column.title_on(split(shown)).into_owned(), ..Axis::default() };
    vec![Chart { name: "rate-distortion".to_owned(), x: axis(kl), y: axis(recon), series }]
}
