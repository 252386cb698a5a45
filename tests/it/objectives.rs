//! Gradients of objectives on whole batches, by one step of training: compared with PyTorch's, on both backends, with several
//! numbers of threads and sizes of micro-batches. tests/fixtures/make_batches.py creates the fixtures.

use crate::{data_files::idx_of, harness::plan};
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{Cpu, OwnedTape, Tape, Tensor};
use dfdx::tensor_ops::{BroadcastTo, Device, MeanTo, SumTo, TryAdd, TryMul, TrySub};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use vaex::model::layer::Dense;
use vaex::model::parameters::Module;
use vaex::model::{Code, Vae};
use vaex::objective::{At, Loss, MeanTerms, Objective, Owned, RowTerms, RowWeights, Scheduled, Weights};
use vaex::optimizer::{Learn, OPTIMIZERS, Rule};
use vaex::plan::Trial;
use vaex::random::{Purpose, Stream};
use vaex::record::checkpoint::{self, History, Stored};
use vaex::settings::Keys;
use vaex::tensor::backend::{
    Activation, Array, CodeGradients, CodeInputs, CodeOperation, CodeTerm, Codes, Combine, DeviceError, Host,
    Parameter, Portable, RowGradients, RowInputs, RowOperation, RowWeight,
};
use vaex::tensor::dims::{Batch, Const, Dim, Latent, Own};
use vaex::train::{EpochEnd, Execute, Progress, Trainer};

/// An objective that uses what no objective of a spec uses: weights of images, other weights for the path through the code, a
/// value that a step shares, and parameters with their own optimizer. make_batches.py has the same in PyTorch.
#[derive(Clone, Debug)]
struct Probe;

impl Loss for Probe {
    fn weights(&self, _: At) -> Weights {
        Weights { scale: 1.0, beta: 0.3, term: 0.2 }
    }

    fn loss(&self, terms: MeanTerms, _: At) -> f64 {
        terms.recon_nats
    }

    fn scheduled(&self, _: At) -> Scheduled {
        Scheduled::default()
    }
}

impl Objective for Probe {
    type Own<B: Learn + Combine> = Owned<B, Dense<Latent, Own, B>>;

    fn own<B: Learn + Combine>(&self, device: &B::Device, latent: usize, _: u64) -> Result<Self::Own<B>, DeviceError> {
        let mut critic = Dense::new(device, Latent(latent), Own(1), Activation::Identity)?;
        critic.visit("", &mut |visit| {
            if visit.fans.is_some_and(|fans| !fans.is_bias) {
                visit.parameter.set((1..=latent).map(|axis| 0.1 * axis as f32).collect());
            }
        });
        Owned::new(device, critic, sgd(), 0.5)
    }

    fn couples(&self) -> bool {
        true
    }

    fn couple<B: Learn + Combine>(
        &self,
        own: &mut Self::Own<B>,
        codes: &Codes<Batch, Latent, B>,
        _: At,
    ) -> Result<Option<Codes<Batch, Latent, B>>, DeviceError> {
        let mut critic = Vec::new();
        own.module.visit("", &mut |visit| {
            if visit.fans.is_some_and(|fans| !fans.is_bias) {
                critic = visit.parameter.values().to_vec();
            }
        });
        B::code_gradients(&Means { critic }, codes).map(Some)
    }

    fn train_own<B: Learn + Combine>(
        &self,
        own: &mut Self::Own<B>,
        pool: &rayon::ThreadPool,
        codes: &Codes<Batch, Latent, B>,
    ) -> Result<(), DeviceError> {
        let batch = codes.z.shape().0;
        let said = own.module.forward(codes.z.clone().put_tape(Default::default()))?;
        let (said, tape) = said.relabel((batch,))?.split_tape();
        let weight = RowWeight::Same(1.0 / batch.0 as f32);
        let total = B::total::<Batch, Latent, _>(vec![(said, weight)], Vec::new(), tape)?;
        own.update(pool, B::backward(total)?)
    }

