//! Pictures in folders, of a file system or an archive: their order, parts, classes and metadata.
//!
//! As torchvision's `ImageFolder`: the folders below the top are classes, numbered in the order of their names. As Hugging
//! Face's `imagefolder`: metadata.csv or metadata.jsonl has further columns, by `file_name`.

use super::{Encoded, FormatError, Place, PlaceParts};
use crate::data::column::{RawColumn, RawValues};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The endings of the names of pictures. The last ones are pictures that vaex does not read: better an error than fewer images.
const ENDINGS: [&str; 12] = ["png", "jpg", "jpeg", "webp", "bmp", "ppm", "pgm", "pbm", "pnm", "gif", "tif", "tiff"];

/// The names of the folders of parts: training, validation, test.
const PARTS: [&[&str]; 3] = [&["train", "training"], &["val", "valid", "validation", "dev"], &["test", "testing"]];

/// The names of files with metadata.
const METADATA: [&str; 2] = ["metadata.csv", "metadata.jsonl"];

/// Whether the name of a file is that of a picture.
pub(super) fn is_picture(name: &Path) -> bool {
    let ending = name.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&&*ending))
}

/// The files of a folder that matter, by their path below it, with `/`.
#[derive(Debug)]
pub(super) struct Collection {
    /// The folder or archive, for messages.
    name: PathBuf,
    /// The pictures, in the order of their classes, folders and names.
    pictures: Vec<String>,
    /// The class of each picture; empty if there are no classes.
    classes: Vec<String>,
    /// The files with metadata: at most one is used.
    metadata: Option<String>,
}

/// The paths of the files of a folder, without hidden files.
pub(super) fn visible(paths: impl IntoIterator<Item = String>) -> Vec<String> {
    let is_hidden = |path: &String| path.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
    paths.into_iter().filter(|path| !is_hidden(path)).collect()
}

/// The folder that all files are in, with a slash at its end: archives often have one. Folders of parts and of a single class
/// do not count.
pub(super) fn common_folder(paths: &[String]) -> String {
    let mut common = String::new();
    loop {
        let mut next: BTreeSet<Option<&str>> = BTreeSet::new();
        for path in paths.iter().filter(|path| is_picture(Path::new(path)) || is_metadata(path)) {
            next.insert(path.get(common.len()..).and_then(|rest| rest.split_once('/')).map(|(folder, _)| folder));
        }
        match next.into_iter().collect::<Vec<_>>()[..] {
            [Some(folder)] if !is_part(folder) => common.push_str(&format!("{folder}/")),
            _ => return common,
        }
    }
}

/// Whether a file has metadata, by its path.
pub(super) fn is_metadata(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| METADATA.contains(&name))
}

fn is_part(folder: &str) -> bool {
    part_of(folder).is_some()
}

/// The part that a folder has, by its name: 0 for training, 1 for validation, 2 for test.
fn part_of(folder: &str) -> Option<usize> {
    PARTS.iter().position(|names| names.contains(&&*folder.to_lowercase()))
}

/// The places of the parts of a folder that has these files; `place_of` gives the place of a folder in it.
///
/// # Errors
/// There are other folders, or a file of metadata, beside those of the parts.
pub(super) fn place_parts(
    place: &Place,
    paths: &[String],
    place_of: impl Fn(String) -> Place,
) -> Result<PlaceParts, FormatError> {
    let [training, validation, test] = parts(&place.path, paths)?.unwrap_or_default();
    Ok(PlaceParts {
        training: training.map_or_else(|| place.clone(), &place_of),
        validation: validation.map(&place_of),
        test: test.map(&place_of),
    })
}

/// The folders of the parts below a folder, training first: `None` if there is no folder of training images.
fn parts(name: &Path, paths: &[String]) -> Result<Option<[Option<String>; 3]>, FormatError> {
    let folders: BTreeSet<&str> = paths
        .iter()
        .filter(|path| is_picture(Path::new(path)))
        .map(|path| path.split_once('/').map_or("", |(folder, _)| folder))
        .collect();
    let mut found = [None, None, None];
    for folder in &folders {
        if let Some(part) = part_of(folder)
            && let Some(other) = found[part].replace((*folder).to_owned())
        {
            let what = format!("has the folders `{other}` and `{folder}` for the same part; rename one of them");
            return Err(FormatError::new(name, what));
        }
    }
    // A class may be called "train", but hardly another one "test".
    if found[0].is_none() || found[1..].iter().all(Option::is_none) && folders.len() > 1 {
        return Ok(None);
    }
    if let Some(other) = folders.iter().find(|folder| !is_part(folder)) {
        let train = found[0].as_deref().unwrap_or_default();
        let what = if other.is_empty() { "other pictures".to_owned() } else { format!("the folder `{other}`") };
        let what =
            format!("has {what} beside the folders of its parts; name one folder, as in `{}/{train}`", name.display());
        return Err(FormatError::new(name, what));
    }
    match paths.iter().find(|path| METADATA.contains(&&***path)) {
        None => Ok(Some(found)),
        Some(file) => {
            let what = format!("has `{file}` beside the folders of its parts; put one into each of these folders");
            Err(FormatError::new(name, what))
        }
    }
}

