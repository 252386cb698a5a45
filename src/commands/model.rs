//! What a trained model is used for: pictures of samples, reconstructions and paths through its codes, embeddings, and
//! its network in another format.

use super::choice::TrialChoice;
use super::{DONE, say, whole_number};
use crate::export;
use crate::folder::{FileError, create_folder, write_whole};
use crate::record::Grid;
use crate::record::images::manifold_codes;
use crate::record::tables::{write_columns, write_csv};
use crate::text::{counted, grouped};
use crate::train::{Encoded, Measured};
use crate::trained::Trained;
use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use npyz::WriterBuilder;
use polars::prelude::Column;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct SampleArgs {
    #[command(flatten)]
    trial: TrialChoice,
    /// How many images.
    #[arg(short = 'n', long, default_value = "64", value_parser = count, allow_negative_numbers = true)]
    count: usize,
    /// Codes are drawn from N(0, T^2).
    #[arg(long, default_value = "1.0", value_name = "T", value_parser = not_negative, allow_negative_numbers = true)]
    temperature: f32,
    /// Seed of the codes.
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Write the expected pixels too, (N, Height, Width), in the data's range: a .npy file.
    #[arg(long, value_name = "FILE.npy")]
    raw: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct ReconstructArgs {
    #[command(flatten)]
    trial: TrialChoice,
    #[command(flatten)]
    images: ImagesArgs,
    /// How many images, the first ones.
    #[arg(short = 'n', long, default_value = "30", value_parser = count, allow_negative_numbers = true)]
    count: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct TraverseArgs {
    #[command(flatten)]
    trial: TrialChoice,
    /// The picture of each axis' row is of the code of this image, where one axis is changed; without it of the code 0.
    #[arg(long, value_name = "I", value_parser = index, allow_negative_numbers = true)]
    image: Option<usize>,
    #[command(flatten)]
    images: ImagesArgs,
    /// Codes in a row.
    #[arg(long, default_value = "11", value_name = "N", value_parser = steps, allow_negative_numbers = true)]
    steps: usize,
    /// The axis goes from -R to R.
    #[arg(long, default_value = "3.0", value_name = "R", value_parser = not_negative, allow_negative_numbers = true)]
    range: f32,
    /// Rows, those of the axes with the largest KL.
    #[arg(long, default_value = "32", value_name = "N", value_parser = count, allow_negative_numbers = true)]
    axes: usize,
    /// Write an animation, one frame for each step and one tile for each axis: a .png file, or a .gif file.
    #[arg(long)]
    animate: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct InterpolateArgs {
    #[command(flatten)]
    trial: TrialChoice,
    /// The image to begin with, counted from 0.
    #[arg(long, value_name = "I", value_parser = index, allow_negative_numbers = true)]
    from: usize,
    /// The image to end with.
    #[arg(long, value_name = "J", value_parser = index, allow_negative_numbers = true)]
    to: usize,
    #[command(flatten)]
    images: ImagesArgs,
    /// Codes in a row.
    #[arg(long, default_value = "11", value_name = "N", value_parser = steps, allow_negative_numbers = true)]
    steps: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct ManifoldArgs {
    #[command(flatten)]
    trial: TrialChoice,
    /// Images along a side.
    #[arg(long, default_value = "20", value_name = "N", value_parser = steps, allow_negative_numbers = true)]
    side: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct EmbedArgs {
    #[command(flatten)]
    trial: TrialChoice,
    #[command(flatten)]
    images: ImagesArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    trial: TrialChoice,
    /// The format: encoder.onnx and decoder.onnx.
    #[arg(long, value_enum, default_value = "onnx")]
    format: ExportFormat,
    /// The folder to write to.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Say what was written as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExportFormat {
    Onnx,
}

#[derive(Debug, Default, Args)]
struct ImagesArgs {
    /// An IDX file of images; without it, the trial's own validation images.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The IDX file of their labels.
    #[arg(long, value_name = "FILE", requires = "data")]
    labels: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Output {
    /// The file to write; by default one in the working directory, named after the command. Its suffix says the format:
    /// pictures are .png, animations .png or .gif, tables .parquet or .csv.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Say what was written as JSON.
    #[arg(long)]
    json: bool,
}

fn index(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "it must be a whole number, 0 or more".to_owned())
}

fn count(text: &str) -> Result<usize, String> {
    whole_number(text, 1..=100_000)
}

fn steps(text: &str) -> Result<usize, String> {
    whole_number(text, 2..=1000)
}

fn not_negative(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|number: &f32| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "it must be a number, 0 or more".to_owned())
}

impl ImagesArgs {
    /// The model with the images that it is to be used on; of a file no more than `most` are read, the first ones.
    fn put_into(&self, trained: Trained, most: usize) -> anyhow::Result<Trained> {
        Ok(match &self.data {
            Some(images) => trained.with_files(images, self.labels.as_deref(), most)?,
            None => trained.with_its_images()?,
        })
    }
}

/// What the suffix of a file's name says that it is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Png,
    Gif,
    Parquet,
    Csv,
    Npy,
}

impl Format {
    fn suffix(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Gif => "gif",
            Format::Parquet => "parquet",
            Format::Csv => "csv",
            Format::Npy => "npy",
        }
    }
}

/// The format that a file's name asks for, one of those that there are.
fn format(path: &Path, formats: &[Format]) -> anyhow::Result<Format> {
    let suffix = path.extension().unwrap_or_default();
    let found = formats.iter().find(|format| suffix.eq_ignore_ascii_case(format.suffix()));
    found.copied().with_context(|| {
        let suffixes: Vec<String> = formats.iter().map(|format| format!(".{}", format.suffix())).collect();
        format!("cannot write {}: its name must end in {}", path.display(), suffixes.join(" or "))
    })
}

impl Output {
    /// The format of the file to write, before anything is read; the first one without `--output`.
    fn format(&self, formats: &[Format]) -> anyhow::Result<Format> {
        match &self.output {
            Some(path) => format(path, formats),
            None => formats.first().copied().context("there is no format"),
        }
    }

    /// The file to write, before the work; `inputs` are the files that are read.
    fn path(&self, default: &str, trained: &Trained, inputs: &ImagesArgs) -> anyhow::Result<PathBuf> {
        destination(self.output.as_deref().unwrap_or(Path::new(default)), trained, inputs)
    }

    fn told(&self, trained: &Trained, files: &[PathBuf], what: &str) -> u8 {
        told(trained, files, what, json!({}), self.json)
    }
}

/// Where a file can be written: not over what is no file or is still needed, and behind a link, not in its place.
fn destination(path: &Path, trained: &Trained, inputs: &ImagesArgs) -> anyhow::Result<PathBuf> {
    let shown = path.display();
    if path.exists() && !path.is_file() {
        bail!("{shown} is not a regular file; choose another name");
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(real) = real(path, folder) else { bail!("cannot write {shown}: there is no folder {}", folder.display()) };
    let of_trial = trained.folder().canonicalize();
    if of_trial.is_ok_and(|of_trial| real.starts_with(of_trial)) {
        bail!("{shown} is in the trial's folder, which is for the files of `vaex run`; choose another folder");
    }
    let is_read = [&inputs.data, &inputs.labels]
        .into_iter()
        .flatten()
        .any(|input| input.canonicalize().ok().as_ref() == Some(&real));
    if is_read {
        bail!("{shown} is read by this command; choose another name");
    }
    Ok(if path.is_symlink() { real } else { path.to_path_buf() })
}

fn same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(one, other)| one == other)
}

/// A file's path without links, whether the file is there or not.
fn real(path: &Path, folder: &Path) -> io::Result<PathBuf> {
    path.canonicalize().or_else(|_| Ok(folder.canonicalize()?.join(path.file_name().unwrap_or_default())))
}

/// Says which files were written, and what of.
///
/// `object` is what a program is told beside.
fn told(trained: &Trained, files: &[PathBuf], what: &str, mut object: Value, json: bool) -> u8 {
    let shown: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
    match json {
        true => {
            object["trial"] = json!(trained.record().trial);
            object["wrote"] = json!(shown);
            object["what"] = json!(what);
            say(&object.to_string());
        }
        false => shown.iter().for_each(|file| say(&format!("wrote {file}: {what}"))),
    }
    DONE
}

/// The tiles of a picture of the model's.
fn grid(trained: &Trained, columns: usize, tiles: &[&[f32]]) -> Grid {
    let (height, width) = (trained.architecture().height, trained.architecture().width);
    Grid::tiles(height, width, columns, tiles.iter().copied(), trained.range())
}

fn tiles<'a>(trained: &Trained, values: &'a [f32]) -> Vec<&'a [f32]> {
    values.chunks(trained.architecture().pixels()).collect()
}

