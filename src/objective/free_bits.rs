//! Free bits (Kingma et al. 2016, equation 15): a KL below a floor costs nothing more and has no gradient.

use super::Term;
use crate::settings::{Choices, Interval, Key, Keys, Kind};
use crate::tensor::backend::{CodeGradients, CodeInputs, CodeOperation, kl_of_axes};
use crate::tensor::kernels::kl_of_axis;
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::{Device, MeanTo, ReshapeTo, SumTo, TryAdd, TryMul, TrySub};

/// The KL with its floor.
pub(super) static FLOORED_KL_NATS: Term = Term {
    name: "floored_kl_nats",
    title: "KL with its floor (nats per image)",
    unit: "nats",
    doc: "The KL with the floor of `objective.free_bits`, nats per image: mean over the batches.",
};

/// The floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FreeBits {
    nats: f64,
    per: Per,
}

/// What has a floor.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Per {
    Axis,
    Image,
    Total,
}

const FREE_BITS: Key = Key::new("free_bits", "The floor of the KL in nats, for what `free_bits_per` says; 0 for none.")
    .also("free_nats kl_free kl_min min_kl lambda_free")
    .example("0.25");
const FREE_BITS_PER: Key = Key::new("free_bits_per", "What has the floor `free_bits`.")
    .also("free_bits_mode free_bits_group")
    .example("\"total\"");

static AXIS: Kind<Per> = Kind::new(
    "axis",
    "Each latent axis: sum over the axes of max(free_bits, mean KL of the axis over the batch).",
    |_| Per::Axis,
)
.also("dimension dim latent");
static IMAGE: Kind<Per> =
    Kind::new("image", "Each image: mean over the images of max(free_bits, KL of the image).", |_| Per::Image)
        .also("sample");
static TOTAL: Kind<Per> =
    Kind::new("total", "The batch: max(free_bits, mean KL of the batch).", |_| Per::Total).also("batch all");
static PER: Choices<Per> = Choices(&[&AXIS, &IMAGE, &TOTAL]);

impl FreeBits {
    /// Reads its keys; `None` without a floor.
    pub(super) fn read(keys: &mut Keys<'_>) -> Option<FreeBits> {
        let nats = keys.number(FREE_BITS, Interval::NOT_NEGATIVE, 0.0);
        let per = keys.choice(FREE_BITS_PER, &PER, &AXIS);
        let is_used = nats > 0.0 || keys.is_word("objective.free_bits_per", AXIS.word.name);
        let message = || "`objective.free_bits_per` is set, but `objective.free_bits` is 0".to_owned();
        keys.require(is_used, &["objective.free_bits_per"], message, "set `free_bits` to the floor in nats");
        (nats > 0.0).then_some(FreeBits { nats, per })
    }

    /// Whether each latent axis has a floor.
    pub(super) fn is_per_axis(self) -> bool {
        self.per == Per::Axis
    }

    /// The floor of the KL of each image, nats; `None` if something else has one.
    pub(super) fn of_images(self) -> Option<f64> {
        (self.per == Per::Image).then_some(self.nats)
    }

    /// The mean KL of a batch with its floor, and the derivative.
    pub(super) fn of_mean_kl(self, kl_nats: f64) -> [f64; 2] {
        if kl_nats > self.nats { [kl_nats, 1.0] } else { [self.nats, 0.0] }
    }

    /// The term of a batch, with its weight in the loss.
    pub(super) fn term(self, weight: f64) -> Floored {
        Floored { free_bits: self, weight }
    }
}

/// The KL with its floor, and its weight.
pub(super) struct Floored {
    free_bits: FreeBits,
    weight: f64,
}

impl Floored {
    /// For each place of (Images, Latent), the sum that has the floor which counts there.
    fn group(&self, place: usize, latent: usize) -> usize {
        match self.free_bits.per {
            Per::Axis => place % latent,
            Per::Image => place / latent,
            Per::Total => 0,
        }
    }
}

impl CodeOperation for Floored {
    const HAS_SAMPLES: bool = false;

    fn weights(&self) -> Vec<f32> {
        vec![self.weight as f32]
    }

    fn gradients(&self, codes: CodeInputs<'_>, gradients: CodeGradients<'_>) -> Vec<f64> {
        let latent = codes.latent.max(1);
        let images = codes.mean.len() / latent;
        // Groups are averaged over what they have in common: images, or nothing.
        let (groups, share) = match self.free_bits.per {
            Per::Axis => (latent, 1.0),
            Per::Image => (images, 1.0 / images as f64),
            Per::Total => (1, 1.0),
        };
        let per_place = if self.free_bits.per == Per::Image { 1.0 } else { 1.0 / images as f64 };
        let mut nats = vec![0.0; groups];
        for (place, (mean, log_variance)) in codes.mean.iter().zip(codes.log_variance).enumerate() {
            nats[self.group(place, latent)] += kl_of_axis(*mean, *log_variance) * per_place;
        }
        let floor = self.free_bits.nats;
        for (place, (mean, log_variance)) in codes.mean.iter().zip(codes.log_variance).enumerate() {
            if nats[self.group(place, latent)] > floor {
                let weight = (self.weight * share * per_place) as f32;
                gradients.mean[place] += weight * mean;
                gradients.log_variance[place] += weight * 0.5 * log_variance.exp_m1();
            }
        }
        vec![nats.iter().map(|nats| share * nats.max(floor)).sum()]
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        log_variance: Option<Tensor<(usize, usize), f32, D, T>>,
        _: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let images = mean.shape().0 as f32;
        // The objective needs a distribution.
        let Some(log_variance) = log_variance else { return mean.try_square()?.try_sum::<(usize,), Axis<1>>() };
        let nats = kl_of_axes(mean, log_variance)?;
        let sums: Tensor<(usize,), f32, D, T> = match self.free_bits.per {
            Per::Axis => nats.try_mean::<_, Axis<0>>()?,
            Per::Image => nats.try_sum::<_, Axis<1>>()?,
            Per::Total => {
                let total: Tensor<(), f32, D, T> = nats.try_sum()?;
                total.try_mul(1.0 / images)?.try_reshape_like(&(1,))?
            }
        };
        let floor = self.free_bits.nats as f32;
        let floored = sums.try_sub(floor)?.try_relu()?.try_add(floor)?;
        let share = if self.free_bits.per == Per::Image { 1.0 / images } else { 1.0 };
        let total: Tensor<(), f32, D, T> = floored.try_mul(share)?.try_sum()?;
        total.try_reshape_like(&(1,))
    }
}
