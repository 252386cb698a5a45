//! Compares a training step of every preset, and of lists with every layer, with PyTorch in float64, on both backends.
//! tests/fixtures/make_networks.py creates the fixtures.

use crate::emulated::card;
use crate::harness::{Workspace, plan};
use dfdx::tensor::Cpu;
use serde_json::Value;
use vaex::model::Model;
use vaex::model::parameters::{GradientMap, Module};
use vaex::objective::{At, Form, FromBatch, KlForm, Loss, Weights, learn, measure};
use vaex::plan::Trial;
use vaex::tensor::backend::{Array, Combine, Host, OnCard, Portable};
use vaex::tensor::dims::Batch;

/// Numbers in [-1, 1) that depend on a name: FNV-1a of the name, then SplitMix64.
fn numbers(name: &str, length: usize) -> Vec<f32> {
    let seed = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..length).map(|_| next()).collect()
}

/// The initial values of a parameter of this shape.
fn initial(name: &str, sizes: &[usize]) -> Vec<f32> {
    let limit = match *sizes {
        [_] => 0.1,
        [inputs, outputs] => (6.0 / (inputs + outputs) as f64).sqrt() as f32,
        [height, width, inputs, outputs] => (6.0 / (height * width * (inputs + outputs)) as f64).sqrt() as f32,
        _ => panic!("{name} has the shape {sizes:?}"),
    };
    numbers(name, sizes.iter().product()).into_iter().map(|number| limit * number).collect()
}

fn fixtures() -> Vec<Value> {
    serde_json::from_str(include_str!("../fixtures/networks.json")).unwrap()
}

/// An IDX file of blank images of this shape.
fn blank(sizes: [usize; 3]) -> Vec<u8> {
    let mut idx = vec![0, 0, 8, 4];
    [&[3], &sizes[..]].concat().iter().for_each(|size| idx.extend((*size as u32).to_be_bytes()));
    idx.resize(20 + 3 * sizes.iter().product::<usize>(), 0);
    idx
}

const DATA: &str =
    "[data]\nsource = \"idx\"\nimages = \"images.idx\"\nlayout = \"nhwc\"\nvalidation = 1\n[train]\nbatch_size = 1\n";

fn sizes_of(fixture: &Value) -> [usize; 3] {
    ["height", "width", "channels"].map(|name| fixture[name].as_u64().unwrap() as usize)
}

/// The trial of a fixture's spec, with blank images of its shape.
fn trial(fixture: &Value) -> Trial {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("images.idx"), blank(sizes_of(fixture))).unwrap();
    let spec = folder.path().join("fixture.toml");
    std::fs::write(&spec, format!("{DATA}{}", fixture["spec"].as_str().unwrap())).unwrap();
    plan(&spec, &[]).trials()[0].clone()
}

#[track_caller]
fn close(what: &str, found: f64, expected: &Value, scale: f64) {
    let expected = expected.as_f64().unwrap();
    let off = (found - expected).abs() / scale.max(1e-30);
    assert!(off < 5e-5, "{what} is {found}, PyTorch says {expected}: off by {off:e}");
}

