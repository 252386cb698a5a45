//! Tests of all likelihoods: kernels against the definition in double precision, dfdx's operations against the kernels,
//! draws against expected values.

use super::*;
use crate::random::Purpose;
use crate::tensor::backend::{Combine, Host, Portable, RowWeight};
use crate::tensor::dims::{Batch, Outputs, Values};
use crate::tensor::kernels::on_every_arch;
use crate::tensor::kernels::oracle::{
    assert_close, assert_close_at, gradient_by_differences, numbers, numbers_between, plus, times_rows, wide,
};
use dfdx::tensor::{Cpu, OwnedTape};
use proptest::prelude::*;

/// The likelihoods of a spec whose `[model]` table has these lines.
fn kind(table: &str) -> LikelihoodKind {
    let table: toml::Table = table.parse().unwrap();
    let written = table.into_iter().map(|(key, value)| (format!("model.{key}"), value)).collect();
    let (settings, found) = Keys::read(&written, |keys| keys.table("model", "", "", super::super::ModelSettings::read));
    assert_eq!(found.problems, []);
    settings.likelihood
}

/// Every likelihood, with every kind of own numbers.
fn kinds() -> Vec<LikelihoodKind> {
    let words = LIKELIHOODS.0.iter().map(|one| kind(&format!("likelihood = \"{}\"", one.word.name)));
    let variances = ["0.3", "\"learned\"", "\"per_pixel\""];
    let gaussians = variances.iter().map(|variance| kind(&format!("likelihood = \"gaussian\"\nvariance = {variance}")));
    words.chain(gaussians).collect()
}

/// Rows of random numbers for a likelihood.
struct Rows {
    kind: LikelihoodKind,
    rows: usize,
    image: ImageShape,
    outputs: Vec<f32>,
    own: Vec<f32>,
    x: Vec<f32>,
}

impl Rows {
    fn new(kind: LikelihoodKind, rows: usize, image: ImageShape, reach: f32, seed: u64) -> Rows {
        let length = kind.outputs(image.channels) * image.pixels();
        let own = kind.parameter(image).map_or(0, |own| own.length);
        let x = numbers_between(seed ^ 1, rows * image.values(), 0.0, 1.0);
        // The ends of the interval are values too.
        let x = x.into_iter().enumerate().map(|(place, x)| if place % 3 == 0 { x.round() } else { x }).collect();
        let outputs = numbers_between(seed, rows * length, -reach, reach);
        Rows { kind, rows, image, outputs, own: numbers_between(seed ^ 2, own, -5.0, 2.0), x }
    }

    fn inputs(&self) -> RowInputs<'_> {
        RowInputs { rows: self.rows, outputs: &self.outputs, x: &self.x, own: &self.own }
    }

    /// The nats of each row by definition.
    fn exact(&self, outputs: &[f64], own: &[f64]) -> Vec<f64> {
        let (values, x) = (self.image.values(), wide(&self.x));
        let length = outputs.len() / self.rows.max(1);
        let row = |row: usize| self.kind.exact(&outputs[row * length..][..length], own, &x[row * values..][..values]);
        (0..self.rows).map(row).collect()
    }
}

fn images() -> impl Strategy<Value = ImageShape> {
    (1..8usize, 1..8usize, prop_oneof![Just(1usize), Just(3)]).prop_map(|(height, width, channels)| ImageShape {
        height,
        width,
        channels,
    })
}

proptest! {
    #[test]
    fn kernels_agree_with_the_definition(
        kind in proptest::sample::select(kinds()), rows in 0..9usize, image in images(),
        reach in prop_oneof![Just(0.02f32), 0.1..60f32], seed: u64,
    ) {
        let given = Rows::new(kind, rows, image, reach, seed);
        let (outputs, own) = (wide(&given.outputs), wide(&given.own));
        let expected = given.exact(&outputs, &own);
        let dnats = numbers(seed ^ 3, rows);
        let [doutputs, down] = [(4, outputs.len()), (5, own.len())].map(|(salt, length)| numbers(seed ^ salt, length));
        let by_outputs = |outputs: &[f64]| times_rows(&dnats, &given.exact(outputs, &own));
        let by_own = |own: &[f64]| vec![times_rows(&dnats, &given.exact(&outputs, own)).iter().sum()];
        let differences = [
            gradient_by_differences(&outputs, by_outputs, outputs.len() / rows.max(1)),
            gradient_by_differences(&own, by_own, own.len()),
        ];
        let [expected_outputs, expected_own] = plus([&doutputs, &down], differences);
        // Terms of both signs may cancel: the error is relative to the sum of their magnitudes.
        let one = |place: usize| {
            let own = if own.len() > 1 { &own[place % own.len()..][..1] } else { &own };
            kind.exact(&outputs[place..=place], own, &[f64::from(given.x[place])]).abs()
        };
        let size = if outputs.len() == given.x.len() { (0..outputs.len()).map(one).sum::<f64>() } else { f64::from(reach) };
        on_every_arch(|| {
            let mut nats = vec![f32::NAN; rows];
            kind.forward(given.inputs(), &mut nats);
            assert_close_at(1.0 + size / rows.max(1) as f64, "nats", &nats, &expected);
            let [mut both, mut alone, mut down] = [&doutputs, &doutputs, &down].map(Clone::clone);
            kind.backward(given.inputs(), &dnats, RowGradients { outputs: &mut both, own: Some(&mut down) });
            assert_close("doutputs", &both, &expected_outputs);
            assert_close_at(1.0 + size, "down", &down, &expected_own);
            kind.backward(given.inputs(), &dnats, RowGradients { outputs: &mut alone, own: None });
            assert_eq!(both, alone);
        });
    }

    #[test]
    fn dfdxs_operations_agree_with_the_kernels(
        kind in proptest::sample::select(kinds()), rows in 1..5usize, image in images(), reach in 0.1..20f32, seed: u64,
    ) {
        let given = Rows::new(kind, rows, image, reach, seed);
        let [host, portable] = [results::<Host>(&given), results::<Portable<Cpu>>(&given)];
        for (name, host, portable) in [("nats", &host.0, &portable.0), ("doutputs", &host.1, &portable.1)] {
            assert_close(name, portable, &wide(host));
        }
    }
}

