//! vaex: declarative experiments with variational autoencoders.
//!
//! A Rust program plans the trials of a spec and trains them ([`Experiment`]), and encodes, decodes and evaluates with a trained
//! model ([`Model`]). A program whose `main` calls [`add_format`] and [`start`] is the `vaex` program with a file format of its
//! own. The folder `examples` has one program of each kind. Specs, metrics and files are those of the program: see its docs.
//!
//! ```no_run
//! # fn main() -> Result<(), vaex::Error> {
//! let experiment = vaex::Experiment::from_toml("two", "sweep.grid.'objective.kl_weight' = [0.5, 1.0]")?;
//! for trial in experiment.run("runs")? {
//!     println!("{}: {:?}", trial.id, trial.metrics.get("validation_elbo_nats"));
//! }
//! let mut model = vaex::Model::best("runs/two")?;
//! let codes = model.encode(vec![0u8; 28 * 28])?;
//! let image = model.decode(&codes.mean)?;
//! # Ok(())
//! # }
//! ```
//!
//! The other modules are public for this project's own tests only. They are hidden from the documentation (`RUSTDOCFLAGS="--cfg internals"`
//! shows them) and change without notice. They are declared in the order in which data flows through them: metrics, settings, data
//! and models; the spec that configures them; the plan of all trials of a spec; training and recording a trial in its folder;
//! launching trials as processes; and the report of the results. ARCHITECTURE.md has the map.

pub use api::{Codes, Error, Experiment, Model, Progress, RunOptions, Trial, TrialResult};
pub use commands::start;
pub use data::{FileImages, ImageFormat, Values, add_format};
pub use record::trial::Status;

mod guard;
mod simd;
mod text;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod random;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod folder;
#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod machine;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod metrics;
#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod settings;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod data;
#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod tensor;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod scores;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod onnx;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod model;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod optimizer;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod objective;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod train;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod evaluation;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod search;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod language;
#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod plan;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod record;
#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod trial;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod trained;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod export;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod launch;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod report;

mod api;

#[cfg_attr(all(doc, not(internals)), doc(hidden))]
pub mod commands;
