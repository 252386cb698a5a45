//! Commands that use trained models. The weights of a model are set by hand, so that the correct pictures are known.

use crate::harness::{Workspace, idx, json};
use crate::runs::{TINY, only};
use polars::prelude::{ParquetReader, SerReader};
use std::path::{Path, PathBuf};
use vaex::data::ImageShape;
use vaex::folder::TrialFolder;
use vaex::folder::{Arrays, Stored};
use vaex::random::{Purpose, Stream};
use vaex::record::Grid;
use vaex::record::manifold::manifold_codes;
use vaex::record::trial::{Status, TrialRecord};

const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;
/// The pixel that determines the first axis of a code.
const SEEN: usize = 400;

const SPEC: &str = "\
name = \"known\"

[data]
limit = 60

[model]
family = \"mlp\"
hidden = [4]
latent_dim = 2

[train]
batch_size = 20
epochs = 1
";

/// A trial with known results: in a decoded image the upper half is the logistic function of the first axis of the
/// code, the lower half that of the second. In the code of an image, the first axis is 4 p - 2, with p one of its
/// pixels, and the second is 1/2.
fn known() -> (Workspace, PathBuf) {
    let workspace = Workspace::with_spec(SPEC);
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/known");
    let path = folder.join("model.safetensors");
    let notes = Stored::read_own(&path).unwrap().notes.into_iter().collect();
    let mut arrays = Arrays::default();
    let mut array = |name: &str, sizes: [usize; 2], set: &[([usize; 2], f32)]| {
        let mut values = vec![0.0; sizes[0] * sizes[1]];
        set.iter().for_each(|([row, column], value)| values[row * sizes[1] + column] = *value);
        let sizes = if sizes[0] == 1 { vec![sizes[1]] } else { sizes.to_vec() };
        arrays.push(name, sizes, values);
    };
    array("encoder.dense.0.weight", [PIXELS, 4], &[([SEEN, 0], 1.0)]);
    array("encoder.dense.0.bias", [1, 4], &[]);
    array("posterior.mean.weight", [4, 2], &[([0, 0], 4.0)]);
    array("posterior.mean.bias", [1, 2], &[([0, 0], -2.0), ([0, 1], 0.5)]);
    array("posterior.log_var.weight", [4, 2], &[]);
    array("posterior.log_var.bias", [1, 2], &[([0, 0], 1.0)]);
    // ReLU of a number and of its negative: their difference is the number.
    let parts = [([0, 0], 1.0), ([0, 1], -1.0), ([1, 2], 1.0), ([1, 3], -1.0)];
    array("decoder.dense.0.weight", [2, 4], &parts);
    array("decoder.dense.0.bias", [1, 4], &[]);
    let half = |pixel: usize| if pixel < PIXELS / 2 { 0 } else { 2 };
    let weights = (0..PIXELS).flat_map(|pixel| [([half(pixel), pixel], 1.0), ([half(pixel) + 1, pixel], -1.0)]);
    array("decoder.output.weight", [4, PIXELS], &weights.collect::<Vec<_>>());
    array("decoder.output.bias", [1, PIXELS], &[]);
    arrays.write(&path, notes).unwrap();
    (workspace, folder)
}

fn grey(code: f32) -> u8 {
    (255.0 / (1.0 + (-code).exp())).round() as u8
}

/// The pixels of each tile of a picture, in row-major order.
fn tiles(path: &Path) -> Vec<Vec<u8>> {
    let grid = Grid::read(path).unwrap();
    let ImageShape { height, width, .. } = grid.shape;
    let (rows, columns) = ((height + 1) / (SIDE + 1), (width + 1) / (SIDE + 1));
    let tile = |row: usize, column: usize| -> Vec<u8> {
        let line = |y: usize| &grid.values[(row * (SIDE + 1) + y) * width + column * (SIDE + 1)..][..SIDE];
        (0..SIDE).flat_map(|y| line(y).to_vec()).collect()
    };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| tile(row, column))
        .collect()
}

