//! Gradients of objectives on whole batches, by one step of training: compared with PyTorch's, on both backends, with several
//! numbers of threads and sizes of micro-batches. tests/fixtures/make_batches.py creates the fixtures.

use crate::emulated::card;
use crate::probe::{Means, Probe};
use crate::{data_files::idx_of, harness::plan};
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{Cpu, OwnedTape, Tape, Tensor};
use dfdx::tensor_ops::{BroadcastTo, Device, SumTo, TryAdd, TryMul};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use vaex::folder::Stored;
use vaex::metrics::{Row, Split, Value};
use vaex::model::parameters::Module;
use vaex::objective::Objective;
use vaex::plan::Trial;
use vaex::random::{Purpose, Stream, shuffled};
use vaex::record::checkpoint::{self, History};
use vaex::tensor::backend::{
    Array, CodeGradients, CodeInputs, CodeTerm, Codes, Host, NoiseKey, OnCard, Portable, RowWeight,
};
use vaex::tensor::dims::{Batch, Latent, Own};
use vaex::train::{EpochEnd, Execute, Progress, Snapshot, Trainer};

/// The learning rate of the step: so large that the new weights are the gradient times the rate, to single precision.
const RATE: f64 = 1e8;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/batches");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert_eq!(paths.len(), (8 + 46) * 4);
    paths
}

/// The trial of a fixture: its images are one batch.
fn trial(fixture: &Stored, batch: usize) -> Trial {
    let folder = tempfile::tempdir().unwrap();
    let sizes = ["height", "width", "channels"].map(|name| fixture.number(name).unwrap() as u32);
    let images = fixture.bytes("image").unwrap().to_vec();
    let idx = idx_of(&[batch as u32, sizes[0], sizes[1], sizes[2]], images);
    std::fs::write(folder.path().join("images"), idx).unwrap();
    let spec = format!(
        "[data]\nsource = \"idx\"\nimages = \"images\"\nvalidation_images = \"images\"\nlayout = \"nhwc\"\nstored = [0, 255]\n\
         [train]\nbatch_size = {batch}\nshuffle = false\noptimizer = \"sgd\"\nlearning_rate = {RATE:?}\n{}",
        fixture.notes["spec"]
    );
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, spec).unwrap();
    plan(&path, &[]).trials()[0].clone()
}

/// The loss and the new weights after a step from the weights of a fixture.
fn step<B: Execute, J: Objective>(
    device: B::Device,
    (fixture, trial): (&Stored, &Trial),
    objective: J,
    threads: usize,
    micro_batch: Option<usize>,
) -> (f64, Vec<(String, Arc<Vec<f32>>)>) {
    let mut trainer = Trainer::<B, J>::with_objective(device, trial.training(), objective, threads).unwrap();
    micro_batch.into_iter().for_each(|images| trainer.set_micro_batch(images));
    trainer.model().visit("", &mut |visit| {
        visit.parameter.set(fixture.values(&format!("weight/{}", visit.name)).unwrap());
    });
    // The parameters of the objective are too many for a fixture: both programs compute them.
    let mut snapshot = trainer.snapshot().unwrap();
    let has_own = fixture.values("own/objective.0.output.bias").is_some();
    for (layer, pair) in snapshot.own.chunks_mut(2).enumerate().filter(|_| has_own) {
        if let [weight, bias] = pair {
            let limit = (6.0 / (weight.sizes[0] + weight.sizes[1]) as f64).sqrt();
            let value = |place: usize| (limit * (0.7 * place as f64 + layer as f64).sin()) as f32;
            weight.values = Arc::new((0..weight.values.len()).map(value).collect());
            bias.values = Arc::new((0..bias.values.len()).map(|place| (0.01 * (place as f64).cos()) as f32).collect());
        }
    }
    let snapshot = Snapshot { moments: snapshot.moments.into_iter().map(owned).collect(), ..snapshot };
    if has_own {
        trainer.restore(snapshot).unwrap();
    }
    let end = trainer.train_epoch(&AtomicBool::new(false), &mut |_| false).unwrap();
    let EpochEnd::Finished(row) = end else { panic!("{end:?}") };
    let mut weights = Vec::new();
    trainer.model().visit("", &mut |visit| weights.push((visit.name, visit.parameter.values())));
    // Those of the objective after its own step, as far as the fixture has them.
    for own in trainer.snapshot().unwrap().own {
        if let Some(expected) = fixture.values(&format!("own/{}", own.name)) {
            for (found, expected) in own.values.iter().zip(&expected) {
                assert!((found - expected).abs() < 2e-6, "{} is {found}, PyTorch says {expected}", own.name);
            }
        }
    }
    for metric in ["tc_nats", "discriminator_accuracy", "discriminator_nats"] {
        if let Some(expected) = fixture.values(&format!("metric/{metric}")) {
            let off = (row.get(metric).unwrap() - f64::from(expected[0])).abs();
            assert!(off < 1e-5, "{metric} is {:?}, PyTorch says {}", row.get(metric), expected[0]);
        }
    }
    (row.get("loss").unwrap(), weights)
}

