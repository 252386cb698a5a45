//! `vaex data`: lists the data sets that have names, or shows what is in a file of images.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::images::ImagesArgs;
use super::shared::output::{Format, destination, format};
use super::shared::picture::square;
use super::shared::prepared;
use super::shared::print::say;
use super::shared::terminal;
use crate::data::{BYTES, Element, Extent, ImageShape, Images, Loaded, Part, PixelMap, Presence, named_sources};
use crate::language::{Spec, description};
use crate::metrics::Split;
use crate::random::{Purpose, Stream};
use crate::record::Grid;
use crate::report::{Column, Table};
use crate::settings::Found;
use crate::text::{counted, grouped, short};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::Value;

/// The number of images of a contact sheet.
const SHEET: usize = 100;

/// The number of names of classes that are shown.
const NAMES: usize = 12;

/// List the known data sets, or show the format, shape, values, labels and factors of images.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// The name of a data set, or images as in `data.images`: a file, a folder, a pattern, or an array in a file such as
    /// FILE.npz:KEY. vaex reads IDX, npy, npz, HDF5, parquet, CSV, CIFAR's binary files, folders and zip and tar archives of PNG,
    /// JPEG, WebP, BMP and PNM pictures. Without it, list the known data sets.
    #[arg(value_name = "NAME|FILE")]
    images: Option<String>,
    /// The file of their labels.
    #[arg(long, value_name = "PATH", requires = "images")]
    labels: Option<PathBuf>,
    /// Set a key of the spec's table `[data]`, such as --set data.size=64.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "images")]
    overrides: Vec<String>,
    /// Write a PNG file with some of the images.
    #[arg(short, long, value_name = "FILE", requires = "images")]
    output: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Command for DataArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let Some(images) = &self.images else {
            self.list();
            return Ok(DONE);
        };
        let inputs = ImagesArgs { data: Some(PathBuf::from(images)), labels: self.labels.clone() };
        let output = self.output.as_deref().map(|path| {
            format(path, &[Format::Png])?;
            destination(path, &inputs)
        });
        let output = output.transpose()?;
        let spec = self.spec(images)?;
        let loaded = prepared::checked_files().loaded(&spec.data, Path::new(""))?;
        match self.json {
            true => say(&as_json(&loaded).to_string()),
            false => say(&as_text(&loaded)),
        }
        if let Some(path) = output {
            let shown = sheet(&loaded.pool.images)?;
            shown.0.write(&path)?;
            if !self.json {
                say(&format!("wrote {}: {}", path.display(), shown.1));
            }
        }
        Ok(DONE)
    }

    fn is_json(&self) -> bool {
        self.json
    }
}

impl DataArgs {
    /// Prints the known data sets.
    fn list(&self) {
        let sources = named_sources(Path::new(""));
        if self.json {
            let one = |source: &crate::data::NamedSource| {
                let (state, place) = state(&source.presence);
                json!({ "name": source.name, "about": source.about, "state": state, "place": place })
            };
            say(&Json::from(sources.iter().map(one).collect::<Vec<_>>()).to_string());
            return;
        }
        let cells = |cell: &dyn Fn(&crate::data::NamedSource) -> String| sources.iter().map(cell).collect::<Vec<_>>();
        let place = |source: &crate::data::NamedSource| match state(&source.presence) {
            ("present", place) => place,
            (state, _) => state.to_owned(),
        };
        let table = Table::new([
            Column::text("source", cells(&|source| source.name.to_owned())),
            Column::text("images", cells(&|source| source.about.trim_end_matches('.').to_owned())),
            Column::text("where", cells(&place)),
        ]);
        say(&table.fit(terminal::width()).to_string());
        if sources.iter().any(|source| matches!(source.presence, Presence::Missing { .. })) {
            say("`vaex data NAME` says how to get one that is missing");
        }
    }

