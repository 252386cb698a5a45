//! Networks of papers and programs by name. A preset is a list of layers, and defaults of other keys of `[model]`.

use super::architecture::Network;
use super::layer::Named;
use super::lists::{self, ListedNetwork};
use crate::data::ImageShape;
use crate::settings::{Key, Keys, Problem, Role, Type, Word, Words};
use crate::tensor::backend::Activation;
use std::sync::Arc;
use toml::Table;

pub(super) const PRESET: Key = Key::new(
    "preset",
    "A network by name, instead of `family` or lists of layers. It also sets other keys of the table that are not written; \
     docs/models.md lists them.",
)
.also("architecture_preset zoo")
.example("\"burgess\"")
.role(Role::Network);

/// A network by name.
struct Preset {
    word: Word,
    /// Values of other keys of `[model]`, as TOML.
    keys: &'static str,
    /// Its lists of layers; the first one that is for an image is used.
    variants: &'static [Variant],
}

/// The lists of a preset for some images.
struct Variant {
    /// Height and width; `None` for any.
    sides: Option<usize>,
    /// The number of channels; `None` for any.
    channels: Option<usize>,
    encoder: &'static str,
    decoder: &'static str,
}

impl Variant {
    const fn new(sides: Option<usize>, encoder: &'static str, decoder: &'static str) -> Variant {
        Variant { sides, channels: None, encoder, decoder }
    }

    fn is_for(&self, image: ImageShape) -> bool {
        self.sides.is_none_or(|side| image.height == side && image.width == side)
            && self.channels.is_none_or(|channels| image.channels == channels)
    }
}

/// The encoder of Locatello et al. 2019, with the kernels of its last two convolutions in place of K.
macro_rules! locatello {
    ($kernel:literal) => {
        Variant::new(
            Some(64),
            concat!(
                "[{ conv = 32, kernel = 4, stride = 2 }, { conv = 32, kernel = 4, stride = 2 }, { conv = 64, kernel = ",
                $kernel,
                ", stride = 2 }, { conv = 64, kernel = ",
                $kernel,
                ", stride = 2 }, { dense = 256 }]"
            ),
            "[{ dense = 256 }, { dense = [4, 4, 64] }, { conv_transpose = 64, kernel = 4, stride = 2 }, \
             { conv_transpose = 32, kernel = 4, stride = 2 }, { conv_transpose = 32, kernel = 4, stride = 2 }, \
             { conv_transpose = \"output\", kernel = 4, stride = 2 }]",
        )
    };
}

/// The networks of 1Konny's FactorVAE, with as many channels before the posterior.
macro_rules! factor {
    ($channels:expr, $wide:literal) => {
        Variant {
            channels: $channels,
            ..Variant::new(
                Some(64),
                concat!(
                    "[{ conv = 32, kernel = 4, stride = 2 }, { conv = 32, kernel = 4, stride = 2 }, ",
                    "{ conv = 64, kernel = 4, stride = 2 }, { conv = 64, kernel = 4, stride = 2 }, ",
                    "{ conv = ",
                    $wide,
                    ", kernel = 4, padding = \"valid\" }]"
                ),
                concat!(
                    "[{ dense = ",
                    $wide,
                    " }, { conv_transpose = 64, kernel = 4, padding = \"valid\" }, ",
                    "{ conv_transpose = 64, kernel = 4, stride = 2 }, { conv_transpose = 32, kernel = 4, stride = 2 }, ",
                    "{ conv_transpose = 32, kernel = 4, stride = 2 }, { conv_transpose = \"output\", kernel = 4, stride = 2 }]"
                ),
            )
        }
    };
}

/// Dense layers; the decoder has those of the encoder in reverse order, and its last one.
macro_rules! dense {
    ($layers:literal) => {
        Variant::new(None, concat!("[", $layers, "]"), concat!("[", $layers, ", { dense = \"output\" }]"))
    };
}

