//! The proposals of a search on functions whose best value is known, without training.

use std::f64::consts::PI;
use vaex::search::{Axis, Domain, Outcome, Seen, Setting, Tpe, drawn};

/// A function to search, and its best value.
struct Function {
    name: &'static str,
    space: Vec<Axis>,
    best: f64,
    /// Sets keys that do not apply to `None`.
    value: fn(&mut Setting) -> f64,
}

fn axis(name: &str, domain: Domain) -> Axis {
    Axis { name: name.to_owned(), domain }
}

fn real(name: &str, low: f64, high: f64) -> Axis {
    axis(name, Domain::Real { ends: [low, high], log: false })
}

fn numbers(setting: &Setting) -> Vec<f64> {
    setting.iter().map(|value| value.unwrap()).collect()
}

fn branin(setting: &mut Setting) -> f64 {
    let [x, y] = numbers(setting)[..] else { panic!() };
    (y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0).powi(2) + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0
}

fn hartmann6(setting: &mut Setting) -> f64 {
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ];
    let x = numbers(setting);
    let term = |((a, p), share): ((&[f64; 6], &[f64; 6]), f64)| {
        let sum: f64 = a.iter().zip(p).zip(&x).map(|((a, p), x)| a * (x - 1e-4 * p).powi(2)).sum();
        share * (-sum).exp()
    };
    -A.iter().zip(&P).zip([1.0, 1.2, 3.0, 3.2]).map(term).sum::<f64>()
}

/// Each of three kinds has a key of its own.
fn conditional(setting: &mut Setting) -> f64 {
    let [kind, rate, a, b, c] = numbers(setting)[..] else { panic!() };
    let kind = kind as usize;
    (0..3).filter(|other| *other != kind).for_each(|other| setting[2 + other] = None);
    let common = 0.3 * (rate.log10() + 3.0).powi(2);
    common
        + match kind {
            0 => 1.0 + 0.5 * (a - 0.2).powi(2),
            1 => 0.5 * (b.log2() - 5.0).abs(),
            _ => 0.4 + 2.0 * (c - 0.7).powi(2),
        }
}

fn functions() -> [Function; 3] {
    let unit = |name: String| real(&name, 0.0, 1.0);
    [
        Function {
            name: "branin",
            space: vec![real("x", -5.0, 10.0), real("y", 0.0, 15.0)],
            best: 0.397_887_357_729_738_16,
            value: branin,
        },
        Function {
            name: "hartmann6",
            space: (0..6).map(|axis| unit(format!("x{axis}"))).collect(),
            best: -3.322_368_011_415_515,
            value: hartmann6,
        },
        Function {
            name: "conditional",
            space: vec![
                axis("kind", Domain::Choice(3)),
                axis("lr", Domain::Real { ends: [1e-5, 1.0], log: true }),
                unit("pa".to_owned()),
                axis("pb", Domain::Whole { ends: [1, 256], log: true }),
                unit("pc".to_owned()),
            ],
            best: 0.0,
            value: conditional,
        },
    ]
}

/// The difference of the best of 100 proposals from the best value; without a method, they are drawn at random.
fn regret(function: &Function, method: Option<Tpe>, seed: u64) -> f64 {
    let mut seen: Vec<Seen> = Vec::new();
    let mut best = f64::INFINITY;
    for proposal in 0..100 {
        let mut setting = match method {
            Some(tpe) => tpe.propose(&function.space, &seen, seed, proposal),
            None => drawn(&function.space, seed, proposal),
        };
        let value = (function.value)(&mut setting);
        best = best.min(value);
        seen.push(Seen { setting, outcome: Outcome::Done(value) });
    }
    best - function.best
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    0.5 * (values[middle] + values[values.len() - 1 - middle])
}

const METHODS: [(&str, Option<Tpe>); 3] = [
    ("own", Some(Tpe { start: 10, candidates: 24, shares_kernels: false })),
    ("shared", Some(Tpe { start: 10, candidates: 24, shares_kernels: true })),
    ("random", None),
];

#[test]
fn proposals_find_better_values_than_random_ones() {
    for function in functions() {
        let [own, shared, random] =
            METHODS.map(|(_, method)| median((0..9).map(|seed| regret(&function, method, seed)).collect()));
        let name = function.name;
        assert!(own < 0.6 * random && shared < 0.6 * random, "{name}: {own} {shared} {random}");
    }
}

/// Prints the regrets of 30 seeds, which benches/search.py compares with Optuna's.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "numbers for benches/search.py")]
fn regrets() {
    for function in functions() {
        for (method, settings) in METHODS {
            let regrets = (0..30).map(|seed| regret(&function, settings, seed).to_string());
            println!("regrets {} {method} {}", function.name, regrets.collect::<Vec<_>>().join(" "));
        }
    }
}
