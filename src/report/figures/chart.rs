//! A chart as a vector file in the width of a column of a paper.

use crate::report::numbers::short;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

/// Units of a drawing in a point: plotters has whole coordinates.
const UNITS: f64 = 10.0;
/// The width of a column, in points: 3.25 inches.
const WIDTH: f64 = 234.0;
/// The height of the axes and their titles, in points.
const HEIGHT: f64 = 162.0;
/// The size of all text, in points.
const TEXT: f64 = 8.0;
/// The height of a line of the legend, in points.
const LINE: f64 = TEXT + 3.0;
/// The space above an axis, in points.
const TOP: f64 = 5.0;
/// The height of the labels and the title below an axis, in points.
const BOTTOM: f64 = 3.2 * TEXT;
/// The mean width of a character, as a fraction of the size of the text.
const CHARACTER: f64 = 0.55;
/// Largest number of markers on a line.
const MARKERS: usize = 8;
/// How far an axis goes beyond its points for their error bars, in lengths of what the points span.
const ROOM: f64 = 0.5;
/// The least distance of two ticks at given values, as a fraction of the axis.
const APART: f64 = 0.12;
/// About how many ticks an axis has.
const TICKS: usize = 5;
/// The number of series that have colours of their own; further ones have these colours again, with other markers.
pub(in crate::report) const SERIES: usize = COLOURS.len();
/// The colours of Okabe and Ito, which people with any colour vision can tell apart.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(80, 80, 80),
];
const GRID: RGBColor = RGBColor(225, 225, 225);

/// A chart.
pub(super) struct Chart {
    /// The name of its file, without the ending.
    pub(super) name: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
}

/// An axis of numbers, or of categories at the places 0, 1, ...
#[derive(Default)]
pub(super) struct Axis {
    pub(super) title: String,
    pub(super) is_log: bool,
    /// Whether all values are whole numbers.
    pub(super) is_whole: bool,
    /// Values to have a tick each, where there is room; if empty, ticks are round numbers.
    pub(super) ticks: Vec<f64>,
    pub(super) categories: Vec<String>,
}

/// What has one colour.
#[derive(Default)]
pub(super) struct Series {
    /// Its name in the legend; empty for none.
    pub(super) name: String,
    pub(super) line: Vec<[f64; 2]>,
    /// Places, and the lowest and the highest value at each.
    pub(super) band: Vec<[f64; 3]>,
    pub(super) points: Vec<Point>,
}

/// A point, and the ends of its error bars along x and y.
pub(super) struct Point {
    pub(super) at: [f64; 2],
    pub(super) intervals: [Option<[f64; 2]>; 2],
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Scale, Scale>>;
type Drawn<T> = Result<T, Box<dyn std::error::Error>>;

impl Chart {
    /// The chart as SVG.
    ///
    /// # Errors
    /// It cannot be drawn.
    pub(super) fn svg(&self) -> Drawn<String> {
        let legend = self.legend();
        let lines = legend.last().map_or(0, |entry| entry.line + entry.names.len());
        let height = HEIGHT + LINE * lines as f64;
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, (units(WIDTH), units(height))).into_drawing_area();
        let (plot, below) = area.split_vertically(units(HEIGHT));
        self.draw(&plot)?;
        legend.iter().try_for_each(|entry| entry.draw(&below))?;
        area.present()?;
        drop((area, plot, below));
        // The size on paper. The coordinates are those of the view box.
        let sizes = [("width", WIDTH), ("height", height)];
        Ok(sizes.into_iter().fold(svg, |svg, (name, points)| {
            svg.replacen(&format!(" {name}=\"{}\"", units(points)), &format!(" {name}=\"{points}pt\""), 1)
        }))
    }