/// What is wrong with a folder without pictures, which has these files.
fn without_pictures(name: &Path, others: &[String]) -> String {
    fn file_of(path: &str) -> &str {
        path.rsplit('/').next().unwrap_or(path)
    }

    let folder_of = |path: &str| match path.rsplit_once('/') {
        Some((folder, _)) => format!("{}/{folder}", name.display()),
        None => name.display().to_string(),
    };
    if others.iter().any(|path| file_of(path) == "data_batch_1") {
        return "has the Python version of CIFAR, whose files are pickles, which vaex does not read; download the binary version"
            .to_owned();
    }
    if others.iter().any(|path| path.contains("idx3-ubyte")) {
        return "has no pictures; to read its IDX files, name one with `images`, or set `data_dir` and a `source` such as \"mnist\""
            .to_owned();
    }
    if let Some(batch) = others.iter().find(|path| file_of(path) == "data_batch_1.bin") {
        return format!("has no pictures, but the binary version of CIFAR; name its folder: `{}`", folder_of(batch));
    }
    const KNOWN: [&str; 9] = ["parquet", "npz", "npy", "h5", "hdf5", "csv", "tar", "zip", "gz"];
    let Some(ending) =
        others.iter().filter_map(|path| Path::new(path).extension()?.to_str()).find(|end| KNOWN.contains(end))
    else {
        return "has no pictures; vaex reads PNG, JPEG, WebP, BMP and PNM files".to_owned();
    };
    if name.is_file() {
        return "has no pictures; unpack it to read the files in it".to_owned();
    }
    let dotted = format!(".{ending}");
    let all: Vec<&String> = others.iter().filter(|path| path.ends_with(&dotted)).collect();
    let has = |word: &str| all.iter().find(|path| file_of(path).to_lowercase().contains(word));
    let folder = folder_of(has("train").or(all.first()).map_or("", |path| path));
    // A pattern of all files would mix the parts.
    match (has("train"), has("test").or(has("val"))) {
        (Some(_), Some(other)) => format!(
            "has no pictures; to read its files, name those of each part, as in `images = \"{folder}/*train*{dotted}\"` and \
             `validation_images` for files such as `{}`",
            file_of(other).to_lowercase()
        ),
        _ => format!("has no pictures; to read its files, name them, as in `images = \"{folder}/*{dotted}\"`"),
    }
}

impl Collection {
    /// The pictures of a folder.
    ///
    /// # Errors
    /// Some pictures are in class folders and others beside them, or there are none.
    pub(super) fn of(name: &Path, paths: Vec<String>) -> Result<Collection, FormatError> {
        let (mut pictures, mut metadata, mut others) = (Vec::new(), None, Vec::new());
        for path in paths {
            if is_picture(Path::new(&path)) {
                pictures.push(path);
            } else if METADATA.contains(&&*path) {
                if metadata.replace(path).is_some() {
                    let what =
                        format!("has {}; remove one of them", METADATA.map(|file| format!("`{file}`")).join(" and "));
                    return Err(FormatError::new(name, what));
                }
            } else {
                others.push(path);
            }
        }
        if pictures.is_empty() {
            return Err(FormatError::new(name, without_pictures(name, &others)));
        }
        let class = |path: &String| path.split_once('/').map(|(class, _)| class.to_owned());
        let place = |path: &String| {
            let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
            (class(path), folder.to_owned(), file.to_owned())
        };
        pictures.sort_by_cached_key(place);
        let classes: Vec<Option<String>> = pictures.iter().map(class).collect();
        let beside = classes.iter().position(Option::is_none);
        let inside = classes.iter().position(Option::is_some);
        let classes: Vec<String> = match (beside, inside) {
            (Some(beside), Some(inside)) if metadata.is_none() => {
                let (beside, inside) = (&pictures[beside], &pictures[inside]);
                let what = format!(
                    "has pictures in folders, such as `{inside}`, and others beside the folders, such as `{beside}`; move all of \
                     them into folders, one per class, or all into one folder"
                );
                return Err(FormatError::new(name, what));
            }
            _ => classes.into_iter().flatten().collect(),
        };
        Ok(Collection { name: name.to_path_buf(), pictures, classes, metadata })
    }

    /// The pictures, in order.
    pub(super) fn pictures(&self) -> &[String] {
        &self.pictures
    }

    /// The file with metadata.
    pub(super) fn metadata(&self) -> Option<&str> {
        self.metadata.as_deref()
    }

    /// The labels and factors: of the metadata, or else the classes. `metadata` is the content of [`Collection::metadata`].
    ///
    /// # Errors
    /// The metadata is invalid, or does not have exactly the pictures that are there.
    pub(super) fn columns(&self, metadata: Option<&[u8]>) -> Result<Vec<RawColumn>, FormatError> {
        if let Some((file, bytes)) = self.metadata.as_deref().zip(metadata) {
            let table = match file.ends_with(".csv") {
                true => csv_table(bytes),
                false => json_table(bytes),
            };
            let error = |what: String| FormatError::new(&self.name.join(file), what);
            return self.of_metadata(table.map_err(error)?).map_err(error);
        }
        let different: BTreeSet<&String> = self.classes.iter().collect();
        // One class says nothing.
        if self.classes.len() != self.pictures.len() || different.len() < 2 {
            return Ok(Vec::new());
        }
        Ok(vec![RawColumn::new("label", RawValues::Texts(self.classes.clone()))])
    }

