//! Training on a card: the images stay there, and the terms of many steps come back together.

use super::measure::Sums;
use super::report::{HostTerms, MicroBatch, Report};
use crate::data::{Draws, Element, Images, PixelMap, ValuesRef};
use crate::metrics::Split;
use crate::objective::Loss;
use crate::random::Purpose;
use crate::tensor::backend::{Array, Card, DeviceError, Memory, OnCard, Word};
use crate::tensor::dims::{Batch, Latent, Values};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

/// How many terms of one kind are kept on the card.
const SLOTS: usize = 64;

/// The bytes of images that are copied to the card at a time.
const PIECE: usize = 16 << 20;

/// What stays on the card while a model is trained.
#[derive(Debug, Default)]
pub struct Resident {
    /// The images of each split; `None` if they do not fit.
    images: RefCell<BTreeMap<Split, Option<Rc<Memory>>>>,
    rings: Rc<Rings>,
}

impl Resident {
    /// The images of a split; `None` if they do not fit.
    fn images(&self, card: &Card, images: &Images, split: Split) -> Result<Option<Rc<Memory>>, DeviceError> {
        if let Some(found) = self.images.borrow().get(&split) {
            return Ok(found.clone());
        }
        let bytes = images.bytes();
        // As much again stays free for the model. Another process may take what was free a moment ago.
        let fits = bytes <= card.free()? / 2;
        let memory = match fits.then(|| card.bytes(bytes)) {
            None | Some(Err(DeviceError::OutOfMemory(_))) => None,
            Some(memory) => Some(memory?),
        };
        if let Some(memory) = &memory {
            let (mut piece, mut first, mut scratch) = (Vec::new(), 0, Vec::new());
            for index in 0..images.len() {
                match images.image(index, &mut scratch) {
                    ValuesRef::U8(bytes) => piece.extend_from_slice(bytes),
                    ValuesRef::F32(floats) => piece.extend(floats.iter().flat_map(|value| value.to_ne_bytes())),
                }
                if piece.len() >= PIECE || index + 1 == images.len() {
                    let length = piece.len();
                    card.upload_bytes(memory, first, std::mem::take(&mut piece))?;
                    card.flush()?;
                    first += length;
                }
            }
        }
        self.images.borrow_mut().insert(split, memory.clone());
        Ok(memory)
    }
}

/// Computes the values of images on the card from what is stored there.
fn mapped(
    card: &Card,
    memory: &Memory,
    (images, indices): (&Images, &[u32]),
    pixels: &PixelMap,
    (split, epoch): (Split, u64),
) -> Result<Array<(Batch, Values), OnCard>, DeviceError> {
    let shape = images.shape();
    let values = shape.values();
    let out = card.floats(indices.len() * values)?;
    let Draws { mapping, address, flips } = pixels.draws(split, epoch);
    let ([low, high], [black, white]) = (pixels.range.map(f64::from), pixels.stored);
    let numbers: Vec<u8> = [low, high, black, white].iter().flat_map(|number| number.to_ne_bytes()).collect();
    let (seed, purpose, of_draws) = address.map_or((0, 0, 0), |(seed, purpose, epoch)| (seed, purpose as u64, epoch));
    let of_flips = flips.map_or(0, |_| Purpose::Flip as u64);
    let (indices_at, numbers) = (card.indices(indices)?, card.numbers(&numbers)?);
    let epochs = card.whole_numbers(&[of_draws, epoch])?;
    let is_float = images.element() == Element::Float;
    let words = [
        Word::At(memory),
        Word::Address(indices_at),
        Word::At(&out),
        Word::Address(numbers),
        Word::Count(indices.len()),
        Word::Count(shape.height),
        Word::Count(shape.width),
        Word::Count(shape.channels),
        Word::Count(usize::from(is_float)),
        Word::Count(mapping as usize),
        Word::Address(epochs),
        Word::Address(seed),
        Word::Address(purpose),
        Word::Address(flips.unwrap_or_default()),
        Word::Address(of_flips),
    ];
    card.each("images", indices.len() * values.div_ceil(32), &words)?;
    Ok(Array::of_card(out, (Batch(indices.len()), Values(values))))
}

/// The places of the terms of each kind.
#[derive(Debug, Default)]
struct Rings(RefCell<BTreeMap<Term, Ring>>);

/// A kind of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Term {
    Recon,
    Kl,
    Mean,
    LogVariance,
}

/// Places for terms of one kind, in turn. A place is free again when its slot is dropped.
#[derive(Debug)]
struct Ring {
    memory: Rc<Memory>,
    /// Floats of a place.
    stride: usize,
    next: usize,
    taken: Vec<Rc<()>>,
}

/// Terms that wait on the card.
struct Slot {
    memory: Rc<Memory>,
    first: usize,
    count: usize,
    /// The place is taken as long as this exists.
    _taken: Rc<()>,
}

impl Slot {
    fn of(self, down: &BTreeMap<u64, Vec<f32>>) -> Result<Vec<f32>, DeviceError> {
        let values = down.get(&self.memory.address()).and_then(|all| all.get(self.first..self.first + self.count));
        values.map(<[f32]>::to_vec).ok_or_else(|| DeviceError::new("terms of a step were not copied"))
    }
}

