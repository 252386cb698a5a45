//! Compares losses and gradients with PyTorch's autograd, on both backends. tests/fixtures/make_fixtures.py creates the
//! fixtures.

use crate::emulated::{Emulated, card};
use crate::harness::plan;
use dfdx::tensor::Cpu;
use std::path::PathBuf;
use vaex::folder::Stored;
use vaex::model::Model;
use vaex::model::parameters::{GradientMap, Module};
use vaex::objective::{At, Form, FromBatch, KlForm, Loss, MeanTerms, Weights, learn, measure};
use vaex::plan::Trial;
use vaex::tensor::backend::{Array, Combine, Host, OnCard, Portable, Precision};
use vaex::tensor::dims::Batch;

fn fixtures() -> Vec<PathBuf> {
    let folder = PathBuf::from("tests/fixtures");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    paths.sort();
    paths
}

/// The trial of a fixture's spec, with blank images of its size.
fn trial(fixture: &Stored) -> Trial {
    let folder = tempfile::tempdir().unwrap();
    let sizes = ["height", "width", "channels"].map(|name| fixture.number(name).unwrap_or(1));
    let mut idx = vec![0, 0, 8, 4];
    [&[3], &sizes[..]].concat().iter().for_each(|size| idx.extend((*size as u32).to_be_bytes()));
    idx.resize(20 + 3 * sizes.iter().product::<u64>() as usize, 0);
    std::fs::write(folder.path().join("images.idx"), idx).unwrap();
    let data = "[data]\nsource = \"idx\"\nimages = \"images.idx\"\nlayout = \"nhwc\"\nvalidation = 1\n[train]\nbatch_size = 1\n";
    let spec = folder.path().join("fixture.toml");
    std::fs::write(&spec, format!("{data}{}", fixture.notes["spec"])).unwrap();
    plan(&spec, &[]).trials()[0].clone()
}

/// Largest difference, relative to the largest expected value.
fn difference(expected: &[f32], found: &[f32]) -> f32 {
    assert_eq!(expected.len(), found.len());
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let difference = expected.iter().zip(found).fold(0f32, |worst, (e, f)| worst.max((e - f).abs()));
    if largest == 0.0 { difference } else { difference / largest }
}

/// `slack` widens the tolerances of single precision.
fn agrees_with_pytorch<B: Combine>(device: &B::Device, slack: f64) {
    let paths = fixtures();
    assert!(paths.len() >= 20, "only {} fixtures", paths.len());
    for path in paths {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let fixture = Stored::read(&path).unwrap();
        let trial = trial(&fixture);
        let architecture = trial.architecture();
        let mut model = Model::<B>::new(device, architecture).unwrap();
        let mut names = Vec::new();
        model.visit("", &mut |visit| {
            let weights = fixture.values(&format!("weight/{}", visit.name));
            let weights = weights.unwrap_or_else(|| panic!("{name} has no weight/{}", visit.name));
            names.push((visit.name, weights.len()));
            visit.parameter.set(weights);
        });
        let image = fixture.values("image").unwrap();
        let batch = Batch(image.len() / architecture.image.values());
        let x = Array::<_, B>::new(device, image.into(), (batch, model.values())).unwrap();
        let noise = fixture.values("noise").unwrap().into();
        let noise = Array::<_, B>::new(device, noise, (batch, model.latent())).unwrap();
        let objective = &trial.spec().objective.kind;
        // After every warm-up.
        let (values, latent) = (architecture.image.values(), architecture.latent);
        let at = At { step: 1_000_000_000, steps_per_epoch: 1, images: batch.0, values, latent };
        let weights = objective.weights(at);
        let weights = Weights { scale: weights.scale / batch.0 as f64, ..weights };
        let map = GradientMap::new(&mut model);
        let mut parts = Vec::new();
        let from_batch = FromBatch { weights, coupled: None, prior: None };
        let mut read = |gradients: &mut _| map.read(gradients, &mut parts);
        let learned = learn(objective, &model, &x, &noise, from_batch, &mut read).unwrap();

        let recon = learned.recon_nats.to_vec().iter().map(|nats| f64::from(*nats)).sum::<f64>() / batch.0 as f64;
        let close = |what: &str, found: f64| {
            let expected = f64::from(fixture.values(what).unwrap()[0]);
            let off = (found - expected).abs() / expected.abs().max(1e-30);
            assert!(off < 1e-5 * slack || found == expected, "{name}: {what} is {found}, PyTorch says {expected}");
        };
        close("recon_nats", recon);
        let log_variance = learned.codes.log_variance.as_ref().map(|log_variance| log_variance.to_vec());
        let kl_nats = log_variance.map_or(0.0, |log_variance| {
            let both = learned.codes.mean.to_vec().into_iter().zip(log_variance);
            let nats = both.map(|(mean, log_variance)| {
                let (mean, log_variance) = (f64::from(mean), f64::from(log_variance));
                -0.5 * (1.0 + log_variance - mean * mean - log_variance.exp())
            });
            nats.sum::<f64>() / batch.0 as f64
        });
        close("kl_nats", kl_nats);
        close("loss", objective.loss(MeanTerms { recon_nats: recon, kl_nats, own: &[] }, at));
        let found = map
            .ranges()
            .zip(parts)
            .flat_map(|(range, part)| B::sum_parts(device, vec![part], (range.len(),)).unwrap().to_vec());
        let found: Vec<f32> = found.collect();
        let mut offset = 0;
        for (parameter, length) in names {
            let expected = fixture.values(&format!("gradient/{parameter}")).unwrap();
            let off = difference(&expected, &found[offset..offset + length]);
            assert!(
                f64::from(off) < 2e-5 * slack,
                "{name}: the gradient of {parameter} differs by {off} relative to its largest value"
            );
            offset += length;
        }

        let output = measure(&model, &x, &noise, Form { samples: 1, kl: KlForm::None }, None).unwrap().outputs.to_vec();
        let off = difference(&fixture.values("reconstruction").unwrap(), &output);
        assert!(f64::from(off) < 1e-5 * slack, "{name}: the output of the decoder differs by {off}");
    }
}

#[test]
fn kernels_agree_with_pytorch() {
    agrees_with_pytorch::<Host>(&Cpu::default(), 1.0);
}

#[test]
fn portable_operations_agree_with_pytorch() {
    agrees_with_pytorch::<Portable<Cpu>>(&Cpu::default(), 1.0);
}

/// Factors are rounded to 10 bits.
#[test]
#[cfg(feature = "cuda")]
#[ignore = "needs a GPU; tests/cuda.sh run"]
fn tf32_agrees_with_pytorch_on_a_gpu() {
    let cuda = vaex::tensor::backend::Cuda::new(Precision::Tf32).unwrap();
    agrees_with_pytorch::<OnCard>(&vaex::tensor::backend::Card::new(Box::new(cuda)), 1000.0);
}

#[test]
fn a_card_agrees_with_pytorch() {
    agrees_with_pytorch::<OnCard>(&card(), 1.0);
}

#[test]
fn products_of_a_library_agree_with_pytorch() {
    agrees_with_pytorch::<OnCard>(&Emulated::of_precision(Precision::Tf32).0, 1.0);
}
