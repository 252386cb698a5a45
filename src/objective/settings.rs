//! The `[objective]` table: the loss and its unit.

use super::{OBJECTIVES, ObjectiveKind};
use crate::settings::{Key, Keys};

/// The `[objective]` table.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectiveSettings {
    /// The objective with its settings.
    pub kind: ObjectiveKind,
}

const KIND: Key = Key::new("kind", "The objective that training minimizes.")
    .also("objective_type loss_type vae_type algorithm")
    .example("\"beta\"");

impl ObjectiveSettings {
    /// Reads the table.
    pub fn read(keys: &mut Keys<'_>) -> ObjectiveSettings {
        ObjectiveSettings { kind: keys.choice(KIND, &OBJECTIVES, OBJECTIVES.0[0]) }
    }
}
