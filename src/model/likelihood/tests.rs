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
    let further = [
        ("gaussian", "variance", &["0.3", "\"learned\"", "\"per_pixel\"", "\"decoder\"", "\"optimal_per_image\""][..]),
        ("laplace", "scale", &["0.3", "\"global\"", "\"per_channel\"", "\"per_pixel\"", "\"decoder\""]),
        ("discretized_logistic", "scale", &["0.2", "\"per_channel\"", "\"per_pixel\"", "\"decoder\""]),
        ("logistic_mixture", "mixture_components", &["1", "3"]),
    ];
    let further = further.iter().flat_map(|(name, key, values)| {
        values.iter().map(move |value| kind(&format!("likelihood = \"{name}\"\n{key} = {value}")))
    });
    words.chain(further).collect()
}

/// Outputs of the decoder that are all equal, for an image of one grey value.
fn equal_outputs(kind: LikelihoodKind, output: f32) -> Vec<f32> {
    vec![output; kind.outputs(1)]
}

/// The own numbers of a likelihood at their initial values, for an image of one grey value.
fn initial_own(kind: LikelihoodKind) -> Vec<f32> {
    kind.parameter(ImageShape::grey(1, 1)).map_or(Vec::new(), |own| vec![own.initial; own.length])
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
        let kind = kind.on(image.channels, Grid::default());
        let length = kind.outputs(image.channels) * image.pixels();
        // The probabilities of two components that are far from a value are equal only up to rounding errors.
        let reach = if let LikelihoodKind::LogisticMixture(_) = kind { reach.min(3.0) } else { reach };
        let own = kind.parameter(image).map_or(0, |own| own.length);
        let x = numbers_between(seed ^ 1, rows * image.values(), 0.0, 1.0);
        // The ends of the interval are values too.
        let x = x.into_iter().enumerate().map(|(place, x)| match (place % 3, kind.support()) {
            (0, _) => x.round(),
            (_, Support::Levels) => (255.0 * x).round() / 255.0,
            (_, Support::Bits | Support::Unit | Support::Line) => x,
        });
        let x: Vec<f32> = x.collect();
        let mut outputs = numbers_between(seed, rows * length, -reach, reach);
        if let LikelihoodKind::Laplace(_) = kind {
            // At a value, its density has no derivative.
            let locations = outputs.iter_mut().step_by(length / image.values());
            locations
                .zip(&x)
                .filter(|(location, x)| (**location - **x).abs() < 1e-3)
                .for_each(|(location, _)| *location += 0.01);
        }
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
        let kind = given.kind;
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
            let (own, outputs) = (initial_own(kind), equal_outputs(kind, output));
            let (x, mut nats, mut gradient) = ([x], [f32::NAN], vec![0.0; outputs.len()]);
            let inputs = RowInputs { rows: 1, outputs: &outputs, x: &x, own: &own };
            kind.forward(inputs, &mut nats);
            kind.backward(inputs, &[1.0], RowGradients { outputs: &mut gradient, own: None });
            let are_finite = nats[0].is_finite() && gradient.iter().all(|one| one.is_finite());
            assert!(are_finite, "{kind:?} of {output}: {nats:?}, {gradient:?}");
        }
        let outputs = equal_outputs(kind, f32::NAN);
        let inputs = RowInputs { rows: 1, outputs: &outputs, x: &[0.0], own: &[0.0] };
        let mut nats = [0.0];
        kind.forward(inputs, &mut nats);
        assert!(nats[0].is_nan(), "{kind:?}");
    }
}

#[test]
fn draws_have_the_expected_value_as_their_mean() {
    const DRAWS: usize = 40_000;
    for kind in kinds().into_iter().filter(LikelihoodKind::is_distribution) {
        let own = initial_own(kind);
        // A draw of levels is rounded to one of them, the mean is not.
        let rounding = if kind.support() == Support::Levels { 0.5 / 255.0 } else { 0.0 };
        for output in [-3.0f32, -0.1, 0.0, 0.6, 2.0] {
            let outputs = equal_outputs(kind, output);
            let expected = f64::from(kind.expected(outputs.clone(), &own)[0]);
            let fast = f64::from(kind.expected_fast(outputs.clone(), &own)[0]);
            assert!((fast - expected).abs() <= 2e-6 * expected.abs(), "{kind:?} of {output}: {fast} and {expected}");
            let drawn = kind.draw(outputs.repeat(DRAWS), &own, &mut Stream::new(1, Purpose::Samples, 0, 0));
            assert_eq!(drawn.len(), DRAWS);
            let mean = drawn.iter().map(|value| f64::from(*value)).sum::<f64>() / DRAWS as f64;
            let square = drawn.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / DRAWS as f64;
            let error = (square / DRAWS as f64).sqrt();
            assert!((mean - expected).abs() < 5.0 * error + rounding, "{kind:?} of {output}: {mean} and {expected}");
        }
    }
}