fn steps_agree_with_pytorch<B: Combine>(device: &B::Device) {
    for fixture in fixtures() {
        let name = fixture["name"].as_str().unwrap();
        let trial = trial(&fixture);
        let architecture = trial.architecture();
        assert_eq!(architecture.parameters(), u128::from(fixture["parameters"].as_u64().unwrap()), "{name}");
        let mut model = Model::<B>::new(device, architecture).unwrap();
        let mut names = Vec::new();
        model.visit("", &mut |visit| {
            let sizes = visit.parameter.sizes();
            visit.parameter.set(initial(&visit.name, &sizes));
            names.push(visit.name);
        });
        let (batch, values) = (fixture["batch"].as_u64().unwrap() as usize, architecture.image.values());
        let seed = &fixture["seed"];
        let image = numbers(&format!("image {seed}"), batch * values).into_iter().map(|number| 0.5 + 0.5 * number);
        let noise = numbers(&format!("noise {seed}"), batch * architecture.latent);
        let x = Array::<_, B>::new(device, image.collect::<Vec<f32>>().into(), (Batch(batch), model.values())).unwrap();
        let noise = Array::<_, B>::new(device, noise.into(), (Batch(batch), model.latent())).unwrap();
        let objective = &trial.spec().objective.kind;
        let at = At { step: 1_000_000_000, steps_per_epoch: 1, images: batch, values, latent: architecture.latent };
        let weights = objective.weights(at);
        let from_batch = FromBatch {
            weights: Weights { scale: weights.scale / batch as f64, ..weights },
            coupled: None,
            prior: None,
        };
        let map = GradientMap::new(&mut model);
        let mut parts = Vec::new();
        let mut read = |gradients: &mut _| map.read(gradients, &mut parts);
        learn(objective, &model, &x, &noise, from_batch, &mut read).unwrap();

        let sum = |values: Vec<f32>| values.into_iter().map(f64::from).sum::<f64>() / batch as f64;
        let form = Form { samples: 1, kl: KlForm::None };
        let loss = |model: &Model<B>| {
            let terms = measure(model, &x, &noise, form, None).unwrap();
            let log_variance = terms.codes.log_variance.unwrap().to_vec();
            let nats = terms.codes.mean.to_vec().into_iter().zip(log_variance).map(|(mean, log_variance)| {
                let (mean, log_variance) = (f64::from(mean), f64::from(log_variance));
                -0.5 * (1.0 + log_variance - mean * mean - log_variance.exp())
            });
            (sum(terms.recon_nats.to_vec()), nats.sum::<f64>() / batch as f64, terms.outputs.to_vec())
        };
        let (recon, kl, outputs) = loss(&model);
        close(&format!("{name}: recon_nats"), recon, &fixture["recon_nats"], recon.abs());
        close(&format!("{name}: kl_nats"), kl, &fixture["kl_nats"], kl.abs());
        close(&format!("{name}: loss"), recon + kl, &fixture["loss"], recon.abs());
        for (found, expected) in outputs.iter().zip(fixture["outputs"].as_array().unwrap()) {
            close(&format!("{name}: an output"), f64::from(*found), expected, 1.0);
        }

        let expected = fixture["gradients"].as_object().unwrap();
        assert_eq!(names.len(), expected.len(), "{name}");
        let gradients: Vec<Vec<f32>> = map
            .ranges()
            .zip(parts)
            .map(|(range, part)| B::sum_parts(device, vec![part], (range.len(),)).unwrap().to_vec())
            .collect();
        for (parameter, gradient) in names.iter().zip(&gradients) {
            let of = |what: &str| format!("{name}: {what} of the gradient of {parameter}");
            let expected = expected.get(parameter).unwrap_or_else(|| panic!("{name} has no {parameter}"));
            assert_eq!(Some(gradient.len() as u64), expected["length"].as_u64(), "{name}: {parameter}");
            let square = gradient.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
            let norm = square.sqrt();
            close(&of("the norm"), norm, &expected["norm"], norm);
            let others = numbers(&format!("product {parameter}"), gradient.len());
            let product = gradient.iter().zip(others).map(|(value, other)| f64::from(*value) * f64::from(other));
            close(&of("a product"), product.sum(), &expected["product"], norm);
            for element in expected["elements"].as_array().unwrap() {
                let place = element[0].as_u64().unwrap() as usize;
                close(&of("an element"), f64::from(gradient[place]), &element[1], norm);
            }
        }

        // A step of gradient descent.
        let rate = fixture["rate"].as_f64().unwrap() as f32;
        let mut gradients = gradients.into_iter();
        model.visit("", &mut |visit| {
            let stepped =
                visit.parameter.values().iter().zip(gradients.next().unwrap()).map(|(w, g)| w - rate * g).collect();
            visit.parameter.set(stepped);
        });
        let (recon, kl, _) = loss(&model);
        close(&format!("{name}: the loss after a step"), recon + kl, &fixture["loss_after"], recon.abs());
    }
}

#[test]
fn kernels_agree_with_pytorch() {
    steps_agree_with_pytorch::<Host>(&Cpu::default());
}

#[test]
fn portable_operations_agree_with_pytorch() {
    steps_agree_with_pytorch::<Portable<Cpu>>(&Cpu::default());
}

#[test]
fn a_card_agrees_with_pytorch() {
    steps_agree_with_pytorch::<OnCard>(&card());
}

