//! The columns that trials.parquet has for the keys of a spec: every key of the language, each of a fixed type.

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnType {
    Integer,
    Float,
    String,
    Integers,
    Floats,
    Strings,
}

/// Every key, dotted, with its type.
// To be replaced by what the registry of keys says.
pub(super) fn key_columns() -> Vec<(String, ColumnType)> {
    use ColumnType::{Float, Floats, Integer, Integers, String, Strings};
    let keys = [
        ("name", String),
        ("tags", Strings),
        ("seed", Integer),
        ("data.source", String),
        ("data.images", String),
        ("data.labels", String),
        ("data.test_images", String),
        ("data.test_labels", String),
        ("data.limit", Integer),
        // A count of images, or a fraction.
        ("data.validation", Float),
        ("data.stored", Floats),
        ("data.binarize", String),
        ("data.range", Floats),
        ("model.family", String),
        ("model.latent_dim", Integer),
        ("model.hidden", Integers),
        ("model.channels", Integers),
        ("model.strides", Integers),
        ("model.activation", String),
        ("model.likelihood", String),
        // A number, or a word.
        ("model.variance", String),
        ("model.posterior", String),
        ("model.initializer", String),
        ("objective.kl_weight", Float),
        ("objective.kl_warmup_epochs", Float),
        ("objective.reduction", String),
        ("objective.posterior_scale", String),
        ("train.batch_size", Integer),
        ("train.epochs", Integer),
        ("train.optimizer", String),
        ("train.learning_rate", Float),
        ("train.schedule", String),
        ("train.milestones", Integers),
        ("train.gamma", Float),
        ("train.warmup_epochs", Float),
        ("train.momentum", Float),
        ("train.rho", Float),
        ("train.beta1", Float),
        ("train.beta2", Float),
        ("train.epsilon", Float),
        ("train.weight_decay", Float),
        ("train.clip_norm", Float),
        ("train.checkpoint_steps", Integer),
        ("train.device", String),
        ("log.pictures_every", Integer),
    ];
    keys.map(|(key, kind)| (key.to_owned(), kind)).into()
}

#[cfg(test)]
mod tests {
    use super::key_columns;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_that_a_trial_can_have_is_a_column() {
        // What an experiment has beside what its trials have.
        let is_of_trials = |key: &&String| !key.starts_with("sweep") && !["extends", "spec_version"].contains(&&***key);
        let known: BTreeSet<String> = crate::language::known_keys().iter().filter(is_of_trials).cloned().collect();
        let columns: Vec<String> = key_columns().into_iter().map(|(key, _)| key).collect();
        assert_eq!(columns.iter().cloned().collect::<BTreeSet<_>>(), known);
        assert_eq!(columns.len(), known.len());
    }
}