fn need_prior(trained: &Trained) -> anyhow::Result<()> {
    match trained.has_prior() {
        true => Ok(()),
        false => bail!("{} is a plain autoencoder: it has no prior to draw codes from", trained.folder().display()),
    }
}

/// Pixels of a picture, at most.
const PIXELS: usize = 100_000_000;

/// Pictures beyond some size would fill the memory, and nobody could look at them.
fn need_room(trained: &Trained, tiles: usize) -> anyhow::Result<()> {
    let most = PIXELS / trained.architecture().pixels();
    match tiles <= most {
        true => Ok(()),
        false => bail!(
            "{} are too many for a picture: of {}x{} pixels there may be {}",
            counted(tiles, "image"),
            trained.architecture().height,
            trained.architecture().width,
            grouped(most)
        ),
    }
}

pub(super) fn sample(args: &SampleArgs) -> anyhow::Result<u8> {
    args.output.format(&[Format::Png])?;
    args.raw.as_ref().map(|raw| format(raw, &[Format::Npy])).transpose()?;
    let trained = Trained::open(&args.trial.folder()?)?;
    need_prior(&trained)?;
    need_room(&trained, args.count)?;
    let none = ImagesArgs::default();
    let path = args.output.path("samples.png", &trained, &none)?;
    let raw = args.raw.as_ref().map(|raw| destination(raw, &trained, &none)).transpose()?;
    // The suffixes differ; links may lead to one file all the same.
    if raw.as_ref().is_some_and(|raw| raw == &path || same_file(raw, &path)) {
        bail!("{} is given for the picture and for --raw; choose another name for one", path.display());
    }
    let codes = trained.prior_codes(args.count, args.seed, args.temperature);
    let values = trained.decode(&codes)?;
    grid(&trained, square(args.count), &tiles(&trained, &values)).write(&path)?;
    let mut files = vec![path];
    if let Some(raw) = raw {
        let sides = [trained.architecture().height, trained.architecture().width];
        write_npy(&raw, [args.count, sides[0], sides[1]], &values)?;
        files.push(raw);
    }
    Ok(args.output.told(&trained, &files, &counted(args.count, "sample")))
}