/// The nats of one image.
fn nats_of(kind: LikelihoodKind, outputs: &[f32], own: &[f32], x: &[f32]) -> f64 {
    let mut nats = [f32::NAN];
    kind.forward(RowInputs { rows: 1, outputs, x, own }, &mut nats);
    f64::from(nats[0])
}

#[test]
fn fast_expected_values_of_images_are_the_exact_ones() {
    for kind in kinds() {
        for channels in [1, 3] {
            let image = ImageShape { height: 5, width: 7, channels };
            let given = Rows::new(kind, 2, image, 2.0, 7);
            let own: Vec<f32> = given.own.iter().map(|one| 0.5 * one).collect();
            let [exact, fast] = [
                given.kind.expected(given.outputs.clone(), &own),
                given.kind.expected_fast(given.outputs.clone(), &own),
            ];
            assert_eq!(exact.len(), 2 * image.values());
            assert_close("expected values", &fast, &wide(&exact));
            if kind.support() == Support::Levels {
                assert!(fast.iter().all(|value| (0.0..=1.0).contains(value)), "{kind:?}");
            }
        }
    }
}

#[test]
fn a_mixture_of_one_component_is_the_logistic() {
    let [mixture, logistic] =
        ["logistic_mixture\"\nmixture_components = 1", "discretized_logistic\"\nscale = \"decoder\""]
            .map(|word| kind(&format!("likelihood = \"{word}")));
    for channels in [1, 3] {
        let image = ImageShape { height: 3, width: 7, channels };
        let given = Rows::new(logistic, 1, image, 2.0, 5);
        let pixels = given.outputs.chunks_exact(2 * channels);
        let outputs: Vec<f32> = pixels
            .flat_map(|pixel| {
                // The weight of the only component has no effect; the channels are independent.
                let coefficients = if channels == 3 { vec![0.0; 3] } else { Vec::new() };
                [&[0.7], pixel, &coefficients].concat()
            })
            .collect();
        let found = nats_of(mixture.on(channels, Grid::default()), &outputs, &[], &given.x);
        let expected = nats_of(given.kind, &given.outputs, &[], &given.x);
        assert!((found - expected).abs() < 1e-5 * expected, "{found} and {expected}");
    }
}

/// The sum of the probabilities of all values of a pixel.
fn total(kind: LikelihoodKind, outputs: &[f32], own: &[f32], levels: &[f32], channels: usize) -> f64 {
    let count = levels.len();
    let pixel = |number: usize| -> Vec<f32> {
        (0..channels).map(|channel| levels[number / count.pow(channel as u32) % count]).collect()
    };
    (0..count.pow(channels as u32)).map(|number| (-nats_of(kind, outputs, own, &pixel(number))).exp()).sum()
}

#[test]
fn probabilities_of_all_levels_sum_to_1() {
    for kind in kinds().into_iter().filter(|kind| kind.support() == Support::Levels) {
        let own = kind.parameter(ImageShape::grey(1, 1)).map_or(Vec::new(), |own| vec![-2.3; own.length]);
        for ([low, high], white) in [([0.0, 1.0], 255), ([-1.0, 1.0], 255), ([0.0, 10.0], 15), ([0.0, 1.0], 1)] {
            let grid = Grid::new([0.0, f64::from(white)], [low, high]);
            let level = |level| (low + (high - low) * f64::from(level) / f64::from(white)) as f32;
            let levels: Vec<f32> = (0..=white).map(level).collect();
            let one = kind.on(1, grid);
            let sum = total(one, &numbers(3, one.outputs(1)), &own, &levels, 1);
            assert!((sum - 1.0).abs() < 1e-5, "{one:?}: {sum}");
            if white < 16 {
                let rgb = kind.on(3, grid);
                let own = [own.as_slice(); 3].concat();
                let sum = total(rgb, &numbers(3, rgb.outputs(3)), &own, &levels, 3);
                assert!((sum - 1.0).abs() < 1e-5, "{rgb:?}: {sum}");
            }
        }
    }
}

