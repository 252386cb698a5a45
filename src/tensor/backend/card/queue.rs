//! The commands of a card. They are collected and start together: a list that repeats, as that of a step of training does, becomes one
//! graph.

use super::driver::{Address, Command, Driver, Graph, Precision, Product, WORDS};
use super::pool::Pool;
use crate::tensor::backend::DeviceError;
use crate::text::grouped;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

/// Bytes of a place for numbers that change from step to step.
const NUMBERS: usize = 1 << 20;
/// Commands that are collected before they start.
const COMMANDS: usize = 4096;
/// The number of different lists that are remembered.
const LISTS: usize = 32;
/// Threads of a block.
const BLOCK: usize = 256;
/// The most elements of such a kernel.
const ELEMENTS: usize = 1 << 31;
/// The most blocks of a kernel whose threads share the elements.
const MOST_BLOCKS: usize = 4096;

/// A card. Clones are the same card.
#[derive(Clone)]
pub struct Card(Rc<Queue>);

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.driver.fmt(f)
    }
}

struct Queue {
    driver: Box<dyn Driver>,
    pool: RefCell<Pool>,
    commands: RefCell<Vec<Command>>,
    /// The numbers of the commands since the last [`Card::flush`].
    numbers: RefCell<Vec<Numbers>>,
    lists: RefCell<HashMap<u64, List>>,
    flushes: Cell<u64>,
    passes: Cell<u64>,
    /// An error that could not be returned yet.
    error: RefCell<Option<DeviceError>>,
}

/// Numbers that commands read.
struct Numbers {
    /// Their place on the card.
    at: Address,
    /// The bytes of the place.
    size: usize,
    bytes: Vec<u8>,
}

/// A list of commands that ran before.
struct List {
    commands: Vec<Command>,
    graph: Repeats,
    last_used: u64,
}

/// How a list is repeated.
enum Repeats {
    /// It ran once.
    NotYet,
    AsGraph(Box<dyn Graph>),
    /// No graph could be made, for example because there is no memory for it.
    AsCommands,
}

impl Drop for Queue {
    fn drop(&mut self) {
        let (pool, numbers) = (self.pool.borrow(), self.numbers.borrow());
        pool.all().chain(numbers.iter().map(|one| one.at)).for_each(|address| self.driver.give_back(address));
    }
}

/// Memory that its owner may read and write. It is free again when it is dropped; commands that are queued then still run before
/// those that reuse it.
#[derive(Debug)]
pub struct Memory {
    card: Card,
    address: Address,
    size: usize,
}

impl Memory {
    /// Its card.
    pub(crate) fn card(&self) -> &Card {
        &self.card
    }

    /// The floats that it has room for.
    pub(crate) fn floats(&self) -> usize {
        self.size / size_of::<f32>()
    }

    /// Its place.
    pub(crate) fn address(&self) -> Address {
        self.address
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.card.0.pool.borrow_mut().put(self.address, self.size);
    }
}

/// The words of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Word<'a> {
    /// The address of an array.
    At(&'a Memory),
    /// An address.
    Address(Address),
    /// A whole number.
    Count(usize),
    /// A float.
    Number(f32),
}

impl Word<'_> {
    fn bits(self) -> u64 {
        match self {
            Word::At(memory) => memory.address(),
            Word::Address(address) => address,
            Word::Count(count) => count as u64,
            Word::Number(number) => u64::from(number.to_bits()),
        }
    }
}

impl Card {
    /// A card by its driver.
    pub fn new(driver: Box<dyn Driver>) -> Card {
        Card(Rc::new(Queue {
            driver,
            pool: RefCell::default(),
            commands: RefCell::default(),
            numbers: RefCell::default(),
            lists: RefCell::default(),
            flushes: Cell::new(0),
            passes: Cell::new(0),
            error: RefCell::default(),
        }))
    }

    /// Memory for some floats, with any content.
    pub(crate) fn floats(&self, count: usize) -> Result<Rc<Memory>, DeviceError> {
        self.bytes(count * size_of::<f32>())
    }

    /// Memory for some bytes, with any content.
    pub(crate) fn bytes(&self, bytes: usize) -> Result<Rc<Memory>, DeviceError> {
        let size = Pool::size_of(bytes);
        let found = self.0.pool.borrow_mut().take(size);
        let address = match found {
            Some(address) => address,
            None => {
                let address = self.0.driver.reserve(size).or_else(|error| {
                    // What is free in other sizes may be enough.
                    self.start()?;
                    let free = self.0.pool.borrow_mut().clear();
                    free.iter().for_each(|address| self.0.driver.give_back(*address));
                    if free.is_empty() { Err(error) } else { self.0.driver.reserve(size) }
                })?;
                self.0.pool.borrow_mut().add(address);
                address
            }
        };
        Ok(Rc::new(Memory { card: self.clone(), address, size }))
    }