/// A NumPy array of f32.
fn write_npy(path: &Path, sizes: [usize; 3], values: &[f32]) -> Result<(), FileError> {
    let bytes = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let sizes = sizes.map(|size| size as u64);
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&sizes).writer(&mut bytes).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()?;
        Ok(bytes)
    };
    write_whole(path, &bytes().map_err(FileError::at("write", path))?)
}

pub(super) fn reconstruct(args: &ReconstructArgs) -> anyhow::Result<u8> {
    args.output.format(&[Format::Png])?;
    let trained = args.images.put_into(Trained::open(&args.trial.folder()?)?, args.count)?;
    let path = args.output.path("reconstructions.png", &trained, &args.images)?;
    let indices: Vec<u32> = (0..args.count.min(trained.images().len()) as u32).collect();
    let encoded = trained.encode(&indices)?;
    let reconstructions = trained.decode(&encoded.posterior.mean)?;
    let (height, width) = (trained.architecture().height, trained.architecture().width);
    let (inputs, outputs) = (tiles(&trained, &encoded.inputs), tiles(&trained, &reconstructions));
    Grid::pairs(height, width, 10, &inputs, &outputs, trained.range()).write(&path)?;
    Ok(args.output.told(
        &trained,
        &[path],
        &format!("{}, each above its reconstruction", counted(indices.len(), "image")),
    ))
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<u8> {
    let names_file = args.output.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("onnx"));
    if !args.output.is_dir() && (args.output.exists() || names_file) {
        bail!("{} is a file; --output is the folder to write to", args.output.display());
    }
    let trained = Trained::open(&args.trial.folder()?)?;
    let ExportFormat::Onnx = args.format;
    let [low, high] = trained.range();
    let notes = [
        ("trial", trained.record().trial.clone()),
        ("range", format!("{low} {high}")),
        ("spec", toml::to_string(trained.spec())?),
    ];
    let weights = |name: &str| trained.stored().sized(name);
    let networks = [
        ("encoder.onnx", export::encoder(trained.architecture(), &weights, &notes)?),
        ("decoder.onnx", export::decoder(trained.architecture(), &weights, &notes)?),
    ];
    create_folder(&args.output)?;
    let path = |name| destination(&args.output.join(name), &trained, &ImagesArgs::default());
    let files = networks.iter().map(|(name, _)| path(name)).collect::<anyhow::Result<Vec<PathBuf>>>()?;
    for (path, (_, bytes)) in files.iter().zip(&networks) {
        write_whole(path, bytes)?;
    }
    Ok(told(&trained, &files, "ONNX", json!({}), args.json))
}