static PRESETS: &[Preset] = &[
    Preset {
        word: Word {
            name: "walkthrough",
            doc: "The network of experiments/walkthrough.toml, the default of `family = \"conv\"`, for 28x28",
            also: "",
        },
        keys: "latent_dim = 2",
        variants: &[Variant::new(
            Some(28),
            "[{ conv = 32 }, { conv = 64, stride = 2 }, { conv = 64 }, { conv = 64 }, { dense = 32 }]",
            "[{ dense = [14, 14, 64] }, { conv_transpose = 32, stride = 2 }, { conv = \"output\" }]",
        )],
    },
    Preset {
        word: Word { name: "keras", doc: "The example of Keras, for 28x28", also: "keras_example" },
        keys: "latent_dim = 2",
        variants: &[Variant::new(
            Some(28),
            "[{ conv = 32, stride = 2 }, { conv = 64, stride = 2 }, { dense = 16 }]",
            "[{ dense = [7, 7, 64] }, { conv_transpose = 64, stride = 2 }, { conv_transpose = 32, stride = 2 }, \
             { conv_transpose = \"output\" }]",
        )],
    },
    Preset {
        word: Word {
            name: "locatello",
            doc: "Locatello et al. 2019 (disentanglement_lib), for 64x64",
            also: "disentanglement_lib dlib",
        },
        keys: "latent_dim = 10",
        variants: &[locatello!(2)],
    },
    Preset {
        word: Word { name: "higgins", doc: "Higgins et al. 2017, all kernels 4, for 64x64", also: "beta_vae betavae" },
        keys: "latent_dim = 10",
        variants: &[locatello!(4)],
    },
    Preset {
        word: Word { name: "burgess", doc: "Burgess et al. 2018, for 64x64 and 32x32", also: "disvae" },
        keys: "latent_dim = 10\ninitializer = \"he\"",
        variants: &[
            Variant::new(
                Some(64),
                "[{ conv = 32, kernel = 4, stride = 2 }, { conv = 32, kernel = 4, stride = 2 }, \
                 { conv = 32, kernel = 4, stride = 2 }, { conv = 32, kernel = 4, stride = 2 }, { dense = 256 }, { dense = 256 }]",
                "[{ dense = 256 }, { dense = 256 }, { dense = [4, 4, 32] }, { conv_transpose = 32, kernel = 4, stride = 2 }, \
                 { conv_transpose = 32, kernel = 4, stride = 2 }, { conv_transpose = 32, kernel = 4, stride = 2 }, \
                 { conv_transpose = \"output\", kernel = 4, stride = 2 }]",
            ),
            Variant::new(
                Some(32),
                "[{ conv = 32, kernel = 4, stride = 2 }, { conv = 32, kernel = 4, stride = 2 }, \
                 { conv = 32, kernel = 4, stride = 2 }, { dense = 256 }, { dense = 256 }]",
                "[{ dense = 256 }, { dense = 256 }, { dense = [4, 4, 32] }, { conv_transpose = 32, kernel = 4, stride = 2 }, \
                 { conv_transpose = 32, kernel = 4, stride = 2 }, { conv_transpose = \"output\", kernel = 4, stride = 2 }]",
            ),
        ],
    },
    Preset {
        word: Word { name: "factor", doc: "Kim and Mnih 2018, as in 1Konny's FactorVAE, for 64x64", also: "factorvae" },
        keys: "latent_dim = 10",
        variants: &[factor!(Some(1), 128), factor!(None, 256)],
    },
    Preset {
        word: Word { name: "iwae", doc: "Burda et al. 2016, one stochastic layer", also: "burda" },
        keys: "latent_dim = 50\nactivation = \"tanh\"",
        variants: &[dense!("{ dense = 200 }, { dense = 200 }")],
    },
    Preset {
        word: Word { name: "vampprior", doc: "Tomczak and Welling 2018, one stochastic layer", also: "tomczak vamp" },
        keys: "latent_dim = 40\ninitializer = \"he_normal\"\nlog_var_bounds = [-6.0, 2.0]",
        variants: &[dense!("{ gated_dense = 300 }, { gated_dense = 300 }")],
    },
    Preset {
        word: Word { name: "rezende", doc: "Rezende and Mohamed 2015, as pythae reproduces it", also: "" },
        keys: "latent_dim = 40\ninitializer = \"pytorch\"",
        variants: &[dense!("{ dense = 400 }")],
    },
    Preset {
        word: Word { name: "pythae_mlp", doc: "The default network of pythae", also: "pythae" },
        keys: "latent_dim = 10\ninitializer = \"pytorch\"",
        variants: &[dense!("{ dense = 512 }")],
    },
    Preset {
        word: Word {
            name: "pythae_resnet",
            doc: "The residual network of pythae's benchmarks on MNIST, for 28x28",
            also: "",
        },
        keys: "latent_dim = 16\ninitializer = \"pytorch\"",
        variants: &[Variant::new(
            Some(28),
            "[{ conv = 64, kernel = 4, stride = 2, padding = 1, activation = \"none\" }, \
             { conv = 128, kernel = 4, stride = 2, padding = 1, activation = \"none\" }, \
             { conv = 128, stride = 2, padding = 1, activation = \"none\" }, { residual = 32 }, { residual = 32 }]",
            "[{ dense = [4, 4, 128], activation = \"none\" }, \
             { conv_transpose = 128, stride = 2, padding = 1, activation = \"none\" }, { residual = 32 }, \
             { residual = 32, activation = \"relu\" }, \
             { conv_transpose = 64, stride = 2, padding = 1, output_padding = 1 }, \
             { conv_transpose = \"output\", stride = 2, padding = 1, output_padding = 1 }]",
        )],
    },
];