#[test]
fn the_range_of_the_data_does_not_change_probabilities() {
    let logistic = kind("likelihood = \"discretized_logistic\"");
    for level in 0..256u16 {
        let share = f32::from(level) / 255.0;
        let nats = [[0.0, 1.0], [-1.0, 1.0], [0.0, 255.0]].map(|[low, high]| {
            let kind = logistic.on(1, Grid::new([0.0, 255.0], [low, high]));
            nats_of(kind, &[0.2], &[-2.0], &[low as f32 + (high - low) as f32 * share])
        });
        assert_eq!([nats[0]; 3], nats, "level {level}");
    }
}

#[test]
fn a_channel_of_a_mixture_depends_on_the_earlier_ones() {
    const DRAWS: usize = 20_000;
    let mixture = kind("likelihood = \"logistic_mixture\"\nmixture_components = 1").on(3, Grid::default());
    // Red is at -0.4; green at 0.1 + 0.5 red; blue at 0.2 - 0.5 red + 0.25 green; all with little noise.
    let coefficients = [0.5f32, -0.5, 0.25].map(f32::atanh);
    let outputs = [&[0.0, -0.4, -5.0, 0.1, -5.0, 0.2, -5.0][..], &coefficients].concat();
    let [red, green] = [-0.4f32, 0.1 - 0.2];
    let expected = [red, green, 0.2 + 0.2 + 0.25 * green].map(|place| 0.5 * (place + 1.0));
    let mean = mixture.expected(outputs.clone(), &[]);
    let drawn = mixture.draw(outputs.repeat(DRAWS), &[], &mut Stream::new(1, Purpose::Samples, 0, 0));
    for (channel, expected) in expected.into_iter().enumerate() {
        assert!((mean[channel] - expected).abs() < 1e-4, "{mean:?}");
        let average = drawn.iter().skip(channel).step_by(3).sum::<f32>() / DRAWS as f32;
        assert!((average - expected).abs() < 0.5 / 255.0, "{channel}: {average} and {expected}");
    }
    // The correlation of red and green: the slope of green by red is 0.5.
    let deviations =
        drawn.chunks_exact(3).map(|pixel| [f64::from(pixel[0] - expected[0]), f64::from(pixel[1] - expected[1])]);
    let [squares, products] = deviations.fold([0.0; 2], |[a, b], [red, green]| [a + red * red, b + red * green]);
    assert!((products / squares - 0.5).abs() < 0.05, "{}", products / squares);
}

#[test]
fn below_the_floor_nothing_changes() {
    // A constant image, and a decoder that knows it.
    let floors = [("gaussian\"\nvariance", "learned", -12.0), ("gaussian\"\nvariance", "per_pixel", -12.0)];
    let scales = ["global", "per_channel", "per_pixel"];
    let of = |name, floor| scales.map(|word| (name, word, floor));
    let floors =
        floors.into_iter().chain(of("laplace\"\nscale", -6.0)).chain(of("discretized_logistic\"\nscale", -7.0));
    for (key, word, floor) in floors {
        let kind = kind(&format!("likelihood = \"{key} = \"{word}\""));
        let length = kind.parameter(ImageShape::grey(2, 3)).unwrap().length;
        let (outputs, x) = (vec![1.0; 6], vec![1.0; 6]);
        let at = |log_scale: f32| {
            let own = vec![log_scale; length];
            let mut slope = vec![0.0; length];
            let inputs = RowInputs { rows: 1, outputs: &outputs, x: &x, own: &own };
            kind.backward(inputs, &[1.0], RowGradients { outputs: &mut [0.0; 6], own: Some(&mut slope) });
            (nats_of(kind, &outputs, &own, &x), slope)
        };
        let (least, slope) = at(floor);
        assert!(slope.iter().all(|slope| *slope > 0.0), "{kind:?}: {slope:?}");
        for below in [floor - 0.01, -80.0, -1e6] {
            assert_eq!(at(below), (least, vec![0.0; length]), "{kind:?} at {below}");
        }
        assert!(at(floor + 0.01).0 > least, "{kind:?}");
    }
    for (name, floor) in
        [("gaussian\"\nvariance", -12.0), ("laplace\"\nscale", -6.0), ("discretized_logistic\"\nscale", -7.0)]
    {
        let kind = kind(&format!("likelihood = \"{name} = \"decoder\""));
        let at = |log_scale| {
            let (outputs, mut slopes) = ([1.0, log_scale], [0.0; 2]);
            let inputs = RowInputs { rows: 1, outputs: &outputs, x: &[1.0], own: &[] };
            kind.backward(inputs, &[1.0], RowGradients { outputs: &mut slopes, own: None });
            (nats_of(kind, &outputs, &[], &[1.0]), slopes[1])
        };
        assert!(at(floor).1 > 0.0 && at(floor - 0.01) == (at(floor).0, 0.0) && at(-1e6) == (at(floor).0, 0.0));
    }
}

