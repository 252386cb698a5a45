//! How fast the kernels and whole training steps are on one core, in GFLOP/s and as a share of what a plain matrix
//! product reaches on it. Operations are counted by the definition: Winograd's filtering, which takes fewer, can pass
//! 100 %.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a program that prints a table or stops")]

use criterion::{Criterion, measurement::WallTime};
use dfdx::tensor::Cpu;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use vaex::backend::Host;
use vaex::kernels::{self, Activation, ConvShape, DenseShape, Sum};
use vaex::plan::Plan;
use vaex::train::Trainer;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Images at once, as in training.
const IMAGES: usize = 8;
/// Rows at once in dense layers, as in training.
const ROWS: usize = 64;

/// What was measured: its name and the floating-point operations that its definition takes.
struct Measured {
    name: String,
    operations: f64,
}

struct Bench {
    criterion: Criterion<WallTime>,
    measured: Vec<Measured>,
}

impl Bench {
    fn time(&mut self, name: &str, operations: f64, mut work: impl FnMut()) {
        self.criterion.bench_function(name, |bencher| bencher.iter(&mut work));
        self.measured.push(Measured { name: name.to_owned(), operations });
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
        // SAFETY: three square matrices of that side, the result apart from the others.
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
        let dx = input_gradient.then_some((Sum::Begin, dx.as_mut_slice()));
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
        let into = Some((Sum::Begin, dx.as_mut_slice()));
        kernels::dense_backward(shape, Activation::Relu, &weight, &y, &mut dy, into, &mut dbias);
        kernels::dense_weight_gradient(shape, 0..inputs, black_box(&x), &dy, Sum::Begin, &mut dweight);
    });
}

/// Whole steps: noise, forward, backward, optimiser and metrics.
fn steps(bench: &mut Bench, family: &str, latent: usize, batch: usize, operations: f64) {
    /// Images of an epoch, a multiple of the batch sizes.
    const EPOCH: usize = 128;

    let spec = format!(
        "[data]\nlimit = {}\nvalidation = 1\n[model]\nfamily = \"{family}\"\nlatent_dim = {latent}\n{}[train]\nbatch_size = \
         {batch}\nlearning_rate = 1e-4\n",
        EPOCH + 1,
        if family == "mlp" { "hidden = [500]\n" } else { "" },
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, spec).expect("a file in it");
    let plan = Plan::read(&path, &[]).expect("a sound spec");
    let mut trainer = Trainer::<Host>::new(Cpu::default(), &plan.trials()[0], 1).expect("a model in memory");
    let go_on = AtomicBool::new(false);
    bench.time(&format!("{family}, steps of {batch} images"), EPOCH as f64 * operations, || {
        trainer.train_epoch(&go_on, &mut |_| ()).expect("a step");
    });
}

/// Operations of a step for an image: a product forward, and two backward but for the layer on the data.
fn operations(multiplications: &[usize]) -> f64 {
    2.0 * (3 * multiplications.iter().sum::<usize>() - multiplications[0]) as f64
}

fn main() {
    let criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    let mut bench = Bench { criterion, measured: Vec::new() };
    peak(&mut bench);
    let shape =
        |side, inputs, outputs, stride| ConvShape { batch: IMAGES, height: side, width: side, inputs, outputs, stride };
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
    print_table(&bench.measured);
}

/// The medians that criterion wrote, by operations.
fn print_table(measured: &[Measured]) {
    let rate = |measured: &Measured| -> Option<(f64, f64)> {
        let folder = measured.name.replace(['/', '?', '"', '\\', ':', '*', '<', '>', '|'], "_");
        let folder: String = folder.chars().take(64).collect();
        let file = format!("target/criterion/{folder}/new/estimates.json");
        let estimates: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
        let nanoseconds = estimates["median"]["point_estimate"].as_f64()?;
        Some((nanoseconds / 1e6, measured.operations / nanoseconds))
    };
    let peak = measured.iter().find(|measured| measured.name == PEAK).and_then(rate);
    println!("\n{:55} {:>9} {:>9} {:>8}", "one thread", "ms", "GFLOP/s", "of peak");
    for measured in measured {
        if let (Some((milliseconds, flops)), Some((_, peak))) = (rate(measured), peak) {
            println!("{:55} {milliseconds:9.4} {flops:9.1} {:7.0}%", measured.name, 100.0 * flops / peak);
        }
    }
}
