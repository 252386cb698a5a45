//! A card without a GPU: the kernels, compiled for the host from the same source, products of matrices as loops, and counts of what
//! is done.

#![allow(unsafe_code)]

use libloading::{Library, Symbol};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command as Process;
use std::rc::Rc;
use std::sync::OnceLock;
use vaex::tensor::backend::{Address, Card, Command, DeviceError, Driver, Graph, Precision, Product, WORDS};

/// What a card has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Reservations of memory.
    pub(crate) reserved: usize,
    /// Kernels and products.
    pub(crate) launched: usize,
    /// Copies to the card, and their bytes.
    pub(crate) uploads: usize,
    pub(crate) bytes_up: usize,
    /// Copies from the card.
    pub(crate) downloads: usize,
    /// Graphs that were made, and how often one was started.
    pub(crate) graphs: usize,
    pub(crate) repeated: usize,
}

type Order = unsafe extern "C" fn(bool);
type Kernel = unsafe extern "C" fn(*const [u64; WORDS], u32);

fn kernels() -> &'static Library {
    static KERNELS: OnceLock<Library> = OnceLock::new();
    KERNELS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("kernels.so");
        let source = Path::new("src/tensor/backend/card/kernels/kernels.cu");
        let options =
            ["-std=c++17", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-x", "c++"];
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
        let output = Process::new(&compiler).args(options).arg(source).arg("-o").arg(&library).output();
        let output =
            output.unwrap_or_else(|error| panic!("{compiler}: {error}; these tests need a C++ compiler (CXX)"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        unsafe { Library::new(&library) }.unwrap()
    })
}

/// A card: an emulated one, or the first GPU if VAEX_TEST_GPU is set, as tests/cuda.sh run does.
pub(crate) fn card() -> Card {
    #[cfg(feature = "cuda")]
    if std::env::var_os("VAEX_TEST_GPU").is_some() {
        return Card::new(Box::new(vaex::tensor::backend::Cuda::new(Precision::F32).unwrap()));
    }
    Emulated::card().0
}

/// The emulated card.
#[derive(Clone, Debug, Default)]
pub(crate) struct Emulated(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    memory: BTreeMap<Address, Vec<u128>>,
    /// The bytes that there are; `None` without a limit.
    size: Option<usize>,
    precision: Precision,
    /// Whether the threads of a block run from the last to the first one.
    is_backward: bool,
    /// The number of the copy to the host that fails.
    failing: Option<usize>,
    /// Whether no graph can be made.
    has_no_graphs: bool,
    counts: Counts,
}

impl Emulated {
    /// The card, and what it does.
    pub(crate) fn card() -> (Card, Emulated) {
        let emulated = Emulated::default();
        (Card::new(Box::new(emulated.clone())), emulated)
    }

    /// A card with some bytes of memory.
    pub(crate) fn of_size(bytes: usize) -> (Card, Emulated) {
        let emulated = Emulated::default();
        emulated.0.borrow_mut().size = Some(bytes);
        (Card::new(Box::new(emulated.clone())), emulated)
    }

    /// A card of a precision. With TF32 it leaves all products of matrices to its library, which here has single precision too.
    pub(crate) fn of_precision(precision: Precision) -> (Card, Emulated) {
        let emulated = Emulated::default();
        emulated.0.borrow_mut().precision = precision;
        (Card::new(Box::new(emulated.clone())), emulated)
    }

    /// A card whose threads of a block run from the last to the first one.
    pub(crate) fn backward() -> Card {
        let emulated = Emulated::default();
        emulated.0.borrow_mut().is_backward = true;
        Card::new(Box::new(emulated))
    }

    /// A card that cannot make graphs.
    pub(crate) fn without_graphs() -> Card {
        let emulated = Emulated::default();
        emulated.0.borrow_mut().has_no_graphs = true;
        Card::new(Box::new(emulated))
    }

    /// Lets the copy to the host with this number fail.
    pub(crate) fn fail(&self, number: usize) {
        self.0.borrow_mut().failing = Some(number);
    }

    /// The bytes that are reserved.
    pub(crate) fn bytes(&self) -> usize {
        self.0.borrow().memory.values().map(|memory| 16 * memory.len()).sum()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.borrow().counts
    }