    /// The columns of a table in the order of the pictures.
    fn of_metadata(&self, mut table: Table) -> Result<Vec<RawColumn>, String> {
        let files = table.remove("file_name").ok_or("has no column `file_name`; name the column of paths so")?;
        let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
        for (row, file) in files.iter().enumerate() {
            if rows.insert(file, row).is_some() {
                return Err(format!("lists `{file}` twice"));
            }
        }
        let mut order = Vec::new();
        for picture in &self.pictures {
            order.push(rows.remove(&**picture).ok_or_else(|| format!("does not list the picture `{picture}`"))?);
        }
        if let Some((file, _)) = rows.first_key_value() {
            return Err(format!("lists `{file}`, but there is no such picture"));
        }
        let columns = table.into_iter().map(|(name, texts)| {
            let texts = order.iter().map(|row| texts.get(*row).cloned().unwrap_or_default()).collect();
            RawColumn::new(name, values_of(texts))
        });
        Ok(columns.filter(|column| are_labels(&column.values)).collect())
    }
}

/// The names of columns of labels in tables whose other columns are pixels.
const LABELS: [&str; 6] = ["label", "labels", "class", "target", "targets", "y"];

/// Whether a column of a table whose other columns are pixels has labels, by its name.
pub(super) fn is_label_name(name: &str) -> bool {
    LABELS.contains(&&*name.to_lowercase())
}

/// Whether values can be labels: texts that are all different, or many that are mostly different, such as captions, are not.
pub(super) fn are_labels(values: &RawValues) -> bool {
    const FEW: usize = 100;
    match values {
        RawValues::Texts(texts) => {
            let different = texts.iter().collect::<BTreeSet<_>>().len();
            different < texts.len() && (different <= FEW || 2 * different <= texts.len())
        }
        RawValues::Whole(_) | RawValues::Floats(_) => true,
    }
}

/// The columns of a table of texts, by name.
type Table = BTreeMap<String, Vec<String>>;

fn csv_table(bytes: &[u8]) -> Result<Table, String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let names: Vec<String> =
        reader.headers().map_err(|error| format!("is not valid CSV: {error}"))?.iter().map(str::to_owned).collect();
    let mut columns = vec![Vec::new(); names.len()];
    for row in reader.records() {
        let row = row.map_err(|error| format!("is not valid CSV: {error}"))?;
        columns.iter_mut().zip(&row).for_each(|(column, cell)| column.push(cell.to_owned()));
    }
    Ok(names.into_iter().zip(columns).collect())
}

/// JSON objects, one per line. Values that are neither texts nor numbers are left out.
fn json_table(bytes: &[u8]) -> Result<Table, String> {
    let mut table = Table::new();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    for (number, line) in lines.enumerate() {
        let object: BTreeMap<String, serde_json::Value> = serde_json::from_slice(line)
            .map_err(|error| format!("is not valid JSON in line {}: {error}", number + 1))?;
        for (name, value) in object {
            let text = match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Number(number) => number.to_string(),
                serde_json::Value::Bool(boolean) => u8::from(boolean).to_string(),
                _ => continue,
            };
            let column = table.entry(name).or_default();
            column.resize(number, String::new());
            column.push(text);
        }
        table.values_mut().for_each(|column| column.resize(number + 1, String::new()));
    }
    Ok(table)
}

/// Texts as whole numbers or floats, if all of them are.
pub(super) fn values_of(texts: Vec<String>) -> RawValues {
    let whole: Option<Vec<i64>> = texts.iter().map(|text| text.trim().parse().ok()).collect();
    let floats: Option<Vec<f64>> = texts.iter().map(|text| text.trim().parse().ok()).collect();
    match (whole, floats) {
        (Some(whole), _) => RawValues::Whole(whole),
        (None, Some(floats)) => RawValues::Floats(floats),
        (None, None) => RawValues::Texts(texts),
    }
}

/// A picture of an archive.
pub(super) fn encoded(archive: &Path, member: &str, bytes: Vec<u8>) -> Encoded {
    Encoded { name: archive.join(member), bytes: Some(bytes) }
}

/// Checks the path of a member of an archive, and gives it with `/`.
///
/// # Errors
/// The path leads out of the archive.
pub(super) fn checked_member(archive: &Path, member: &str) -> Result<String, FormatError> {
    let member = member.replace('\\', "/");
    let member = member.strip_prefix("./").unwrap_or(&member).to_owned();
    let leads_out = member.starts_with('/') || member.split('/').any(|part| part == "..");
    match leads_out {
        true => Err(FormatError::new(
            archive,
            format!("has a member whose path leads out of it: `{member}`; do not use it"),
        )),
        false => Ok(member),
    }
}
