//! The speed of the kernels and of whole training steps on one core, in GFLOP/s and relative to a plain matrix product
//! on the same core. Operations are counted by definition: Winograd filtering needs fewer and can exceed 100 %. Also
//! the time to write a set of pictures, relative to the training that it belongs to, and the images per second of the
//! sources that compute them.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "prints a table, or stops with an error")]

use criterion::{Criterion, measurement::WallTime};
use dfdx::tensor::Cpu;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use vaex::folder::write_whole;
use vaex::plan::Plan;
use vaex::record::{Grid, tensorboard::EventWriter};
use vaex::tensor::backend::Host;
use vaex::tensor::dims::Window;
use vaex::tensor::kernels::{self, Accumulate, Activation, ConvShape, DenseShape};
use vaex::train::Trainer;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Images in a micro-batch, as for conv with a batch size of 16; with a batch size of 128 it is 16.
const IMAGES: usize = 8;
/// Rows in dense layers, as for mlp with a batch size of 128.
const ROWS: usize = 64;

/// Measurements of each benchmark.
const SAMPLES: usize = 20;

/// A measurement: its name, the number of floating-point operations by definition (0 if it is not arithmetic), and the
/// median time.
struct Measured {
    name: String,
    operations: f64,
    nanoseconds: f64,
}

struct Bench {
    criterion: Criterion<WallTime>,
    measured: Vec<Measured>,
}

impl Bench {
    fn time(&mut self, name: &str, operations: f64, mut work: impl FnMut()) {
        let mut samples = Vec::new();
        self.criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let start = Instant::now();
                (0..times).for_each(|_| work());
                let elapsed = start.elapsed();
                samples.push(elapsed.as_nanos() as f64 / times as f64);
                elapsed
            });
        });
        // The first samples are warm-up. There are too few samples if criterion only tests or lists, and none for
        // benchmarks that its filter excludes.
        if let Some(warm_up) = samples.len().checked_sub(SAMPLES) {
            let samples = &mut samples[warm_up..];
            samples.sort_by(f64::total_cmp);
            let nanoseconds = (samples[SAMPLES / 2 - 1] + samples[SAMPLES / 2]) / 2.0;
            self.measured.push(Measured { name: name.to_owned(), operations, nanoseconds });
        }
    }
}

/// Numbers between -1 and 1.
fn numbers(length: usize) -> Vec<f32> {
    (0..length).map(|place| (place * 7919 % 2003) as f32 / 1001.0 - 1.0).collect()
}

