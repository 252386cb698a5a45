//! A card by NVIDIA's driver, whose libraries are opened when they are first used: vaex starts without them.
//!
//! The unsafe calls hand addresses to the driver. Those of commands come from [`super::Card`], which keeps the memory as long as commands
//! that use it are queued; kernels stay within the lengths that their words say.

#![allow(unsafe_code)]

use super::{Address, CardInfo, Command, Driver, Graph, Precision, Product};
use crate::machine::nvidia_driver;
use crate::tensor::backend::DeviceError;
use cudarc::cublas::result as cublas;
use cudarc::cublas::sys as blas;
use cudarc::driver::result as driver;
use cudarc::driver::sys;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::fmt;
use std::rc::Rc;

/// The kernels, compiled for compute capabilities 8.0 and 9.0, and as PTX, which the driver compiles for cards of later ones.
static KERNELS: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin")));

/// As the driver reads it.
#[repr(align(64))]
struct Aligned<T: ?Sized>(T);

/// The oldest CUDA and compute capability that the kernels run on.
const OLDEST: (i32, (i32, i32)) = (13_000, (8, 0));

/// The most bytes of uploads whose end is not awaited.
const IN_FLIGHT: usize = 64 << 20;

/// Threads of a block.
const BLOCK: u32 = 256;

/// Memory of the library for products, so that they repeat to the bit and can be part of a graph.
const WORKSPACE: usize = 64 << 20;

/// The cards that this process may use, and the version of the driver (13000 for CUDA 13.0).
///
/// # Errors
/// There is no driver, no card, or one that vaex cannot use: one sentence.
pub fn cards() -> Result<(Vec<CardInfo>, i32), String> {
    if !unsafe { sys::is_culib_present() } {
        return Err("there is no NVIDIA driver: libcuda.so cannot be opened".to_owned());
    }
    let none = "there is no NVIDIA GPU that this process may use (CUDA_VISIBLE_DEVICES may hide it)";
    let said = |error: driver::DriverError| match error.0 {
        sys::CUresult::CUDA_ERROR_NO_DEVICE => none.to_owned(),
        _ => format!("the NVIDIA driver does not work: {}", text(error)),
    };
    driver::init().map_err(said)?;
    let mut version = 0;
    unsafe { sys::cuDriverGetVersion(&mut version) }.result().map_err(said)?;
    if version < OLDEST.0 {
        let (major, minor) = (version / 1000, version % 1000 / 10);
        return Err(format!(
            "the NVIDIA driver is for CUDA {major}.{minor}; vaex needs a driver for CUDA 13.0 or later"
        ));
    }
    let card = |ordinal: i32| -> Result<CardInfo, driver::DriverError> {
        use sys::CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
        };
        let device = driver::device::get(ordinal)?;
        let attribute = |which| unsafe { driver::device::get_attribute(device, which) };
        let capability = (attribute(MAJOR)?, attribute(MINOR)?);
        Ok(CardInfo {
            name: driver::device::get_name(device)?,
            capability,
            memory: unsafe { driver::device::total_mem(device) }?,
        })
    };
    let count = driver::device::get_count().map_err(said)?;
    let cards: Vec<CardInfo> = (0..count).map(card).collect::<Result<_, _>>().map_err(said)?;
    if cards.is_empty() {
        return Err(none.to_owned());
    }
    let old = cards.iter().enumerate().find(|(_, card)| card.capability < OLDEST.1);
    if let Some((number, CardInfo { name, capability: (major, minor), .. })) = old {
        let hint = "CUDA_VISIBLE_DEVICES can hide it";
        return Err(format!(
            "GPU {number}, {name}, has compute capability {major}.{minor}; vaex needs 8.0 or more ({hint})"
        ));
    }
    if !unsafe { blas::is_culib_present() } {
        let where_it_is = "it is part of the CUDA toolkit and of PyTorch; name its folder in LD_LIBRARY_PATH";
        return Err(format!("libcublas.so.13 cannot be opened: {where_it_is}"));
    }
    Ok((cards, version))
}

/// An error of the driver in words.
fn text(error: driver::DriverError) -> String {
    let words = |text: Result<&std::ffi::CStr, _>| {
        text.map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned())
    };
    format!("{} ({})", words(error.error_string()), words(error.error_name()))
}

fn failed(error: driver::DriverError) -> DeviceError {
    match error.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => out_of_memory(None),
        _ => DeviceError::Failed(text(error)),
    }
}

fn product_failed(error: cublas::CublasError) -> DeviceError {
    match error.0 {
        blas::cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED => out_of_memory(None),
        _ => DeviceError::Failed(format!("a product of matrices: {error:?}")),
    }
}