    fn share<V: Dim, H: Dim, L: Dim, O: Dim, B: Combine, T: Tape<f32, B::Device>>(
        &self,
        model: &Vae<V, H, L, O, B>,
        device: &B::Device,
        tape: T,
    ) -> Result<Option<Array<(Own,), B, T>>, DeviceError> {
        let grey = Array::new(device, vec![0.5; model.values().size()].into(), (Batch(1), model.values()))?;
        let Code::Gaussian { mean, log_variance, .. } = model.encode(grey.put_tape(tape))? else { return Ok(None) };
        let latent = Own(mean.shape().1.size());
        mean.put_tape(log_variance.split_tape().1).relabel((latent,)).map(Some)
    }

    fn term<N: Dim, L: Dim, B: Combine, T: Tape<f32, B::Device>>(
        &self,
        codes: &Codes<N, L, B>,
        shared: &Parameter<(Own,), B>,
        tape: T,
    ) -> Result<(Option<Array<(N,), B>>, T), DeviceError> {
        let (term, tape) = B::code_term(&Distance, codes, shared, tape)?.split_tape();
        Ok((Some(term), tape))
    }

    fn has_row_weights(&self) -> bool {
        true
    }

    fn row_weights<N: Dim, B: Combine>(
        &self,
        terms: RowTerms<'_, N, B>,
        weights: Weights,
    ) -> Result<RowWeights<N, B>, DeviceError> {
        let (batch,) = terms.recon_nats.shape();
        let nats = terms.recon_nats.clone().relabel((batch, Const::<1>))?;
        let none: Option<(&Parameter<(Own,), B>, bool)> = None;
        let of = |scale, form| B::rows(&Weigh { scale, form }, nats.clone(), none, &nats);
        let scale = weights.scale as f32;
        let (recon, kl) = (of(scale, Form::Inverse)?, of(scale * weights.beta as f32, Form::Inverse)?);
        let path = Some(of(1.0, Form::Line)?);
        Ok(RowWeights { recon: RowWeight::Each(recon), kl: RowWeight::Each(kl), path })
    }
}

fn sgd() -> Arc<dyn Rule> {
    let (rule, _) = Keys::read(&Default::default(), |keys| (OPTIMIZERS.find("sgd").unwrap().read)(keys));
    rule
}

/// A weight of each image from its reconstruction.
#[derive(Clone, Copy)]
struct Weigh {
    scale: f32,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    /// 1 / (1 + nats / 50)
    Inverse,
    /// 0.5 + nats / 100
    Line,
}

impl RowOperation for Weigh {
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
        for (result, nats) in results.iter_mut().zip(inputs.outputs) {
            let weight = match self.form {
                Form::Inverse => 1.0 / (1.0 + nats / 50.0),
                Form::Line => 0.5 + nats / 100.0,
            };
            *result = self.scale * weight;
        }
    }

    /// Weights are constants.
    fn backward(&self, _: RowInputs<'_>, _: &[f32], _: RowGradients<'_>) {}

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        nats: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
        _: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let weight = match self.form {
            Form::Inverse => nats.try_mul(1.0 / 50.0)?.try_add(1.0)?.try_recip()?,
            Form::Line => nats.try_mul(1.0 / 100.0)?.try_add(0.5)?,
        };
        weight.try_mul(self.scale)?.try_sum::<_, Axis<1>>()
    }
}

/// Half the squared distance of a code from the shared value.
#[derive(Clone, Copy)]
struct Distance;

impl CodeTerm for Distance {
    fn forward(&self, codes: CodeInputs<'_>, own: &[f32], results: &mut [f32]) {
        for (result, z) in results.iter_mut().zip(codes.z.chunks(codes.latent)) {
            *result = 0.5 * z.iter().zip(own).map(|(z, shared)| (z - shared).powi(2)).sum::<f32>();
        }
    }

    fn backward(
        &self,
        codes: CodeInputs<'_>,
        own: &[f32],
        dresults: &[f32],
        gradients: CodeGradients<'_>,
        down: &mut [f32],
    ) {
        let rows = gradients.z.chunks_mut(codes.latent).zip(codes.z.chunks(codes.latent)).zip(dresults);
        for ((dz, z), dresult) in rows {
            for (axis, dz) in dz.iter_mut().enumerate() {
                *dz += dresult * (z[axis] - own[axis]);
                down[axis] -= dresult * (z[axis] - own[axis]);
            }
        }
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        _: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize, usize), f32, D, T>>,
        z: Tensor<(usize, usize), f32, D, T>,
        own: Tensor<(usize,), f32, D, T>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let shared = own.try_broadcast_like::<_, Axis<0>>(z.shape())?;
        z.try_sub(shared)?.try_square()?.try_mul(0.5)?.try_sum::<_, Axis<1>>()
    }
}

