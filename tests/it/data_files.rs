//! Image files as they occur in practice: labels that are added later, bits, padding, large files of which only a part is
//! used, and pixel scales that are too large for a network.

use crate::harness::{Workspace, gzip, json, without_preparing};
use crate::runs::only;
use serde_json::{Value, json as value};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// An IDX file with these bytes as values.
pub(crate) fn idx_of(sizes: &[u32], bytes: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let mut file = crate::harness::idx(sizes, 0);
    file.extend(bytes);
    file
}

/// 40 images of 4 x 4 pixels.
fn greys() -> Vec<u8> {
    idx_of(&[40, 4, 4], (0..640).map(|pixel| (pixel * 37 % 256) as u8))
}

/// The same images as bits.
fn bits() -> Vec<u8> {
    idx_of(&[40, 4, 4], (0..640).map(|pixel| u8::from(pixel * 37 % 256 >= 128)))
}

/// A spec that trains quickly, with these lines in `[data]`.
fn spec(data: &str) -> String {
    format!(
        "name = \"tiny\"\n[data]\nsource = \"idx\"\n{data}\n[model]\nfamily = \"mlp\"\nhidden = [4]\n[train]\nepochs = 1\n\
         batch_size = 8\n"
    )
}

fn plan(workspace: &Workspace) -> Value {
    serde_json::from_str(&workspace.succeed(&["plan", "spec.toml", "--json"])).unwrap()
}

#[test]
fn adding_labels_later_does_not_train_again() {
    let mut workspace = Workspace::with_spec(&spec("images = \"images\"\nstored = [0, 1]"));
    workspace.write("images", bits());
    workspace.succeed(&["run", "spec.toml"]);
    let before = std::fs::read(only(&workspace, "runs/tiny").join("model.safetensors")).unwrap();
    for labels in [0, 1] {
        workspace.write("labels", idx_of(&[40], [labels; 40]));
        workspace.write("spec.toml", spec("images = \"images\"\nlabels = \"labels\"\nstored = [0, 1]"));
        assert_eq!(plan(&workspace)["trials"][0]["state"], "done");
        workspace.succeed(&["run", "spec.toml"]);
        let folder = only(&workspace, "runs/tiny");
        assert!(std::fs::read(folder.join("model.safetensors")).unwrap() == before);
        workspace.succeed(&["embed", folder.to_str().unwrap()]);
    }
}

#[test]
fn bits_are_read_as_bits_with_stored() {
    let mut workspace = Workspace::with_spec(&spec("images = \"images\""));
    workspace.write("images", bits());
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    let expected = "\
error: `images` has only the values 0 and 1, so vaex would read white as 1/255; write `stored = [0, 1]` in `[data]` if 1 is \
white, or `stored = [0, 255]` if the images really are that dark
 --> spec.toml:4:10
  |
4 | images = \"images\"
  |          ^^^^^^^^
";
    assert_eq!((outcome.status, &*outcome.stderr), (Some(2), expected), "\n--- found\n{}", outcome.stderr);
    workspace.write("spec.toml", spec("images = \"images\"\nstored = [0, 1]"));
    let resolved = workspace.succeed(&["plan", "spec.toml", "--resolved"]);
    assert!(resolved.contains("\nstored = [0.0, 1.0]  # spec.toml:5\n"), "{resolved}");
    let of_bits = plan(&workspace)["trials"][0].clone();
    workspace.write("spec.toml", spec("images = \"images\"\nstored = [0, 255]\nbinarize = \"dynamic\""));
    assert_ne!(plan(&workspace)["trials"][0]["trial"], of_bits["trial"]);
    // Bits are the same images as black and white bytes, and give the same weights.
    workspace.write("white", idx_of(&[40, 4, 4], bits()[16..].iter().map(|bit| 255 * bit)));
    let weights = ["images = \"images\"\nstored = [0, 1]", "images = \"white\""].map(|data| {
        workspace.write("spec.toml", spec(data));
        workspace.succeed(&["run", "spec.toml"]);
        let trial = plan(&workspace)["trials"][0].clone();
        workspace.trial("runs/tiny", trial["trial"].as_str().unwrap()).join("model.safetensors")
    });
    let differences = vaex::folder::differences(&weights[0], &weights[1]).unwrap();
    assert!(differences.is_empty(), "{differences:?}");
}