    /// The bytes that are free.
    pub(crate) fn free(&self) -> Result<usize, DeviceError> {
        self.0.driver.free()
    }

    /// Floats of one value.
    pub(crate) fn filled(&self, length: usize, value: f32) -> Result<Rc<Memory>, DeviceError> {
        let memory = self.floats(length)?;
        self.each("fill", length, &[Word::At(&memory), Word::Count(length), Word::Number(value)])?;
        Ok(memory)
    }

    /// Floats with these values.
    pub(crate) fn uploaded(&self, values: &[f32]) -> Result<Rc<Memory>, DeviceError> {
        let memory = self.floats(values.len())?;
        self.upload(&memory, values)?;
        Ok(memory)
    }

    /// Sets floats.
    pub(crate) fn upload(&self, memory: &Memory, values: &[f32]) -> Result<(), DeviceError> {
        if values.is_empty() {
            return Ok(());
        }
        let bytes = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        self.push(Command::Upload { to: memory.address(), bytes })
    }

    /// Sets bytes, from a place on.
    pub(crate) fn upload_bytes(&self, memory: &Memory, first: usize, bytes: Vec<u8>) -> Result<(), DeviceError> {
        self.push(Command::Upload { to: memory.address() + first as u64, bytes })
    }

    /// The values of floats.
    pub(crate) fn download(&self, memory: &Memory, count: usize) -> Result<Vec<f32>, DeviceError> {
        let bytes = self.download_bytes(memory, count * size_of::<f32>())?;
        Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect())
    }

    pub(crate) fn download_bytes(&self, memory: &Memory, count: usize) -> Result<Vec<u8>, DeviceError> {
        let mut bytes = vec![0; count];
        self.flush()?;
        if count > 0 {
            self.0.driver.download(memory.address(), &mut bytes)?;
        }
        Ok(bytes)
    }

    /// Numbers for the next commands, where kernels can read them. Lists of commands are equal although these numbers differ.
    pub(crate) fn numbers(&self, bytes: &[u8]) -> Result<Address, DeviceError> {
        let mut all = self.0.numbers.borrow_mut();
        let with_room = all.iter().position(|one| one.bytes.len() + bytes.len() <= one.size);
        let index = with_room.unwrap_or(all.len());
        if index == all.len() {
            let size = bytes.len().next_multiple_of(16).max(NUMBERS);
            all.push(Numbers { at: self.0.driver.reserve(size)?, size, bytes: Vec::new() });
        }
        let one = &mut all[index];
        let at = one.at + one.bytes.len() as u64;
        one.bytes.extend(bytes);
        one.bytes.resize(one.bytes.len().next_multiple_of(16), 0);
        Ok(at)
    }

    /// As [`Card::numbers`].
    pub(crate) fn whole_numbers(&self, numbers: &[u64]) -> Result<Address, DeviceError> {
        self.numbers(&numbers.iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<u8>>())
    }

    /// As [`Card::numbers`].
    pub(crate) fn indices(&self, indices: &[u32]) -> Result<Address, DeviceError> {
        self.numbers(&indices.iter().flat_map(|index| index.to_ne_bytes()).collect::<Vec<u8>>())
    }

    /// As [`Card::numbers`].
    pub(crate) fn number(&self, number: f32) -> Result<Address, DeviceError> {
        self.few_numbers(&[number])
    }

    /// As [`Card::numbers`].
    pub(crate) fn few_numbers(&self, numbers: &[f32]) -> Result<Address, DeviceError> {
        self.numbers(&numbers.iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<u8>>())
    }

    /// Checks that kernels can count the elements of an array.
    pub(crate) fn count(&self, elements: usize) -> Result<(), DeviceError> {
        let most = grouped(ELEMENTS as u128);
        let error =
            || DeviceError::new(format!("an array has more than {most} numbers; use a smaller batch or fewer samples"));
        if elements > ELEMENTS { Err(error()) } else { Ok(()) }
    }

    /// How products of matrices are computed.
    pub(crate) fn precision(&self) -> Precision {
        self.0.driver.precision()
    }

    /// A kernel whose threads share `count` elements.
    pub(crate) fn each(&self, name: &'static str, count: usize, words: &[Word<'_>]) -> Result<(), DeviceError> {
        self.count(count)?;
        self.blocks(name, count.div_ceil(BLOCK).min(MOST_BLOCKS), words)
    }

    /// A kernel with some blocks.
    pub(crate) fn blocks(&self, name: &'static str, blocks: usize, words: &[Word<'_>]) -> Result<(), DeviceError> {
        if blocks == 0 {
            return Ok(());
        }
        let mut all = [0; WORDS];
        all.iter_mut().zip(words).for_each(|(word, own)| *word = own.bits());
        let blocks = u32::try_from(blocks).map_err(|_| DeviceError::new("too many blocks for one kernel"))?;
        self.push(Command::Kernel { name, blocks, words: all })
    }

    /// A product of matrices.
    pub(crate) fn product(&self, product: Product) -> Result<(), DeviceError> {
        if product.rows == 0 || product.columns == 0 {
            return Ok(());
        }
        self.push(Command::Product(product))
    }

    /// Copies floats within the card: from a place in one array to a place in another.
    pub(crate) fn copy(
        &self,
        (from, first): (&Memory, usize),
        (to, at): (&Memory, usize),
        count: usize,
    ) -> Result<(), DeviceError> {
        let [first, at, bytes] = [first, at, count].map(|floats| floats * size_of::<f32>());
        if bytes == 0 {
            return Ok(());
        }
        self.push(Command::Copy { from: from.address() + first as u64, to: to.address() + at as u64, bytes })
    }

    fn push(&self, command: Command) -> Result<(), DeviceError> {
        self.0.commands.borrow_mut().push(command);
        if self.0.commands.borrow().len() >= COMMANDS { self.start() } else { Ok(()) }
    }

    /// Starts all commands so far. The places of their numbers may be used again: no command that is queued later may read them.
    ///
    /// # Errors
    /// The card failed.
    pub fn flush(&self) -> Result<(), DeviceError> {
        self.start()?;
        self.0.numbers.borrow_mut().iter_mut().for_each(|one| one.bytes.clear());
        Ok(())
    }

    /// Starts all commands so far, perhaps in the middle of an operation: its numbers stay where they are.
    fn start(&self) -> Result<(), DeviceError> {
        let driver = &self.0.driver;
        self.check()?;
        let commands = self.0.commands.take();
        if commands.is_empty() {
            return Ok(());
        }
        for Numbers { at, bytes, .. } in self.0.numbers.borrow().iter().filter(|one| !one.bytes.is_empty()) {
            driver.run(&[Command::Upload { to: *at, bytes: bytes.clone() }])?;
        }
        if commands.iter().any(|command| matches!(command, Command::Upload { .. })) {
            return driver.run(&commands);
        }
        let mut hasher = DefaultHasher::new();
        commands.hash(&mut hasher);
        let (key, now) = (hasher.finish(), self.0.flushes.get() + 1);
        self.0.flushes.set(now);
        let mut lists = self.0.lists.borrow_mut();
        if let Some(list) = lists.get_mut(&key).filter(|list| list.commands == commands) {
            list.last_used = now;
            if let Repeats::NotYet = list.graph {
                list.graph = driver.graph(&commands).map_or(Repeats::AsCommands, Repeats::AsGraph);
            }
            return match &list.graph {
                Repeats::AsGraph(graph) => graph.launch(),
                _ => driver.run(&commands),
            };
        }
        driver.run(&commands)?;
        if lists.len() >= LISTS
            && let Some(oldest) = lists.iter().min_by_key(|(_, list)| list.last_used).map(|(key, _)| *key)
        {
            lists.remove(&oldest);
        }
        lists.insert(key, List { commands, graph: Repeats::NotYet, last_used: now });
        Ok(())
    }

    /// Returns an error that was kept.
    pub(crate) fn check(&self) -> Result<(), DeviceError> {
        self.0.error.take().map_or(Ok(()), Err)
    }

    /// Keeps an error that cannot be returned now: the next start of commands, or [`Card::check`], returns it.
    pub(crate) fn fail(&self, error: DeviceError) {
        self.0.error.borrow_mut().get_or_insert(error);
    }

    /// Keeps an error, and stands in for values that could not be copied.
    pub(crate) fn failed(&self, error: DeviceError, count: usize) -> Vec<f32> {
        self.fail(error);
        vec![f32::NAN; count]
    }

    /// The error that was kept, or this one.
    pub(crate) fn take_error(&self, other: DeviceError) -> DeviceError {
        self.0.error.take().unwrap_or(other)
    }

    /// The number of the current backward pass.
    pub(crate) fn pass(&self) -> u64 {
        self.0.passes.get()
    }

    /// Begins another backward pass: gradients of earlier ones no longer count.
    pub(crate) fn next_pass(&self) {
        self.0.passes.set(self.0.passes.get() + 1);
    }
}
