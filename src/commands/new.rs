//! `vaex new`: writes a spec to start from, generated from the description of the keys.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::prepared;
use super::shared::print::say;
use crate::data::{self, DataError, Dataset};
use crate::evaluation::EvaluateSettings;
use crate::folder::write_whole;
use crate::language::{Spec, description};
use crate::settings::{Condition, Declared, KeyInfo, Role, Word, name_fault, written};
use crate::text::shell_word;
use anyhow::bail;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Value;

/// The sweep, at the end of the file.
const SWEEP: &str = r#"
# The keys to vary. Every combination of their values is trained with every seed.
[sweep]
seeds = 2

[sweep.grid]
"objective.kl_weight" = [0.5, 1.0, 2.0]
# "model.latent_dim" = [2, 8, 32]
# "train.learning_rate" = { from = 1e-4, to = 1e-2, steps = 3, scale = "log" }
"#;

/// Keys that are written even if they have their defaults, because most experiments set them.
const SHOWN: [&str; 10] = [
    "data.source",
    "model.family",
    "model.latent_dim",
    "model.hidden",
    "model.likelihood",
    "objective.kl_weight",
    "objective.reduction",
    "train.epochs",
    "train.optimizer",
    "train.learning_rate",
];

/// Write a spec to start from, with a comment for every key that applies.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The name of the experiment; the file is NAME.toml.
    name: String,
    /// Network family.
    #[arg(long, default_value = "conv", value_parser = PossibleValuesParser::new(families()))]
    family: String,
    /// A file or folder of images, as in `data.images` [default: the embedded images].
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
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
        let mut values = BTreeMap::from([
            ("name".to_owned(), Value::String(name.to_owned())),
            ("model.family".to_owned(), Value::String(self.family.clone())),
        ]);
        let mut batch = if self.family == "conv" { 32 } else { 100 };
        let dataset = match &self.data {
            None => Dataset::load(&data::DataSettings::default(), Path::new(""))?,
            Some(images) => load(images, &mut values)?,
        };
        batch = dataset.train.len().min(batch);
        values.insert("train.batch_size".to_owned(), Value::Integer(batch as i64));
        let (key, word) = if dataset.train.shape().channels > 1 {
            ("model.likelihood", "gaussian")
        } else {
            ("data.binarize", "dynamic")
        };
        if dataset.is_grey {
            values.insert(key.to_owned(), Value::String(word.to_owned()));
        }
        let file = path.display().to_string();
        let word = shell_word(&file);
        write_whole(&path, text(&values, name, &word).as_bytes())?;
        say(&format!("wrote {file}; list its trials with: vaex plan {word}"));
        Ok(DONE)
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
        dataset => Ok(dataset?),
    }
}

/// The text of the file: all keys that apply, each with a comment. Keys that differ from their defaults, and keys that most
/// experiments set, are active; the others are commented out.
fn text(values: &BTreeMap<String, Value>, name: &str, word: &str) -> String {
    let mut text = format!(
        "# {name}: `vaex plan {word}` lists the trials, `vaex run {word}` trains them.\n\
         # Lines that start with `# key =` show defaults or examples; remove the # to change a key.\n"
    );
    let (spec, _) = Spec::read(values);
    let value = |key: &str| spec.settings().iter().find(|setting| setting.key == key).map(|setting| &setting.value);
    let word_of = |key: &str| value(key).and_then(Value::as_str).map(str::to_owned);
    let applies = |key: &&KeyInfo| key.role() != Role::Document && key.unmet_condition(word_of).is_none();
    let mut last = "";
    for key in description().keys.iter().filter(applies) {
        if key.table() != last {
            last = key.table();
            // An empty table would ask for an evaluation.
            let mark = if last == EvaluateSettings::TABLE { "# " } else { "" };
            text.push_str(&format!("\n{mark}[{last}]\n"));
        }
        let is_shown = values.contains_key(&key.dotted) || SHOWN.contains(&key.dotted.as_str());
        let word = |word: &&Word| format!("\n#   \"{}\": {}", word.name, word.doc);
        let words: String = key.kind().words().iter().map(word).collect();
        // Given values are written as given: a list of whole numbers stays a list of whole numbers.
        let shown = values.get(&key.dotted).or_else(|| value(&key.dotted)).map(written);
        let shown = shown.unwrap_or_else(|| key.example().to_owned());
        let mark = if is_shown { "" } else { "# " };
        text.push_str(&format!("# {}{words}\n{mark}{} = {shown}\n", meaning(key, &spec), key.name()));
    }
    text + SWEEP
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
