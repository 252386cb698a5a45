//! The id of a trial: a hash of [`NUMERICS`], of the hash of the images, and of every key that affects the result and differs
//! from its default.
//!
//! A new key whose default keeps the old behaviour does not change ids. Networks are hashed as their lists of layers, so
//! different ways to write the same network give the same id.

use crate::folder::digest;
use crate::language::Spec;
use crate::model::Architecture;
use crate::settings::{ResolvedKey, Role, as_json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The version of the numerical results. A change of vaex that changes any bit of any result increments it, so that old and
/// new results have different trial ids. Versions of vaex before 0.2.0 have 1.
pub const NUMERICS: u64 = 2;

/// The number of digits of an id.
const DIGITS: usize = 10;

/// What determines the result of a trial, apart from its images and [`NUMERICS`]: the keys that differ from their defaults,
/// sorted.
pub(super) fn determining(spec: &Spec, architecture: &Architecture) -> BTreeMap<String, Value> {
    let trained = spec.settings().iter().filter(|setting| setting.role == Role::Training && !setting.is_default);
    let mut keys: BTreeMap<String, Value> =
        trained.map(|setting| (setting.key.to_owned(), as_json(&setting.value))).collect();
    let [encoder, decoder] = architecture.canonical();
    keys.insert("model.encoder".to_owned(), encoder.into());
    keys.insert("model.decoder".to_owned(), decoder.into());
    keys
}

/// What the time of an epoch depends on, apart from the images: all keys that determine the result but the seed and the number of
/// epochs. Of numbers with fractions, such as learning rates and weights, it matters only whether they are 0.
pub(super) fn of_epoch(spec: &Spec, architecture: &Architecture) -> BTreeMap<String, Value> {
    let [encoder, decoder] = architecture.canonical();
    let network = [("model.encoder", encoder.into()), ("model.decoder", decoder.into())];
    let matters = |setting: &&Arc<ResolvedKey>| {
        matches!(setting.role, Role::Training | Role::Data) && !["seed", "train.epochs"].contains(&setting.key)
    };
    let written = spec.settings().iter().filter(matters);
    let written = written.map(|setting| (setting.key.to_owned(), without_size(as_json(&setting.value))));
    network.map(|(key, layers)| (key.to_owned(), layers)).into_iter().chain(written).collect()
}

/// A value in which numbers with fractions are replaced by whether they are 0.
fn without_size(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => (number.as_f64() == Some(0.0)).into(),
        Value::Array(values) => values.into_iter().map(without_size).collect(),
        other => other,
    }
}

/// The id: ten hexadecimal digits.
pub(super) fn id(numerics: u64, data_hash: &str, keys: &BTreeMap<String, Value>) -> String {
    digest(&[&numerics.to_le_bytes(), data_hash.as_bytes(), text(keys).as_bytes()], DIGITS)
}

/// A hash of keys and values, 32 hexadecimal digits.
pub(super) fn hash(keys: &BTreeMap<String, Value>) -> String {
    digest(&[text(keys).as_bytes()], 32)
}

