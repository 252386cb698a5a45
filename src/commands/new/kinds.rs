//! The kinds of specs that `vaex new` writes: to add one, write its entry in [`KINDS`].

/// A kind of spec.
pub(super) struct SpecKind {
    pub(super) name: &'static str,
    /// What it is for, for the help and the first line of the file.
    pub(super) doc: &'static str,
    /// Keys with their values, in TOML.
    pub(super) values: &'static [(&'static str, &'static str)],
    /// Keys that are written with their defaults.
    pub(super) shown: &'static [&'static str],
    /// The sizes of images that its network takes, the largest first; empty if it takes all.
    pub(super) sizes: &'static [usize],
    /// The least number of factors of its images.
    pub(super) factors: usize,
    /// What follows the keys.
    pub(super) end: &'static str,
}

/// Keys of a network and of its training that most experiments set.
const COMMON: &[&str] = &[
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

/// The kinds; the first is the default.
pub(super) static KINDS: &[SpecKind] = &[
    SpecKind {
        name: "sweep",
        doc: "compares KL weights with two seeds each",
        values: &[],
        shown: COMMON,
        sizes: &[],
        factors: 0,
        end: r#"
# The keys to vary. Every combination of their values is trained with every seed.
[sweep]
seeds = 2

[sweep.grid]
"objective.kl_weight" = [0.5, 1.0, 2.0]
# "model.latent_dim" = [2, 8, 32]
# "train.learning_rate" = { from = 1e-4, to = 1e-2, steps = 3, scale = "log" }
"#,
    },
    SpecKind {
        name: "search",
        doc: "looks for the setting with the highest ELBO, and stops those that fall behind",
        values: &[],
        shown: COMMON,
        sizes: &[],
        factors: 0,
        end: r#"
# Settings are compared by the mean of their seeds.
[sweep]
seeds = 1

[search]
method = "tpe"                   # or "random"
trials = 27
metric = "validation_elbo_nats"

[search.space]
"model.latent_dim" = { int_log = [2, 32] }
"train.learning_rate" = { log_uniform = [1e-4, 1e-2] }

# After 3 epochs and after 9, one setting in three is trained further.
[search.stop]
method = "halving"               # or "asha", "median"
min_epochs = 3
"#,
    },
    SpecKind {
        name: "disentanglement",
        doc: "compares KL weights by scores of disentanglement, on images with known factors",
        values: &[
            ("data.source", "\"sprites\""),
            ("data.limit", "60_000"),
            ("data.validation", "1_000"),
            ("data.test", "1_000"),
            ("model.preset", "\"burgess\""),
            ("model.latent_dim", "10"),
            ("train.batch_size", "64"),
            ("train.epochs", "3"),
            ("train.learning_rate", "5e-4"),
            (
                "evaluate.metrics",
                "[\"elbo\", \"active_units\", \"beta_vae_score\", \"factor_vae_score\", \"mig\", \"dci\", \"sap\"]",
            ),
        ],
        shown: &["model.likelihood", "objective.kind", "train.optimizer"],
        sizes: &[64, 32],
        factors: 2,
        end: r#"
# The keys to vary. Other objectives, such as "beta_tc" and "factor", are values of "objective.kind".
[sweep]
seeds = 3

[sweep.grid]
"objective.kl_weight" = [1.0, 4.0, 8.0]
"#,
    },
    SpecKind {
        name: "likelihood",
        doc: "compares priors by the likelihood of test images",
        values: &[
            ("data.validation", "0.1"),
            ("data.test", "0.1"),
            ("model.preset", "\"vampprior\""),
            ("model.components", "100"),
            ("objective.kl_warmup_epochs", "20"),
            ("train.batch_size", "100"),
            ("train.epochs", "200"),
            ("train.learning_rate", "5e-4"),
            ("train.keep", "\"best\""),
            ("train.patience", "20"),
            ("evaluate.metrics", "[\"elbo\", \"nll\", \"active_units\"]"),
            ("evaluate.nll_samples", "1_000"),
        ],
        shown: &["data.source", "model.likelihood", "train.optimizer"],
        sizes: &[],
        factors: 0,
        end: r#"
# The keys to vary. "vamp" is the VampPrior, a learned mixture.
[sweep]
seeds = 2

[sweep.grid]
"model.prior" = ["standard", "vamp"]
"#,
    },
];
