//! The output files of commands: their formats, by suffix, and checks of their paths.

use super::exit::DONE;
use super::images::ImagesArgs;
use super::print::say;
use crate::data::input_files;
use crate::folder::TrialFolder;
use crate::trained::Trained;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// File to write; default: a file in the working directory, named after the command. Its suffix selects the format:
    /// .png for pictures, .png or .gif for animations, .parquet or .csv for tables.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print the written files as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The format of an output file, given by the suffix of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
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

/// The format of a file by its suffix, which must be one of `formats`.
pub(crate) fn format(path: &Path, formats: &[Format]) -> anyhow::Result<Format> {
    let suffix = path.extension().unwrap_or_default();
    let found = formats.iter().find(|format| suffix.eq_ignore_ascii_case(format.suffix()));
    found.copied().with_context(|| {
        let suffixes: Vec<String> = formats.iter().map(|format| format!(".{}", format.suffix())).collect();
        format!("cannot write {}: its name must end in {}", path.display(), suffixes.join(" or "))
    })
}

impl Output {
    /// The format of the output file, checked before anything is read; the first of `formats` without `--output`.
    pub(crate) fn format(&self, formats: &[Format]) -> anyhow::Result<Format> {
        match &self.output {
            Some(path) => format(path, formats),
            None => formats.first().copied().context("there is no format"),
        }
    }

    /// The path of the output file, checked before the work; `inputs` are the files that the command reads.
    pub(crate) fn path(&self, default: &str, inputs: &ImagesArgs) -> anyhow::Result<PathBuf> {
        destination(self.output.as_deref().unwrap_or(Path::new(default)), inputs)
    }

    pub(crate) fn print_written(&self, trained: &Trained, files: &[PathBuf], what: &str) -> u8 {
        print_written(trained, files, what, json!({}), self.json)
    }
}

/// Checks that a file can be written, and that it replaces neither an input nor a file of a trial. Follows links.
pub(crate) fn destination(path: &Path, inputs: &ImagesArgs) -> anyhow::Result<PathBuf> {
    let shown = path.display();
    if path.exists() && !path.is_file() {
        bail!("{shown} is not a regular file; choose another name");
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(real) = real(path, folder) else { bail!("cannot write {shown}: there is no folder {}", folder.display()) };
    for folder in real.ancestors().skip(1) {
        if TrialFolder::new(folder).has_record()? {
            bail!("{shown} is in a trial folder, where only `vaex run` writes; choose another folder");
        }
    }
    let read = [&inputs.data, &inputs.labels].into_iter().flatten().flat_map(|input| input_files(input));
    let read: Vec<PathBuf> = read.filter_map(|input| input.canonicalize().ok()).collect();
    if read.contains(&real) {
        bail!("{shown} is an input of this command; choose another name");
    }
    if let Some(folder) = read.iter().find(|input| input.is_dir() && real.starts_with(input)) {
        bail!("{shown} is in the folder of the images, {}; choose another folder", folder.display());
    }
    Ok(if path.is_symlink() { real } else { path.to_path_buf() })
}

pub(crate) fn same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(one, other)| one == other)
}

/// The path of a file with all links resolved; the file itself need not exist.
fn real(path: &Path, folder: &Path) -> io::Result<PathBuf> {
    path.canonicalize().or_else(|_| Ok(folder.canonicalize()?.join(path.file_name().unwrap_or_default())))
}

/// Prints which files were written and what they show. `object` has additional fields for the JSON output.
pub(crate) fn print_written(trained: &Trained, files: &[PathBuf], what: &str, mut object: Value, json: bool) -> u8 {
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