/// A preset is a list of layers: written out, it is the same trial.
#[test]
fn presets_and_families_have_the_ids_of_their_lists() {
    let mut workspace = Workspace::new();
    workspace.write("images.idx", blank([28, 28, 1]));
    let mut id = |model: &str| {
        workspace.write("spec.toml", format!("{DATA}[model]\n{model}"));
        plan(&workspace.path("spec.toml"), &[]).trials()[0].id().to_owned()
    };
    let family = id("");
    assert_eq!(id("preset = \"walkthrough\""), family);
    let lists = "encoder = [{ conv = 32 }, { conv = 64, stride = 2 }, { conv = 64, padding = 1 }, { conv = 64 }, { dense = 32 }]\n\
                 decoder = [{ dense = [14, 14, 64] }, { conv_transpose = 32, stride = 2 }, { conv = \"output\" }]";
    assert_eq!(id(lists), family);
    assert_eq!(
        id("preset = \"iwae\"\nlatent_dim = 3"),
        id("family = \"mlp\"\nhidden = [200, 200]\nactivation = \"tanh\"\nlatent_dim = 3")
    );
    // An explicit key wins, and what a preset sets is in the id.
    assert_ne!(id("preset = \"iwae\""), id("preset = \"iwae\"\nlatent_dim = 3"));
    assert_ne!(id("preset = \"iwae\""), id("preset = \"iwae\"\nactivation = \"relu\""));
    let mlp = "family = \"mlp\"\nhidden = [512]\nlatent_dim = 10";
    assert_ne!(id("preset = \"pythae_mlp\""), id(mlp));
    assert_eq!(id("preset = \"pythae_mlp\""), id(&format!("{mlp}\ninitializer = \"pytorch\"")));
    assert_eq!(id("preset = \"pythae_mlp\"\ninitializer = \"glorot\""), id(mlp));
}

/// Everything that a trained model is used for works with every layer; the results do not depend on the number of threads.
#[test]
fn every_layer_is_trained_shown_and_exported() {
    let mut workspace = Workspace::new();
    for fixture in fixtures().iter().filter(|fixture| !is_preset(fixture)) {
        let sizes = sizes_of(fixture);
        let name = fixture["name"].as_str().unwrap();
        let mut idx = vec![0, 0, 8, 4];
        [&[40], &sizes[..]].concat().iter().for_each(|size| idx.extend((*size as u32).to_be_bytes()));
        let values = numbers("pixels", 40 * sizes.iter().product::<usize>());
        idx.extend(values.iter().map(|number| (127.0 + 127.0 * number) as u8));
        workspace.write("images.idx", idx);
        let data =
            DATA.replace("batch_size = 1", "batch_size = 20\nepochs = 1").replace("validation = 1", "validation = 7");
        let spec =
            |bias| format!("name = \"{name}\"\n{data}{}output_bias = \"{bias}\"\n", fixture["spec"].as_str().unwrap());
        workspace.write("spec.toml", spec("data"));
        // Some output layers have no bias that could be set.
        let outcome = workspace.vaex(&["plan", "spec.toml"]);
        if outcome.status != Some(0) {
            assert!(outcome.stderr.contains("needs an output layer with a bias"), "{}", outcome.stderr);
            workspace.write("spec.toml", spec("initializer"));
        }
        let mut losses = Vec::new();
        for threads in ["1", "2"] {
            let runs = format!("runs_{threads}");
            workspace.succeed(&["run", "spec.toml", "--runs", &runs, "--threads", threads]);
            let folder = workspace.trials(&format!("{runs}/{name}")).into_values().next().unwrap();
            losses.push(std::fs::read(folder.join("model.safetensors")).unwrap());
            let trial = folder.to_str().unwrap();
            workspace.succeed(&["traverse", trial, "-o", &format!("{name}.png")]);
            workspace.succeed(&["embed", trial, "-o", &format!("{name}.parquet")]);
            workspace.succeed(&["sample", trial, "-o", &format!("{name}_samples.png")]);
            workspace.succeed(&["export", trial, "-o", &format!("{name}_networks")]);
            // The saved spec of the trial is the spec of the same trial.
            let saved = std::fs::read_to_string(folder.join("spec.toml")).unwrap();
            assert!(saved.contains("encoder = [{"), "{saved}");
        }
        assert!(losses[0] == losses[1], "{name}: the weights depend on the number of threads");
    }
}

fn is_preset(fixture: &Value) -> bool {
    fixture["spec"].as_str().unwrap().contains("preset")
}
