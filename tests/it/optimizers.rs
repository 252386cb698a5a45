//! Compares the update rules with PyTorch. tests/fixtures/make_fixtures.py creates the fixture.

use serde_json::Value;
use std::collections::BTreeMap;
use vaex::language::Spec;
use vaex::optimizer::Optimizer;

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

#[test]
fn ten_steps_of_each_rule_agree_with_pytorch() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../fixtures/optimizers.json")).unwrap();
    assert!(cases.len() >= 6);
    for case in cases {
        let keys = [
            "optimizer",
            "learning_rate",
            "momentum",
            "rho",
            "beta1",
            "beta2",
            "epsilon",
            "weight_decay",
            "initial_mean_square",
        ];
        let written = keys.iter().filter_map(|key| {
            let value = case.get(*key).filter(|value| !value.is_null())?;
            Some((format!("train.{key}"), toml::Value::try_from(value).unwrap()))
        });
        let named = ("name".to_owned(), toml::Value::String("rule".to_owned()));
        let (spec, found) = Spec::read(&written.chain([named]).collect::<BTreeMap<_, _>>());
        assert_eq!(found.problems, []);
        let train = spec.train;
        let mut weights = numbers(&case["initial"]);
        let mut optimizer = Optimizer::new(train.optimizer.clone(), weights.len());
        let steps = case["gradients"].as_array().unwrap().iter().zip(case["weights"].as_array().unwrap());
        for (step, (gradient, expected)) in steps.enumerate() {
            let update = optimizer.begin(train.learning_rate);
            // In two parts, as the trainer updates parameters.
            let gradient = numbers(gradient);
            let (head, tail) = weights.split_at_mut(2);
            optimizer.apply(update, 0, head, &gradient[..2]);
            optimizer.apply(update, 2, tail, &gradient[2..]);
            for (found, expected) in weights.iter().zip(numbers(expected)) {
                let off = (found - expected).abs() / expected.abs().max(1e-3);
                assert!(off < 2e-5, "{:?}, step {step}: {found}, PyTorch says {expected}", train.optimizer);
            }
        }
    }
}