/// Each tile is the image of its code.
#[track_caller]
fn are_images_of(tiles: &[Vec<u8>], codes: &[[f32; 2]]) {
    assert_eq!(tiles.len(), codes.len());
    for (index, (tile, [upper, lower])) in tiles.iter().zip(codes).enumerate() {
        let (above, below) = tile.split_at(PIXELS / 2);
        for (part, code) in [(above, upper), (below, lower)] {
            // If a value is halfway between two greys, both are correct.
            let near = part.iter().all(|pixel| pixel.abs_diff(grey(*code)) <= 1);
            assert!(near && part.iter().all(|pixel| *pixel == part[0]), "tile {index} of {code}: {}", part[0]);
        }
    }
}

/// The first validation images with their codes.
fn images(folder: &Path) -> Vec<([f32; 2], Vec<u8>)> {
    let stored = Stored::read(&folder.join("images/reconstructions.safetensors")).unwrap();
    let input = stored.values("input").unwrap();
    let bytes = |image: &[f32]| image.iter().map(|pixel| (255.0 * pixel).round() as u8).collect();
    input.chunks(PIXELS).map(|image| ([4.0 * image[SEEN] - 2.0, 0.5], bytes(image))).collect()
}

#[test]
fn samples_are_images_of_codes_from_the_prior() {
    let (workspace, folder) = known();
    let trial = folder.to_str().unwrap();
    let said =
        workspace.succeed(&["sample", trial, "-n", "9", "--seed", "5", "--temperature", "2", "--raw", "raw.npy"]);
    assert_eq!(said, "wrote samples.png: 9 samples\nwrote raw.npy: 9 samples\n");
    let mut codes = [0.0; 18];
    Stream::new(5, Purpose::Samples, 0, 0).fill_normal(&mut codes);
    let codes: Vec<[f32; 2]> = codes.chunks(2).map(|code| [2.0 * code[0], 2.0 * code[1]]).collect();
    are_images_of(&tiles(&workspace.path("samples.png")), &codes);
    let raw = std::fs::read(workspace.path("raw.npy")).unwrap();
    assert!(raw.starts_with(b"\x93NUMPY") && raw.windows(10).any(|part| part == b"(9, 28, 28"));
    let first = f32::from_le_bytes(raw[raw.len() - 4 * 9 * PIXELS..][..4].try_into().unwrap());
    assert!((first - 1.0 / (1.0 + (-codes[0][0]).exp())).abs() < 1e-6);
}

#[test]
fn reconstructions_lie_beneath_their_images() {
    let (workspace, folder) = known();
    workspace.succeed(&["reconstruct", folder.to_str().unwrap(), "-n", "3", "-o", "three.png"]);
    let (found, images) = (tiles(&workspace.path("three.png")), images(&folder));
    for (tile, (_, image)) in found.iter().zip(&images[..3]) {
        assert!(tile == image);
    }
    let codes: Vec<[f32; 2]> = images.iter().take(3).map(|(code, _)| *code).collect();
    are_images_of(&found[3..], &codes);
}

#[test]
fn a_traversal_goes_along_each_axis() {
    let (workspace, folder) = known();
    let trial = folder.to_str().unwrap();
    let said = workspace.succeed(&["traverse", trial, "--steps", "5", "--range", "2"]);
    let along = [-2.0, -1.0, 0.0, 1.0, 2.0f32];
    let (first, second) = (along.map(|code| [code, 0.0]), along.map(|code| [0.0, code]));
    let kl = vaex::record::tables::read_metrics(&folder.join("metrics.parquet")).unwrap().remove(1);
    let kl = kl.list("kl_axis_nats");
    let codes = if kl[0] >= kl[1] { [first, second] } else { [second, first] };
    let order = if kl[0] >= kl[1] { "0 (" } else { "1 (" };
    assert!(
        said.starts_with(&format!("wrote traversal.png: one row per latent axis, from -2 to 2: {order}")),
        "{said}"
    );
    are_images_of(&tiles(&workspace.path("traversal.png")), &codes.concat());
    // From the code of an image; only the axis with the largest KL.
    workspace.succeed(&["traverse", trial, "--steps", "5", "--range", "2", "--image", "1", "--axes", "1"]);
    let [mean, half] = images(&folder)[1].0;
    let codes = along.map(|code| if kl[0] >= kl[1] { [code, half] } else { [mean, code] });
    are_images_of(&tiles(&workspace.path("traversal.png")), &codes);
    // As an animation: forwards and backwards; all frames have the same size.
    workspace.succeed(&["traverse", trial, "--steps", "5", "--image", "1", "--animate", "-o", "moving.png"]);
    let file = std::fs::File::open(workspace.path("moving.png")).unwrap();
    let reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
    assert_eq!((reader.info().animation_control().unwrap().num_frames, reader.info().size()), (8, (57, 28)));
}