/// Squares of means over the batch, and the critic's mean.
struct Means {
    critic: Vec<f32>,
}

impl CodeOperation for Means {
    fn gradients(&self, codes: CodeInputs<'_>, gradients: CodeGradients<'_>) {
        let images = codes.z.len() / codes.latent;
        let mean_of =
            |values: &[f32], axis: usize| values.iter().skip(axis).step_by(codes.latent).sum::<f32>() / images as f32;
        let all = (0..codes.latent).map(|axis| mean_of(codes.log_variance, axis)).sum::<f32>();
        for axis in 0..codes.latent {
            let (mean, z) = (mean_of(codes.mean, axis), mean_of(codes.z, axis));
            for image in 0..images {
                let place = image * codes.latent + axis;
                gradients.mean[place] += mean / images as f32;
                // A plain autoencoder has none.
                if let Some(gradient) = gradients.log_variance.get_mut(place) {
                    *gradient += 0.2 * all / images as f32;
                }
                gradients.z[place] += (0.8 * z + self.critic[axis]) / images as f32;
            }
        }
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        log_variance: Option<Tensor<(usize, usize), f32, D, T>>,
        z: Tensor<(usize, usize), f32, D, T>,
    ) -> Result<Tensor<(), f32, D, T>, D::Err> {
        let critic = z.device().clone().try_tensor_from_vec(self.critic.clone(), (self.critic.len(),))?;
        let of_mean: Tensor<(usize,), f32, D, T> = mean.try_mean::<_, Axis<0>>()?;
        let of_mean: Tensor<(), f32, D, T> = of_mean.try_square()?.try_mul(0.5)?.try_sum()?;
        let of_z: Tensor<(usize,), f32, D, T> = z.try_mean::<_, Axis<0>>()?;
        let said: Tensor<(), f32, D, T> =
            dfdx::tensor::WithEmptyTape::with_empty_tape(&of_z).try_mul(critic)?.try_sum()?;
        let of_z: Tensor<(), f32, D, T> = of_z.try_square()?.try_mul(0.4)?.try_sum()?;
        let sum = of_mean.try_add(of_z)?.try_add(said)?;
        let Some(log_variance) = log_variance else { return Ok(sum) };
        let all: Tensor<(usize,), f32, D, T> = log_variance.try_mean::<_, Axis<0>>()?;
        let all: Tensor<(), f32, D, T> = all.try_sum()?;
        sum.try_add(all.try_square()?.try_mul(0.1)?)
    }
}

/// The learning rate of the step: so large that the new weights are the gradient times the rate, to single precision.
const RATE: f64 = 1e8;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/batches");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert_eq!(paths.len(), 2 * 5 * 3);
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
         [train]\nbatch_size = {batch}\noptimizer = \"sgd\"\nlearning_rate = {RATE:?}\n{}",
        fixture.notes["spec"]
    );
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, spec).unwrap();
    plan(&path, &[]).trials()[0].clone()
}

/// The loss and the new weights after a step from the weights of a fixture.
fn step<B: Execute<Device = Cpu>, J: Objective>(
    fixture: &Stored,
    trial: &Trial,
    objective: J,
    threads: usize,
    micro_batch: Option<usize>,
) -> (f64, Vec<(String, Arc<Vec<f32>>)>) {
    let mut trainer = Trainer::<B, J>::with_objective(Cpu::default(), trial.training(), objective, threads).unwrap();
    micro_batch.into_iter().for_each(|images| trainer.set_micro_batch(images));
    trainer.model().visit("", &mut |visit| {
        visit.parameter.set(fixture.values(&format!("weight/{}", visit.name)).unwrap());
    });
    let end = trainer.train_epoch(&AtomicBool::new(false), &mut |_| ()).unwrap();
    let EpochEnd::Finished(row) = end else { panic!("{end:?}") };
    let mut weights = Vec::new();
    trainer.model().visit("", &mut |visit| weights.push((visit.name, visit.parameter.values())));
    (row.get("loss").unwrap(), weights)
}