    /// The spec that these arguments describe.
    fn spec(&self, images: &str) -> anyhow::Result<Spec> {
        let text = |path: &Path| -> anyhow::Result<Value> {
            let path = path.to_str().with_context(|| format!("{} is not UTF-8 text", path.display()))?;
            Ok(Value::String(path.to_owned()))
        };
        let is_bare = !images.contains(['/', '\\', '.', ':', '*']);
        let is_name = named_sources(Path::new("")).iter().any(|source| source.name == images);
        if is_bare && !is_name && !Path::new(images).exists() {
            bail!("there is neither a data set nor a file `{images}`; `vaex data` lists the known data sets");
        }
        let key = if is_name { "data.source" } else { "data.images" };
        let mut written = BTreeMap::from([(key.to_owned(), Value::String(images.to_owned()))]);
        if let Some(labels) = &self.labels {
            written.insert("data.labels".to_owned(), text(labels)?);
        }
        for assignment in &self.overrides {
            let (key, value) = assigned(assignment)?;
            written.insert(key, value);
        }
        let (spec, Found { problems, .. }) = Spec::read(&written);
        if let Some(problem) = problems.first() {
            let help = problem.help.iter().map(|help| format!("; {help}")).collect::<String>();
            bail!("{}{help}", problem.message);
        }
        match written.keys().find(|key| !spec.settings().iter().any(|setting| setting.key == **key)) {
            Some(unused) => bail!("`{unused}` does not apply to these images"),
            None => Ok(spec),
        }
    }
}

/// The keys that change what is shown.
const SHOWN: [&str; 13] = [
    "source",
    "images",
    "labels",
    "validation_images",
    "validation_labels",
    "test_images",
    "test_labels",
    "layout",
    "transpose",
    "size",
    "crop",
    "color",
    "data_dir",
];

/// The key and the value of `KEY=VALUE`.
fn assigned(assignment: &str) -> anyhow::Result<(String, Value)> {
    let (key, value) = assignment.split_once('=').with_context(|| {
        format!("`--set {assignment}` has no `=`; write a key and a value, as in --set data.size=64")
    })?;
    let (key, value) = (key.trim(), value.trim());
    let key = &if key.contains('.') { key.to_owned() } else { format!("data.{key}") };
    let info = description().key(key).filter(|info| info.table() == "data");
    let info = info.with_context(|| format!("`{key}` is not a key of `[data]`; docs/spec.md lists them"))?;
    let parsed = format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("v"));
    let value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
    if !SHOWN.contains(&info.name()) {
        bail!(
            "`{key}` does not change the images of the files, which are what `vaex data` shows; try it with `vaex plan`"
        );
    }
    match info.kind().takes(&value) {
        true => Ok((key.clone(), info.kind().canonical(&value))),
        false => bail!("`{key}` must be {}, found {value}", info.kind().in_words()),
    }
}

/// The state of a data set in a word, and where it is or what to do.
fn state(presence: &Presence) -> (&'static str, String) {
    match presence {
        Presence::BuiltIn => ("built in", String::new()),
        Presence::Found(path) => ("present", path.display().to_string()),
        Presence::Incomplete(what) => ("incomplete", what.clone()),
        Presence::Missing { help, .. } => ("missing", (*help).to_owned()),
    }
}

/// The parts of the images, with their names.
fn parts(loaded: &Loaded) -> Vec<(&'static str, &Part)> {
    let own = [("validation", loaded.validation.as_ref()), ("test", loaded.test.as_ref())];
    let own = own.into_iter().filter_map(|(name, part)| Some((name, part?)));
    std::iter::once(("images", &loaded.pool)).chain(own).collect()
}

/// Bytes, bits or floats, and their interval.
fn values_of(images: &Images) -> (&'static str, Extent) {
    (images.element().name(), images.extent())
}