/// One line per key, with its value as JSON.
fn text(keys: &BTreeMap<String, Value>) -> String {
    keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ImageShape;

    /// Specs and their ids with [`NUMERICS`] 2, on 28 x 28 images with this hash. They must never change: if an id changes,
    /// vaex trains finished trials again.
    const DATA: &str = "191a1ea2c5227266976ed7df00533987";
    const GOLDEN: [(&str, &str); 20] = [
        ("", "d78173fd9b"),
        ("seed = 1", "3963d13a7d"),
        ("[data]\nbinarize = \"dynamic\"", "ccd2536a66"),
        ("[data]\nbinarize = \"static\"\nstored = [0, 1]", "be576fbaba"),
        ("[data]\nrange = [-1.0, 1.0]\n[model]\nlikelihood = \"gaussian\"", "6dbfd60f4f"),
        ("[model]\nlikelihood = \"gaussian\"\nvariance = \"per_pixel\"", "303799616f"),
        ("[model]\nlikelihood = \"gaussian\"\nvariance = 0.25", "b90a5ca42b"),
        ("[model]\nlatent_dim = 20", "879d49bb80"),
        ("[model]\nfamily = \"mlp\"", "3d915c7fc4"),
        ("[model]\nfamily = \"mlp\"\nhidden = [400, 200]\nactivation = \"tanh\"", "654edccd58"),
        ("[model]\nchannels = [8, 16]\nstrides = [2, 2]\nhidden = []", "40da5a62ec"),
        ("[model]\nposterior = \"none\"\ninitializer = \"he\"", "0ebd7b5097"),
        ("[objective]\nkl_weight = 5e-4\nreduction = \"mean\"\nposterior_scale = \"log_std\"", "63a1ab6671"),
        ("[objective]\nkl_weight = 4\nkl_warmup_epochs = 2.5", "45ef9f0967"),
        ("[train]\nbatch_size = 32\nepochs = 15", "46c55b9418"),
        ("[train]\noptimizer = \"rmsprop\"\nrho = 0.99\nlearning_rate = 3e-4", "d5f4211abe"),
        ("[train]\noptimizer = \"sgd\"\nmomentum = 0.9\nclip_norm = 1.0", "9407f7ddd5"),
        ("[train]\noptimizer = \"adamw\"\nbeta1 = 0.8\nepsilon = 1e-6", "b144a3b9e5"),
        ("[train]\noptimizer = \"adagrad\"\nschedule = \"step\"\nmilestones = [5, 8]\ngamma = 0.5", "021b294e67"),
        ("[train]\nschedule = \"cosine\"\nwarmup_epochs = 1", "be14f7e3ba"),
    ];

    fn id_of(text: &str) -> String {
        let mut written = Spec::keys_of(text).unwrap();
        written.insert("name".to_owned(), toml::Value::String("golden".to_owned()));
        let (spec, found) = Spec::read(&written);
        assert_eq!(found.problems, []);
        id(2, DATA, &determining(&spec, &spec.architecture(ImageShape::grey(28, 28), crate::data::BYTES)))
    }

    #[test]
    fn ids_stay_what_they_are() {
        let found: Vec<String> = GOLDEN.iter().map(|(text, _)| id_of(text)).collect();
        let expected: Vec<&str> = GOLDEN.iter().map(|(_, id)| *id).collect();
        assert_eq!(found, expected);
        let different: std::collections::BTreeSet<&String> = found.iter().collect();
        assert_eq!(different.len(), GOLDEN.len());
    }

    #[test]
    fn what_no_result_depends_on_is_not_in_the_id() {
        let plain = id_of("");
        let same = [
            "tags = [\"a\"]\n[train]\ncheckpoint_steps = 5\n[log]\npictures_every = 3",
            "seed = 0\n[data]\nlimit = 500\nvalidation = 50\nstored = [0, 255]\nbinarize = \"none\"",
            "[data]\nsource = \"idx\"\nimages = \"a\"\nlabels = \"b\"\nvalidation_images = \"c\"\nvalidation_labels = \"d\"",
            "[data]\nimages = [\"a\", \"b\"]\nlabels = \"c\"\nvalidation = 5\ntest_images = \"d\"\ntest_labels = \"e\"",
            "[data]\nlimit = 90\nsplit = \"stratified\"\nsplit_seed = 3\nvalidation = 0\ntest = 0.2",
            // What changes the images is in their hash.
            "[data]\nimages = \"a\"\nlayout = \"nhwc\"\ntranspose = true\ncrop = \"center\"\ncolor = \"gray\"\nsize = 28",
            // The same network and training, written out.
            "[model]\nfamily = \"conv\"\nhidden = [32]\nchannels = [32, 64, 64, 64]\nstrides = [1, 2, 1, 1]\n\
             [train]\noptimizer = \"adam\"\nbeta1 = 0.9\nepsilon = 1e-8\nlearning_rate = 0.001\nwarmup_epochs = 0",
        ];
        for text in same {
            assert_eq!(id_of(text), plain, "{text}");
        }
    }

    #[test]
    fn what_changes_the_inputs_of_training_is_in_the_id() {
        let plain = id_of("[model]\nlikelihood = \"gaussian\"");
        let ids = ["flip = true", "dequantize = true", "flip = true\ndequantize = true", "binarize = \"static\""]
            .map(|keys| id_of(&format!("[data]\n{keys}\n[model]\nlikelihood = \"gaussian\"")));
        let different: std::collections::BTreeSet<&String> = ids.iter().chain([&plain]).collect();
        assert_eq!(different.len(), 5, "{ids:?}");
        for keys in ["flip = false", "dequantize = false"] {
            assert_eq!(id_of(&format!("[data]\n{keys}\n[model]\nlikelihood = \"gaussian\"")), plain);
        }
    }

    #[test]
    fn the_time_of_an_epoch_depends_on_all_but_the_size_of_weights() {
        let of = |text: &str| {
            let (spec, found) = Spec::read(&Spec::keys_of(text).unwrap());
            assert_eq!(found.problems, [], "{text}");
            of_epoch(&spec, &spec.architecture(ImageShape::grey(28, 28), crate::data::BYTES))
        };
        let plain = of("");
        for same in [
            "seed = 3\n[train]\nepochs = 7\nlearning_rate = 0.1",
            "tags = [\"a\"]\n[train]\nbeta1 = 0.5\n[objective]\nkl_weight = 4",
            "[model]\npreset = \"walkthrough\"",
        ] {
            // A key that chooses the network is not one of them.
            assert_eq!(of(same), plain, "{same}");
        }
        let other = [
            "[objective]\nkind = \"iwae\"",
            "[objective]\nkind = \"iwae\"\nsamples = 50",
            "[objective]\nkind = \"factor\"",
            "[objective]\nkind = \"factor\"\npermute = \"second\"",
            "[objective]\nkl_weight = 0",
            "[objective]\nsamples = 2",
            "[objective]\nfree_bits = 0.5",
            "[model]\nprior = \"vamp\"",
            "[model]\nprior = \"vamp\"\ncomponents = 9",
            "[model]\nlikelihood = \"gaussian\"",
            "[model]\nlikelihood = \"gaussian\"\nvariance = \"decoder\"",
            "[model]\nposterior = \"none\"",
            "[model]\nlatent_dim = 3",
            "[model]\nhidden = [31]",
            "[train]\nbatch_size = 64",
            "[train]\noptimizer = \"sgd\"",
            "[train]\nclip_norm = 1.0",
            "[data]\nbinarize = \"dynamic\"",
            "[data]\nflip = true",
        ];
        let all: std::collections::BTreeSet<String> = other.iter().chain(&[""]).map(|text| hash(&of(text))).collect();
        assert_eq!(all.len(), other.len() + 1);
    }

    #[test]
    fn the_version_of_the_numbers_and_the_images_are_in_the_id() {
        let keys = BTreeMap::new();
        let ids = [id(1, DATA, &keys), id(2, DATA, &keys), id(2, "other", &keys)];
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    }
}
