//! An objective that uses what no objective of a spec uses, for tests.

use dfdx::shapes::Axis;
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{Device, MeanTo, SumTo, TryAdd, TryMul, TryStack};
use std::sync::Arc;
use vaex::model::layer::Dense;
use vaex::model::parameters::{Initial, Module};
use vaex::objective::{
    At, BatchCodes, CodeParts, Coupled, Draws, Loss, MeanTerms, Objective, Owned, RowTerms, RowWeights, Scheduled,
    Weights,
};
use vaex::optimizer::{Learn, OPTIMIZERS, Rule};
use vaex::settings::Keys;
use vaex::tensor::backend::{
    Activation, BatchTerms, CodeGradients, CodeInputs, CodeOperation, Codes, Combine, DeviceError, Parameter,
    RowGradients, RowInputs, RowOperation, RowWeight,
};
use vaex::tensor::dims::{Batch, Const, Dim, Latent, Own};

/// An objective that uses what no objective of a spec uses: weights of images, other weights for the path through the code, and
/// parameters with their own optimizer. make_batches.py has the same in PyTorch.
#[derive(Clone, Debug)]
pub(crate) struct Probe;

impl Loss for Probe {
    fn weights(&self, _: At) -> Weights {
        Weights { scale: 1.0, beta: 0.3 }
    }

    fn loss(&self, terms: MeanTerms<'_>, _: At) -> f64 {
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
            if matches!(visit.initial, Initial::Drawn(fans) if !fans.is_bias) {
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
        _: &B::Device,
        own: &Self::Own<B>,
        BatchCodes { own: codes, .. }: BatchCodes<'_, B>,
        _: At,
        _: Draws,
    ) -> Result<Option<Coupled<B>>, DeviceError> {
        let BatchTerms { terms, codes: Codes { mean, log_variance, z }, .. } =
            B::code_gradients(&Means, codes, None::<&Parameter<(Own,), B>>)?;
        // The critic's mean.
        let batch = codes.z.shape().0;
        let said = own.module.forward(codes.z.clone().put_tape(Default::default()))?;
        let (said, tape) = said.relabel((batch,))?.split_tape();
        let weight = RowWeight::Same(1.0 / batch.0 as f32);
        let total = B::total(vec![(said, weight)], vec![(codes.z.clone(), z)], tape)?;
        let z = B::gradient_of(&mut B::backward(total)?, &codes.z)?;
        let gradients = CodeParts { mean: Some(mean), log_variance, z: Some(z) };
        Ok(Some(Coupled { gradients, prior: None, terms, kl_weight: None }))
    }

    fn train_own<B: Learn + Combine>(
        &self,
        own: &mut Self::Own<B>,
        pool: &rayon::ThreadPool,
        BatchCodes { own: codes, .. }: BatchCodes<'_, B>,
        _: Draws,
    ) -> Result<(), DeviceError> {
        let batch = codes.z.shape().0;
        let said = own.module.forward(codes.z.clone().put_tape(Default::default()))?;
        let (said, tape) = said.relabel((batch,))?.split_tape();
        let weight = RowWeight::Same(1.0 / batch.0 as f32);
        let total = B::total::<Batch, Latent, _>(vec![(said, weight)], Vec::new(), tape)?;
        own.update(pool, B::backward(total)?)
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
        Ok(RowWeights { recon: RowWeight::Each(recon), kl: RowWeight::Each(kl), path, prior: None })
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

/// Squares of means over the batch: of the means, of the samples, and of all log-variances.
pub(crate) struct Means;

impl CodeOperation for Means {
    fn weights(&self) -> Vec<f32> {
        vec![0.5, 0.4, 0.1]
    }

    fn gradients(&self, codes: CodeInputs<'_>, gradients: CodeGradients<'_>) -> Vec<f64> {
        let images = codes.z.len() / codes.latent;
        let mean_of =
            |values: &[f32], axis: usize| values.iter().skip(axis).step_by(codes.latent).sum::<f32>() / images as f32;
        let all = (0..codes.latent).map(|axis| mean_of(codes.log_variance, axis)).sum::<f32>();
        let mut squares = [0.0, 0.0, f64::from(all * all)];
        for axis in 0..codes.latent {
            let (mean, z) = (mean_of(codes.mean, axis), mean_of(codes.z, axis));
            squares[0] += f64::from(mean * mean);
            squares[1] += f64::from(z * z);
            for image in 0..images {
                let place = image * codes.latent + axis;
                gradients.mean[place] += mean / images as f32;
                // A plain autoencoder has none.
                if let Some(gradient) = gradients.log_variance.get_mut(place) {
                    *gradient += 0.2 * all / images as f32;
                }
                gradients.z[place] += 0.8 * z / images as f32;
            }
        }
        squares.into()
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        log_variance: Option<Tensor<(usize, usize), f32, D, T>>,
        z: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let square = |of_axes: Tensor<(usize,), f32, D, T>| -> Result<Tensor<(), f32, D, T>, D::Err> {
            of_axes.try_square()?.try_sum()
        };
        let of_mean = square(mean.try_mean::<_, Axis<0>>()?)?;
        let of_z = square(z.try_mean::<_, Axis<0>>()?)?;
        let all: Tensor<(), f32, D, T> = match log_variance {
            Some(log_variance) => {
                let all: Tensor<(usize,), f32, D, T> = log_variance.try_mean::<_, Axis<0>>()?;
                let all: Tensor<(), f32, D, T> = all.try_sum()?;
                all.try_square()?
            }
            None => of_mean.with_empty_tape().try_mul(0.0)?,
        };
        vec![of_mean, of_z, all].try_stack()
    }
}