/// Memory of the card.
fn reserved(bytes: usize) -> Result<Address, DeviceError> {
    unsafe { driver::malloc_sync(bytes) }.map_err(|error| match error.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => out_of_memory(Some(bytes)),
        _ => failed(error),
    })
}

/// What is said if some bytes, where their number is known, could not be reserved.
fn out_of_memory(bytes: Option<usize>) -> DeviceError {
    let mb = |bytes: usize| bytes.div_ceil(1 << 20);
    let asked = bytes.map_or("more was needed".to_owned(), |bytes| format!("{} MiB more were needed", mb(bytes)));
    let free = driver::mem_get_info().map_or_else(
        |_| String::new(),
        |(free, all)| format!(", but only {} of its {} MiB are free", mb(free), mb(all)),
    );
    let advice = "use a smaller batch, or fewer trials at a time on it";
    DeviceError::OutOfMemory(format!("the GPU is out of memory: {asked}{free}; {advice}"))
}

/// A card by NVIDIA's driver. It stays on the thread that made it.
#[derive(Clone)]
pub struct Cuda(Rc<State>);

struct State {
    name: String,
    precision: Precision,
    /// The version of CUDA that the driver is for.
    cuda: i32,
    stream: sys::CUstream,
    module: sys::CUmodule,
    kernels: RefCell<HashMap<&'static str, sys::CUfunction>>,
    products: blas::cublasHandle_t,
    /// The version of the library for products.
    library: i32,
    /// Uploads that may not have ended: the driver may read the bytes until then.
    uploads: RefCell<Vec<Vec<u8>>>,
}

impl fmt::Debug for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

impl Cuda {
    /// The first card.
    ///
    /// # Errors
    /// There is none, or a library is missing: one sentence.
    pub fn new(precision: Precision) -> Result<Cuda, String> {
        let (cards, cuda) = cards()?;
        let name = cards.into_iter().next().map(|card| card.name).unwrap_or_default();
        let failed = |error| failed(error).to_string();
        let product_failed = |error| product_failed(error).to_string();
        let device = driver::device::get(0).map_err(failed)?;
        unsafe {
            let context = driver::primary_ctx::retain(device).map_err(failed)?;
            driver::ctx::set_current(context).map_err(failed)?;
            let stream = driver::stream::create(driver::stream::StreamKind::NonBlocking).map_err(failed)?;
            let module = driver::module::load_data(KERNELS.0.as_ptr().cast()).map_err(failed)?;
            let products = cublas::create_handle().map_err(product_failed)?;
            cublas::set_stream(products, stream.cast()).map_err(product_failed)?;
            let workspace = reserved(WORKSPACE).map_err(|error| error.to_string())?;
            blas::cublasSetWorkspace_v2(products, workspace as *mut c_void, WORKSPACE)
                .result()
                .map_err(product_failed)?;
            let mode = match precision {
                Precision::F32 => blas::cublasMath_t::CUBLAS_DEFAULT_MATH,
                Precision::Tf32 => blas::cublasMath_t::CUBLAS_TF32_TENSOR_OP_MATH,
            };
            blas::cublasSetMathMode(products, mode).result().map_err(product_failed)?;
            let mut library = 0;
            blas::cublasGetVersion_v2(products, &mut library).result().map_err(product_failed)?;
            let (kernels, uploads) = (RefCell::default(), RefCell::default());
            let state = State { name, precision, cuda, stream, module, kernels, products, library, uploads };
            Ok(Cuda(Rc::new(state)))
        }
    }

    /// The card, the version of its driver and that of the library for products.
    pub fn versions(&self) -> [String; 3] {
        let version = self.0.library;
        let library = format!("cuBLAS {}.{}.{}", version / 10_000, version / 100 % 100, version % 100);
        // The kernel module may be out of sight, for example in a container.
        let driver =
            nvidia_driver().unwrap_or_else(|| format!("for CUDA {}.{}", self.0.cuda / 1000, self.0.cuda % 1000 / 10));
        [self.0.name.clone(), driver, library]
    }

    fn kernel(&self, name: &'static str) -> Result<sys::CUfunction, DeviceError> {
        if let Some(kernel) = self.0.kernels.borrow().get(name) {
            return Ok(*kernel);
        }
        let symbol = CString::new(format!("vaex_{name}")).map_err(DeviceError::from_device)?;
        let kernel = unsafe { driver::module::get_function(self.0.module, symbol) }.map_err(failed)?;
        self.0.kernels.borrow_mut().insert(name, kernel);
        Ok(kernel)
    }

