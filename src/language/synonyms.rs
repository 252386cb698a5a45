//! What other programs and the papers call the keys, tables and words of a spec.

/// Keys by other names. A name of several keys means the one in the table where it was written, or else the first.
const KEYS: [(&str, &str); 38] = [
    ("name", "experiment experiment_name run_name title"),
    ("seed", "random_seed random_state manual_seed rng rng_seed"),
    ("extends", "base bases inherits parent"),
    ("spec_version", "version"),
    ("data.source", "dataset dataset_name"),
    ("data.images", "path file filename data_path train_data train_images training_images"),
    ("data.labels", "targets train_labels training_labels"),
    ("data.test_images", "val_images valid_images validation_images eval_images"),
    ("data.test_labels", "val_labels valid_labels validation_labels eval_labels"),
    ("data.limit", "subset subset_size n_images num_images max_images"),
    ("data.validation", "val_split valid_split validation_split test_split val_size test_size val_fraction holdout"),
    ("data.binarize", "binary binarise binarised binarization"),
    ("data.range", "pixel_range value_range normalize normalise normalization rescale"),
    ("model.family", "network net arch architecture encoder_type decoder_type network_type model_type backbone"),
    (
        "model.latent_dim",
        "latent latents latent_dims latent_size n_latent n_latents num_latents z_dim zdim z_size dim_z nz n_z code_size \
         code_dim bottleneck bottleneck_dim embedding_dim",
    ),
    (
        "model.hidden",
        "hidden_dim hidden_dims hidden_size hidden_sizes hidden_units hidden_layers layers layer_sizes units",
    ),
    ("model.channels", "filters n_filters num_filters conv_channels feature_maps"),
    ("model.activation", "nonlinearity non_linearity act act_fn"),
    (
        "model.likelihood",
        "loss loss_fn loss_function recon_loss rec_loss reconstruction reconstruction_loss decoder_dist \
         decoder_distribution observation_model criterion",
    ),
    ("model.variance", "sigma var decoder_variance decoder_var output_variance observation_noise"),
    ("model.posterior", "encoder_dist encoder_distribution"),
    ("model.initializer", "init weight_init kernel_initializer"),
    (
        "objective.kl_weight",
        "beta kl_beta beta_kl kl_coef kl_coeff kl_coefficient kl_scale kl_lambda lambda_kl kld_weight weight_kl",
    ),
    (
        "objective.kl_warmup_epochs",
        "warmup kl_warmup beta_warmup anneal_epochs annealing_epochs kl_anneal kl_annealing kl_anneal_epochs beta_annealing",
    ),
    ("train.batch_size", "bs batch minibatch minibatch_size"),
    ("train.epochs", "n_epochs num_epochs max_epochs nb_epochs total_epochs"),
    ("train.optimizer", "opt optim optimiser"),
    ("train.learning_rate", "lr learn_rate base_lr init_lr initial_lr max_lr"),
    ("train.schedule", "scheduler lr_schedule lr_scheduler lr_policy learning_rate_schedule"),
    ("train.milestones", "lr_milestones lr_steps"),
    ("train.gamma", "lr_gamma lr_decay decay_rate decay_factor"),
    ("train.warmup_epochs", "warmup lr_warmup lr_warmup_epochs"),
    ("train.epsilon", "eps adam_eps"),
    ("train.weight_decay", "wd l2 l2_reg l2_penalty"),
    (
        "train.clip_norm",
        "clip clipnorm clipping clip_grad clip_grad_norm grad_clip grad_norm gradient_clip gradient_clip_val max_norm \
         max_grad_norm",
    ),
    ("train.checkpoint_steps", "checkpoint_every checkpoint_interval save_every save_interval save_steps"),
    ("train.device", "gpu use_gpu cuda use_cuda accelerator"),
    ("sweep.seeds", "n_seeds num_seeds n_runs repeats n_repeats repetitions replicates"),
];

/// Tables by other names.
const TABLES: [(&str, &str); 6] = [
    ("data", "dataset datasets"),
    ("model", "network net arch architecture vae autoencoder"),
    ("objective", "loss losses elbo criterion"),
    ("train", "training trainer fit optim optimizer optimization"),
    ("log", "logging logger"),
    ("sweep", "sweeps search hparams hyperparameters"),
];

