//! What a card can do: hold memory, copy, run kernels and products of matrices, and repeat a list of them as one graph.

use crate::tensor::backend::DeviceError;
use std::fmt;

/// A place in the memory of a card.
pub type Address = u64;

/// The number of words of a kernel.
pub const WORDS: usize = 16;

/// Work for a card. Commands run in their order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// A kernel.
    Kernel {
        /// Its name, without the prefix of its symbol.
        name: &'static str,
        /// The number of blocks.
        blocks: u32,
        /// Pointers, whole numbers and bits of floats.
        words: [u64; WORDS],
    },
    /// A product of matrices.
    Product(Product),
    /// A copy within the card.
    Copy {
        /// From here.
        from: Address,
        /// To here.
        to: Address,
        /// The number of bytes.
        bytes: usize,
    },
    /// A copy to the card.
    Upload {
        /// To here.
        to: Address,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// C = A B, or C += A B, of row-major matrices of floats: C is (rows, columns), A (rows, inner), B (inner, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Product {
    /// Rows of C.
    pub rows: usize,
    /// Columns of C.
    pub columns: usize,
    /// Columns of A.
    pub inner: usize,
    /// A, and whether its transpose is stored: (inner, rows).
    pub a: (Address, bool),
    /// B, and whether its transpose is stored: (columns, inner).
    pub b: (Address, bool),
    /// C.
    pub c: Address,
    /// Whether to add to C.
    pub adds: bool,
}

/// How products of matrices are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// In single precision.
    #[default]
    F32,
    /// With factors whose mantissa is rounded to 10 bits (TF32), summed in single precision.
    Tf32,
}

/// A card as its driver describes it.
#[derive(Clone, Debug)]
pub struct CardInfo {
    /// The name.
    pub name: String,
    /// The compute capability.
    pub capability: (i32, i32),
    /// Bytes of memory.
    pub memory: usize,
}

/// A card.
pub trait Driver: fmt::Debug {
    /// How products of matrices are computed.
    fn precision(&self) -> Precision;

    /// Reserves memory, aligned to 256 bytes.
    ///
    /// # Errors
    /// The card is out of memory, or failed. The same holds for all methods.
    fn reserve(&self, bytes: usize) -> Result<Address, DeviceError>;

    /// Gives memory back, once all commands so far have ended.
    fn give_back(&self, address: Address);

    /// The bytes that are free.
    fn free(&self) -> Result<usize, DeviceError>;

    /// Starts commands; does not wait for their end.
    fn run(&self, commands: &[Command]) -> Result<(), DeviceError>;

    /// Makes a graph of commands, none of which is an upload.
    fn graph(&self, commands: &[Command]) -> Result<Box<dyn Graph>, DeviceError>;

    /// Copies bytes from the card, after all commands so far.
    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError>;
}

/// A list of commands that a card can repeat.
pub trait Graph: fmt::Debug {
    /// Starts them; does not wait for their end.
    ///
    /// # Errors
    /// The card failed.
    fn launch(&self) -> Result<(), DeviceError>;
}

/// The cards that this process may use, and the version of their driver (13000 for CUDA 13.0).
///
/// # Errors
/// There is none: one sentence.
#[cfg(not(feature = "cuda"))]
pub fn cards() -> Result<(Vec<CardInfo>, i32), String> {
    Err("this vaex was built without CUDA; build it with `cargo build --release --features cuda`".to_owned())
}

/// The variable that says which cards a process may use.
pub const VISIBLE_DEVICES: &str = "CUDA_VISIBLE_DEVICES";

/// What [`VISIBLE_DEVICES`] must say for a process to use one card only, for each of some cards; `named` is what it says now.
pub fn visible(named: Option<&str>, cards: usize) -> Vec<String> {
    match named {
        // The driver takes those before the first wrong name.
        Some(named) => named.split(',').take(cards).map(|name| name.trim().to_owned()).collect(),
        None => (0..cards).map(|number| number.to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_card_has_a_name() {
        assert_eq!(visible(None, 2), ["0", "1"]);
        assert_eq!(visible(Some("3, GPU-5ebe9f43,9"), 2), ["3", "GPU-5ebe9f43"]);
    }
}