/// The names of the presets.
struct Names;

impl Words for Names {
    fn words(&self) -> Vec<&'static Word> {
        PRESETS.iter().map(|preset| &preset.word).collect()
    }
}

/// A preset that a spec has chosen.
#[derive(Clone, Copy)]
pub(super) struct Chosen(&'static Preset);

/// Reads the preset, and states the other keys of the table that it sets.
pub(super) fn read(keys: &mut Keys<'_>) -> Option<Chosen> {
    let name = keys.value(PRESET, Type::Word(&Names), None)?;
    let preset = PRESETS.iter().find(|preset| Some(preset.word.name) == name.as_str())?;
    keys.state(preset.stated());
    Some(Chosen(preset))
}

impl Preset {
    /// The keys of `[model]` that it sets.
    fn stated(&self) -> Table {
        self.keys.parse().unwrap_or_default()
    }
}

impl Chosen {
    /// The network; activations of layers that are not part of the preset are this one.
    pub(super) fn network(self, activation: Activation) -> Arc<dyn Network> {
        let variant = |one: &'static Variant| (one, lists::from_toml(one.encoder, one.decoder, activation));
        Arc::new(PresetNetwork { preset: self.0, variants: self.0.variants.iter().map(variant).collect() })
    }
}

/// The network of a preset.
struct PresetNetwork {
    preset: &'static Preset,
    variants: Vec<(&'static Variant, ListedNetwork)>,
}

impl std::fmt::Debug for PresetNetwork {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_list().entries(self.variants.iter().map(|(_, network)| network)).finish()
    }
}

impl PresetNetwork {
    /// The lists for an image; `None` if the preset is not for it.
    fn of(&self, image: ImageShape) -> Option<&ListedNetwork> {
        self.variants.iter().find(|(variant, _)| variant.is_for(image)).map(|(_, network)| network)
    }
}

impl Network for PresetNetwork {
    fn encoder(&self, image: ImageShape) -> Vec<Named> {
        self.of(image).map(|network| network.encoder(image)).unwrap_or_default()
    }

    fn decoder(&self, image: ImageShape, latent: usize, outputs: ImageShape) -> Vec<Named> {
        self.of(image).map(|network| network.decoder(image, latent, outputs)).unwrap_or_default()
    }

    fn misfits(&self, image: ImageShape, latent: usize, outputs: ImageShape) -> Vec<Problem> {
        if let Some(network) = self.of(image) {
            return network.misfits(image, latent, outputs);
        }
        let mut sides: Vec<usize> = self.variants.iter().filter_map(|(variant, _)| variant.sides).collect();
        sides.dedup();
        let shown: Vec<String> = sides.iter().map(|side| format!("{side}x{side}")).collect();
        let message = format!(
            "`model.preset = \"{}\"` is for images of {}, but the images are {}",
            self.preset.word.name,
            shown.join(" or "),
            image.with_channels(1)
        );
        let sizes: Vec<String> = sides.iter().map(|side| side.to_string()).collect();
        let name = self.preset.word.name;
        let help = format!("set `data.size` to {}, as `{name}` needs it, or choose another preset", sizes.join(" or "));
        vec![Problem::new(&["model.preset"], message, help)]
    }
}
