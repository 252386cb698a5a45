//! Scores of codes, samples and settings: plain functions on numbers, each with its recipe.

pub mod aggregate;
pub mod beta_vae_score;
pub mod boosting;
pub mod cholesky;
pub mod chosen_points;
pub mod collapse;
#[cfg(test)]
mod constructed;
pub mod dci;
mod distances;
mod draws;
pub mod eigen;
pub mod factor_vae_score;
pub mod frechet;
pub mod gap;
pub mod gaussian_mixture;
pub mod image_quality;
pub mod information;
pub mod input_error;
pub mod inputs;
pub mod irs;
pub mod logistic;
mod logistic_solver;
pub mod mig;
pub mod mig_by_posteriors;
pub mod mmd;
pub mod modularity;
pub mod moments;
pub mod neighbors;
mod normal;
pub mod points;
pub mod posterior;
pub mod power;
pub mod precision_recall;
pub mod probe;
pub mod roc;
mod rows;
pub mod sap;
pub mod squared_hinge;
pub mod statistics;
pub mod student;
mod sums;
#[cfg(test)]
mod test_codes;
#[cfg(test)]
mod testing;
pub mod tree;
pub mod udr;
pub mod unsupervised;
pub mod value_lists;
