//! The backend of a GPU on an emulated card: the same random numbers as on the host, activations, memory.

use crate::emulated::{Emulated, card};
use crate::harness::plan;
use dfdx::tensor::Cpu;
use std::sync::atomic::AtomicBool;
use vaex::data::{Binarize, Images, PixelMap};
use vaex::metrics::Split;
use vaex::plan::Trial;
use vaex::random::Purpose;
use vaex::tensor::backend::{Activation, Array, Backend, Card, Combine, Host, NoiseKey, OnCard, Precision, RowWeight};
use vaex::tensor::dims::{Batch, Latent};
use vaex::train::{Execute, Trainer};
use vaex::trial::estimate;

fn trial(spec: &str) -> Trial {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, spec).unwrap();
    plan(&path, &[]).trials()[0].clone()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn noise_has_the_bits_of_the_host() {
    let card = &card();
    let images = [0, 7, 3, 65_536, u32::MAX];
    for (latent, samples) in [(1, 1), (2, 1), (5, 1), (10, 3), (40, 50), (3, 8)] {
        for (seed, epoch) in [(0, 0), (u64::MAX, 1), (42, 1 << 40)] {
            let key = NoiseKey { seed, purpose: Purpose::TrainNoise, epoch, samples };
            let shape = (Batch(images.len() * samples), Latent(latent));
            let expected = Host::noise(&Cpu::default(), key, &images, shape).unwrap().to_vec();
            let found = OnCard::noise(card, key, &images, shape).unwrap().to_vec();
            assert!(bits(&found) == bits(&expected), "{latent} axes, {samples} samples");
        }
    }
}

/// The indices of so many images fill more than one place for numbers.
#[test]
fn indices_of_many_images_stay_until_they_are_read() {
    let (card, _) = Emulated::card();
    let all: Vec<u32> = (0..400_000).collect();
    let key = NoiseKey { seed: 1, purpose: Purpose::TrainNoise, epoch: 1, samples: 1 };
    let found: Vec<_> = all
        .chunks(100_000)
        .map(|images| OnCard::noise(&card, key, images, (Batch(images.len()), Latent(1))).unwrap())
        .collect();
    for (images, found) in all.chunks(100_000).zip(&found) {
        let expected = Host::noise(&Cpu::default(), key, images, (Batch(images.len()), Latent(1))).unwrap().to_vec();
        assert!(bits(&found.to_vec()) == bits(&expected));
    }
}

/// What a backend computes itself from images.
fn values<B: Execute>(
    device: &B::Device,
    (images, indices): (&Images, &[u32]),
    pixels: &PixelMap,
    address: (Split, u64),
) -> Option<Vec<f32>> {
    let values = B::images(device, &B::Resident::default(), pixels, (images, indices), address).unwrap();
    values.map(|values| values.to_vec())
}

#[test]
fn images_have_the_bits_of_the_host() {
    images_are_those_of_the_host(&card());
}

fn images_are_those_of_the_host(card: &Card) {
    let dataset = trial("[data]\nlimit = 60\n[train]\nbatch_size = 20\n").dataset().clone();
    let indices = [3, 0, 41, 41];
    let mut seen = std::collections::BTreeSet::new();
    for binarize in [Binarize::None, Binarize::Threshold, Binarize::Static, Binarize::Dynamic] {
        for (dequantize, flip) in [(false, false), (false, true), (true, true)] {
            for (split, images) in [(Split::Train, &dataset.train), (Split::Validation, &dataset.validation)] {
                if dequantize && binarize != Binarize::None {
                    continue;
                }
                let indices: Vec<u32> = indices.iter().map(|index| index % images.len() as u32).collect();
                let (stored, range) = ([0.0, 255.0], [-1.0, 1.5]);
                let pixels = PixelMap { binarize, stored, range, dequantize, flip, seed: 5 };
                let mut expected = vec![0.0; indices.len() * images.shape().values()];
                pixels.fill(images, &indices, split, 2, &mut expected);
                let found = values::<OnCard>(card, (images, &indices), &pixels, (split, 2)).unwrap();
                assert!(bits(&found) == bits(&expected), "{pixels:?}");
                seen.insert(bits(&found));
            }
        }
    }
    assert!(seen.len() > 8, "{}", seen.len());
}

#[test]
fn images_without_memory_for_them_stay_on_the_host() {
    let dataset = trial("[data]\nlimit = 60\n[train]\nbatch_size = 20\n").dataset().clone();
    let pixels = PixelMap::new(&trial("").spec().data, [0.0, 255.0], 0);
    for (free, is_there) in [(2 * dataset.train.bytes() + (1 << 16), true), (dataset.train.bytes(), false)] {
        // The numbers that go up take 1 MiB.
        let (card, _) = Emulated::of_size((1 << 20) + free);
        let key = NoiseKey { seed: 0, purpose: Purpose::TrainNoise, epoch: 1, samples: 1 };
        drop(OnCard::noise(&card, key, &[0], (Batch(1), Latent(1))).unwrap());
        let found = values::<OnCard>(&card, (&dataset.train, &[0, 1]), &pixels, (Split::Train, 0));
        assert_eq!(found.is_some(), is_there);
    }
}

