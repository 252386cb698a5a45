//! Weights that training starts with instead of drawn ones: those of a trained model, or of one of its parts.

use super::{OWN, Weight};
use crate::folder::{ArraysError, Stored, digest};
use crate::model::parameters::Module;
use crate::settings::{Choices, Key, Keys, Kind, Role};
use crate::tensor::backend::Backend;
use std::path::PathBuf;

/// Prefix of the names of an optimizer's arrays in files.
pub const OPTIMIZER: &str = "optimizer.";
/// Key of the metadata with the number of steps.
pub const STEPS: &str = "steps";
/// Key of the metadata with the number of steps before the training, if it began with the arrays of an optimizer.
pub const STEPS_BEFORE: &str = "steps_before";
/// Key of the metadata with the name of the file that has the last weights.
pub const WEIGHTS: &str = "weights";

/// The keys of initial weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitSettings {
    /// A trial folder, or a file of weights.
    pub from: PathBuf,
    /// The part that is taken.
    pub part: InitPart,
    /// Whether the state of the optimizer is taken too.
    pub optimizer: bool,
}

/// A part of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitPart {
    /// All parameters.
    All,
    /// The layers of the encoder, and those of the posterior.
    Encoder,
    /// The layers of the decoder, and the numbers of the likelihood.
    Decoder,
}

static ALL: Kind<InitPart> = Kind::new("all", "All parameters.", |_| InitPart::All).also("model whole");
static ENCODER: Kind<InitPart> =
    Kind::new("encoder", "Those of the encoder, including its outputs for the posterior.", |_| InitPart::Encoder);
static DECODER: Kind<InitPart> =
    Kind::new("decoder", "Those of the decoder, including the numbers of the likelihood.", |_| InitPart::Decoder);
static PARTS: Choices<InitPart> = Choices(&[&ALL, &ENCODER, &DECODER]);

const INIT_FROM: Key = Key::new(
    "init_from",
    "The initial weights: the folder of a trial that is done, or a .safetensors file with the same names. By default, they are \
     drawn by `model.initializer`.",
)
.also("init_weights pretrained pretrained_weights checkpoint load_from warm_start finetune_from resume_from")
.example("\"runs/beta_sweep/kl_weight_1,seed_0-3963d13a7d\"")
.hint("write the folder of a trial, relative to the folder of the spec, or a .safetensors file")
.role(Role::File);
const INIT_PART: Key =
    Key::new("init_part", "Which parameters are from `init_from`; the others are drawn.").example("\"encoder\"");
const INIT_OPTIMIZER: Key = Key::new(
    "init_optimizer",
    "Whether the state of the optimizer is from `init_from` too: the trial must have the same optimizer.",
)
.example("true");

/// The dotted key of the path.
pub const INIT_FROM_DOTTED: &str = "train.init_from";

impl InitSettings {
    /// Reads the keys; `None` without initial weights.
    pub(super) fn read(keys: &mut Keys<'_>) -> Option<InitSettings> {
        let from = keys.optional_path(INIT_FROM);
        for (key, dotted) in [(INIT_PART, "train.init_part"), (INIT_OPTIMIZER, "train.init_optimizer")] {
            let holds = from.is_some() || !keys.is_written(key);
            let message = || format!("`{dotted}` is set, but `{INIT_FROM_DOTTED}` is not");
            keys.require(holds, &[dotted], message, "set `init_from`, or remove this key");
        }
        if from.is_none() && !keys.is_describing() {
            return None;
        }
        let part = keys.choice(INIT_PART, &PARTS, &ALL);
        let optimizer = keys.boolean(INIT_OPTIMIZER);
        let message = || "`train.init_optimizer` needs all weights, but `train.init_part` takes one part".to_owned();
        let names = ["train.init_optimizer", "train.init_part"];
        keys.require(!optimizer || part == InitPart::All, &names, message, "remove one of them");
        Some(InitSettings { from: from?, part, optimizer })
    }
}

impl InitPart {
    /// Whether a parameter of a model belongs to it.
    fn has(self, name: &str) -> bool {
        let starts: &[&str] = match self {
            InitPart::All => return true,
            InitPart::Encoder => &["encoder.", "posterior."],
            InitPart::Decoder => &["decoder.", "likelihood."],
        };
        starts.iter().any(|start| name.starts_with(start))
    }
}

/// Weights that training starts with.
#[derive(Clone, Debug)]
pub struct Initial {
    /// The weights of the part.
    pub weights: Vec<Weight>,
    /// The state of the optimizer, if it is taken.
    pub optimizer: Option<OptimizerState>,
    /// A hash of all of them, with names and sizes.
    pub hash: String,
}