    fn start(&self, command: &Command) -> Result<(), DeviceError> {
        let State { stream, .. } = *self.0;
        match command {
            Command::Kernel { name, blocks, words } => {
                let kernel = self.kernel(name)?;
                let mut words = *words;
                let mut arguments = [(&raw mut words).cast::<c_void>()];
                unsafe { driver::launch_kernel(kernel, (*blocks, 1, 1), (BLOCK, 1, 1), 0, stream, &mut arguments) }
                    .map_err(failed)
            }
            Command::Product(product) => self.multiply(product),
            Command::Copy { from, to, bytes } => {
                unsafe { driver::memcpy_dtod_async(*to, *from, *bytes, stream) }.map_err(failed)
            }
            Command::Upload { to, bytes } => {
                if self.0.uploads.borrow().iter().map(Vec::len).sum::<usize>() > IN_FLIGHT {
                    self.wait()?;
                }
                let mut uploads = self.0.uploads.borrow_mut();
                uploads.push(bytes.clone());
                let bytes = uploads.last().map(Vec::as_slice).unwrap_or_default();
                unsafe { driver::memcpy_htod_async(*to, bytes, stream) }.map_err(failed)
            }
        }
    }

    /// Waits for all commands so far.
    fn wait(&self) -> Result<(), DeviceError> {
        unsafe { driver::stream::synchronize(self.0.stream) }.map_err(failed)?;
        self.0.uploads.borrow_mut().clear();
        Ok(())
    }

    /// The library's matrices are column-major: it computes the transpose of C as that of B times that of A.
    fn multiply(&self, product: &Product) -> Result<(), DeviceError> {
        let Product { rows, columns, inner, a: (a, a_is_turned), b: (b, b_is_turned), c, adds } = *product;
        let size = |size: usize| i32::try_from(size).map_err(|_| DeviceError::new("a matrix is too large"));
        let [rows, columns, inner] = [size(rows)?, size(columns)?, size(inner)?];
        let operation = |is_turned: bool| match is_turned {
            true => blas::cublasOperation_t::CUBLAS_OP_T,
            false => blas::cublasOperation_t::CUBLAS_OP_N,
        };
        let (of_a, of_b) = (if a_is_turned { rows } else { inner }, if b_is_turned { inner } else { columns });
        let (one, beta) = (1.0f32, if adds { 1.0f32 } else { 0.0 });
        unsafe {
            cublas::sgemm(
                self.0.products,
                operation(b_is_turned),
                operation(a_is_turned),
                columns,
                rows,
                inner,
                &one,
                b as *const f32,
                of_b,
                a as *const f32,
                of_a,
                &beta,
                c as *mut f32,
                columns,
            )
        }
        .map_err(product_failed)
    }
}

impl Driver for Cuda {
    fn precision(&self) -> Precision {
        self.0.precision
    }

    fn reserve(&self, bytes: usize) -> Result<Address, DeviceError> {
        reserved(bytes)
    }

    fn free(&self) -> Result<usize, DeviceError> {
        driver::mem_get_info().map(|(free, _)| free).map_err(failed)
    }

    fn give_back(&self, address: Address) {
        // At the end of the process, the driver frees everything.
        let _ = self.wait().and_then(|()| unsafe { driver::free_sync(address) }.map_err(failed));
    }

    fn run(&self, commands: &[Command]) -> Result<(), DeviceError> {
        commands.iter().try_for_each(|command| self.start(command))
    }

    fn graph(&self, commands: &[Command]) -> Result<Box<dyn Graph>, DeviceError> {
        let stream = self.0.stream;
        // A kernel that is looked up for the first time must not be looked up during the capture.
        for command in commands {
            if let Command::Kernel { name, .. } = command {
                self.kernel(name)?;
            }
        }
        unsafe {
            let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
            driver::stream::begin_capture(stream, mode).map_err(failed)?;
            let (started, graph) = (self.run(commands), driver::stream::end_capture(stream));
            started?;
            let graph = graph.map_err(failed)?;
            let repeated = driver::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            driver::graph::destroy(graph).map_err(failed)?;
            Ok(Box::new(Repeated { card: self.clone(), graph: repeated.map_err(failed)? }))
        }
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError> {
        unsafe {
            driver::memcpy_dtoh_async(bytes, from, self.0.stream).map_err(failed)?;
        }
        self.wait()
    }
}

/// A graph of commands.
struct Repeated {
    card: Cuda,
    graph: sys::CUgraphExec,
}

impl fmt::Debug for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a graph on {:?}", self.card)
    }
}

impl Graph for Repeated {
    fn launch(&self) -> Result<(), DeviceError> {
        unsafe { driver::graph::launch(self.graph, self.card.0.stream) }.map_err(failed)
    }
}

impl Drop for Repeated {
    fn drop(&mut self) {
        let _ = unsafe { driver::graph::exec_destroy(self.graph) };
    }
}