    fn draw(&self, area: &Area<'_>) -> Drawn<()> {
        let (x, y) = (self.x.scale(&self.values(0)), self.y.scale(&self.values(1)));
        let longest = y.ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(1);
        let room = HEIGHT - TOP - BOTTOM;
        let title = wrapped(&self.y.title, (room / (CHARACTER * TEXT)) as usize);
        let left = (longest as f64 * CHARACTER + 2.0) * TEXT + LINE * title.len() as f64;
        let mut chart = ChartBuilder::on(area)
            .margin_top(units(TOP))
            .margin_right(units(9.0))
            .set_label_area_size(LabelAreaPosition::Left, units(left))
            .set_label_area_size(LabelAreaPosition::Bottom, units(BOTTOM))
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_desc(self.x.title.as_str())
            .label_style(font())
            .axis_desc_style(font())
            .axis_style(stroke(BLACK, 0.6))
            .bold_line_style(stroke(GRID, 0.4))
            .light_line_style(TRANSPARENT)
            .set_all_tick_mark_size(units(2.5))
            .draw()?;
        let style = font().transform(FontTransform::Rotate270).into_text_style(area);
        let style = style.pos(Pos::new(HPos::Center, VPos::Center));
        title.into_iter().enumerate().try_for_each(|(line, text)| {
            let at = [LINE * (line as f64 + 0.7), TOP + room / 2.0];
            area.draw(&Text::new(text, <(i32, i32)>::from(at.map(|place| units(place) as i32)), style.clone()))
        })?;
        self.series.iter().enumerate().try_for_each(|(index, series)| self.draw_series(&mut chart, series, index))
    }

    fn draw_series(&self, chart: &mut Plane<'_, '_>, series: &Series, index: usize) -> Drawn<()> {
        let colour = colour(index);
        let place = |[x, y]: [f64; 2]| (self.x.place(x), self.y.place(y));
        let (of_x, of_y) = (chart.x_range(), chart.y_range());
        // A bar that is longer than the axis ends at its edge.
        let within = |[x, y]: [f64; 2]| {
            let (x, y) = place([x, y]);
            (x.clamp(of_x.start, of_x.end), y.clamp(of_y.start, of_y.end))
        };
        if series.band.len() > 1 {
            let low = series.band.iter().map(|[x, low, _]| place([*x, *low]));
            let high = series.band.iter().rev().map(|[x, _, high]| place([*x, *high]));
            chart.draw_series([Polygon::new(low.chain(high).collect::<Vec<_>>(), colour.mix(0.18).filled())])?;
        }
        if series.line.len() > 1 {
            let path = series.line.iter().map(|point| place(*point)).collect::<Vec<_>>();
            chart.draw_series([PathElement::new(path, stroke(colour, 1.0))])?;
        }
        // A line without points has a few markers, as in the legend.
        let step = series.line.len().div_ceil(MARKERS).max(1);
        let on_line = series.line.iter().step_by(step).filter(|_| series.points.is_empty());
        chart.draw_series(on_line.map(|at| EmptyElement::at(place(*at)) + marker(index)))?;
        for Point { at, intervals: [x, y] } in &series.points {
            let along_x = x.map(|ends| ends.map(|end| within([end, at[1]])));
            let along_y = y.map(|ends| ends.map(|end| within([at[0], end])));
            let bars = [along_x, along_y].into_iter().flatten();
            chart.draw_series(bars.map(|bar| PathElement::new(bar.to_vec(), stroke(colour, 0.7))))?;
            chart.draw_series([EmptyElement::at(place(*at)) + marker(index)])?;
        }
        Ok(())
    }

    /// The values along an axis: 0 for x, 1 for y.
    fn values(&self, axis: usize) -> Vec<f64> {
        let mut values = Vec::new();
        for series in &self.series {
            values.extend(series.line.iter().map(|point| point[axis]));
            values
                .extend(series.band.iter().flat_map(|[x, low, high]| if axis == 0 { [*x; 2] } else { [*low, *high] }));
            values.extend(series.points.iter().map(|point| point.at[axis]));
        }
        // Intervals of two or three seeds can be many times as long as the distances of the points, which would lie on one another.
        let (low, high) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
        let room = if high > low { ROOM * (high - low) } else { f64::INFINITY };
        let points = self.series.iter().flat_map(|series| &series.points);
        let ends = points.filter_map(|point| point.intervals[axis]).flatten();
        values.extend(ends.map(|end| end.clamp(low - room, high + room)).collect::<Vec<_>>());
        values
    }

