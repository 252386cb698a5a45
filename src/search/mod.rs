//! Proposals of settings from the results of earlier ones. Plain functions on numbers: what the keys are, and how results are
//! measured, is up to the caller.

mod course;
mod importance;
mod parzen;
mod random;
mod space;
pub mod stop;
mod tpe;

pub use course::{Method, Next, Rank, Reached, Results, Rules, Stop};
pub use importance::importance;
pub use random::{drawn, spread};
pub use space::{Axis, Domain, Setting, Space};
pub use stop::rungs;
pub use tpe::{Outcome, Seen, Tpe};
