//! `vaex new`: writes a spec to start from, generated from the description of the keys.

mod kinds;

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::prepared;
use super::shared::print::say;
use crate::data::{self, DataError, Dataset};
use crate::evaluation::EvaluateSettings;
use crate::folder::write_whole;
use crate::language::{Spec, description, json_schema};
use crate::settings::{Condition, Declared, KeyInfo, Role, Word, name_fault, written};
use crate::text::shell_word;
use anyhow::{Context, bail};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use kinds::{KINDS, SpecKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Value;

/// The schema of specs, beside the new file, for editors that know the language server Taplo.
const SCHEMA: &str = "experiment.schema.json";

/// Steps that a spec for images of the user trains at least, if 200 epochs have as many.
const STEPS: usize = 3_000;

/// The size that larger images get, and images of different sizes: networks of larger images train for hours.
const SIZE: usize = 64;

/// Write a spec to start from, with the keys that matter for its kind.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The name of the experiment; the file is NAME.toml.
    name: String,
    /// What the experiment is for.
    #[arg(long, default_value = KINDS[0].name, value_parser = PossibleValuesParser::new(kinds()))]
    kind: String,
    /// Network family, of a kind without a network of its own [default: conv].
    #[arg(long, value_parser = PossibleValuesParser::new(families()))]
    family: Option<String>,
    /// A file or folder of images, as in `data.images` [default: the embedded images].
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Add every other key that applies, as a comment with its default.
    #[arg(long)]
    all_keys: bool,
}

/// The kinds, with their meanings.
fn kinds() -> Vec<PossibleValue> {
    KINDS.iter().map(|kind| PossibleValue::new(kind.name).help(kind.doc)).collect()
}

fn families() -> Vec<&'static str> {
    let words = description().key("model.family").map(|key| key.kind().words());
    words.into_iter().flatten().map(|word| word.name).collect()
}

impl Command for NewArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let name = self.name.strip_suffix(".toml").unwrap_or(&self.name);
        if let Some(expected) = name_fault(name) {
            bail!("the name must be {expected}, found {name:?}");
        }
        let path = PathBuf::from(format!("{name}.toml"));
        if path.exists() {
            bail!("{} already exists; choose another name, or remove the file", path.display());
        }
        let kind = KINDS.iter().find(|kind| kind.name == self.kind).context("unknown kind")?;
        let values = self.values(name, kind)?;
        let file = path.display().to_string();
        let word = shell_word(&file);
        let schema = json_schema();
        // Another file of this name stays.
        let is_own = |text: &str| {
            let found: Option<serde_json::Value> = serde_json::from_str(text).ok();
            found.is_some_and(|found| found.get("title").is_some_and(|title| Some(title) == schema.get("title")))
        };
        match std::fs::read_to_string(SCHEMA) {
            Ok(text) if !is_own(&text) => bail!("{SCHEMA} already exists, and is not a schema of vaex; rename it"),
            _ => write_whole(Path::new(SCHEMA), format!("{schema:#}\n").as_bytes())?,
        }
        write_whole(&path, text(&values, (name, &word), kind, self.all_keys).as_bytes())?;
        say(&format!("wrote {file}, and {SCHEMA} for editors; list its trials with: vaex plan {word}"));
        Ok(DONE)
    }
}