#[test]
fn an_interpolation_goes_from_image_to_image() {
    let (workspace, folder) = known();
    workspace.succeed(&["interpolate", folder.to_str().unwrap(), "--from", "0", "--to", "2", "--steps", "3"]);
    let (found, images) = (tiles(&workspace.path("interpolation.png")), images(&folder));
    let ([from, ..], [to, ..]) = (images[0].0, images[2].0);
    for row in found.chunks(5) {
        assert!(row[0] == images[0].1 && row[4] == images[2].1);
    }
    are_images_of(&found[1..4], &[[from, 0.5], [(from + to) / 2.0, 0.5], [to, 0.5]]);
    // Halfway on the arc: the sum of both codes, scaled by 1 / (2 cos(angle / 2)).
    let angle = (0.5f32.atan2(from) - 0.5f32.atan2(to)).abs();
    let halfway = [from + to, 1.0].map(|sum| sum / (2.0 * (angle / 2.0).cos()));
    are_images_of(&found[6..9], &[[from, 0.5], halfway, [to, 0.5]]);
}

#[test]
fn a_manifold_shows_the_priors_quantiles() {
    let (workspace, folder) = known();
    workspace.succeed(&["manifold", folder.to_str().unwrap(), "--side", "4"]);
    let codes = manifold_codes(4, None);
    are_images_of(&tiles(&workspace.path("manifold.png")), codes.as_chunks().0);
}