/// The gradients of a function of each value.
fn activated<B: Combine>(device: &B::Device, activation: Activation, values: &[f32]) -> [Vec<f32>; 2] {
    let array = |values: &[f32]| {
        Array::<(Batch, Latent), B>::new(device, values.to_vec().into(), (Batch(values.len()), Latent(1))).unwrap()
    };
    let a = array(values);
    let results = B::pointwise(&activation, a.clone().put_tape(dfdx::tensor::OwnedTape::default()), None).unwrap();
    let (results, tape) = results.split_tape();
    let found = results.to_vec();
    let weights: Vec<f32> = (0..values.len()).map(|place| 1.0 + place as f32 / 64.0).collect();
    let codes = vec![(results, array(&weights))];
    let total = B::total::<Batch, Latent, _>(Vec::<(_, RowWeight<Batch, B>)>::new(), codes, tape).unwrap();
    let gradient = B::gradient_of(&mut B::backward(total).unwrap(), &a).unwrap();
    [found, gradient.to_vec()]
}

#[test]
fn activations_and_their_gradients_agree_with_the_host() {
    activations_are_those_of_the_host(&card());
}

fn activations_are_those_of_the_host(card: &Card) {
    let values: Vec<f32> = (-90..=90).map(|place| place as f32 * 0.11).chain([-100.0, 100.0]).collect();
    for &activation in Activation::ALL {
        let expected = activated::<Host>(&Cpu::default(), activation, &values);
        let found = activated::<OnCard>(card, activation, &values);
        for (found, expected) in found.iter().zip(&expected) {
            for ((found, expected), x) in found.iter().zip(expected).zip(&values) {
                let off = (found - expected).abs();
                assert!(
                    off <= 1e-6 * expected.abs().max(1.0),
                    "{activation:?} of {x}: {found}, on the host {expected}"
                );
            }
        }
    }
}

#[test]
fn memory_that_is_given_back_is_used_again() {
    let (card, emulated) = Emulated::card();
    let array =
        || Array::<(Batch, Latent), OnCard>::new(&card, vec![1.0; 3000].into(), (Batch(1000), Latent(3))).unwrap();
    let first = array();
    let reserved = emulated.counts().reserved;
    drop(first);
    for _ in 0..5 {
        let own = array();
        assert_eq!((own.to_vec(), emulated.counts().reserved), (vec![1.0; 3000], reserved));
    }
    let (_both, _at_once) = (array(), array());
    assert_eq!(emulated.counts().reserved, reserved + 1);
}

#[test]
fn memory_of_other_sizes_is_given_back_before_a_card_is_full() {
    let (card, emulated) = Emulated::of_size(4 << 20);
    let array = |count: usize| Array::<(Batch,), OnCard>::new(&card, vec![1.0; count].into(), (Batch(count),));
    drop(array(1 << 18).unwrap());
    drop(array(1 << 19).unwrap());
    assert_eq!(array(3 << 17).unwrap().to_vec(), vec![1.0; 3 << 17]);
    assert!(emulated.bytes() < 4 << 20);
    let error = array(1 << 21).unwrap_err().to_string();
    assert!(error.contains("out of memory: 8388608 bytes"), "{error}");
}

/// The estimate of a plan is above what is needed, and below three times of it.
#[test]
fn the_memory_of_a_trial_is_estimated() {
    let of_process = "[data]\nlimit = 60\n[model]\nfamily = \"mlp\"\nhidden = [1]\n[train]\nbatch_size = 20\n";
    let conv = "[data]\nlimit = 300\n[train]\nbatch_size = 128\n";
    let mlp = |rest| format!("[data]\nlimit = 300\n[train]\nbatch_size = 64\n[model]\nfamily = \"mlp\"\n{rest}\n");
    let specs = [
        (conv.to_owned(), Precision::F32),
        (conv.to_owned(), Precision::Tf32),
        (
            "[data]\nlimit = 300\nsize = 32\n[model]\npreset = \"burgess\"\n[train]\nbatch_size = 64\n".to_owned(),
            Precision::F32,
        ),
        (mlp("hidden = [400, 200]"), Precision::F32),
        (mlp("hidden = [300]\nactivation = \"gelu\"\n[objective]\nkind = \"factor\""), Precision::F32),
        (mlp("hidden = [200]\n[objective]\nkind = \"iwae\"\nsamples = 50"), Precision::F32),
        (mlp("hidden = [300]\nprior = \"vamp\""), Precision::F32),
    ];
    let mut ratios = Vec::new();
    for (spec, precision) in specs {
        let one = trial(&spec);
        let (card, emulated) = Emulated::of_precision(precision);
        let mut trainer = Trainer::<OnCard>::new(card, one.training(), 1).unwrap();
        trainer.train_epoch(&AtomicBool::new(false), &mut |_| false).unwrap();
        let memory = |trial| estimate::gpu_memory_with(trial, precision).total() / 1e6;
        let (found, estimated) = (emulated.bytes() as f64 / 1e6, memory(&one) - memory(&trial(of_process)));
        ratios.push((estimated / found, spec));
    }
    assert!(ratios.iter().all(|(ratio, _)| (0.9..3.0).contains(ratio)), "{ratios:?}");
}