#[test]
fn an_impossible_interval_is_refused() {
    let mut workspace = Workspace::with_spec(&spec("images = \"images\"\nstored = [1, 0]"));
    workspace.write("images", greys());
    let of_bytes = "two whole numbers from 0 to 255, because `images` holds bytes";
    for (stored, wanted) in
        [("[1, 0]", "two numbers, the smaller one first"), ("[0, 256]", of_bytes), ("[0, 0.5]", of_bytes)]
    {
        workspace.write("spec.toml", spec(&format!("images = \"images\"\nstored = {stored}")));
        let outcome = workspace.vaex(&["plan", "spec.toml"]);
        let message = format!("error: `data.stored` must be {wanted}, found {stored}\n");
        assert!(outcome.status == Some(2) && outcome.stderr.contains(&message), "{}", outcome.stderr);
    }
    workspace.write("spec.toml", spec("images = \"images\"\nstored = [0, 1]"));
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    let expected = "\
error: `images` has the value 37 in image 0 (counted from 0), outside `data.stored` = [0, 1]; correct `data.stored` or \
the file
 --> spec.toml:5:10
  |
5 | stored = [0, 1]
  |          ^^^^^^
";
    assert_eq!((outcome.status, &*outcome.stderr), (Some(2), expected), "\n--- found\n{}", outcome.stderr);
}

#[test]
fn a_trained_model_accepts_only_images_of_its_scale() {
    let mut workspace = Workspace::new();
    workspace.write("bits", bits());
    workspace.write("greys", greys());
    let of_bits = "but the model was trained on values from 0 to 1; scale the images to these values";
    let of_bytes = "but the model was trained on values from 0 to 255; multiply them by 255";
    for (data, own, other, message) in [
        (
            "stored = [0, 1]",
            "bits",
            "greys",
            format!("`greys` has the value 37 in image 0 (counted from 0), {of_bits}"),
        ),
        ("binarize = \"dynamic\"", "greys", "bits", format!("`bits` has only the values 0 and 1, {of_bytes}")),
    ] {
        workspace.write("spec.toml", spec(&format!("images = \"{own}\"\n{data}")).replace("tiny", own));
        workspace.succeed(&["run", "spec.toml"]);
        let folder = only(&workspace, &format!("runs/{own}"));
        let trial = folder.to_str().unwrap();
        for arguments in [&["embed"][..], &["reconstruct", "-n", "2"], &["interpolate", "--from", "0", "--to", "1"]] {
            let arguments = [arguments, &[trial, "--data"]].concat();
            workspace.succeed(&[&arguments[..], &[own]].concat());
            let outcome = workspace.vaex(&[&arguments[..], &[other]].concat());
            assert_eq!((outcome.status, outcome.stderr), (Some(2), format!("error: {message}\n")), "{arguments:?}");
        }
    }
}

#[test]
fn a_new_file_sets_stored_if_its_images_are_bits() {
    let mut workspace = Workspace::new();
    workspace.write("bits", bits());
    workspace.write("greys", greys());
    for (images, is_stored) in [("bits", true), ("greys", false)] {
        let name = format!("of_{images}");
        workspace.succeed(&["new", &name, "--family", "mlp", "--data", images]);
        let text = std::fs::read_to_string(workspace.path(&format!("{name}.toml"))).unwrap();
        assert_eq!(text.contains("\nstored = [0, 1]\n"), is_stored, "{text}");
        let outcome = workspace.vaex_in_full(&["plan", &format!("{name}.toml")]);
        assert_eq!((outcome.status, &*outcome.stderr), (Some(0), ""));
    }
}

#[test]
fn gzip_padded_with_zeros_is_read() {
    let data = |images: &str| spec(&format!("images = \"{images}\"\nlabels = \"labels\"\nstored = [0, 1]"));
    let mut workspace = Workspace::with_spec(&data("plain"));
    workspace.write("plain", bits());
    workspace.write("padded", [gzip(&bits()), vec![0; 10_240]].concat());
    workspace.write("labels", [gzip(&idx_of(&[40], [1; 40])), vec![0; 512]].concat());
    let plain = plan(&workspace);
    workspace.write("spec.toml", data("padded"));
    assert_eq!(plan(&workspace)["trials"][0]["data_hash"], plain["trials"][0]["data_hash"]);
    workspace.write("padded", [gzip(&bits()), vec![0; 512], b"more than zeros".to_vec()].concat());
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    let message = "error: `padded` is a damaged gzip file (invalid gzip header); download it again\n";
    assert!(outcome.status == Some(2) && outcome.stderr.starts_with(message), "{}", outcome.stderr);
}

