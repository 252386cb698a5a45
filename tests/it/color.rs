//! Images in color and images of floats: both orders of the axes of a file, pictures, arrays, and use of the model.

use crate::data_files::idx_of;
use crate::harness::{Workspace, json};
use crate::runs::only;
use serde_json::{Value, json as value};
use vaex::data::ImageShape;
use vaex::folder::{Stored, differences};
use vaex::record::Grid;

const COUNT: usize = 24;
const SHAPE: ImageShape = ImageShape { height: 6, width: 5, channels: 3 };

/// A value of an image: red and green change with the row and the column, blue with the image.
fn color([image, row, column, channel]: [usize; 4]) -> u8 {
    [40 * row, 50 * column, 10 * image][channel] as u8
}

/// The bytes of all images, with the axes of `order` after the first one.
fn bytes(order: [usize; 3]) -> Vec<u8> {
    let sizes = order.map(|axis| SHAPE.sizes()[axis]);
    let mut found = Vec::new();
    for image in 0..COUNT {
        for place in 0..sizes.iter().product() {
            let at = [place / (sizes[1] * sizes[2]), place / sizes[2] % sizes[1], place % sizes[2]];
            let mut index = [image, 0, 0, 0];
            order.iter().zip(at).for_each(|(axis, at)| index[axis + 1] = at);
            found.push(color(index));
        }
    }
    found
}

const LAST: [usize; 3] = [0, 1, 2];
const FIRST: [usize; 3] = [2, 0, 1];

/// An IDX file of all images in this order of the axes.
fn file(order: [usize; 3]) -> Vec<u8> {
    let sizes = order.map(|axis| SHAPE.sizes()[axis] as u32);
    idx_of(&[COUNT as u32, sizes[0], sizes[1], sizes[2]], bytes(order))
}

/// The same images as floats from 0 to 1.
fn floats() -> Vec<u8> {
    let mut file = idx_of(&[COUNT as u32, 6, 5, 3], []);
    file[2] = 0x0D;
    file.extend(bytes(LAST).iter().flat_map(|byte| (f32::from(*byte) / 255.0).to_be_bytes()));
    file
}

fn spec(data: &str, model: &str) -> String {
    format!(
        "name = \"color\"\n[data]\nsource = \"idx\"\n{data}\nvalidation = 4\n[model]\nlikelihood = \"gaussian\"\n\
         hidden = [6]\n{model}\n[train]\nepochs = 2\nbatch_size = 7\n"
    )
}

const CONV: &str = "channels = [4, 5]\nstrides = [1, 2]";
const MLP: &str = "family = \"mlp\"";

fn trial_of(workspace: &Workspace) -> Value {
    let plan: Value = serde_json::from_str(&workspace.succeed(&["plan", "spec.toml", "--json"])).unwrap();
    plan["trials"][0].clone()
}

#[test]
fn both_orders_of_the_axes_are_the_same_images() {
    let mut workspace = Workspace::with_spec("");
    workspace.write("last", file(LAST));
    workspace.write("first", file(FIRST));
    for model in [CONV, MLP] {
        workspace.write("spec.toml", spec("images = \"last\"", model));
        workspace.succeed(&["run", "spec.toml"]);
        let trial = trial_of(&workspace);
        for data in
            ["images = \"first\"", "images = \"first\"\nlayout = \"nchw\"", "images = \"last\"\nlayout = \"nhwc\""]
        {
            workspace.write("spec.toml", spec(data, model));
            let other = trial_of(&workspace);
            assert_eq!((&other["trial"], &other["state"]), (&trial["trial"], &value!("done")), "{data}");
        }
        let folder = workspace.trial("runs/color", trial["trial"].as_str().unwrap());
        let record = json(&folder.join("trial.json"));
        assert_eq!([&record["height"], &record["width"], &record["channels"]], [6, 5, 3]);
        let notes = Stored::read_own(&folder.join("model.safetensors")).unwrap().notes;
        assert_eq!(["height", "width", "channels", "stored"].map(|name| &*notes[name]), ["6", "5", "3", "0 255"]);
    }
}