fn owned<'a>((name, values): (Cow<'a, str>, Cow<'_, [f32]>)) -> (Cow<'static, str>, Cow<'static, [f32]>) {
    (name.into_owned().into(), values.into_owned().into())
}

#[track_caller]
fn agrees_with_pytorch(
    name: &str,
    fixture: &Stored,
    within: f64,
    (loss, weights): &(f64, Vec<(String, Arc<Vec<f32>>)>),
) {
    let expected = f64::from(fixture.values("loss").unwrap()[0]);
    // The loss of the probe in the metrics is without its own terms.
    let off = if name.contains("probe") { 0.0 } else { (loss - expected).abs() / expected.abs() };
    assert!(off < within, "{name}: the loss is {loss}, PyTorch says {expected}");
    for (parameter, after) in weights {
        let before = fixture.values(&format!("weight/{parameter}")).unwrap();
        let expected = fixture.values(&format!("gradient/{parameter}")).unwrap();
        let largest = expected.iter().fold(0f64, |largest, value| largest.max(f64::from(value.abs())));
        assert_eq!(after.len(), expected.len());
        for ((before, after), expected) in before.iter().zip(after.iter()).zip(&expected) {
            let found = (f64::from(*before) - f64::from(*after)) / RATE;
            let off = (found - f64::from(*expected)).abs();
            assert!(
                off <= 2e-5 * largest,
                "{name}: the gradient of {parameter} is {found:e}, PyTorch says {expected:e}"
            );
        }
    }
}

#[test]
fn gradients_of_whole_batches_agree_with_pytorch() {
    for path in fixtures() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let fixture = Stored::read(&path).unwrap();
        let batch: usize = name.rsplit('_').next().unwrap().parse().unwrap();
        let trial = trial(&fixture, batch);
        // Micro-batches of 3 and of 5 divide neither 7 nor 128.
        for micro_batch in [None, Some(3), Some(5)] {
            let of = |threads: usize, backend: &str| {
                let kind = trial.spec().objective.kind.clone();
                let (cpu, of) = (Cpu::default(), (&fixture, &trial));
                match (name.contains("probe"), backend) {
                    (true, "host") => step::<Host, _>(cpu, of, Probe, threads, micro_batch),
                    (false, "host") => step::<Host, _>(cpu, of, kind, threads, micro_batch),
                    (true, "card") => step::<OnCard, _>(card(), of, Probe, threads, micro_batch),
                    (false, "card") => step::<OnCard, _>(card(), of, kind, threads, micro_batch),
                    (true, _) => step::<Portable<Cpu>, _>(cpu, of, Probe, threads, micro_batch),
                    (false, _) => step::<Portable<Cpu>, _>(cpu, of, kind, threads, micro_batch),
                }
            };
            let host = of(1, "host");
            agrees_with_pytorch(&format!("{name} on the host"), &fixture, 1e-5, &host);
            let both = of(2, "host");
            assert_eq!(host.0.to_bits(), both.0.to_bits(), "{name}");
            let bits = |weights: &[(String, Arc<Vec<f32>>)]| -> Vec<u32> {
                weights.iter().flat_map(|(_, values)| values.iter().map(|value| value.to_bits())).collect()
            };
            assert!(bits(&host.1) == bits(&both.1), "{name}: the bits depend on the number of threads");
            // dfdx sums the kernel of all pairs of codes in single precision.
            let within = if name.contains("_info") || name.contains("_wae") { 1e-4 } else { 1e-5 };
            agrees_with_pytorch(&format!("{name} by dfdx"), &fixture, within, &of(1, "portable"));
            agrees_with_pytorch(&format!("{name} on a card"), &fixture, 1e-5, &of(1, "card"));
        }
    }
}