/// The nats of each row, and the gradient of their sum with respect to the outputs.
fn results<B: Combine<Device = Cpu>>(given: &Rows) -> (Vec<f32>, Vec<f32>) {
    let device = Cpu::default();
    let (rows, values) = (Batch(given.rows), Values(given.image.values()));
    let length = Outputs(given.outputs.len() / given.rows);
    let mut head = LikelihoodHead::<Values, Outputs, B>::new(&device, given.image, given.kind).unwrap();
    if let Some((_, own)) = &mut head.own {
        own.set(given.own.clone());
    }
    // A layer whose weights are the identity: the gradient of its bias is that of the outputs, summed over the rows.
    let x = crate::tensor::backend::Array::<_, B>::new(&device, given.x.clone().into(), (rows, values)).unwrap();
    let outputs = Array::<_, B>::new(&device, given.outputs.clone().into(), (rows, length)).unwrap();
    let mut weight = Parameter::<(Outputs, Outputs), B>::zeros(&device, (length, length)).unwrap();
    let mut identity = vec![0.0; length.0 * length.0];
    identity.iter_mut().step_by(length.0 + 1).for_each(|one| *one = 1.0);
    weight.set(identity);
    let bias = Parameter::<(Outputs,), B>::zeros(&device, (length,)).unwrap();
    let tape = OwnedTape::default();
    let activation = crate::tensor::backend::Activation::Identity;
    let outputs = B::dense(outputs.put_tape(tape), &weight, &bias, activation, false).unwrap();
    let (nats, tape) = head.nats(outputs, &x).unwrap().split_tape();
    let values = nats.to_vec();
    let total = B::total::<_, Outputs, _>(vec![(nats, RowWeight::Same(1.0))], Vec::new(), tape).unwrap();
    let part = bias.gradient_reader()(&mut B::backward(total).unwrap()).unwrap();
    (values, B::sum_parts(&device, vec![part], (length,)).unwrap().to_vec())
}

#[test]
fn certain_and_wrong_outputs_stay_finite() {
    for kind in kinds() {
        for (output, x) in [(-1000.0, 0.0), (1000.0, 1.0), (-1000.0, 1.0), (1000.0, 0.0)] {
            let own = kind.parameter(ImageShape::grey(1, 1)).map_or(Vec::new(), |own| vec![own.initial; own.length]);
            let (outputs, x, mut nats, mut gradient) = ([output; 1], [x], [f32::NAN], [0.0]);
            let inputs = RowInputs { rows: 1, outputs: &outputs, x: &x, own: &own };
            kind.forward(inputs, &mut nats);
            kind.backward(inputs, &[1.0], RowGradients { outputs: &mut gradient, own: None });
            assert!(nats[0].is_finite() && gradient[0].is_finite(), "{kind:?} of {output}: {nats:?}, {gradient:?}");
        }
        let inputs = RowInputs { rows: 1, outputs: &[f32::NAN], x: &[0.0], own: &[0.0] };
        let mut nats = [0.0];
        kind.forward(inputs, &mut nats);
        assert!(nats[0].is_nan(), "{kind:?}");
    }
}

#[test]
fn draws_have_the_expected_value_as_their_mean() {
    const DRAWS: usize = 40_000;
    for kind in kinds() {
        let own = kind.parameter(ImageShape::grey(1, 1)).map_or(Vec::new(), |own| vec![own.initial; own.length]);
        for output in [-3.0f32, -0.1, 0.0, 0.6, 2.0] {
            let expected = f64::from(kind.expected(vec![output])[0]);
            assert!((f64::from(kind.expected_fast(vec![output])[0]) - expected).abs() <= 2e-6 * expected.abs());
            let drawn = kind.draw(vec![output; DRAWS], &own, &mut Stream::new(1, Purpose::Samples, 0, 0));
            let mean = drawn.iter().map(|value| f64::from(*value)).sum::<f64>() / DRAWS as f64;
            let square = drawn.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / DRAWS as f64;
            let error = (square / DRAWS as f64).sqrt();
            assert!((mean - expected).abs() < 5.0 * error, "{kind:?} of {output}: {mean} and {expected}");
        }
    }
}

#[test]
fn outputs_of_a_mean_have_it_as_their_expected_values() {
    for kind in kinds() {
        for mean in [[0.01, 0.5, 0.9], [0.3, 0.499_9, 0.98]] {
            let outputs = kind.outputs_of_mean(&mean);
            assert_eq!(outputs.len(), kind.outputs(3));
            for (found, mean) in kind.expected(outputs).iter().zip(mean) {
                assert!((found - mean).abs() < 1e-5, "{}: {found}, not {mean}", kind.name());
            }
        }
        // The logits of 0 and 1 are finite.
        assert!(kind.outputs_of_mean(&[0.0, 1.0]).iter().all(|output| output.is_finite()));
    }
}