#[test]
fn embeddings_are_the_posteriors_and_their_nats() {
    let (workspace, folder) = known();
    let said = workspace.succeed(&["embed", folder.to_str().unwrap(), "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["wrote"], serde_json::json!(["embeddings.parquet"]));
    let frame =
        ParquetReader::new(std::fs::File::open(workspace.path("embeddings.parquet")).unwrap()).finish().unwrap();
    let column = |name: &str| -> Vec<f32> { frame.column(name).unwrap().f32().unwrap().into_no_null_iter().collect() };
    let images = images(&folder);
    assert_eq!(frame.height(), images.len());
    let numbers = |name: &str| -> Vec<i64> { frame.column(name).unwrap().i64().unwrap().into_no_null_iter().collect() };
    assert_eq!(numbers("image"), (0..images.len() as i64).collect::<Vec<_>>());
    // The validation images are the last ones of 60.
    assert_eq!(numbers("source_image"), (60 - images.len() as i64..60).collect::<Vec<_>>());
    for (found, ([expected, _], _)) in column("mean_0").iter().zip(&images) {
        assert!((found - expected).abs() < 1e-6);
    }
    // The first axis has log-variance 1, the second 0.
    let deviation = 0.5f32.exp();
    assert!(column("deviation_0").iter().all(|found| (found - deviation).abs() < 1e-6));
    assert!(column("deviation_1").iter().all(|found| *found == 1.0));
    for (found, mean) in column("kl_nats").iter().zip(column("mean_0")) {
        let expected = 0.5 * (mean * mean + 1f32.exp() - 2.0) + 0.5 * 0.25;
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
    for (index, found) in column("recon_nats").iter().enumerate() {
        let mut noise = [0.0; 2];
        Stream::new(0, Purpose::ValidationNoise, 0, index as u64).fill_normal(&mut noise);
        let ([mean, half], image) = &images[index];
        let codes = [mean + deviation * noise[0], half + noise[1]].map(f64::from);
        let nats = image.iter().enumerate().map(|(pixel, grey)| {
            let (x, code) = (f64::from(*grey) / 255.0, codes[usize::from(pixel >= PIXELS / 2)]);
            code.exp().ln_1p() - x * code
        });
        let expected: f64 = nats.sum();
        assert!((f64::from(*found) - expected).abs() < 1e-3, "image {index}: {found} {expected}");
    }
}

#[test]
fn models_are_used_on_images_of_other_files() {
    let (mut workspace, folder) = known();
    let trial = folder.to_str().unwrap();
    let seen = [0, 51, 255u8];
    let mut pixels = vec![0; 3 * PIXELS];
    seen.iter().enumerate().for_each(|(image, grey)| pixels[image * PIXELS + SEEN] = *grey);
    workspace.write("images.idx", [idx(&[3, 28, 28], 0), pixels.clone()].concat());
    workspace.write("labels.idx", [idx(&[3], 0), vec![7, 8, 9]].concat());
    let data = ["--data", "images.idx", "--labels", "labels.idx"];
    workspace.succeed(&[&["embed", trial, "-o", "other.parquet"], &data[..]].concat());
    let frame = ParquetReader::new(std::fs::File::open(workspace.path("other.parquet")).unwrap()).finish().unwrap();
    let labels: Vec<i64> = frame.column("label").unwrap().i64().unwrap().into_no_null_iter().collect();
    let means: Vec<f32> = frame.column("mean_0").unwrap().f32().unwrap().into_no_null_iter().collect();
    assert_eq!(labels, [7, 8, 9]);
    for (mean, grey) in means.iter().zip(seen) {
        assert!((mean - (4.0 * f32::from(grey) / 255.0 - 2.0)).abs() < 1e-6);
    }
    workspace.succeed(&["reconstruct", trial, "--data", "images.idx"]);
    let found = tiles(&workspace.path("reconstructions.png"));
    assert!(found[..3].concat() == pixels);
    let codes: Vec<[f32; 2]> = means.iter().map(|mean| [*mean, 0.5]).collect();
    are_images_of(&found[3..], &codes);
}

#[test]
fn trials_are_found_by_the_beginning_of_their_ids_and_by_being_best() {
    let workspace = Workspace::with_spec(TINY);
    workspace.succeed(&["run", "spec.toml"]);
    for (id, _) in workspace.trials("runs/tiny") {
        let said = workspace.succeed(&["sample", &id[..8], "-n", "1", "--json"]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&said).unwrap()["trial"], id.as_str());
    }
    let report: serde_json::Value =
        serde_json::from_str(&workspace.succeed(&["report", "runs/tiny", "--json"])).unwrap();
    let said = workspace.succeed(&["sample", "runs/tiny", "--best", "-n", "1", "--json"]);
    let best = serde_json::from_str::<serde_json::Value>(&said).unwrap();
    assert_eq!(best["trial"], report["experiments"][0]["settings"][0]["trials"][0]);
    let both: Vec<_> = workspace.trials("runs/tiny").into_iter().collect();
    let said = workspace.succeed(&["diff", &both[0].0, &both[1].0, "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let keys: Vec<&String> = said["keys"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["objective.kl_weight"]);
    let last = |folder: &Path| {
        vaex::record::tables::read_metrics(&folder.join("metrics.parquet")).unwrap().pop().unwrap().get("loss").unwrap()
    };
    assert_eq!(said["metrics"]["validation_loss"], serde_json::json!([last(&both[0].1), last(&both[1].1)]));
    assert!(workspace.succeed(&["diff", &both[0].0, &both[1].0]).contains("objective.kl_weight"));
}

/// A rejected command says why and writes no output.
#[track_caller]
fn refused(workspace: &Workspace, arguments: &[&str], message: &str) {
    let outcome = workspace.vaex(arguments);
    assert_eq!((outcome.status, &*outcome.stdout, &*outcome.stderr), (Some(2), "", &*format!("error: {message}\n")));
}

#[test]
fn what_is_no_trained_model_is_refused() {
    let mut workspace = Workspace::with_spec(TINY);
    workspace.write("small.idx", idx(&[3, 10, 10], 300));
    workspace.succeed(&["run", "spec.toml", "--set", "objective.kl_weight=1.0"]);
    let folder = only(&workspace, "runs/tiny");
    let trial = format!("runs/tiny/{}", folder.file_name().unwrap().to_str().unwrap());
    let refused = |arguments: &[&str], message: &str| refused(&workspace, arguments, message);
    refused(&["sample", "nowhere"], "no folder `nowhere`, and no trial id in `runs` starts with it");
    let hint = "runs/tiny is not a trial folder: it has no trial.json; for an experiment folder, add --best";
    refused(&["sample", "runs/tiny"], hint);
    refused(
        &["reconstruct", &trial, "--data", "small.idx"],
        "the images are 10x10, but the model was trained on 28x28",
    );
    let missing = "cannot read nowhere.idx: No such file or directory (os error 2)";
    refused(&["embed", &trial, "--data", "nowhere.idx"], missing);
    refused(
        &["traverse", &trial, "--data", "small.idx"],
        "--data needs --image, the number of the image to start from",
    );
    refused(
        &["manifold", &trial, "--side", "1000"],
        "1,000,000 images are too many for one picture: at most 127,551 images of 28x28 pixels fit",
    );
    refused(
        &["report", &trial, "--format", "html"],
        &format!("{trial} is a trial folder; --format needs an experiment folder"),
    );
    refused(
        &["interpolate", &trial, "--from", "0", "--to", "6"],
        "there is no image 6: there are 6 images, counted from 0",
    );
    let model = folder.join("model.safetensors");
    let whole = std::fs::read(&model).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&model, &damaged).unwrap();
    refused(
        &["sample", &trial],
        &format!(
            "{trial}/model.safetensors: it is damaged: its checksum differs; to create it again, run the command that trained the trial"
        ),
    );
    std::fs::remove_file(&model).unwrap();
    refused(
        &["sample", &trial],
        &format!(
            "cannot read {trial}/model.safetensors: No such file or directory (os error 2); to create it again, run the command that trained the trial"
        ),
    );
    let metrics = folder.join("metrics.parquet");
    let whole_metrics = std::fs::read(&metrics).unwrap();
    std::fs::write(&model, &whole).unwrap();
    std::fs::write(&metrics, &whole_metrics[1..]).unwrap();
    refused(
        &["traverse", &trial],
        &format!("cannot read {trial}/metrics.parquet: it is damaged: its checksum differs"),
    );
    let warning = format!("warning: cannot read {trial}/metrics.parquet: it is damaged: its checksum differs\n");
    let outcome = workspace.vaex(&["sample", "runs/tiny", "--best"]);
    assert_eq!((outcome.status, outcome.stderr), (Some(2), warning + "error: runs/tiny has no trial that is done\n"));
    std::fs::write(&metrics, &whole_metrics).unwrap();
    // The model of another trial.
    workspace.succeed(&["run", "spec.toml", "--set", "objective.kl_weight=2.0"]);
    let other = workspace.trials("runs/tiny").into_values().find(|path| *path != folder).unwrap();
    std::fs::copy(other.join("model.safetensors"), &model).unwrap();
    refused(
        &["sample", &trial],
        &format!("{trial}/model.safetensors is the model of another trial: train the trial again with --fresh"),
    );
    // A model file of an earlier vaex, without the sides of the images.
    std::fs::write(&model, &whole).unwrap();
    let mut notes: std::collections::BTreeMap<_, _> = Stored::read_own(&model).unwrap().notes.into_iter().collect();
    notes.remove("height");
    notes.insert("version".to_owned(), "0.0.9".to_owned());
    Arrays::default().write(&model, notes).unwrap();
    let message = " was written by vaex 0.0.9; this version cannot read it: train the trial again with --fresh";
    refused(&["traverse", &trial], &format!("{trial}/model.safetensors{message}"));
    std::fs::write(&model, &whole).unwrap();
    let record = TrialRecord::read(&TrialFolder::new(&folder)).unwrap();
    TrialRecord { status: Status::Interrupted, ..record }.write(&TrialFolder::new(&folder)).unwrap();
    let message =
        "is interrupted; only a trial that is done has a model; to resume it, run the command that started it";
    refused(&["sample", &trial], &format!("{trial} {message}"));
    refused(
        &["sample", &trial, "--temperature", "-1"],
        "invalid value '-1' for '--temperature <T>': it must be a number, 0 or more\n\nFor more information, try '--help'.",
    );
    refused(
        &["sample", &trial, "-n", "0"],
        "invalid value '0' for '--count <COUNT>': it must be a whole number from 1 to 100,000\n\nFor more information, try '--help'.",
    );
}

/// The file name extension decides the format. An unknown extension is rejected before anything is read: here there is
/// no trial.
#[test]
fn the_suffix_of_an_output_decides_its_format() {
    let workspace = Workspace::new();
    for (arguments, message) in [
        (&["reconstruct", "t", "-o", "rec.pdf"][..], "cannot write rec.pdf: its name must end in .png"),
        (&["reconstruct", "t", "-o", "rec"], "cannot write rec: its name must end in .png"),
        (&["sample", "t", "-o", "a.jpg"], "cannot write a.jpg: its name must end in .png"),
        (&["sample", "t", "--raw", "a.npz"], "cannot write a.npz: its name must end in .npy"),
        (&["manifold", "t", "-o", "png"], "cannot write png: its name must end in .png"),
        (
            &["interpolate", "t", "--from", "0", "--to", "1", "-o", "a.tif"],
            "cannot write a.tif: its name must end in .png",
        ),
        (&["traverse", "t", "--animate", "-o", "a.mp4"], "cannot write a.mp4: its name must end in .png or .gif"),
        (
            &["traverse", "t", "-o", "a.gif"],
            "cannot write a.gif: its name must end in .png; a .gif file needs --animate",
        ),
        (&["embed", "t", "-o", "out.tsv"], "cannot write out.tsv: its name must end in .parquet or .csv"),
        (&["embed", "t", "-o", "out"], "cannot write out: its name must end in .parquet or .csv"),
        (&["export", "t", "-o", "model.onnx"], "model.onnx is a file; --output must be a folder"),
    ] {
        workspace.refuse(arguments, &format!("error: {message}\n"));
    }
    let (workspace, folder) = known();
    let trial = folder.to_str().unwrap();
    workspace.succeed(&["sample", trial, "-o", "upper.PNG"]);
    assert!(Grid::read(&workspace.path("upper.PNG")).is_ok());
    // The CSV table has the same columns and numbers as the parquet table.
    workspace.succeed(&["embed", trial]);
    workspace.succeed(&["embed", trial, "-o", "out.csv"]);
    let frame =
        ParquetReader::new(std::fs::File::open(workspace.path("embeddings.parquet")).unwrap()).finish().unwrap();
    let mut table = csv::Reader::from_path(workspace.path("out.csv")).unwrap();
    let names: Vec<&str> = frame.get_column_names().iter().map(|name| name.as_str()).collect();
    assert_eq!(table.headers().unwrap().iter().collect::<Vec<_>>(), names);
    let means = frame.column("mean_0").unwrap().f32().unwrap();
    let column = names.iter().position(|name| *name == "mean_0").unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), frame.height());
    for (row, mean) in rows.iter().zip(means.iter()) {
        assert_eq!(row[column].parse::<f32>().unwrap(), mean.unwrap());
    }
    // The frames of the GIF are those of the animated PNG: forwards and backwards.
    workspace.succeed(&["traverse", trial, "--steps", "5", "--animate", "-o", "moving.gif"]);
    let mut decoder = gif::DecodeOptions::new();
    decoder.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = decoder.read_info(std::fs::File::open(workspace.path("moving.gif")).unwrap()).unwrap();
    workspace.succeed(&["traverse", trial, "--steps", "5", "--animate", "-o", "moving.png"]);
    let file = std::fs::File::open(workspace.path("moving.png")).unwrap();
    let mut png = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
    for _ in 0..8 {
        let mut pixels = vec![0; png.output_buffer_size().unwrap()];
        png.next_frame(&mut pixels).unwrap();
        let frame = decoder.read_next_frame().unwrap().unwrap();
        let greys: Vec<u8> = frame.buffer.chunks(4).map(|pixel| pixel[0]).collect();
        assert!(greys == pixels && frame.delay == 10);
    }
    assert!(decoder.read_next_frame().unwrap().is_none());
}

#[test]
fn outputs_take_the_place_of_nothing_that_is_needed() {
    let mut workspace = Workspace::with_spec(TINY);
    workspace.create_folder("folder.png");
    workspace.write("images.png", idx(&[3, 28, 28], 3 * PIXELS));
    workspace.succeed(&["run", "spec.toml", "--set", "objective.kl_weight=1.0"]);
    let folder = only(&workspace, "runs/tiny");
    let name = folder.file_name().unwrap().to_str().unwrap();
    let refused = |arguments: &[&str], message: &str| refused(&workspace, arguments, message);
    let model = format!("runs/tiny/{name}/model.parquet");
    let message = "is in a trial folder, where only `vaex run` writes; choose another folder";
    refused(&["embed", name, "-o", &model], &format!("{model} {message}"));
    let message = "images.png is an input of this command; choose another name";
    refused(&["reconstruct", name, "--data", "images.png", "-o", "images.png"], message);
    refused(&["sample", name, "-o", "folder.png"], "folder.png is not a regular file; choose another name");
    refused(&["sample", name, "--raw", "no/raw.npy"], "cannot write no/raw.npy: there is no folder no");
    refused(&["export", name, "-o", "spec.toml"], "spec.toml is a file; --output must be a folder");
    assert!(!workspace.path("samples.png").exists() && !workspace.path("raw.npy").exists());
    #[cfg(unix)]
    {
        // A link is kept, and its target is written.
        std::fs::write(workspace.path("target.png"), "").unwrap();
        std::os::unix::fs::symlink("target.png", workspace.path("link.png")).unwrap();
        workspace.succeed(&["sample", name, "-o", "link.png"]);
        assert!(workspace.path("link.png").is_symlink() && Grid::read(&workspace.path("target.png")).is_ok());
        std::os::unix::fs::symlink("both.npy", workspace.path("both.png")).unwrap();
        std::fs::write(workspace.path("both.npy"), "").unwrap();
        let outcome = workspace.vaex(&["sample", name, "-o", "both.png", "--raw", "both.npy"]);
        let message = "both.npy would be written by both --output and --raw; choose another name for one of them\n";
        assert!(outcome.status == Some(2) && outcome.stderr.ends_with(message), "{}", outcome.stderr);
        let pipe = workspace.path("pipe.png");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let outcome = workspace.vaex(&["sample", name, "-o", "pipe.png"]);
        assert_eq!(outcome.stderr, "error: pipe.png is not a regular file; choose another name\n");
    }
}

#[test]
fn what_a_model_does_not_have_is_said() {
    let workspace = Workspace::with_spec(&format!(
        "{SPEC}\n[sweep.zip]\n\"model.posterior\" = [\"none\", \"gaussian\"]\n\"model.latent_dim\" = [2, 3]\n"
    ));
    workspace.succeed(&["run", "spec.toml"]);
    for folder in workspace.trials("runs/known").values() {
        let plain = json(&folder.join("trial.json"))["spec"]["model.posterior"] == "none";
        let shown = folder.display();
        let message = match plain {
            true => format!("error: {shown} is a plain autoencoder: it has no prior\n"),
            false => format!("error: a manifold needs 2 latent axes, but {shown} has 3; use `vaex traverse`\n"),
        };
        assert_eq!(workspace.vaex(&["manifold", folder.to_str().unwrap()]).stderr, message);
        workspace.succeed(&["traverse", folder.to_str().unwrap()]);
        workspace.succeed(&["embed", folder.to_str().unwrap()]);
        workspace.succeed(&["export", folder.to_str().unwrap(), "-o", "networks"]);
        assert!(workspace.path("networks/decoder.onnx").exists());
    }
}