/// Writes the noise for make_batches.py if `VAEX_WRITE_NOISE` names a file.
#[test]
fn the_noise_of_the_fixtures_is_that_of_training() {
    let mut noise = Vec::new();
    for image in 0..128 {
        let mut stream = Stream::new(0, Purpose::TrainNoise, 1, image);
        for _ in 0..6 {
            let mut code = [0.0; 3];
            stream.fill_normal(&mut code);
            noise.extend(code);
        }
    }
    let key = NoiseKey { seed: 0, purpose: Purpose::TrainNoise, epoch: 1, samples: 6 };
    let mut filled = vec![0.0; noise.len()];
    key.fill(&(0..128).collect::<Vec<u32>>(), 3, &mut filled);
    assert!(filled == noise);
    assert!(noise.iter().all(|value| value.abs() < 7.0));
    // The draws of the first step from the prior.
    let mut draws = [0.0; 128 * 3];
    Stream::new(0, Purpose::BatchTerms, 0, 0).fill_normal(&mut draws);
    noise.extend(draws);
    // The permutations of the axes of codes in the first step.
    for batch in [1, 2, 7, 128] {
        for axis in 0..3 {
            let order = shuffled(Stream::new(0, Purpose::BatchTerms, 0, axis), batch);
            noise.extend(order.into_iter().map(|row| row as f32));
        }
    }
    // What picks the components of a learned prior in the first step.
    let mut picks = Stream::new(0, Purpose::BatchTerms, 0, 1);
    noise.extend((0..128).map(|_| picks.uniform()));
    if let Some(path) = std::env::var_os("VAEX_WRITE_NOISE") {
        std::fs::write(path, noise.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    }
}

/// Everything that an objective has is saved and restored: training that is interrupted after any step ends with the same bits.
#[test]
fn objectives_are_resumed() {
    let (cpu, card) = (Cpu::default(), card());
    are_resumed::<Host, _>(&cpu, "", |_| Probe);
    are_resumed::<Portable<Cpu>, _>(&cpu, "", |_| Probe);
    are_resumed::<OnCard, _>(&card, "", |_| Probe);
    for keys in [
        "kl_schedule = \"cyclical\"\nkl_cycle_epochs = 1.5",
        "free_bits = 0.1",
        "samples = 2",
        "samples = 2\nfree_bits = 0.1",
        "kind = \"capacity\"",
        "kind = \"beta_tc\"",
        "kind = \"factor\"",
        "kind = \"factor\"\npermute = \"second\"",
        "kind = \"dip_i\"",
        "kind = \"dip_ii\"",
        "kind = \"info\"",
        "kind = \"wae\"",
        "kind = \"iwae\"",
        "kind = \"miwae\"\nsamples = 2\ngroups = 2",
        "kind = \"ciwae\"\nsamples = 3",
        "kind = \"piwae\"\nsamples = 2\ngroups = 2",
    ] {
        are_resumed::<Host, _>(&cpu, keys, |trial| trial.spec().objective.kind.clone());
        are_resumed::<Portable<Cpu>, _>(&cpu, keys, |trial| trial.spec().objective.kind.clone());
        are_resumed::<OnCard, _>(&card, keys, |trial| trial.spec().objective.kind.clone());
    }
    for prior in ["mixture\"\ncomponents = 4", "vamp\"\npseudo_inputs = \"data\"\ncomponents = 4"] {
        for keys in ["kl_weight = 0.5", "kind = \"capacity\"", "kind = \"iwae\"\nsamples = 3", "kind = \"wae\""] {
            let keys = format!("{keys}\n[model]\nprior = \"{prior}");
            are_resumed::<Host, _>(&cpu, &keys, |trial| trial.spec().objective.kind.clone());
            are_resumed::<Portable<Cpu>, _>(&cpu, &keys, |trial| trial.spec().objective.kind.clone());
            are_resumed::<OnCard, _>(&card, &keys, |trial| trial.spec().objective.kind.clone());
        }
    }
}

fn are_resumed<B: Execute, J: Objective>(device: &B::Device, keys: &str, objective: impl Fn(&Trial) -> J) {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("spec.toml");
    let text = format!(
        "[data]\nlimit = 60\n[train]\nbatch_size = 20\n[objective]\n{keys}{}family = \"mlp\"\nhidden = [6]\nlatent_dim = 3\n",
        if keys.contains("[model]") { "\n" } else { "\n[model]\n" }
    );
    std::fs::write(&spec, text).unwrap();
    let trial = plan(&spec, &[]).trials()[0].clone();
    let start = || Trainer::<B, J>::with_objective(device.clone(), trial.training(), objective(&trial), 1).unwrap();
    let state = |trainer: &mut Trainer<B, J>| {
        let snapshot = trainer.snapshot().unwrap();
        (snapshot.weights.clone(), snapshot.own.clone())
    };
    let mut whole = start();
    let before = state(&mut whole);
    // The metrics, without those of the clock.
    let metrics = |row: &Row| -> Vec<(String, Value)> {
        let values = row.values().filter(|(metric, _)| !metric.is_timing);
        values.map(|(metric, value)| (metric.name.to_string(), value.clone())).collect()
    };
    let mut rows = Vec::new();
    while whole.epoch() < 2 {
        let end = whole.train_epoch(&AtomicBool::new(false), &mut |_| false).unwrap();
        let EpochEnd::Finished(row) = end else { panic!("{keys}: {end:?}") };
        rows.push(metrics(&row));
    }
    let expected = state(&mut whole);
    assert!(before.0 != expected.0 && (before.1.is_empty() || before.1 != expected.1), "{keys}");
    assert!(before.1.iter().all(|weight| weight.name.starts_with("objective.0.")));
    let path = folder.path().join("checkpoint.safetensors");
    for leave_after in 1..6 {
        let (stop, mut trainer) = (AtomicBool::new(false), start());
        let mut found = Vec::new();
        while trainer.epoch() < 2 {
            let leave = &mut |progress: Progress| {
                stop.store(progress.step == leave_after, std::sync::atomic::Ordering::Relaxed);
                false
            };
            match trainer.train_epoch(&stop, leave).unwrap() {
                EpochEnd::Finished(row) => found.push(metrics(&row)),
                EpochEnd::Interrupted => {
                    let of_epoch = |epoch| Split::OF_EPOCHS.map(|split| Row::new(epoch, split, 0, 0));
                    let rows = (1..=trainer.epoch()).flat_map(of_epoch).collect();
                    let past = History { rows, ..History::default() };
                    checkpoint::write_checkpoint(&path, &trainer.snapshot().unwrap(), "a trial", &past).unwrap();
                    trainer = start();
                    trainer.restore(checkpoint::read_checkpoint(&path, "a trial").unwrap().0).unwrap();
                    stop.store(false, std::sync::atomic::Ordering::Relaxed);
                }
                end => panic!("{keys}: {end:?}"),
            }
        }
        assert!(state(&mut trainer) == expected, "{keys}: after step {leave_after}");
        assert!(found == rows, "{keys}: the metrics differ after step {leave_after}");
    }
    // The model's own file is without them.
    checkpoint::write_model(&path, &whole.snapshot().unwrap().weights, "", trial.architecture(), [0.0, 255.0]).unwrap();
    let names = Stored::read_own(&path).unwrap().names();
    assert!(names.iter().all(|name| !name.starts_with("objective")), "{names:?}");
}

/// The sum over the axes of mean times sample.
#[derive(Clone, Copy)]
struct Product;

impl CodeTerm for Product {
    fn forward(&self, codes: CodeInputs<'_>, results: &mut [f32]) {
        let rows = codes.mean.chunks(codes.latent).zip(codes.z.chunks(codes.latent));
        for (result, (mean, z)) in results.iter_mut().zip(rows) {
            *result = mean.iter().zip(z).map(|(mean, z)| mean * z).sum();
        }
    }

    fn backward(&self, codes: CodeInputs<'_>, dresults: &[f32], gradients: CodeGradients<'_>) {
        for (place, (mean, z)) in codes.mean.iter().zip(codes.z).enumerate() {
            let dresult = dresults[place / codes.latent];
            gradients.mean[place] += dresult * z;
            gradients.z[place] += dresult * mean;
        }
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize, usize), f32, D, T>>,
        z: Tensor<(usize, usize), f32, D, T>,
        own: Tensor<(usize,), f32, D, T>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let nothing = own.try_mul(0.0)?.try_broadcast_like::<_, Axis<0>>(z.shape())?;
        nothing.try_add(mean.try_mul(z)?)?.try_sum::<_, Axis<1>>()
    }
}