    fn legend(&self) -> Vec<Entry> {
        let (mut x, mut line) = (0.0, 0);
        let named = self.series.iter().enumerate().filter(|(_, series)| !series.name.is_empty());
        let entries = named.map(|(index, Series { name, .. })| {
            let names = broken(name);
            let width = names.iter().map(|name| width(name)).fold(0.0, f64::max);
            if x > 0.0 && x + width > WIDTH {
                (x, line) = (0.0, line + 1);
            }
            let entry = Entry { index, x, line, names };
            x += width;
            // Nothing stands beside a name of several lines.
            if entry.names.len() > 1 {
                (x, line) = (0.0, line + entry.names.len());
            }
            entry
        });
        entries.collect()
    }
}

/// The width of a name in the legend with its marker, in points.
fn width(name: &str) -> f64 {
    (name.chars().count() as f64 * CHARACTER + 3.0) * TEXT
}

/// A text in lines of so many characters, broken between words, but not in a unit in parentheses.
fn wrapped(text: &str, characters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut is_in_unit = false;
    let words = text.split(|c| {
        is_in_unit = c == '(' || is_in_unit && c != ')';
        c == ' ' && !is_in_unit
    });
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= characters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A name in lines that fit, broken after commas.
fn broken(name: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in name.split_inclusive(", ") {
        match lines.last_mut() {
            Some(line) if width(line) + width(part) <= WIDTH => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}

/// An entry of the legend.
struct Entry {
    /// The index of its series.
    index: usize,
    /// Its place in its first line, in points.
    x: f64,
    /// Its first line.
    line: usize,
    /// The name of the series, by line.
    names: Vec<String>,
}

impl Entry {
    fn draw(&self, area: &Area<'_>) -> Drawn<()> {
        let at = |x: f64, line: usize| {
            let places = [self.x + x, LINE * ((self.line + line) as f64 + 0.5)];
            <(i32, i32)>::from(places.map(|place| (place * UNITS).round() as i32))
        };
        area.draw(&(EmptyElement::at(at(TEXT, 0)) + marker(self.index)))?;
        let style = font().into_text_style(area).pos(Pos::new(HPos::Left, VPos::Center));
        let mut names = self.names.iter().enumerate();
        names.try_for_each(|(line, name)| area.draw(&Text::new(name.clone(), at(1.7 * TEXT, line), style.clone())))?;
        Ok(())
    }
}

fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

/// The marker of a series. Shapes differ too, for prints without colours.
fn marker(index: usize) -> Polygon<(i32, i32)> {
    let radius = 2.2 * UNITS;
    // 4 and the number of colours have no common factor.
    let corners = [24, 3, 4, 5][index % 4];
    // A square lies on a side, the others have a corner on top.
    let first = if corners == 4 { 0.125 } else { 0.0 };
    let corner = |number: usize| {
        let (sine, cosine) = ((first + number as f64 / corners as f64) * std::f64::consts::TAU).sin_cos();
        ((radius * sine).round() as i32, (-radius * cosine).round() as i32)
    };
    Polygon::new((0..corners).map(corner).collect::<Vec<_>>(), colour(index).filled())
}

fn stroke(colour: RGBColor, points: f64) -> ShapeStyle {
    ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: units(points) }
}

fn font() -> FontDesc<'static> {
    // plotters makes the text of an SVG file smaller by this factor.
    ("Helvetica, Arial, sans-serif", TEXT * UNITS * 1.24).into_font()
}

fn units(points: f64) -> u32 {
    (points * UNITS).round() as u32
}

/// The range of an axis, and its ticks with their labels.
#[derive(Clone)]
struct Scale {
    range: Range<f64>,
    ticks: Vec<(f64, String)>,
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (place - self.range.start) / (self.range.end - self.range.start);
        (f64::from(from) + share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // The hint counts the lines between ticks too, of which there are none.
        if hint.bold_points() > 0 { self.ticks.iter().map(|(place, _)| *place).collect() } else { Vec::new() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, place: &f64) -> String {
        self.ticks.iter().find(|(tick, _)| tick == place).map(|(_, label)| label.clone()).unwrap_or_default()
    }
}

impl Axis {
    /// Where a value is: on a logarithmic axis, its power of ten.
    fn place(&self, value: f64) -> f64 {
        if self.is_log { value.log10() } else { value }
    }

    fn scale(&self, values: &[f64]) -> Scale {
        if !self.categories.is_empty() {
            let ticks = self.categories.iter().enumerate().map(|(index, name)| (index as f64, name.clone()));
            return Scale { range: -0.4..self.categories.len() as f64 - 0.6, ticks: ticks.collect() };
        }
        let places = || values.iter().map(|value| self.place(*value)).filter(|place| place.is_finite());
        let (low, high) = (places().fold(f64::INFINITY, f64::min), places().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let margin = if high > low { 0.05 * (high - low) } else { (0.05 * high.abs()).max(0.05) };
        let range = low - margin..high + margin;
        let ticks = match (self.ticks.is_empty(), self.is_log) {
            (false, _) => self.given_ticks(&range),
            (true, true) => log_ticks(&range),
            (true, false) => linear_ticks(&range, self.is_whole),
        };
        Scale { range, ticks }
    }

    /// Ticks at the given values, without those that have no room.
    fn given_ticks(&self, range: &Range<f64>) -> Vec<(f64, String)> {
        let mut values = self.ticks.clone();
        values.sort_by(f64::total_cmp);
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for value in values {
            let place = self.place(value);
            if ticks.last().is_none_or(|(last, _)| place - last >= APART * (range.end - range.start)) {
                ticks.push((place, short(value)));
            }
        }
        ticks
    }
}

/// Multiples of 1, 2 or 5 times a power of ten, with as many digits as tell them apart.
fn linear_ticks(range: &Range<f64>, is_whole: bool) -> Vec<(f64, String)> {
    let rough = (range.end - range.start) / TICKS as f64;
    let rough = if is_whole { rough.max(1.0) } else { rough };
    let power = rough.log10().floor();
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * 10f64.powf(power));
    let step = steps.into_iter().find(|step| *step >= rough * (1.0 - 1e-9)).unwrap_or(rough);
    let decimals = (-step.log10() - 1e-9).ceil().max(0.0) as usize;
    let (first, last) = ((range.start / step).ceil() as i64, (range.end / step).floor() as i64);
    let tick = |index: i64| (index as f64 * step, format!("{:.decimals$}", index as f64 * step));
    (first..=last).map(tick).collect()
}

/// Powers of ten; if the range has few of them, also twice and five times a power.
fn log_ticks(range: &Range<f64>) -> Vec<(f64, String)> {
    let (first, last) = (range.start.floor() as i64, range.end.ceil() as i64);
    let every = usize::try_from(last - first).unwrap_or(1).div_ceil(TICKS).max(1);
    let factors: &[f64] = if range.end - range.start < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let powers = (first..=last).step_by(every).map(|power| power as f64);
    let ticks = powers.flat_map(|power| factors.iter().map(move |factor| power + factor.log10()));
    let inside = ticks.filter(|tick| range.contains(tick));
    inside.map(|tick| (tick, short(10f64.powf(tick)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_with_the_digits_that_tell_them_apart() {
        let labels = |ticks: Vec<(f64, String)>| ticks.into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        let linear = |range: Range<f64>| labels(linear_ticks(&range, false));
        assert_eq!(linear(0.0..10.0), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(linear(-3.0..-1.2), ["-3.0", "-2.5", "-2.0", "-1.5"]);
        assert_eq!(linear(541.9..543.1), ["542.0", "542.5", "543.0"]);
        assert_eq!(linear(0.18012..0.18041), ["0.1802", "0.1803", "0.1804"]);
        assert_eq!(linear(-0.25..0.21), ["-0.2", "-0.1", "0.0", "0.1", "0.2"]);
        assert_eq!(linear(0.0..120_000.0), ["0", "50000", "100000"]);
        assert_eq!(labels(linear_ticks(&(0.95..2.05), true)), ["1", "2"]);
        let log = |range: Range<f64>| labels(log_ticks(&range));
        assert_eq!(log(-3.1..-0.9), ["0.001", "0.01", "0.1"]);
        assert_eq!(log(-0.1..1.1), ["1", "2", "5", "10"]);
        assert_eq!(log(-12.0..0.5).len(), 5);
    }

    #[test]
    fn a_chart_has_the_width_of_a_column_and_escapes_its_texts() {
        let point = |at: [f64; 2]| Point { at, intervals: [None, Some([at[1] - 1.0, at[1] + 1.0])] };
        let points = vec![point([1.0, 2.0]), point([2.0, 4.0])];
        let series = vec![Series { name: "a < b".to_owned(), points, ..Series::default() }];
        let axis = |title: &str| Axis { title: title.to_owned(), ..Axis::default() };
        let svg = Chart { name: String::new(), x: axis("x"), y: axis("y"), series }.svg().unwrap();
        assert!(svg.starts_with("<svg width=\"234pt\" height=\"173pt\" viewBox=\"0 0 2340 1730\""), "{svg}");
        assert!(svg.contains("a &lt; b") && svg.contains("font-size=\"80\""), "{svg}");
    }

    /// The intervals of two seeds do not press the points together.
    #[test]
    fn an_axis_has_little_room_for_intervals_and_ticks_where_values_are() {
        let point = |x: f64, low: f64| Point { at: [x, 10.0 + x], intervals: [None, Some([low, 16.0])] };
        let points = vec![point(1.0, 5.0), point(2.0, 11.0), point(4.0, -90.0), point(16.0, 20.0)];
        let x = Axis { ticks: vec![16.0, 4.0, 1.0, 2.0, 4.0], ..Axis::default() };
        let chart =
            Chart { name: String::new(), x, y: Axis::default(), series: vec![Series { points, ..Series::default() }] };
        let [x, y] = [chart.x.scale(&chart.values(0)), chart.y.scale(&chart.values(1))];
        let labels: Vec<&str> = x.ticks.iter().map(|(_, label)| label.as_str()).collect();
        // 2 would touch 1.
        assert_eq!(labels, ["1", "4", "16"]);
        // The points span 15: the lowest end is 7.5 below them.
        let (low, high) = (3.5, 26.0);
        let margin = 0.05 * (high - low);
        assert!(
            (y.range.start - low + margin).abs() < 1e-9 && (y.range.end - high - margin).abs() < 1e-9,
            "{:?}",
            y.range
        );
        assert!(chart.svg().is_ok());
    }

    #[test]
    fn a_legend_that_is_too_long_continues_in_the_next_line() {
        let series = ["kl_weight = 0.0005", "kl_weight = 0.005", "kl_weight = 0.05", ""];
        let series = series.map(|name| Series { name: name.to_owned(), ..Series::default() });
        let chart = Chart { name: String::new(), x: Axis::default(), y: Axis::default(), series: series.into() };
        let places: Vec<(usize, usize)> = chart.legend().iter().map(|entry| (entry.index, entry.line)).collect();
        assert_eq!(places, [(0, 0), (1, 0), (2, 1)]);
        let long = "kl_weight = 0.0005, latent_dim = 10, learning_rate = 0.002, optimizer = adam";
        assert_eq!(broken(long), ["kl_weight = 0.0005, latent_dim = 10, ", "learning_rate = 0.002, optimizer = adam"]);
    }

    #[test]
    fn a_long_title_has_several_lines() {
        let lines = wrapped("validation reconstruction (nats per image)", 29);
        assert_eq!(lines, ["validation reconstruction", "(nats per image)"]);
        assert_eq!(wrapped("validation ELBO (nats per image)", 29), ["validation ELBO", "(nats per image)"]);
        assert_eq!(
            wrapped("validation loss, in the objective's unit", 29),
            ["validation loss, in the", "objective's unit"]
        );
        let y = Axis { title: "validation squared error (mean over values)".to_owned(), ..Axis::default() };
        let svg = Chart { name: String::new(), x: Axis::default(), y, series: Vec::new() }.svg().unwrap();
        assert!(svg.contains("\nvalidation squared error\n") && svg.contains("\n(mean over values)\n"), "{svg}");
    }
}