fn as_text(loaded: &Loaded) -> String {
    let pool = &loaded.pool;
    let mut lines = vec![format!("{}: {}", pool.name.display(), pool.format)];
    for (name, part) in parts(loaded) {
        let (kind, extent) = values_of(&part.images);
        let ImageShape { height, width, channels } = part.images.shape();
        let channels = if channels == 1 { "grey" } else { "in color" };
        lines.push(format!(
            "{name:<11}{} of {height}x{width} pixels, {channels}, {kind} from {} to {}",
            grouped(part.images.len()),
            short(f64::from(extent.low)),
            short(f64::from(extent.high))
        ));
    }
    for column in pool.images.columns() {
        let values: BTreeSet<u32> = pool.images.values_of(column).iter().copied().collect();
        let mut line = format!("{:<11}{}: {}", "column", column.name, counted(values.len(), "value"));
        if let (None, Some(first), Some(last)) = (column.names(), values.first(), values.last()) {
            line.push_str(&format!(" ({first} to {last})"));
        }
        if let Some(names) = column.names() {
            let more = if names.len() > NAMES { ", ..." } else { "" };
            let shown: Vec<&str> = names.iter().take(NAMES).map(String::as_str).collect();
            line.push_str(&format!(" ({}{more})", shown.join(", ")));
        }
        lines.push(line);
    }
    if pool.images.columns().is_empty() {
        lines.push(format!("{:<11}none: there are no labels", "columns"));
    }
    lines.extend(pool.notes.iter().map(|note| format!("{:<11}{note}", "note")));
    lines.extend(advice(&pool.images).map(|advice| format!("{:<11}{advice}", "in a spec")));
    lines.join("\n")
}

/// What a spec must say about the interval of the values.
fn advice(images: &Images) -> Option<String> {
    let extent = images.extent();
    let ends = [extent.low, extent.high].map(f64::from);
    let stored = |low: f64, high: f64| {
        format!("`stored = [{}, {}]`, or the interval that the values can have", short(low), short(high))
    };
    match images.element() {
        Element::Byte if images.interval(None) == BYTES && ends[1] <= 1.0 => Some(stored(0.0, 1.0)),
        Element::Float if ends[0] < 0.0 || ends[1] > 1.0 => {
            let usual =
                [[0.0, 255.0], [-1.0, 1.0]].into_iter().find(|usual| ends[0] >= usual[0] && ends[1] <= usual[1]);
            let [low, high] = usual.unwrap_or(ends);
            Some(stored(low, high))
        }
        _ => None,
    }
}

fn as_json(loaded: &Loaded) -> Json {
    let part = |(name, part): (&'static str, &Part)| {
        let (kind, extent) = values_of(&part.images);
        let ImageShape { height, width, channels } = part.images.shape();
        json!({
            "part": if name == "images" { "training" } else { name },
            "file": part.name.to_string_lossy(),
            "format": part.format,
            "images": part.images.len(),
            "height": height,
            "width": width,
            "channels": channels,
            "type": kind,
            "lowest": extent.low,
            "highest": extent.high,
            "columns": part.images.columns().iter().map(|column| {
                json!({ "name": column.name, "size": column.size, "names": column.names() })
            }).collect::<Vec<_>>(),
            "notes": part.notes,
        })
    };
    Json::from(parts(loaded).into_iter().map(part).collect::<Vec<_>>())
}

/// A picture of some images, spread evenly over all of them, and what it shows.
fn sheet(images: &Images) -> anyhow::Result<(Grid, String)> {
    let count = images.len().min(SHEET);
    // One of each part, at a random place: at even places, factors that change regularly could always have the same value.
    let one = |place: usize| {
        let [first, end] = [place, place + 1].map(|place| place * images.len() / count);
        first as u32 + Stream::new(0, Purpose::Split, 0, place as u64).below((end - first) as u64) as u32
    };
    let indices: Vec<u32> = (0..count).map(one).collect();
    let extent = images.extent();
    let interval = images.interval(None);
    let is_inside = f64::from(extent.low) >= interval[0] && f64::from(extent.high) <= interval[1];
    // Bytes that are all 0 or 1, and floats outside of their usual interval, are shown from their smallest to their largest.
    let stored = match is_inside && !images.are_at_most_one() {
        true => interval,
        false if extent.low < extent.high => [f64::from(extent.low), f64::from(extent.high)],
        false => [f64::from(extent.low), f64::from(extent.low) + 1.0],
    };
    let map = PixelMap { stored, ..PixelMap::new(&Default::default(), stored, 0) };
    let size = images.shape().values();
    let mut values = vec![0.0; count * size];
    map.fill(images, &indices, Split::Validation, 0, &mut values);
    let grid = Grid::tiles(images.shape(), square(count), values.chunks(size), [0.0, 1.0]);
    Ok((grid, format!("{} of {}", counted(count, "image"), grouped(images.len()))))
}