/// The gradients of operations on the codes of a plain autoencoder, whose means and samples are one array: of [`Means`] with
/// respect to both, and of [`Product`] with respect to the array.
fn gradients_of_points<B: Execute>(device: &B::Device, values: &[f32]) -> [Vec<f32>; 3] {
    let shape = (Batch(values.len() / 2), Latent(2));
    let z = Array::<_, B>::new(device, values.to_vec().into(), shape).unwrap();
    let codes = Codes { mean: z.clone(), log_variance: None, z };
    let shared = B::leaf(&Array::<_, B>::new(device, vec![1.0, 2.0].into(), (Own(2),)).unwrap()).unwrap();
    let of_batch = B::code_gradients(&Means, &codes, Some(&shared)).unwrap().codes;
    let (term, tape) = B::code_term(&Product, &codes, Some(&shared), OwnedTape::default()).unwrap().split_tape();
    let total = B::total::<Batch, Latent, _>(vec![(term, RowWeight::Same(1.0))], Vec::new(), tape).unwrap();
    let of_term = B::gradient_of(&mut B::backward(total).unwrap(), &codes.z).unwrap();
    [of_batch.mean.to_vec(), of_batch.z.to_vec(), of_term.to_vec()]
}

#[test]
fn the_gradients_of_the_codes_of_a_plain_autoencoder() {
    let values = [0.5, -1.0, 2.0, 0.25, -0.75, 1.5];
    let means = [[0.5 + 2.0 - 0.75, -1.0 + 0.25 + 1.5]; 3].concat().into_iter().map(|sum: f32| sum / 3.0);
    let of_mean: Vec<f32> = means.clone().map(|mean| mean / 3.0).collect();
    let of_z: Vec<f32> = means.map(|mean| 0.8 * mean / 3.0).collect();
    let expected = [of_mean, of_z, values.map(|value| 2.0 * value).to_vec()];
    let all = [
        gradients_of_points::<Host>(&Cpu::default(), &values),
        gradients_of_points::<Portable<Cpu>>(&Cpu::default(), &values),
        gradients_of_points::<OnCard>(&card(), &values),
    ];
    for found in all {
        for (found, expected) in found.iter().zip(&expected) {
            let is_near = |(found, expected): (&f32, &f32)| (found - expected).abs() < 1e-6;
            assert!(found.len() == 6 && found.iter().zip(expected).all(is_near), "{found:?}, not {expected:?}");
        }
    }
}