impl Rings {
    /// Keeps terms until they are copied to the host.
    fn keep(&self, term: Term, values: &Memory, count: usize) -> Result<Slot, DeviceError> {
        let (card, mut rings) = (values.card(), self.0.borrow_mut());
        let is_usable = |ring: &Ring| ring.stride >= count && Rc::strong_count(&ring.taken[ring.next]) == 1;
        if !rings.get(&term).is_some_and(is_usable) {
            // Larger terms, or more of them: slots of the ring so far keep its memory.
            let memory = card.floats(SLOTS * count)?;
            let taken = (0..SLOTS).map(|_| Rc::default()).collect();
            rings.insert(term, Ring { memory, stride: count, next: 0, taken });
        }
        let ring = rings.get_mut(&term).ok_or_else(|| DeviceError::new("a ring is missing"))?;
        let (place, taken) = (ring.next, ring.taken[ring.next].clone());
        ring.next = (place + 1) % SLOTS;
        let at = card.indices(&[place as u32])?;
        let sizes = [count, ring.stride].map(Word::Count);
        let words = [Word::At(values), Word::At(&ring.memory), Word::Address(at)];
        card.each("keep", count, &[&words[..], &sizes].concat())?;
        Ok(Slot { memory: ring.memory.clone(), first: place * ring.stride, count, _taken: taken })
    }
}

/// The terms of a micro-batch that wait on the card.
struct Waiting {
    recon_nats: Slot,
    kl_nats: Option<Slot>,
    is_prior_learned: bool,
    mean: Slot,
    log_variance: Option<Slot>,
}

/// The terms of the micro-batches of a step, or why they could not be kept.
pub struct Kept {
    rings: Rc<Rings>,
    terms: Vec<Result<Waiting, DeviceError>>,
}

impl Kept {
    fn keep(&self, terms: &MicroBatch<'_, OnCard>) -> Result<Waiting, DeviceError> {
        let rows = |term, array: &Array<(Batch,), OnCard>| self.rings.keep(term, array.memory(), array.shape().0.0);
        let codes = |term, array: &Array<(Batch, Latent), OnCard>| {
            self.rings.keep(term, array.memory(), array.shape().0.0 * array.shape().1.0)
        };
        Ok(Waiting {
            recon_nats: rows(Term::Recon, terms.recon_nats)?,
            kl_nats: terms.kl_nats.map(|nats| rows(Term::Kl, nats)).transpose()?,
            is_prior_learned: terms.is_prior_learned,
            mean: codes(Term::Mean, terms.mean)?,
            log_variance: terms.log_variance.map(|one| codes(Term::LogVariance, one)).transpose()?,
        })
    }
}

impl Report for OnCard {
    type Report = Kept;

    type Resident = Resident;

    const REPORT_STEPS: usize = 32;

    fn no_report(_: usize, resident: &Resident) -> Kept {
        Kept { rings: resident.rings.clone(), terms: Vec::new() }
    }

    fn report(report: &mut Kept, _: &dyn Loss, terms: MicroBatch<'_, Self>) {
        let kept = report.keep(&terms);
        report.terms.push(kept);
    }

    fn collect(objective: &dyn Loss, latent: usize, steps: Vec<Vec<Kept>>) -> Result<Vec<Sums>, DeviceError> {
        let mut of_steps = Vec::new();
        for step in steps {
            of_steps.push(step.into_iter().flat_map(|kept| kept.terms).collect::<Result<Vec<Waiting>, _>>()?);
        }
        // One copy for each ring, whatever the number of steps.
        let mut down = BTreeMap::new();
        for waiting in of_steps.iter().flatten() {
            let Waiting { recon_nats, kl_nats, mean, log_variance, .. } = waiting;
            for slot in [recon_nats, mean].into_iter().chain(kl_nats).chain(log_variance) {
                let memory = &slot.memory;
                if let Entry::Vacant(entry) = down.entry(memory.address()) {
                    entry.insert(memory.card().download(memory, memory.floats())?);
                }
            }
        }
        let mut all = Vec::new();
        for step in of_steps {
            let mut sums = Sums::new(Split::Train, latent);
            for Waiting { recon_nats, kl_nats, is_prior_learned, mean, log_variance } in step {
                let optional = |slot: Option<Slot>| slot.map_or_else(|| Ok(Vec::new()), |slot| slot.of(&down));
                let terms = HostTerms {
                    recon_nats: &recon_nats.of(&down)?,
                    kl_nats: &optional(kl_nats)?,
                    is_prior_learned,
                    mean: &mean.of(&down)?,
                    log_variance: &optional(log_variance)?,
                };
                terms.measure(objective, latent, &mut sums);
            }
            all.push(sums);
        }
        Ok(all)
    }

    fn images(
        card: &Card,
        resident: &Resident,
        pixels: &PixelMap,
        (images, indices): (&Images, &[u32]),
        (split, epoch): (Split, u64),
    ) -> Result<Option<Array<(Batch, Values), Self>>, DeviceError> {
        let Some(memory) = resident.images(card, images, split)? else { return Ok(None) };
        mapped(card, &memory, (images, indices), pixels, (split, epoch)).map(Some)
    }
}