/// Columns of a picture that is about as wide as high.
fn square(tiles: usize) -> usize {
    (1..=tiles).find(|side| side * side >= tiles).unwrap_or(1)
}

/// Values from `-range` to `range`.
fn along(range: f32, steps: usize) -> impl Iterator<Item = f32> + Clone {
    (0..steps).map(move |step| range * (2.0 * step as f32 / (steps - 1) as f32 - 1.0))
}

pub(super) fn traverse(args: &TraverseArgs) -> anyhow::Result<u8> {
    let formats = if args.animate { &[Format::Png, Format::Gif][..] } else { &[Format::Png] };
    let hint = "; only animations are .gif files: see --animate";
    let is_gif = args.output.output.as_ref().is_some_and(|path| format(path, &[Format::Gif]).is_ok());
    let format = args.output.format(formats).map_err(|error| match is_gif {
        true => anyhow!("{error}{hint}"),
        false => error,
    })?;
    let trained = Trained::open(&args.trial.folder()?)?;
    let latent = trained.architecture().latent;
    let mut axes = trained.axes_by_kl()?;
    axes.truncate(args.axes);
    // Names of their own: one must not replace the other.
    let name = if args.animate { "traversal_animated.png" } else { "traversal.png" };
    let path = args.output.path(name, &trained, &args.images)?;
    need_room(&trained, axes.len() * args.steps)?;
    let (trained, start) = match args.image {
        None if args.images.data.is_some() => {
            bail!("which image of --data to begin with? Give its number with --image")
        }
        None => (trained, vec![0.0; latent]),
        Some(image) => {
            let trained = args.images.put_into(trained, image.saturating_add(1))?;
            let start = encoded(&trained, &[image])?.posterior.mean;
            (trained, start)
        }
    };
    let codes = axes.iter().flat_map(|(axis, _)| {
        let start = &start;
        along(args.range, args.steps).flat_map(move |value| {
            let mut code = start.clone();
            code[*axis] = value;
            code
        })
    });
    let values = trained.decode(&codes.collect::<Vec<f32>>())?;
    let pictures = tiles(&trained, &values);
    if args.animate {
        let columns = square(axes.len());
        let frame = |step: usize| {
            let of_step: Vec<&[f32]> = pictures.iter().skip(step).step_by(args.steps).copied().collect();
            grid(&trained, columns, &of_step)
        };
        // There and back again.
        let frames: Vec<Grid> = (0..args.steps).chain((1..args.steps - 1).rev()).map(frame).collect();
        match format {
            Format::Gif => Grid::write_gif(&frames, &path)?,
            _ => Grid::write_animation(&frames, &path)?,
        }
    } else {
        grid(&trained, args.steps, &pictures).write(&path)?;
    }
    let named = |(axis, kl): &(usize, Option<f64>)| match kl {
        Some(kl) => format!("{axis} ({kl:.3} nats)"),
        None => axis.to_string(),
    };
    let order = axes.iter().map(named).collect::<Vec<_>>().join(", ");
    let tile = if args.animate { "tile" } else { "row" };
    let what = format!("one {tile} per latent axis, from -{r} to {r}: {order}", r = args.range);
    let left_out = if axes.len() < latent {
        format!("; {} of {latent} axes are left out, see --axes", latent - axes.len())
    } else {
        String::new()
    };
    let axes: Vec<Value> = axes.iter().map(|(axis, kl)| json!({ "axis": axis, "kl_nats": kl })).collect();
    Ok(told(&trained, &[path], &(what + &left_out), json!({ "axes": axes }), args.output.json))
}

/// Images of the model's, and their posteriors.
fn encoded(trained: &Trained, images: &[usize]) -> anyhow::Result<Encoded> {
    let there = trained.images().len();
    if let Some(image) = images.iter().find(|image| **image >= there) {
        bail!("there is no image {image}: there are {there}, counted from 0");
    }
    let indices: Vec<u32> = images.iter().map(|image| *image as u32).collect();
    Ok(trained.encode(&indices)?)
}