#[test]
fn a_mixture_of_two_channels_is_refused() {
    for kind in kinds() {
        let is_mixture = matches!(kind, LikelihoodKind::LogisticMixture(_));
        for channels in 1..=4 {
            let refusal = kind.refusal(channels);
            assert_eq!(
                refusal.is_some(),
                is_mixture && channels != 1 && channels != 3,
                "{kind:?}, {channels} channels"
            );
        }
    }
    let [message, help] = kind("likelihood = \"logistic_mixture\"").refusal(2).unwrap();
    assert_eq!(message, "a logistic mixture needs images with 1 or 3 channels, but the images have 2");
    assert_eq!(help, "set `model.likelihood = \"discretized_logistic\"`, whose channels are independent");
}

#[test]
fn constants_have_no_floor() {
    let small = kind("likelihood = \"laplace\"\nscale = 1e-4");
    let nats = nats_of(small, &[0.5], &[1e-4f32.ln()], &[0.5]);
    assert!((nats - 2e-4f64.ln()).abs() < 1e-5, "{nats}");
}

#[test]
fn an_optimal_variance_gives_the_greatest_density() {
    let kinds = ["\"optimal_per_image\"", "\"learned\""]
        .map(|word| kind(&format!("likelihood = \"gaussian\"\nvariance = {word}")));
    let given = Rows::new(kinds[0], 1, ImageShape::grey(6, 7), 0.5, 11);
    let found = nats_of(kinds[0], &given.outputs, &[], &given.x);
    let squares = given.outputs.iter().zip(&given.x).map(|(mean, x)| f64::from(x - mean).powi(2)).sum::<f64>();
    let with = |factor: f64| nats_of(kinds[1], &given.outputs, &[(factor * squares / 42.0).ln() as f32], &given.x);
    assert!((found - with(1.0)).abs() < 1e-4);
    assert!(with(0.9) > found + 0.05 && with(1.1) > found + 0.05);
    assert!((found - 21.0 * ((std::f64::consts::TAU * squares / 42.0).ln() + 1.0)).abs() < 1e-4);
    // An image that is reproduced exactly has the density of the floor.
    let exact = nats_of(kinds[0], &given.x, &[], &given.x);
    assert!((exact - 21.0 * (std::f64::consts::TAU.ln() - 12.0)).abs() < 1e-4, "{exact}");
}

#[test]
fn outputs_of_a_mean_have_it_as_their_expected_values() {
    for kind in kinds().into_iter().map(|kind| kind.on(3, Grid::default())) {
        let own = kind.parameter(ImageShape { height: 1, width: 1, channels: 3 });
        let own = own.map_or(Vec::new(), |own| vec![own.initial; own.length]);
        for mean in [[0.01, 0.5, 0.9], [0.3, 0.499_9, 0.98]] {
            let outputs = kind.outputs_of_mean(&mean);
            assert_eq!(outputs.len(), kind.outputs(3));
            let found = kind.expected(outputs, &own);
            assert_eq!(found.len(), 3);
            for (found, mean) in found.iter().zip(mean) {
                assert!((found - mean).abs() < 1e-5, "{kind:?}: {found}, not {mean}");
            }
        }
        // The logits of 0 and 1 are finite.
        assert!(kind.outputs_of_mean(&[0.0, 1.0]).iter().all(|output| output.is_finite()));
    }
}