impl NewArgs {
    /// The values of keys in the file.
    fn values(&self, name: &str, kind: &SpecKind) -> anyhow::Result<BTreeMap<String, Value>> {
        let mut values = BTreeMap::from([("name".to_owned(), Value::String(name.to_owned()))]);
        for (key, text) in kind.values {
            values.insert((*key).to_owned(), text.parse().with_context(|| format!("the value of {key}"))?);
        }
        match (values.contains_key("model.preset"), &self.family) {
            (true, Some(_)) => {
                bail!("`--family` does not go with `--kind {}`, which has a network of its own", kind.name)
            }
            (true, None) => {}
            (false, family) => {
                let family = family.clone().unwrap_or_else(|| "conv".to_owned());
                values.insert("model.family".to_owned(), Value::String(family));
            }
        }
        let batch = match values.get("train.batch_size").and_then(Value::as_integer) {
            Some(batch) => batch as usize,
            None if values.get("model.family").and_then(Value::as_str) == Some("conv") => 32,
            None => 100,
        };
        let mut dataset = match &self.data {
            // Its images are computed, and are enough.
            None if values.contains_key("data.source") => return Ok(values),
            None => Dataset::load(&data::DataSettings::default(), Path::new(""))?,
            Some(images) => {
                values.retain(|key, _| key != "data.source" && key != "data.limit");
                // Numbers of images of the kind's own data may be too many.
                for key in ["data.validation", "data.test"] {
                    values.entry(key.to_owned()).and_modify(|held| *held = Value::Float(0.1));
                }
                let dataset = load(images, &mut values)?;
                // Test images are for the end, so they are held out from the start.
                match dataset.test.is_empty() && !values.contains_key("data.test") {
                    true => {
                        values.insert("data.test".to_owned(), Value::Float(0.1));
                        load(images, &mut values)?
                    }
                    false => dataset,
                }
            }
        };
        // Images of one class after another: the last ones alone would be all of one class. Names of files are an order too.
        let is_unlabelled =
            || dataset.train.columns().is_empty() && self.data.as_ref().is_some_and(|path| path.is_dir());
        if dataset.ordered_by.is_some() {
            values.insert("data.split".to_owned(), Value::String("stratified".to_owned()));
        } else if is_unlabelled() {
            values.insert("data.split".to_owned(), Value::String("random".to_owned()));
        }
        let shape = dataset.train.shape();
        let is_size = |size: &usize| shape.height == *size && shape.width == *size;
        let size = match kind.sizes {
            [] if shape.height.max(shape.width) > SIZE => Some(SIZE),
            sizes => sizes.first().copied().filter(|_| !sizes.iter().any(is_size)),
        };
        if let Some(size) = size {
            values.insert("data.size".to_owned(), Value::Integer(size as i64));
            // Black and white becomes grey.
            if let Some(images) = &self.data {
                dataset = load(images, &mut values)?;
            }
        }
        let images = dataset.train.len();
        if self.data.is_some() {
            NewArgs::suit(&dataset, kind, &mut values)?;
            // Fewer steps than this show nothing but that training has begun.
            let steps = images / batch.min(images).max(1);
            let epochs = STEPS.div_ceil(steps.max(1)).clamp(10, 200);
            values.entry("train.epochs".to_owned()).or_insert(Value::Integer(epochs as i64));
        }
        values.insert("train.batch_size".to_owned(), Value::Integer(images.min(batch) as i64));
        let (key, word) =
            if shape.channels > 1 { ("model.likelihood", "gaussian") } else { ("data.binarize", "dynamic") };
        if dataset.is_grey {
            values.insert(key.to_owned(), Value::String(word.to_owned()));
            if word == "gaussian" {
                values.insert("model.variance".to_owned(), Value::String("learned".to_owned()));
            }
        }
        Ok(values)
    }

    /// Checks images of the user, and adds the size of the code.
    fn suit(dataset: &Dataset, kind: &SpecKind, values: &mut BTreeMap<String, Value>) -> anyhow::Result<()> {
        let factors = dataset.train.columns().len();
        if kind.factors > factors {
            let (name, least) = (kind.name, kind.factors);
            bail!(
                "`--kind {name}` needs images with {least} factors or more, but these have {factors}; choose another kind"
            );
        }
        if !values.contains_key("model.preset") {
            values.entry("model.latent_dim".to_owned()).or_insert(Value::Integer(8));
        }
        Ok(())
    }
}