/// Words that a key takes by other names, whichever key it is.
const WORDS: [(&str, &str); 21] = [
    ("fashion-mini", "fashion fashion_mnist fashionmnist fmnist"),
    ("idx", "mnist emnist kmnist ubyte file"),
    ("none", "off no false deterministic point delta"),
    ("threshold", "round binary hard"),
    ("static", "fixed once"),
    ("dynamic", "stochastic random"),
    ("conv", "cnn convnet convolution convolutional conv2d dcgan"),
    ("mlp", "fc fcn dense linear fully_connected feedforward"),
    ("bernoulli", "bce binary binary_cross_entropy binary_crossentropy cross_entropy"),
    ("gaussian", "mse l2 normal"),
    ("learned", "learn learnable trainable"),
    ("per_pixel", "pixel pixelwise"),
    ("glorot", "xavier xavier_uniform"),
    ("he", "kaiming kaiming_uniform"),
    ("mean", "avg average"),
    ("log_var", "log_variance"),
    ("log_std", "std log_sigma log_scale"),
    ("sgd", "momentum nesterov"),
    ("constant", "none fixed off"),
    ("step", "multistep multi_step multisteplr steplr piecewise"),
    ("cuda", "gpu nvidia"),
];

/// The key that a dotted name is another name of.
pub(crate) fn key(dotted: &str) -> Option<&'static str> {
    let (table, name) = split(dotted);
    named(&KEYS, name).find(|key| split(key).0 == table).or_else(|| named(&KEYS, name).next())
}

/// The table that a name is another name of.
pub(super) fn table(name: &str) -> Option<&'static str> {
    named(&TABLES, name).next()
}

/// The choice that a word is another name of.
pub(super) fn word<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    choices.into_iter().find(|choice| named(&WORDS, word).any(|named| named == *choice))
}

/// A dotted key's table, or nothing, and its last part.
fn split(dotted: &str) -> (&str, &str) {
    dotted.rsplit_once('.').unwrap_or(("", dotted))
}

fn named(all: &[(&'static str, &'static str)], name: &str) -> impl Iterator<Item = &'static str> {
    let name = name.trim().to_lowercase().replace(['-', ' '], "_");
    let is_named = move |(_, names): &&(&str, &str)| names.split(' ').any(|one| one == name);
    all.iter().filter(is_named).map(|(meant, _)| *meant)
}

#[cfg(test)]
mod tests {
    use super::super::known_keys;
    use super::super::types::type_fault;
    use super::*;
    use std::collections::BTreeSet;
    use toml::Value;

    #[test]
    fn each_key_and_table_exists_and_no_synonym_of_one_is_one() {
        let keys = known_keys();
        let tables: BTreeSet<&str> = keys.iter().filter_map(|key| Some(key.split_once('.')?.0)).collect();
        let last: BTreeSet<&str> = keys.iter().map(|key| split(key).1).collect();
        for (key, names) in KEYS {
            assert!(keys.contains(key), "{key}");
            for name in names.split(' ') {
                assert!(!last.contains(name) && !tables.contains(name), "{name} is a key or a table");
            }
        }
        for (table, names) in TABLES {
            assert!(tables.contains(table), "{table}");
            assert!(names.split(' ').all(|name| !keys.contains(name) && !tables.contains(name)), "{names}");
        }
    }

    #[test]
    fn each_word_is_taken_by_a_key_that_takes_none_of_its_synonyms() {
        let takes = |key: &str, word: &str| type_fault(key, &Value::String(word.to_owned())).is_none();
        for (word, names) in WORDS {
            let of = known_keys().iter().filter(|key| takes(key, word) && !takes(key, "no such word"));
            let of: Vec<&String> = of.collect();
            assert!(!of.is_empty(), "{word}");
            for name in names.split(' ') {
                assert!(!of.iter().any(|key| takes(key, name)), "{name} is another word of {of:?}");
            }
        }
    }

    #[test]
    fn the_key_of_the_same_table_comes_first_and_case_and_hyphens_are_free() {
        assert_eq!(key("warmup"), Some("objective.kl_warmup_epochs"));
        assert_eq!(key("train.warmup"), Some("train.warmup_epochs"));
        assert_eq!(key("train.KL-Coef"), Some("objective.kl_weight"));
        assert_eq!(word("Fashion-MNIST", ["fashion-mini", "idx"]), Some("fashion-mini"));
        assert_eq!(word("none", ["constant", "step"]), Some("constant"));
    }
}
