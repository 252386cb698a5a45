//! Shapes that the compiler checks: wrong code must fail to compile, for the expected reason; sizes known at compile
//! time are accepted.

use std::path::{Path, PathBuf};
use std::process::Command;
use vaex::data::ImageShape;
use vaex::language::Spec;
use vaex::model::{Architecture, BuildError, Vae, parameters};
use vaex::tensor::backend::Host;
use vaex::tensor::dims::{Const, Hidden, Latent, Outputs, Values};

const PRELUDE: &str = "
    use vaex::tensor::backend::{Array, Host};
    use vaex::model::layer::{Conv, ConvTranspose};
    use vaex::model::{LikelihoodHead, Model};
    use vaex::tensor::dims::{Batch, Channels, Const, Height, Hidden, Latent, Outputs, Values, Width, Windows};
    pub fn function(
        model: &Model<Host>,
        likelihood: &LikelihoodHead<Values, Outputs, Host>,
        hidden: Array<(Batch, Hidden), Host>,
        code: Array<(Batch, Latent), Host>,
        images: Array<(Batch, Values), Host>,
        outputs: Array<(Batch, Outputs), Host>,
        of_rgb: &Conv<Const<3>, Channels, Host>,
        to_rgb: &ConvTranspose<Channels, Const<3>, Host>,
        grey: Array<(Batch, Height, Width, Const<1>), Host>,
        rgb: Array<(Batch, Height, Width, Const<3>), Host>,
        map: Array<(Batch, Height, Width, Channels), Host>,
    ) {
";

/// Compiles a function body with the library that this test is linked to; returns the messages of the compiler if it
/// fails.
fn compile(body: &str) -> Result<(), String> {
    let dependencies = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("snippet.rs");
    std::fs::write(&source, format!("{PRELUDE}{body}\n}}")).unwrap();
    let mut command = Command::new(option_env!("RUSTC").unwrap_or("rustc"));
    command.args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "-A", "warnings"]);
    command.arg("-L").arg(format!("dependency={}", dependencies.display()));
    command.arg("--extern").arg(format!("vaex={}", library(&dependencies).display()));
    let output = command.arg("--out-dir").arg(folder.path()).arg(&source).output().unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    if output.status.success() { Ok(()) } else { Err(messages) }
}

/// The newest build of the library.
fn library(folder: &Path) -> PathBuf {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| {
        let file = path.file_name().unwrap().to_string_lossy();
        file.starts_with("libvaex-") && file.ends_with(".rlib")
    });
    paths.max_by_key(|path| path.metadata().unwrap().modified().unwrap()).unwrap()
}

#[test]
fn what_fits_compiles() {
    let body = "
        let decoded: Array<(Batch, Outputs), Host> = model.decode(code.clone()).unwrap();
        likelihood.nats(decoded, &images).unwrap();
        let map: Array<(Batch, Windows<Height>, Windows<Width>, Channels), Host> = of_rgb.forward(rgb).unwrap();";
    assert_eq!(compile(body), Ok(()));
}

fn refused(body: &str, expected: &str, found: &str) {
    let messages = compile(body).expect_err("this must not compile");
    assert!(messages.contains("error[E0308]: mismatched types"), "not the expected error:\n{messages}");
    assert!(
        messages.contains(expected) && messages.contains(found),
        "{expected} and {found} are not mentioned:\n{messages}"
    );
    assert!(messages.contains("aborting due to 1 previous error"), "more than one error:\n{messages}");
}

#[test]
fn a_hidden_is_not_decoded_though_it_has_the_size_of_a_code() {
    refused("let _ = model.decode(hidden.clone());", "Latent", "Hidden");
}

#[test]
fn a_decoder_gives_outputs_and_not_values() {
    let body = "let _: Array<(Batch, Values), Host> = model.decode(code.clone()).unwrap();";
    refused(body, "Values", "Outputs");
}

#[test]
fn a_likelihood_takes_outputs_of_the_decoder() {
    refused("let _ = likelihood.nats(images.clone(), &images);", "Outputs", "Values");
}

#[test]
fn a_likelihood_takes_values_of_images() {
    refused("let _ = likelihood.nats(outputs.clone(), &outputs);", "Values", "Outputs");
}

#[test]
fn a_convolution_of_three_channels_does_not_take_one() {
    refused("let _ = of_rgb.forward(grey.clone());", "Const<3>", "Const<1>");
    refused("let _ = of_rgb.forward(map.clone());", "Const<3>", "Channels");
}

#[test]
fn a_convolution_to_three_channels_does_not_give_one() {
    let body = "let half: Array<(Batch, Windows<Height>, Windows<Width>, Channels), Host> = todo!();
                let _: Array<(Batch, Height, Width, Const<1>), Host> = to_rgb.forward(half, (Height(4), Width(4))).unwrap();";
    refused(body, "1", "3");
}

fn architecture(channels: usize) -> Architecture {
    let spec = "name = \"small\"\n[model]\nfamily = \"mlp\"\nhidden = [5]\nlatent_dim = 2";
    let (spec, found) = Spec::read(&Spec::keys_of(spec).unwrap());
    assert!(found.problems.is_empty());
    spec.architecture(ImageShape { height: 4, width: 3, channels }, [0.0, 255.0])
}

#[test]
fn the_same_code_takes_sizes_that_the_compiler_knows() {
    let device = Default::default();
    let rgb = architecture(3);
    let mut known = Vae::<Const<36>, Const<5>, Const<2>, Const<36>, Host>::new(&device, &rgb).unwrap();
    let mut named = Vae::<Values, Hidden, Latent, Outputs, Host>::new(&device, &rgb).unwrap();
    assert_eq!(parameters::count(&mut known), parameters::count(&mut named));
    assert_eq!(parameters::count(&mut known) as u128, rgb.parameters());
    let wrong = Vae::<Const<36>, Const<5>, Const<3>, Const<36>, Host>::new(&device, &rgb);
    assert!(matches!(wrong, Err(BuildError::Sizes)));
    let grey = Vae::<Const<36>, Const<5>, Const<2>, Const<36>, Host>::new(&device, &architecture(1));
    assert!(matches!(grey, Err(BuildError::Sizes)));
}