/// Loads the images of a file or folder, and adds the values that the spec needs for them.
fn load(images: &Path, values: &mut BTreeMap<String, Value>) -> anyhow::Result<Dataset> {
    values.insert("data.images".to_owned(), Value::String(images.to_string_lossy().into_owned()));
    let mut files = prepared::files();
    let mut of_spec = |values: &BTreeMap<String, Value>| files.dataset(&Spec::read(values).0.data, Path::new(""));
    match of_spec(values) {
        Err(DataError::ZerosAndOnes { .. }) => {
            values.insert("data.stored".to_owned(), Value::Array(vec![Value::Integer(0), Value::Integer(1)]));
            Ok(of_spec(values)?)
        }
        // Images of different sizes, in most cases.
        Err(error @ (DataError::Format { .. } | DataError::Images { .. })) => {
            values.insert("data.size".to_owned(), Value::Integer(SIZE as i64));
            of_spec(values).map_err(|_| error.into())
        }
        dataset => Ok(dataset?),
    }
}

/// The text of the file: the keys of its kind and those that have other values than their defaults, each with a comment; with
/// `all_keys` also all others that apply, commented out.
fn text(values: &BTreeMap<String, Value>, (name, word): (&str, &str), kind: &SpecKind, all_keys: bool) -> String {
    let mut text = format!(
        "#:schema ./{SCHEMA}\n# {name}: {}. `vaex plan {word}` lists the trials, `vaex run {word}` trains them.\n",
        kind.doc
    );
    text.push_str(match all_keys {
        true => "# Lines that start with `# key =` show defaults or examples; remove the # to change a key.\n",
        false => "# All other keys have their defaults; `vaex new --all-keys` lists them, and `vaex schema --reference` explains them.\n",
    });
    let (spec, _) = Spec::read(values);
    let value = |key: &str| spec.settings().iter().find(|setting| setting.key == key).map(|setting| &setting.value);
    let word_of = |key: &str| value(key).and_then(Value::as_str).map(str::to_owned);
    let applies = |key: &&KeyInfo| key.role() != Role::Document && key.unmet_condition(word_of).is_none();
    let mut last = "";
    let is_shown = |key: &&KeyInfo| values.contains_key(&key.dotted) || kind.shown.contains(&key.dotted.as_str());
    for key in description().keys.iter().filter(applies).filter(|key| all_keys || is_shown(key)) {
        if key.table() != last {
            last = key.table();
            // An empty table would ask for an evaluation.
            let is_empty = !values.keys().any(|key| key.starts_with("evaluate."));
            let mark = if last == EvaluateSettings::TABLE && is_empty { "# " } else { "" };
            text.push_str(&format!("\n{mark}[{last}]\n"));
        }
        let word = |word: &&Word| format!("\n#   \"{}\": {}", word.name, word.doc);
        // Editors show the words of a key from the schema.
        let words: String = key.kind().words().iter().filter(|_| all_keys).map(word).collect();
        // Given values are written as given: a list of whole numbers stays a list of whole numbers.
        let shown = values.get(&key.dotted).or_else(|| value(&key.dotted)).map(written);
        let shown = shown.unwrap_or_else(|| key.example().to_owned());
        let mark = if is_shown(&key) { "" } else { "# " };
        text.push_str(&format!("# {}{words}\n{mark}{} = {shown}\n", meaning(key, &spec), key.name()));
    }
    text + kind.end
}

/// The meaning of a key for the chosen kinds.
fn meaning(key: &KeyInfo, spec: &Spec) -> String {
    let word = |key: &str| {
        let setting = spec.settings().iter().find(|setting| setting.key == key)?;
        setting.value.as_str().map(str::to_owned)
    };
    let holds = |declared: &&Declared| {
        let chosen = |condition: &Condition| {
            word(&condition.chooser).is_some_and(|word| condition.words.contains(&word.as_str()))
        };
        declared.conditions.iter().all(chosen)
    };
    key.declared().find(holds).map_or_else(|| key.meaning(), |declared| declared.key.doc.to_owned())
}