/// A sparse file of `sizes` that starts with these bytes; the rest are zeros that use no disk space.
#[cfg(target_os = "linux")]
fn sparse(path: &Path, sizes: &[u32], bytes: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(&idx_of(sizes, bytes.iter().copied())).unwrap();
    let length = sizes.iter().map(|&size| u64::from(size)).product::<u64>();
    file.set_len(4 + 4 * sizes.len() as u64 + length).unwrap();
}

/// Runs vaex with 150 MB of memory of its own: mapped files do not count, and neither do addresses that are only reserved, whose
/// number depends on the allocator and on the cores of the machine.
#[cfg(target_os = "linux")]
fn in_little_memory(workspace: &Workspace, arguments: &[&str]) -> String {
    let mut command = workspace.shell(std::process::Command::new("sh"));
    command.args(["-c", "ulimit -d 150000 && exec \"$@\"", "sh", crate::harness::PROGRAM]).args(arguments);
    let output = command.output().unwrap();
    // It takes about a second.
    let stderr = without_preparing(&String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// 40 images of 64 x 64 pixels, black and white.
#[cfg(target_os = "linux")]
fn large_bits() -> Vec<u8> {
    (0..40 * 64 * 64).map(|pixel| u8::from(pixel * 37 % 256 >= 128)).collect()
}

/// All images of a file are prepared, but they are not in the memory of each process.
#[test]
#[cfg(target_os = "linux")]
fn a_limit_uses_the_first_images_of_a_large_file() {
    let data = "labels = \"labels\"\nlimit = 40\nstored = [0, 1]";
    let mut workspace = Workspace::with_spec(&spec(&format!("images = \"few\"\n{data}")));
    workspace.write("few", idx_of(&[40, 64, 64], large_bits()));
    workspace.write("labels", idx_of(&[40], [7; 40]));
    let few = plan(&workspace)["trials"][0].clone();
    // 205 MB.
    let count = 50_000;
    sparse(&workspace.path("images"), &[count, 64, 64], &large_bits());
    sparse(&workspace.path("labels"), &[count], &[7; 40]);
    workspace.write("spec.toml", spec(&format!("images = \"images\"\n{data}")));
    let planned: Value = serde_json::from_str(&in_little_memory(&workspace, &["plan", "spec.toml", "--json"])).unwrap();
    let trial = &planned["trials"][0];
    assert_eq!((&trial["trial"], &trial["data_hash"]), (&few["trial"], &few["data_hash"]));
    assert_eq!((&trial["training_images"], &trial["validation_images"]), (&value!(36), &value!(4)));
    // The images are mapped: they are no part of the memory that a trial needs.
    assert_eq!(trial["memory_bytes"], few["memory_bytes"]);
    in_little_memory(&workspace, &["run", "spec.toml", "--jobs", "1", "--threads", "1"]);
    let folder = only(&workspace, "runs/tiny");
    let trial = folder.to_str().unwrap();
    for arguments in [
        &["new", "another", "--data", "images"][..],
        &["reconstruct", trial, "--data", "images", "--labels", "labels", "-n", "5"],
        &["traverse", trial, "--data", "images", "--image", "30"],
        &["interpolate", trial, "--data", "images", "--from", "3", "--to", "20"],
        &["embed", trial],
    ] {
        in_little_memory(&workspace, arguments);
    }
    // Several limits share what was prepared.
    workspace.write(
        "spec.toml",
        format!("{}[sweep.grid]\n\"data.limit\" = [40, 10, 20, 80]\n", spec("images = \"images\"\nstored = [0, 1]")),
    );
    let plan: Value = serde_json::from_str(&in_little_memory(&workspace, &["plan", "spec.toml", "--json"])).unwrap();
    let images = plan["trials"].as_array().unwrap().iter().map(|trial| trial["training_images"].as_u64().unwrap());
    assert_eq!(images.collect::<Vec<_>>(), [36, 9, 18, 72]);
    // The part that is not used must exist nonetheless.
    let file = File::options().write(true).open(workspace.path("images")).unwrap();
    file.set_len(200_000_000).unwrap();
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    let message = "error: `images` ends after 200,000,000 of 204,800,016 bytes; download it again\n";
    assert!(outcome.status == Some(2) && outcome.stderr.starts_with(message), "{}", outcome.stderr);
}

#[test]
fn a_range_far_from_1_gives_a_warning_and_is_named_if_a_trial_diverges() {
    let mut workspace = Workspace::new();
    workspace.write("images", greys());
    let far = spec("images = \"images\"\nrange = [0, 255]").replace("hidden", "likelihood = \"gaussian\"\nhidden");
    workspace.write("spec.toml", &far);
    let expected = "\
warning: `data.range` = [0, 255] has pixel values far from 1
 --> spec.toml:5:9
  |
5 | range = [0, 255]
  |         ^^^^^^^^
  |
  = help: the initial weights suit pixel values of about 1, so the first steps may diverge with any `model.variance`; \
usual ranges are [0.0, 1.0] and [-1.0, 1.0]
";
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    assert_eq!((outcome.status, &*outcome.stderr), (Some(0), expected), "\n--- found\n{}", outcome.stderr);
    let plan = plan(&workspace);
    assert_eq!(plan["warnings"][0]["message"], "`data.range` = [0, 255] has pixel values far from 1");
    for (range, warns) in [("[-1, 1]", false), ("[0, 10]", false), ("[-20, 1]", true)] {
        workspace.write("spec.toml", far.replace("[0, 255]", range));
        assert_eq!(!workspace.vaex(&["plan", "spec.toml"]).stderr.is_empty(), warns, "{range}");
    }
    workspace.write("spec.toml", far.replace("epochs = 1", "epochs = 1\nlearning_rate = 1e20"));
    let outcome = workspace.vaex(&["run", "spec.toml", "--json"]);
    let first: Value = serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((outcome.status, &*outcome.stderr, &first["event"]), (Some(1), "", &value!("warnings")));
    assert_eq!(first["warnings"][0], plan["warnings"][0]);
    let record = json(&only(&workspace, "runs/tiny").join("trial.json"));
    let error = record["error"].as_str().unwrap();
    assert!(error.contains("; the likely cause is `data.range` = [0, 255], because "), "{error}");
}

const GREY: &str = "`model.likelihood = \"bernoulli\"` on grey pixels: this is not a likelihood of grey values, so `elbo_nats` is \
                    not a lower bound";

#[test]
fn a_bernoulli_likelihood_of_grey_pixels_gives_one_warning() {
    let spec = "\
[data]
limit = 100
[model]
family = \"mlp\"
hidden = [4]
[train]
epochs = 1
batch_size = 10
[sweep.grid]
\"model.likelihood\" = [\"gaussian\", \"bernoulli\"]
\"data.binarize\" = [\"none\", \"dynamic\"]
\"seed\" = [0, 1]
";
    let mut workspace = Workspace::with_spec(spec);
    let outcome = workspace.vaex_in_full(&["plan", "spec.toml", "--only", "binarize=none"]);
    let expected = format!(
        "\
warning: {GREY}
  --> spec.toml:10:35
   |
10 | \"model.likelihood\" = [\"gaussian\", \"bernoulli\"]
   |                                   ^^^^^^^^^^^
   |
   = help: this is common in tutorials; to compare nats with published results, set `data.binarize = \"dynamic\"` (or \
\"static\", \"threshold\"); for a likelihood of grey values, set `model.likelihood` to \"gaussian\" or \"continuous_bernoulli\"
   = note: in 2 of 8 trials
"
    );
    let of_grey: Vec<&str> = outcome.stderr.split_inclusive("\n\n").filter(|text| text.contains(GREY)).collect();
    assert_eq!((outcome.status, of_grey.concat().trim_end()), (Some(0), expected.trim_end()), "{}", outcome.stderr);
    // The JSON of the plan and of the run has the warning, and so has the record of each trial that it concerns.
    let outcome = workspace.vaex_in_full(&["run", "spec.toml", "--json", "--only", "seed=0"]);
    let first: Value = serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap();
    let messages = |warnings: &Value| -> Vec<String> {
        warnings.as_array().unwrap().iter().map(|warning| warning["message"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((outcome.status, &*outcome.stderr, &first["event"]), (Some(0), "", &value!("warnings")));
    assert!(messages(&first["warnings"]).iter().any(|message| message == GREY));
    assert_eq!(messages(&plan(&workspace)["warnings"]), messages(&first["warnings"]));
    for folder in workspace.trials("runs/spec").values() {
        let record = json(&folder.join("trial.json"));
        let of = (&record["spec"]["model.likelihood"], &record["spec"]["data.binarize"]);
        let is_grey = of == (&value!("bernoulli"), &value!("none"));
        assert_eq!(record["warnings"].as_array().unwrap().contains(&value!(GREY)), is_grey, "{of:?}");
    }
    let report = workspace.succeed(&["report", "runs/spec"]);
    assert!(report.contains(&format!("\nwarning: {GREY} (in 1 of 4 trials)\n")), "{report}");
    // Black and white pixels are not grey, in any encoding.
    for (name, file, stored) in [("bits", bits(), "stored = [0, 1]"), ("greys", greys(), ""), ("bytes", bits(), "")] {
        let bytes = file[16..].iter().map(|&pixel| if name == "bytes" { 255 * pixel } else { pixel });
        workspace.write("images", idx_of(&[40, 4, 4], bytes));
        workspace.write("spec.toml", self::spec(&format!("images = \"images\"\n{stored}")));
        let said = workspace.vaex_in_full(&["plan", "spec.toml"]).stderr;
        assert_eq!(said.starts_with(&format!("warning: {GREY}\n--> spec.toml\n")), name == "greys", "{said}");
    }
}

#[test]
fn the_default_of_stored_written_out_is_the_same_trial() {
    let mut workspace = Workspace::with_spec(&spec("images = \"images\""));
    workspace.write("images", greys());
    let ids = |plan: Value| plan["trials"][0]["trial"].as_str().unwrap().to_owned();
    let plain = ids(plan(&workspace));
    workspace.write("spec.toml", spec("images = \"images\"\nstored = [0, 255]"));
    assert_eq!(ids(plan(&workspace)), plain);
}

#[test]
fn a_trial_does_not_repeat_the_warnings_of_the_plan() {
    let mut workspace = Workspace::with_spec(&spec("images = \"images\""));
    workspace.write("images", greys());
    let outcome = workspace.vaex_in_full(&["run", "spec.toml"]);
    assert_eq!(outcome.stderr.matches(GREY).count(), 1, "{}", outcome.stderr);
    // The report repeats the warning below its table.
    let lines: Vec<&str> = outcome.stdout.lines().filter(|line| line.contains("grey")).collect();
    assert_eq!(lines, [format!("warning: {GREY}")]);
}

/// Each of these was once an error, a warning or a wrong trial.
#[test]
fn valid_specs_of_data_are_accepted() {
    let mut workspace =
        Workspace::with_spec(&spec("images = \"images\"\nvalidation_images = \"images\"\nstored = [0, 1]"));
    workspace.write("images", bits());
    let trial = |workspace: &Workspace| plan(workspace)["trials"][0].clone();
    assert_eq!(plan(&workspace)["warnings"], serde_json::json!([]));
    // The saved spec of a trial has every key, also the default of `validation`.
    workspace.succeed(&["run", "spec.toml"]);
    let folder = workspace.trial("runs/tiny", trial(&workspace)["trial"].as_str().unwrap());
    let record = std::fs::read_to_string(folder.join("trial.json")).unwrap();
    assert!(record.contains("\"warnings\": []"), "{record}");
    // A range of numbers of images.
    let sweep = "[sweep.grid]\n\"data.validation\" = { from = 4, to = 8, steps = 3 }\n";
    workspace.write("spec.toml", spec("images = \"images\"\nstored = [0, 1]") + sweep);
    let trials = plan(&workspace)["trials"].as_array().unwrap().clone();
    let values: Vec<_> = trials.iter().map(|trial| trial["spec"]["data.validation"].clone()).collect();
    assert_eq!(values, [4, 6, 8]);
}
