//! Loads the best model of an experiment, encodes and decodes an image, samples new ones, and measures the model:
//!
//!     cargo run --release --example sample [EXPERIMENT]
//!
//! EXPERIMENT is the folder that `examples/train.rs` writes, `runs/from_rust`, or any other experiment.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use vaex::Model;

fn main() -> Result<(), Box<dyn Error>> {
    let experiment = std::env::args().nth(1).unwrap_or_else(|| "runs/from_rust".to_owned());
    let mut model = Model::best(experiment)?;
    let [height, width, channels] = model.image_shape();
    println!("{}: {} latent axes", model.folder().display(), model.latent_dim());

    // A bright square on black, in the bytes of the training images.
    let inside = |pixel: usize| {
        (height / 4..height * 3 / 4).contains(&(pixel / width)) && (width / 4..width * 3 / 4).contains(&(pixel % width))
    };
    let image: Vec<u8> =
        (0..height * width * channels).map(|value| if inside(value / channels) { 200 } else { 0 }).collect();
    let codes = model.encode(image)?;
    println!("posterior mean {:?}, deviation {:?}", codes.mean, codes.deviation);
    print_image(&model.decode(&codes.mean)?, &model);

    let samples = model.decode(&model.prior_codes(2, 0)?)?;
    for sample in samples.chunks(height * width * channels) {
        print_image(sample, &model);
    }

    for (metric, value) in model.evaluate(&["elbo", "active_units"])? {
        println!("{metric} {value:.3}");
    }
    Ok(())
}

/// Prints every second row of an image as characters, from black to white.
fn print_image(values: &[f32], model: &Model) {
    let ([_, width, channels], [black, white]) = (model.image_shape(), model.range());
    for row in values.chunks(width * channels).step_by(2) {
        let shade = |pixel: &[f32]| {
            let light = (pixel[0] - black) / (white - black);
            b" .:-=+*#%@"[(light * 9.99).clamp(0.0, 9.0) as usize] as char
        };
        println!("{}", row.chunks(channels).map(shade).collect::<String>());
    }
}