#[test]
fn pictures_and_arrays_are_in_color() {
    let mut workspace = Workspace::with_spec(&spec("images = \"images\"", CONV));
    workspace.write("images", file(FIRST));
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/color");
    let trial = folder.to_str().unwrap();
    // The four validation images above their reconstructions.
    let grid = Grid::read(&folder.join("images/reconstructions.png")).unwrap();
    assert_eq!(grid.shape, ImageShape { height: 13, width: 4 * 6 - 1, channels: 3 });
    let pixel = |row: usize, column: usize| &grid.values[(row * grid.shape.width + column) * 3..][..3];
    for image in 0..4 {
        for (row, column) in [(0, 0), (2, 4), (5, 1)] {
            let expected = [0, 1, 2].map(|channel| color([COUNT - 4 + image, row, column, channel]));
            assert_eq!(pixel(row, image * 6 + column), expected);
        }
    }
    let stored = Stored::read(&folder.join("images/reconstructions.safetensors")).unwrap();
    let (sizes, input) = stored.sized("input").unwrap();
    assert_eq!((sizes, input[4], input[5]), (vec![4, 90], 50.0 / 255.0, 200.0 / 255.0));
    let sprite = Grid::read(&folder.join("embedding/sprite.png")).unwrap();
    assert_eq!(sprite.shape, ImageShape { height: 12, width: 10, channels: 3 });
    assert_eq!(sprite.values[..3], [0, 0, 200]);
    // The commands that use the model, on the file in the other order.
    workspace.write("last", file(LAST));
    workspace.succeed(&["reconstruct", trial, "--data", "last", "-n", "2"]);
    let grid = Grid::read(&workspace.path("reconstructions.png")).unwrap();
    assert_eq!((grid.shape.channels, &grid.values[3 * 4..][..3]), (3, &[0, 200, 0][..]));
    workspace.succeed(&["sample", trial, "-n", "2", "--raw", "raw.npy"]);
    let raw = std::fs::read(workspace.path("raw.npy")).unwrap();
    assert!(raw.windows(11).any(|part| part == b"(2, 6, 5, 3"));
    workspace.succeed(&["traverse", trial, "--steps", "3", "--animate", "-o", "moving.gif"]);
    workspace.succeed(&["embed", trial, "--data", "images"]);
    let report = workspace.succeed(&["report", "runs/color"]);
    let page = std::fs::read_to_string(workspace.path("runs/color/report.html")).unwrap();
    assert!(page.contains("6 × 5 pixels, 3 channels"), "{report}");
}

#[test]
fn images_of_another_shape_are_refused() {
    let mut workspace = Workspace::with_spec(&spec("images = \"images\"", MLP));
    workspace.write("images", file(LAST));
    workspace.write("grey", idx_of(&[10, 6, 5], vec![7; 300]));
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/color");
    let outcome = workspace.vaex(&["embed", folder.to_str().unwrap(), "--data", "grey"]);
    let message = "error: the images are 6x5, but the model was trained on 6x5x3\n";
    assert_eq!((outcome.status, &*outcome.stderr), (Some(2), message));
    workspace.write(
        "spec.toml",
        spec("images = \"images\"\nvalidation_images = \"grey\"", MLP).replace("validation = 4\n", ""),
    );
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    let message =
        "error: `grey` holds images of 6x5, but `images` holds images of 6x5x3; both must have the same shape\n";
    assert!(outcome.status == Some(2) && outcome.stderr.starts_with(message), "{}", outcome.stderr);
    workspace.write("spec.toml", spec("images = \"four\"", MLP));
    workspace.write("four", idx_of(&[10, 6, 5, 4], vec![7; 1200]));
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    let message = "error: `four` has images of the sizes 6 x 5 x 4, but the first or the last axis must have 1 or 3 channels, \
                   for grey or red, green and blue; remove the alpha channel\n --> spec.toml:";
    assert!(outcome.status == Some(2) && outcome.stderr.starts_with(message), "{}", outcome.stderr);
    workspace.write("spec.toml", spec("images = \"images\"\nlayout = \"nchw\"", MLP));
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    assert!(outcome.status == Some(2) && outcome.stderr.contains("| layout = \"nchw\"\n"), "{}", outcome.stderr);
}

#[test]
fn floats_give_the_results_of_the_same_bytes() {
    let mut workspace = Workspace::with_spec(&spec("images = \"bytes\"", MLP));
    workspace.write("bytes", file(LAST));
    workspace.write("floats", floats());
    let models = ["bytes", "floats"].map(|name| {
        workspace.write("spec.toml", spec(&format!("images = \"{name}\""), MLP));
        workspace.succeed(&["run", "spec.toml"]);
        let trial = trial_of(&workspace);
        workspace.trial("runs/color", trial["trial"].as_str().unwrap()).join("model.safetensors")
    });
    assert_eq!(differences(&models[0], &models[1]).unwrap(), Vec::<String>::new());
    let notes = Stored::read_own(&models[1]).unwrap().notes;
    assert_eq!(notes["stored"], "0 1");
    // A model of floats is used on floats, and a model of bytes on bytes.
    let [of_bytes, of_floats] = models.map(|path| path.parent().unwrap().to_str().unwrap().to_owned());
    workspace.succeed(&["embed", &of_floats, "--data", "floats"]);
    workspace.succeed(&["embed", &of_floats]);
    let of_0_to_1 = "but the model was trained on values from 0 to 1; scale the images to these values";
    let refused = [
        (&of_floats, "bytes", format!("`bytes` has the value 50 in image 0 (counted from 0), {of_0_to_1}")),
        (
            &of_bytes,
            "floats",
            "`floats` has only values from 0 to 1, but the model was trained on values from 0 to 255; multiply them by 255"
                .to_owned(),
        ),
    ];
    for (trial, data, message) in refused {
        let outcome = workspace.vaex(&["embed", trial, "--data", data]);
        assert_eq!((outcome.status, outcome.stderr), (Some(2), format!("error: {message}\n")));
    }
}

