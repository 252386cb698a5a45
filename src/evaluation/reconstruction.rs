//! How close reconstructions are to the images: squared error, PSNR, SSIM.

use super::factors::{number, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Subject, Watch};
use crate::metrics::{Board, Direction, Metric, MetricKind};
use crate::scores::image_quality::{ImageFormat, ImageQuality, SSIM_WINDOW, image_quality};
use crate::settings::Word;
use serde_json::json;

pub(super) struct Reconstruction;

static WORD: Word = Word {
    name: "reconstruction",
    doc: "Squared error, PSNR and SSIM of the reconstructions from posterior means.",
    also: "mse psnr ssim image_quality recon_error",
};

impl Evaluate for Reconstruction {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        let number = |name, unit, direction, doc| Metric {
            direction,
            board: Board::Result,
            ..Metric::new(name, MetricKind::Number, unit, doc)
        };
        let (lower, higher) = (Direction::Lower, Direction::Higher);
        vec![
            number(
                "mse",
                "",
                lower,
                "Squared error of the expected values given the posterior means, mean over values and images.",
            ),
            number(
                "psnr",
                "dB",
                higher,
                "Peak signal-to-noise ratio of these reconstructions, with `data.range` as the peak, mean over the images.",
            ),
            number(
                "ssim",
                "",
                higher,
                "Structural similarity of these reconstructions (Gaussian window of 11 pixels, sigma 1.5), mean over the images.",
            ),
        ]
    }

    fn settings(&self, _: &EvaluateSettings) -> serde_json::Value {
        json!({ "window": SSIM_WINDOW })
    }

    fn refusal(&self, _: &Subject<'_>) -> Option<String> {
        None
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let shape = subject.images().shape();
        let [low, high] = subject.worker.pixels.range.map(f64::from);
        let format = ImageFormat {
            height: shape.height,
            width: shape.width,
            channels: shape.channels,
            data_range: (high - low).abs(),
        };
        let parts = subject.each(subject.micro_batch, watch, |worker, chosen| {
            let both = worker.reconstructed(chosen)?;
            let images = both.inputs.chunks(shape.values()).zip(both.expected.chunks(shape.values()));
            Ok(images.map(|(image, expected)| image_quality(image, expected, format)).collect::<Vec<_>>())
        })?;
        let all = parts.into_iter().flatten().collect::<Result<Vec<ImageQuality>, _>>().map_err(undefined)?;
        let mean = |of: fn(&ImageQuality) -> Option<f64>| {
            let values: Vec<f64> = all.iter().filter_map(of).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let values = [mean(|one| Some(one.mse)), mean(|one| one.psnr), mean(|one| one.ssim)].map(number).to_vec();
        // Equal images have no PSNR, and images below the window no SSIM.
        let without = all.iter().filter(|one| one.psnr.is_none()).count();
        let details = json!({ "images": all.len(), "images_without_psnr": without });
        Ok(Measured { values, details, ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, decoder]: [f64; 2]) -> f64 {
        images as f64 * (encoder + decoder)
    }
}
