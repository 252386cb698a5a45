//! A model whose likelihood is known in closed form: a linear decoder with Gaussian noise. Importance sampling must agree with it
//! within the errors that it states.

use crate::harness::{Workspace, json};
use crate::runs::only;
use polars::prelude::{ParquetReader, SerReader};
use std::fs::File;
use vaex::data::Dataset;
use vaex::folder::Stored;
use vaex::language::Spec;

const SIDE: usize = 4;
const VALUES: usize = SIDE * SIDE;
const LATENT: usize = 2;
const VARIANCE: f64 = 0.05;

const SPEC: &str = "\
name = \"linear\"

[data]
limit = 300
validation = 60
test = 60
size = 4

[model]
latent_dim = 2
encoder = [{ dense = 16, activation = \"tanh\" }]
decoder = [{ dense = \"output\" }]
likelihood = \"gaussian\"
variance = 0.05

[train]
batch_size = 20
epochs = 12
learning_rate = 0.01
";

/// The Cholesky factor of a positive definite matrix, lower, row-major.
fn cholesky(matrix: &[[f64; VALUES]; VALUES]) -> [[f64; VALUES]; VALUES] {
    let mut factor = [[0.0; VALUES]; VALUES];
    for row in 0..VALUES {
        for column in 0..=row {
            let dot: f64 = (0..column).map(|one| factor[row][one] * factor[column][one]).sum();
            let rest = matrix[row][column] - dot;
            factor[row][column] = if row == column { rest.sqrt() } else { rest / factor[column][column] };
        }
    }
    factor
}

#[test]
fn importance_sampling_agrees_with_the_closed_form_within_its_errors() {
    let workspace = Workspace::with_spec(SPEC);
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/linear");
    let path = folder.to_str().unwrap();
    let outcome = workspace.vaex(&["evaluate", path, "--metrics", "elbo,nll", "--nll-samples", "2000"]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    // x = b + W z + noise, so x is normal with mean b and covariance W W' + variance.
    let stored = Stored::read_own(&folder.join("model.safetensors")).unwrap();
    let array = |sizes: &[usize]| {
        let names = stored.names().into_iter().filter(|name| name.starts_with("decoder."));
        let found: Vec<Vec<f32>> = names
            .filter_map(|name| stored.sized(&name))
            .filter(|(own, _)| own == sizes)
            .map(|(_, values)| values)
            .collect();
        let [values] = &*found else { panic!("{} arrays of the decoder have the sizes {sizes:?}", found.len()) };
        values.iter().map(|value| f64::from(*value)).collect::<Vec<f64>>()
    };
    let (weight, bias) = (array(&[LATENT, VALUES]), array(&[VALUES]));
    let mut covariance = [[0.0; VALUES]; VALUES];
    for (row, of_row) in covariance.iter_mut().enumerate() {
        for (column, value) in of_row.iter_mut().enumerate() {
            *value = (0..LATENT).map(|axis| weight[axis * VALUES + row] * weight[axis * VALUES + column]).sum();
            *value += if row == column { VARIANCE } else { 0.0 };
        }
    }
    let factor = cholesky(&covariance);
    let log_determinant: f64 = (0..VALUES).map(|row| 2.0 * factor[row][row].ln()).sum();
    let exact = |image: &[f64]| {
        // Forward substitution: the squared length of factor^-1 (x - b).
        let mut solved = [0.0; VALUES];
        for row in 0..VALUES {
            let dot: f64 = (0..row).map(|one| factor[row][one] * solved[one]).sum();
            solved[row] = (image[row] - bias[row] - dot) / factor[row][row];
        }
        let squares: f64 = solved.iter().map(|value| value * value).sum();
        0.5 * (squares + log_determinant + VALUES as f64 * std::f64::consts::TAU.ln())
    };
    let spec = Spec::keys_of(&std::fs::read_to_string(folder.join("spec.toml")).unwrap()).unwrap();
    let images = Dataset::load(&Spec::read(&spec).0.data, workspace.path("").as_path()).unwrap().test;
    let table = ParquetReader::new(File::open(folder.join("evaluation/test_nll.parquet")).unwrap()).finish().unwrap();
    let column = |name: &str| table.column(name).unwrap().f64().unwrap().into_no_null_iter().collect::<Vec<f64>>();
    let (found, errors) = (column("nll_nats"), column("sampling_nats"));
    assert_eq!(found.len(), images.len());
    let mut scratch = Vec::new();
    let exact: Vec<f64> = (0..images.len())
        .map(|index| {
            let bytes = images.image(index, &mut scratch).bytes().unwrap();
            exact(&bytes.iter().map(|byte| f64::from(*byte) / 255.0).collect::<Vec<f64>>())
        })
        .collect();
    let scores: Vec<f64> =
        found.iter().zip(&exact).zip(&errors).map(|((found, exact), error)| (found - exact) / error).collect();
    let mean_square = scores.iter().map(|score| score * score).sum::<f64>() / scores.len() as f64;
    // Standard normal to first order: 60 of them have a mean square of 1 with a standard deviation of 0.18.
    assert!(mean_square < 1.8, "{mean_square} {scores:?}");
    let results = json(&folder.join("evaluation.json"));
    let value = |metric: &str, name: &str| {
        let results = results["results"].as_array().unwrap();
        results.iter().find(|one| one["metric"] == metric).unwrap()["values"][name].as_f64().unwrap()
    };
    let mean = exact.iter().sum::<f64>() / exact.len() as f64;
    let (nll, error) = (value("nll", "test_nll_nats"), value("nll", "test_nll_sampling_nats"));
    assert!((nll - mean).abs() < 4.0 * error, "{nll} {mean} {error}");
    assert!(-value("elbo", "test_elbo_nats") > nll);
}