#[test]
fn floats_of_another_interval_need_stored() {
    let mut workspace = Workspace::with_spec(&spec("images = \"floats\"", MLP));
    let mut file = floats();
    file.truncate(20);
    file.extend(bytes(LAST).iter().flat_map(|byte| (f32::from(*byte) / 127.5 - 1.0).to_be_bytes()));
    workspace.write("floats", &file);
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    let message = "error: `floats` has values from -1 to 0.8039216, but floats must be from 0 to 1; if they have another \
                   interval, write it in `[data]`, such as `stored = [-1, 1]`\n";
    assert!(outcome.status == Some(2) && outcome.stderr.starts_with(message), "{}", outcome.stderr);
    workspace.write("spec.toml", spec("images = \"floats\"\nstored = [-1, 1]", MLP));
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/color");
    let grid = Grid::read(&folder.join("images/reconstructions.png")).unwrap();
    assert_eq!(grid.values[3 * 4..][..3], [0, 200, 200]);
    workspace.write("bytes", self::file(LAST));
    let outcome = workspace.vaex(&["embed", folder.to_str().unwrap(), "--data", "bytes"]);
    let message = "error: `bytes` holds bytes, but the model was trained on values from -1 to 1; write the images as 32-bit \
                   floats with these values\n";
    assert_eq!((outcome.status, &*outcome.stderr), (Some(2), message));
    // A number that is none is always refused.
    file[20..24].copy_from_slice(&f32::NAN.to_be_bytes());
    workspace.write("floats", &file);
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    let message = "error: image 0 of `floats` has the value NaN; all values must be finite numbers\n";
    assert!(outcome.status == Some(2) && outcome.stderr.starts_with(message), "{}", outcome.stderr);
}

/// The spec of a trial states the interval of its images, and the default can be written out. Another interval is another trial.
#[test]
fn the_interval_of_floats_is_stated() {
    let mut workspace = Workspace::with_spec(&spec("images = \"floats\"", MLP));
    workspace.write("floats", floats());
    workspace.succeed(&["run", "spec.toml"]);
    let folder = only(&workspace, "runs/color");
    let stated = std::fs::read_to_string(folder.join("spec.toml")).unwrap();
    assert!(stated.contains("\nstored = [0.0, 1.0]\n"), "{stated}");
    let id = |workspace: &mut Workspace, spec: &str| {
        let plan: Value = serde_json::from_str(&workspace.succeed(&["plan", spec, "--json"])).unwrap();
        plan["trials"][0]["trial"].clone()
    };
    let own = json(&folder.join("trial.json"))["trial"].clone();
    assert_eq!(id(&mut workspace, &format!("{}/spec.toml", folder.display())), own);
    workspace.write("spec.toml", spec("images = \"floats\"\nstored = [0, 1]", MLP));
    assert_eq!(id(&mut workspace, "spec.toml"), own);
    workspace.write("spec.toml", spec("images = \"floats\"\nstored = [0, 255]", MLP));
    assert_ne!(id(&mut workspace, "spec.toml"), own);
    // 0.1 in a spec is 0.1 in a file of floats.
    let mut tenths = idx_of(&[COUNT as u32, 6, 5, 3], []);
    tenths[2] = 0x0D;
    tenths.extend(bytes(LAST).iter().flat_map(|byte| (if *byte > 40 { 0.9f32 } else { 0.1 }).to_be_bytes()));
    workspace.write("floats", tenths);
    workspace.write("spec.toml", spec("images = \"floats\"\nstored = [0.1, 0.9]", MLP));
    let outcome = workspace.vaex(&["run", "spec.toml"]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("on pixels that are only black or white"), "{}", outcome.stderr);
}

#[test]
fn a_new_spec_for_images_in_color_runs() {
    let mut workspace = Workspace::new();
    workspace.write("images", file(FIRST));
    workspace.succeed(&["new", "fresh", "--family", "mlp", "--data", "images"]);
    let text = std::fs::read_to_string(workspace.path("fresh.toml")).unwrap();
    assert!(text.contains("\nlikelihood = \"gaussian\"\n") && !text.contains("\nbinarize ="), "{text}");
    workspace.succeed(&["run", "fresh.toml", "--set", "train.epochs=1"]);
}