pub(super) fn interpolate(args: &InterpolateArgs) -> anyhow::Result<u8> {
    args.output.format(&[Format::Png])?;
    let most = args.from.max(args.to).saturating_add(1);
    let trained = args.images.put_into(Trained::open(&args.trial.folder()?)?, most)?;
    let path = args.output.path("interpolation.png", &trained, &args.images)?;
    let Encoded { inputs, posterior } = encoded(&trained, &[args.from, args.to])?;
    let (from, to) = posterior.mean.split_at(trained.architecture().latent);
    let shares = (0..args.steps).map(|step| step as f32 / (args.steps - 1) as f32);
    let linear = shares.clone().flat_map(|share| linear(from, to, share));
    let path_codes: Vec<f32> = linear.chain(shares.flat_map(|share| spherical(from, to, share))).collect();
    let values = trained.decode(&path_codes)?;
    let pictures = tiles(&trained, &values);
    let ends = tiles(&trained, &inputs);
    // The images themselves are at the ends of both rows.
    let rows = pictures.chunks(args.steps).flat_map(|row| ends[..1].iter().chain(row).chain(&ends[1..]).copied());
    grid(&trained, args.steps + 2, &rows.collect::<Vec<_>>()).write(&path)?;
    let what = format!("from image {} to image {}, codes in a line above, on an arc below", args.from, args.to);
    Ok(args.output.told(&trained, &[path], &what))
}

fn linear(from: &[f32], to: &[f32], share: f32) -> Vec<f32> {
    from.iter().zip(to).map(|(from, to)| from + share * (to - from)).collect()
}

/// Shoemake's slerp (1985), of codes of any length; where the codes are along one line, along that.
fn spherical(from: &[f32], to: &[f32], share: f32) -> Vec<f32> {
    let product = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f32>();
    let angle = (product(from, to) / (product(from, from) * product(to, to)).sqrt()).clamp(-1.0, 1.0).acos();
    if !(1e-4..std::f32::consts::PI - 1e-4).contains(&angle) {
        return linear(from, to, share);
    }
    let [first, second] = [(1.0 - share) * angle, share * angle].map(|part| part.sin() / angle.sin());
    from.iter().zip(to).map(|(from, to)| first * from + second * to).collect()
}

pub(super) fn manifold(args: &ManifoldArgs) -> anyhow::Result<u8> {
    args.output.format(&[Format::Png])?;
    let trained = Trained::open(&args.trial.folder()?)?;
    need_prior(&trained)?;
    let latent = trained.architecture().latent;
    if latent != 2 {
        bail!("a manifold needs 2 latent axes, and {} has {latent}; see `vaex traverse`", trained.folder().display());
    }
    need_room(&trained, args.side * args.side)?;
    let path = args.output.path("manifold.png", &trained, &ImagesArgs::default())?;
    let values = trained.decode(&manifold_codes(args.side).concat())?;
    grid(&trained, args.side, &tiles(&trained, &values)).write(&path)?;
    Ok(args.output.told(&trained, &[path], "the prior's quantiles, the first axis to the right, the second upwards"))
}

pub(super) fn embed(args: &EmbedArgs) -> anyhow::Result<u8> {
    let format = args.output.format(&[Format::Parquet, Format::Csv])?;
    let trained = args.images.put_into(Trained::open(&args.trial.folder()?)?, usize::MAX)?;
    let path = args.output.path("embeddings.parquet", &trained, &args.images)?;
    let count = trained.images().len();
    let indices: Vec<u32> = (0..count as u32).collect();
    let Measured { posterior, recon_nats, kl_nats } = trained.measure(&indices)?;
    let latent = trained.architecture().latent;
    let column = |name: &str, values: Vec<f32>| Column::new(name.into(), values);
    let axis = |values: &[f32], axis: usize| values.iter().skip(axis).step_by(latent).copied().collect::<Vec<f32>>();
    let mut columns =
        vec![Column::new("image".into(), indices.iter().map(|index| i64::from(*index)).collect::<Vec<_>>())];
    if let Some(labels) = trained.images().labels() {
        columns.push(Column::new("label".into(), labels.iter().map(|label| i64::from(*label)).collect::<Vec<_>>()));
    }
    columns.extend((0..latent).map(|index| column(&format!("mean_{index}"), axis(&posterior.mean, index))));
    if trained.has_prior() {
        let name = |index: usize| format!("deviation_{index}");
        columns.extend((0..latent).map(|index| column(&name(index), axis(&posterior.deviation, index))));
        columns.push(column("kl_nats", kl_nats));
    }
    columns.push(column("recon_nats", recon_nats));
    match format {
        Format::Csv => write_csv(&path, &columns)?,
        _ => write_columns(&path, columns)?,
    }
    Ok(args.output.told(&trained, &[path], &format!("posteriors of {}", counted(count, "image"))))
}