#[track_caller]
fn agrees_with_pytorch(name: &str, fixture: &Stored, (loss, weights): &(f64, Vec<(String, Arc<Vec<f32>>)>)) {
    let expected = f64::from(fixture.values("loss").unwrap()[0]);
    // The loss of the probe in the metrics is without its own terms.
    let off = if name.contains("probe") { 0.0 } else { (loss - expected).abs() / expected.abs() };
    assert!(off < 1e-5, "{name}: the loss is {loss}, PyTorch says {expected}");
    for (parameter, after) in weights {
        let before = fixture.values(&format!("weight/{parameter}")).unwrap();
        let expected = fixture.values(&format!("gradient/{parameter}")).unwrap();
        let largest = expected.iter().fold(0f64, |largest, value| largest.max(f64::from(value.abs())));
        assert_eq!(after.len(), expected.len());
        for ((before, after), expected) in before.iter().zip(after.iter()).zip(&expected) {
            let found = (f64::from(*before) - f64::from(*after)) / RATE;
            let off = (found - f64::from(*expected)).abs() / largest;
            assert!(off < 2e-5, "{name}: the gradient of {parameter} is {found:e}, PyTorch says {expected:e}");
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
                match (name.contains("probe"), backend) {
                    (true, "host") => step::<Host, _>(&fixture, &trial, Probe, threads, micro_batch),
                    (false, "host") => step::<Host, _>(&fixture, &trial, kind, threads, micro_batch),
                    (true, _) => step::<Portable<Cpu>, _>(&fixture, &trial, Probe, threads, micro_batch),
                    (false, _) => step::<Portable<Cpu>, _>(&fixture, &trial, kind, threads, micro_batch),
                }
            };
            let host = of(1, "host");
            agrees_with_pytorch(&name, &fixture, &host);
            let both = of(2, "host");
            assert_eq!(host.0.to_bits(), both.0.to_bits(), "{name}");
            let bits = |weights: &[(String, Arc<Vec<f32>>)]| -> Vec<u32> {
                weights.iter().flat_map(|(_, values)| values.iter().map(|value| value.to_bits())).collect()
            };
            assert!(bits(&host.1) == bits(&both.1), "{name}: the bits depend on the number of threads");
            agrees_with_pytorch(&name, &fixture, &of(1, "portable"));
        }
    }
}

/// Writes the noise for make_batches.py if `VAEX_WRITE_NOISE` names a file.
#[test]
fn the_noise_of_the_fixtures_is_that_of_training() {
    let mut noise = Vec::new();
    for image in 0..128 {
        let mut code = [0.0; 3];
        Stream::new(0, Purpose::TrainNoise, 1, image).fill_normal(&mut code);
        noise.extend(code);
    }
    assert!(noise.iter().all(|value| value.abs() < 6.0));
    if let Some(path) = std::env::var_os("VAEX_WRITE_NOISE") {
        std::fs::write(path, noise.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    }
}

/// The parameters of an objective and their optimizer are saved and restored: training that is interrupted after any step ends
/// with the same bits.
#[test]
fn the_parameters_of_an_objective_are_resumed() {
    are_resumed::<Host>();
    are_resumed::<Portable<Cpu>>();
}

fn are_resumed<B: Execute<Device = Cpu>>() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("spec.toml");
    let text =
        "[data]\nlimit = 60\n[model]\nfamily = \"mlp\"\nhidden = [6]\nlatent_dim = 3\n[train]\nbatch_size = 20\n";
    std::fs::write(&spec, text).unwrap();
    let trial = plan(&spec, &[]).trials()[0].clone();
    let start = || Trainer::<B, Probe>::with_objective(Cpu::default(), trial.training(), Probe, 1).unwrap();
    let state = |trainer: &mut Trainer<B, Probe>| {
        let snapshot = trainer.snapshot();
        (snapshot.weights.clone(), snapshot.own.clone())
    };
    let mut whole = start();
    let before = state(&mut whole).1;
    while whole.epoch() < 2 {
        whole.train_epoch(&AtomicBool::new(false), &mut |_| ()).unwrap();
    }
    let expected = state(&mut whole);
    assert!(before.iter().all(|weight| weight.name.starts_with("objective.0.")) && before != expected.1);
    let path = folder.path().join("checkpoint.safetensors");
    for leave_after in 1..6 {
        let (stop, mut trainer) = (AtomicBool::new(false), start());
        while trainer.epoch() < 2 {
            let leave = &mut |progress: Progress| {
                stop.store(progress.step == leave_after, std::sync::atomic::Ordering::Relaxed);
            };
            if let EpochEnd::Interrupted = trainer.train_epoch(&stop, leave).unwrap() {
                let rows = vec![whole.validate().unwrap().unwrap(); 2 * trainer.epoch() as usize];
                let past = History { rows, ..History::default() };
                checkpoint::write_checkpoint(&path, &trainer.snapshot(), "a trial", &past).unwrap();
                trainer = start();
                trainer.restore(checkpoint::read_checkpoint(&path, "a trial").unwrap().0).unwrap();
                stop.store(false, std::sync::atomic::Ordering::Relaxed);
            }
        }
        assert!(state(&mut trainer) == expected, "after step {leave_after}");
    }
    // The model's own file is without them.
    checkpoint::write_model(&path, &whole.snapshot(), "", trial.architecture(), [0.0, 255.0]).unwrap();
    let names = Stored::read_own(&path).unwrap().names();
    assert!(names.iter().all(|name| !name.starts_with("objective")), "{names:?}");
}