fn peak(bench: &mut Bench) {
    let side = 512;
    let (left, right, mut result) = (numbers(side * side), numbers(side * side), vec![0.0f32; side * side]);
    bench.time(PEAK, 2.0 * (side * side * side) as f64, || {
        let stride = side as isize;
        let (left, right, result) = (left.as_ptr(), right.as_ptr(), result.as_mut_ptr());
        // SAFETY: three square matrices of this size; the result does not overlap the others.
        #[expect(unsafe_code, reason = "gemm takes raw pointers")]
        unsafe {
            gemm::gemm(
                side,
                side,
                side,
                result,
                1,
                stride,
                false,
                left,
                1,
                stride,
                right,
                1,
                stride,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    });
}

/// The name of the measurement that the others are compared with.
const PEAK: &str = "matrix product 512x512x512, gemm";

fn convolution(bench: &mut Bench, name: &str, shape: ConvShape, transpose: bool, input_gradient: bool) {
    let large = shape.batch * shape.height * shape.width * shape.inputs;
    let small = shape.batch * shape.out_height() * shape.out_width() * shape.outputs;
    let (weight, mut dweight) =
        (numbers(9 * shape.inputs * shape.outputs), vec![0.0; 9 * shape.inputs * shape.outputs]);
    let operations = 18.0 * (small * shape.inputs) as f64;
    let relu = Activation::Relu;
    let (length, results, channels) =
        if transpose { (small, large, shape.inputs) } else { (large, small, shape.outputs) };
    let (x, bias, mut y) = (numbers(length), numbers(channels), vec![0.0; results]);
    let forward = if transpose { kernels::conv_transpose } else { kernels::conv };
    bench.time(&format!("{name}, forward"), operations, || {
        forward(shape, relu, black_box(&x), &weight, &bias, &mut y);
    });
    let (mut dy, mut dx, mut dbias) = (numbers(results), vec![0.0; length], vec![0.0; channels]);
    let backward = if transpose { kernels::conv_transpose_backward } else { kernels::conv_backward };
    let passes = if input_gradient { 2.0 } else { 1.0 };
    bench.time(&format!("{name}, backward"), passes * operations, || {
        let dx = input_gradient.then_some((Accumulate::Set, dx.as_mut_slice()));
        backward(shape, relu, black_box(&x), &weight, &y, &mut dy, dx, &mut dweight, &mut dbias);
    });
}

fn dense(bench: &mut Bench, rows: usize, inputs: usize, outputs: usize) {
    let shape = DenseShape { rows, inputs, outputs };
    let (x, weight, bias) = (numbers(rows * inputs), numbers(inputs * outputs), numbers(outputs));
    let mut y = vec![0.0; rows * outputs];
    let operations = 2.0 * (rows * inputs * outputs) as f64;
    let name = format!("dense {inputs} to {outputs}, {rows} rows");
    bench.time(&format!("{name}, forward"), operations, || {
        kernels::dense(shape, Activation::Relu, black_box(&x), &weight, &bias, &mut y);
    });
    let (mut dy, mut dx, mut dbias) = (numbers(rows * outputs), vec![0.0; rows * inputs], vec![0.0; outputs]);
    let mut dweight = vec![0.0; weight.len()];
    bench.time(&format!("{name}, backward"), 2.0 * operations, || {
        let into = Some((Accumulate::Set, dx.as_mut_slice()));
        kernels::dense_backward(shape, Activation::Relu, &weight, &y, &mut dy, into, &mut dbias);
        kernels::dense_weight_gradient(shape, 0..inputs, black_box(&x), &dy, Accumulate::Set, &mut dweight);
    });
}

fn plan(spec: &str) -> Plan {
    let folder = tempfile::tempdir().expect("cannot create a temporary folder");
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, spec).expect("cannot write the spec");
    Plan::read(&path, &[]).expect("the spec is not valid")
}

/// Images in an epoch, a multiple of the batch sizes.
const EPOCH: usize = 128;

/// Whole steps: noise, forward, backward, optimiser and metrics.
fn steps(bench: &mut Bench, family: &str, latent: usize, batch: usize, operations: f64) {
    let spec = format!(
        "[data]\nlimit = {}\nvalidation = 1\n[model]\nfamily = \"{family}\"\nlatent_dim = {latent}\n{}[train]\nbatch_size = \
         {batch}\nlearning_rate = 1e-4\n",
        EPOCH + 1,
        if family == "mlp" { "hidden = [500]\n" } else { "" },
    );
    let plan = plan(&spec);
    let mut trainer =
        Trainer::<Host>::new(Cpu::default(), plan.trials()[0].training(), 1).expect("cannot create the model");
    let go_on = AtomicBool::new(false);
    bench.time(&steps_of(family, batch), EPOCH as f64 * operations, || {
        trainer.train_epoch(&go_on, &mut |_| false).expect("cannot train");
    });
}

fn steps_of(family: &str, batch: usize) -> String {
    format!("{family}, steps of {batch} images")
}

/// The name of the measurement of writing pictures.
const PICTURES: &str = "a set of pictures: PNGs, three files, event log";

/// A set of pictures, as a trial with two latent axes writes it, from the embedded images. Computing the pictures is
/// not included.
fn pictures(bench: &mut Bench) {
    let plan = plan("[data]\nsource = \"fashion-mini\"\n");
    let images = &plan.trials()[0].dataset().train;
    let mut scratch = Vec::new();
    let mut numbers: Vec<f32> = Vec::new();
    for index in 0..400 {
        let grey = images.image(index, &mut scratch).bytes().unwrap_or_default();
        numbers.extend(grey.iter().map(|grey| f32::from(*grey)));
    }
    let tiles: Vec<&[f32]> = numbers.chunks(28 * 28).collect();
    let range = [0.0, 255.0];
    let grids = [
        ("reconstructions", Grid::pairs(images.shape(), 10, &tiles[..30], &tiles[30..60], range)),
        ("samples", Grid::tiles(images.shape(), 8, tiles[..64].iter().copied(), range)),
        ("manifold", Grid::tiles(images.shape(), 20, tiles[..400].iter().copied(), range)),
    ];
    let folder = tempfile::tempdir().expect("cannot create a temporary folder");
    let mut events = EventWriter::create(folder.path(), 0).expect("cannot create the event log");
    bench.time(PICTURES, 0.0, || {
        for (tag, grid) in &grids {
            let png = grid.png().expect("cannot encode a picture");
            write_whole(&folder.path().join(format!("{tag}.png")), &png).expect("cannot write a picture");
            events.image(tag, 0, grid, &png).expect("cannot write an event");
        }
        events.flush().expect("cannot write the event log");
    });
}

/// Images of a pass over computed images.
const COMPUTED: usize = 1000;

/// Images of a source that computes them, in a random order, one after the other.
fn computed(bench: &mut Bench, source: &str) {
    let limit = COMPUTED + 1;
    let plan = plan(&format!("[data]\nsource = \"{source}\"\nlimit = {limit}\nvalidation = 1\n"));
    let images = &plan.trials()[0].dataset().train;
    let mut scratch = Vec::new();
    let mut pass = || {
        for index in 0..COMPUTED {
            black_box(images.image(index, &mut scratch));
        }
    };
    // What the source computes once is not included.
    pass();
    bench.time(&computed_of(source), 0.0, pass);
}

fn computed_of(source: &str) -> String {
    format!("{COMPUTED} random images of `{source}`")
}

/// Operations of a training step for one image: one product forward, and two backward except for the first layer.
fn operations(multiplications: &[usize]) -> f64 {
    2.0 * (3 * multiplications.iter().sum::<usize>() - multiplications[0]) as f64
}

fn main() {
    let criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args()
        // Not set by the command line: the measurement uses exactly this many samples.
        .sample_size(SAMPLES);
    let mut bench = Bench { criterion, measured: Vec::new() };
    peak(&mut bench);
    let shape = |side, inputs, outputs, stride| ConvShape {
        batch: IMAGES,
        height: side,
        width: side,
        inputs,
        outputs,
        window: Window::same(3, stride),
    };
    convolution(&mut bench, "conv 1 to 32, 28x28", shape(28, 1, 32, 1), false, false);
    convolution(&mut bench, "conv 32 to 64, 28x28, stride 2", shape(28, 32, 64, 2), false, true);
    convolution(&mut bench, "conv 64 to 64, 14x14", shape(14, 64, 64, 1), false, true);
    convolution(&mut bench, "conv 24 to 24, 14x14", shape(14, 24, 24, 1), false, true);
    convolution(&mut bench, "transposed conv 64 to 32, 14x14, stride 2", shape(28, 32, 64, 2), true, true);
    convolution(&mut bench, "conv 32 to 1, 28x28", shape(28, 32, 1, 1), false, true);
    dense(&mut bench, IMAGES, 12544, 32);
    dense(&mut bench, IMAGES, 2, 12544);
    dense(&mut bench, ROWS, 784, 500);
    dense(&mut bench, ROWS, 500, 20);
    dense(&mut bench, ROWS, 500, 784);
    dense(&mut bench, IMAGES, 500, 784);
    let conv = operations(&[
        28 * 28 * 9 * 32,
        14 * 14 * 9 * 32 * 64,
        14 * 14 * 9 * 64 * 64,
        14 * 14 * 9 * 64 * 64,
        12544 * 32,
        2 * 32 * 2,
        2 * 12544,
        14 * 14 * 9 * 64 * 32,
        28 * 28 * 9 * 32,
    ]);
    let mlp = operations(&[784 * 500, 2 * 500 * 20, 20 * 500, 500 * 784]);
    for batch in [128, 16] {
        steps(&mut bench, "conv", 2, batch, conv);
        steps(&mut bench, "mlp", 20, batch, mlp);
    }
    pictures(&mut bench);
    SOURCES.iter().for_each(|source| computed(&mut bench, source));
    print_table(&bench.measured);
    print_share_of_pictures(&bench.measured);
    print_rates(&bench.measured);
}

/// The sources that compute their images.
const SOURCES: [&str; 2] = ["sprites", "rooms"];

/// Prints the images per second of the sources that compute them.
fn print_rates(measured: &[Measured]) {
    for source in SOURCES {
        if let Some(pass) = measured.iter().find(|measured| measured.name == computed_of(source)) {
            println!("{source}: {:.0} images/s on one core", COMPUTED as f64 / pass.nanoseconds * 1e9);
        }
    }
}

/// The time for pictures relative to ten epochs on the embedded images, which draw them after epochs 1, 2, 4, 8 and 10.
fn print_share_of_pictures(measured: &[Measured]) {
    let time = |name: &str| Some(measured.iter().find(|measured| measured.name == name)?.nanoseconds);
    if let (Some(set), Some(steps)) = (time(PICTURES), time(&steps_of("conv", 128))) {
        let training = steps / EPOCH as f64 * 10.0 * 1800.0;
        println!(
            "\nwriting pictures: {:.2}% of the time of ten epochs of conv with 1,800 images each",
            100.0 * 5.0 * set / training
        );
    }
}

/// Prints the medians, with the speed.
fn print_table(measured: &[Measured]) {
    let rate = |measured: &Measured| measured.operations / measured.nanoseconds;
    let peak = measured.iter().find(|measured| measured.name == PEAK).map(rate);
    println!("\n{:55} {:>9} {:>9} {:>8}", "one thread", "ms", "GFLOP/s", "of peak");
    for measured in measured {
        let is_arithmetic = measured.operations > 0.0;
        let speed = if is_arithmetic { format!("{:.1}", rate(measured)) } else { "-".to_owned() };
        let share = peak.filter(|_| is_arithmetic);
        let share = share.map_or("-".to_owned(), |peak| format!("{:.0}%", 100.0 * rate(measured) / peak));
        let milliseconds = measured.nanoseconds / 1e6;
        println!("{:55} {milliseconds:9.4} {speed:>9} {share:>8}", measured.name);
    }
}