/// The state of an optimizer.
#[derive(Clone, Debug)]
pub struct OptimizerState {
    /// Its arrays by name, each with the length of all parameters.
    pub moments: Vec<(String, Vec<f32>)>,
    /// The number of its updates.
    pub updates: u64,
}

impl Initial {
    /// The weights that a model takes from a file, and the state of the optimizer with these arrays from another file.
    ///
    /// # Errors
    /// An array is missing, or has other sizes than the model needs.
    pub fn read<B: Backend>(
        model: &mut impl Module<B>,
        part: InitPart,
        stored: &Stored,
        optimizer: Option<(&Stored, &[&str])>,
    ) -> Result<Initial, ArraysError> {
        if stored.notes.contains_key(WEIGHTS) {
            return Err(stored.wrong("it is the state of an optimizer and has no weights; name model.safetensors"));
        }
        let (mut weights, mut wrong, mut parameters) = (Vec::new(), Vec::new(), 0);
        model.visit("", &mut |visit| {
            let (name, needed) = (visit.name, visit.parameter.sizes());
            parameters += visit.parameter.length();
            if !part.has(&name) {
                return;
            }
            match stored.sized(&name) {
                Some((_, values)) if values.iter().any(|value| !value.is_finite()) => {
                    wrong.push(format!("`{name}` has values that are not finite"));
                }
                Some((sizes, values)) if sizes == needed => weights.push(Weight { name, sizes, values: values.into() }),
                Some((sizes, _)) => {
                    wrong.push(format!("`{name}` is {}, but the model needs {}", in_words(&sizes), in_words(&needed)));
                }
                None => match stored.type_of(&name) {
                    Some(other) => wrong.push(format!("the numbers of `{name}` are {other}, but must be F32")),
                    None => wrong.push(format!("`{name}` is missing")),
                },
            }
        });
        if let Some(first) = wrong.first() {
            let more = if wrong.len() > 1 { format!(", and {} more", wrong.len() - 1) } else { String::new() };
            return Err(stored.wrong(format!("it cannot be used for the model: {first}{more}")));
        }
        let optimizer = optimizer.map(|(state, names)| OptimizerState::read(state, names, parameters)).transpose()?;
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for Weight { name, sizes, values } in &weights {
            parts.push(format!("{name} {sizes:?}").into_bytes());
            parts.push(bytes_of(values));
        }
        if let Some(state) = &optimizer {
            parts.push(state.updates.to_le_bytes().to_vec());
            parts.extend(state.moments.iter().flat_map(|(name, values)| [name.clone().into_bytes(), bytes_of(values)]));
        }
        let hash = digest(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>(), 32);
        Ok(Initial { weights, optimizer, hash })
    }
}

impl OptimizerState {
    fn read(state: &Stored, names: &[&str], parameters: usize) -> Result<OptimizerState, ArraysError> {
        let moment = |name: &&str| {
            let values = state.values(&format!("{OPTIMIZER}{name}")).filter(|values| values.len() == parameters);
            let missing = || state.wrong(format!("it has no array `{name}` of this optimizer and size"));
            Ok((name.to_string(), values.ok_or_else(missing)?))
        };
        // Those of the parameters of an objective have a prefix of their own.
        let has = |name: &String| !name.starts_with(&format!("{OPTIMIZER}{OWN}.")) && name.starts_with(OPTIMIZER);
        let found: Vec<String> = state.names().into_iter().filter(has).collect();
        if found.len() != names.len() {
            let listed = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(" and ") };
            let found: Vec<&str> = found.iter().filter_map(|name| name.strip_prefix(OPTIMIZER)).collect();
            let (found, needed) = (listed(&found), listed(names));
            return Err(
                state.wrong(format!("it is of another optimizer: its arrays are {found}, those needed are {needed}"))
            );
        }
        let moments = names.iter().map(moment).collect::<Result<_, ArraysError>>()?;
        let steps = state.number(STEPS).ok_or_else(|| state.wrong("it has no number of steps"))?;
        Ok(OptimizerState { moments, updates: steps + state.number(STEPS_BEFORE).unwrap_or(0) })
    }
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Sizes of an array: `32x64`; a number without axes is `1 number`.
fn in_words(sizes: &[usize]) -> String {
    match sizes {
        [] => "1 number".to_owned(),
        sizes => sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x"),
    }
}