/// The sum over the axes of mean times sample.
#[derive(Clone, Copy)]
struct Product;

impl CodeTerm for Product {
    fn forward(&self, codes: CodeInputs<'_>, _: &[f32], results: &mut [f32]) {
        let rows = codes.mean.chunks(codes.latent).zip(codes.z.chunks(codes.latent));
        for (result, (mean, z)) in results.iter_mut().zip(rows) {
            *result = mean.iter().zip(z).map(|(mean, z)| mean * z).sum();
        }
    }

    fn backward(
        &self,
        codes: CodeInputs<'_>,
        _: &[f32],
        dresults: &[f32],
        gradients: CodeGradients<'_>,
        _: &mut [f32],
    ) {
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
fn gradients_of_points<B: Execute<Device = Cpu>>(values: &[f32]) -> [Vec<f32>; 3] {
    let device = Cpu::default();
    let shape = (Batch(values.len() / 2), Latent(2));
    let z = Array::<_, B>::new(&device, values.to_vec().into(), shape).unwrap();
    let codes = Codes { mean: z.clone(), log_variance: None, z };
    let of_batch = B::code_gradients(&Means { critic: vec![0.3, -0.2] }, &codes).unwrap();
    let shared = B::leaf(&Array::<_, B>::new(&device, vec![1.0, 2.0].into(), (Own(2),)).unwrap()).unwrap();
    let (term, tape) = B::code_term(&Product, &codes, &shared, OwnedTape::default()).unwrap().split_tape();
    let total = B::total::<Batch, Latent, _>(vec![(term, RowWeight::Same(1.0))], Vec::new(), tape).unwrap();
    let of_term = B::gradient_of(&mut B::backward(total).unwrap(), &codes.z).unwrap();
    [of_batch.mean.to_vec(), of_batch.z.to_vec(), of_term.to_vec()]
}

#[test]
fn the_gradients_of_the_codes_of_a_plain_autoencoder() {
    let values = [0.5, -1.0, 2.0, 0.25, -0.75, 1.5];
    let means = [[0.5 + 2.0 - 0.75, -1.0 + 0.25 + 1.5]; 3].concat().into_iter().map(|sum: f32| sum / 3.0);
    let of_mean: Vec<f32> = means.clone().map(|mean| mean / 3.0).collect();
    let of_z: Vec<f32> =
        means.zip([0.3, -0.2].into_iter().cycle()).map(|(mean, critic)| (0.8 * mean + critic) / 3.0).collect();
    let expected = [of_mean, of_z, values.map(|value| 2.0 * value).to_vec()];
    for found in [gradients_of_points::<Host>(&values), gradients_of_points::<Portable<Cpu>>(&values)] {
        for (found, expected) in found.iter().zip(&expected) {
            let is_near = |(found, expected): (&f32, &f32)| (found - expected).abs() < 1e-6;
            assert!(found.len() == 6 && found.iter().zip(expected).all(is_near), "{found:?}, not {expected:?}");
        }
    }
}