    fn perform(&self, command: &Command) {
        match command {
            Command::Kernel { name, blocks, words } => {
                let symbol = format!("vaex_{name}");
                let backward: Symbol<'_, Order> = unsafe { kernels().get("vaex_backward") }.unwrap();
                let kernel: Symbol<'_, Kernel> = unsafe { kernels().get(symbol.as_bytes()) }.expect(&symbol);
                unsafe { backward(self.0.borrow().is_backward) };
                unsafe { kernel(words, *blocks) };
            }
            Command::Product(product) => multiply(product),
            Command::Copy { from, to, bytes } => unsafe {
                std::ptr::copy(*from as *const u8, *to as *mut u8, *bytes);
            },
            Command::Upload { to, bytes } => unsafe {
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), *to as *mut u8, bytes.len());
            },
        }
    }
}

fn multiply(product: &Product) {
    let Product { rows, columns, inner, a: (a, a_is_turned), b: (b, b_is_turned), c, adds } = *product;
    let [a, b] = [(a, rows * inner), (b, inner * columns)]
        .map(|(address, length)| unsafe { std::slice::from_raw_parts(address as *const f32, length) });
    let c = unsafe { std::slice::from_raw_parts_mut(c as *mut f32, rows * columns) };
    let a = |row: usize, k: usize| if a_is_turned { a[k * rows + row] } else { a[row * inner + k] };
    let mut sums = vec![0.0f32; columns];
    for row in 0..rows {
        sums.fill(0.0);
        for k in 0..inner {
            let factor = a(row, k);
            if b_is_turned {
                sums.iter_mut().enumerate().for_each(|(column, sum)| *sum += factor * b[column * inner + k]);
            } else {
                sums.iter_mut().zip(&b[k * columns..]).for_each(|(sum, b)| *sum += factor * b);
            }
        }
        let into = &mut c[row * columns..(row + 1) * columns];
        into.iter_mut().zip(&sums).for_each(|(c, sum)| *c = if adds { *c + sum } else { *sum });
    }
}

impl Driver for Emulated {
    fn precision(&self) -> Precision {
        self.0.borrow().precision
    }

    fn reserve(&self, bytes: usize) -> Result<Address, DeviceError> {
        if self.0.borrow().size.is_some_and(|size| self.bytes() + bytes > size) {
            return Err(DeviceError::OutOfMemory(format!("out of memory: {bytes} bytes")));
        }
        // What was not written is not a number.
        let memory = vec![u128::MAX; bytes.div_ceil(16)];
        let (address, mut state) = (memory.as_ptr() as Address, self.0.borrow_mut());
        state.memory.insert(address, memory);
        state.counts.reserved += 1;
        Ok(address)
    }

    fn free(&self) -> Result<usize, DeviceError> {
        Ok(self.0.borrow().size.map_or(1 << 40, |size| size - self.bytes()))
    }

    fn give_back(&self, address: Address) {
        self.0.borrow_mut().memory.remove(&address);
    }

    fn run(&self, commands: &[Command]) -> Result<(), DeviceError> {
        for command in commands {
            self.perform(command);
            let counts = &mut self.0.borrow_mut().counts;
            match command {
                Command::Upload { bytes, .. } => {
                    counts.uploads += 1;
                    counts.bytes_up += bytes.len();
                }
                Command::Kernel { .. } | Command::Product(_) => counts.launched += 1,
                Command::Copy { .. } => {}
            }
        }
        Ok(())
    }

    fn graph(&self, commands: &[Command]) -> Result<Box<dyn Graph>, DeviceError> {
        if self.0.borrow().has_no_graphs {
            return Err(DeviceError::OutOfMemory("no memory for a graph".to_owned()));
        }
        self.0.borrow_mut().counts.graphs += 1;
        Ok(Box::new(List { card: self.clone(), commands: commands.to_vec() }))
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.0.borrow_mut().counts.downloads += 1;
        if self.0.borrow().failing == Some(self.0.borrow().counts.downloads) {
            return Err(DeviceError::new("a copy failed"));
        }
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }
}

#[derive(Debug)]
struct List {
    card: Emulated,
    commands: Vec<Command>,
}

impl Graph for List {
    fn launch(&self) -> Result<(), DeviceError> {
        self.commands.iter().for_each(|command| self.card.perform(command));
        self.card.0.borrow_mut().counts.repeated += 1;
        Ok(())
    }
}
