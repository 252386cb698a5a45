//! Shapes that the compiler checks: wrong code must fail to compile, for the expected reason; sizes known at compile
//! time are accepted.

use std::path::{Path, PathBuf};
use std::process::Command;
use vaex::model::architecture::{Architecture, LikelihoodKind, Network, PosteriorKind, PosteriorScale};
use vaex::model::{BuildError, Initializer, Vae, parameters};
use vaex::tensor::backend::Host;
use vaex::tensor::dims::{Const, Hidden, Latent, Pixels};

const PRELUDE: &str = "
    use vaex::tensor::backend::{Array, Host};
    use vaex::model::{Likelihood, Model};
    use vaex::tensor::dims::{Batch, Channels, Hidden, Latent, Pixels};
    pub fn function(
        model: &Model<Host>,
        likelihood: &Likelihood<Host>,
        hidden: Array<(Batch, Hidden), Host>,
        code: Array<(Batch, Latent), Host>,
        images: Array<(Batch, Pixels), Host>,
        other: Array<(Batch, Channels), Host>,
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
        let decoded: Array<(Batch, Pixels), Host> = model.decode(code.clone()).unwrap();
        likelihood.nats(decoded, &images).unwrap();";
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
fn a_decoder_gives_the_shape_of_the_data_and_no_other() {
    let body = "let _: Array<(Batch, Channels), Host> = model.decode(code.clone()).unwrap();";
    refused(body, "Channels", "Pixels");
}

#[test]
fn a_likelihood_takes_output_and_image_of_one_shape() {
    refused("let _ = likelihood.nats(images.clone(), &other);", "Pixels", "Channels");
}

fn architecture() -> Architecture {
    Architecture {
        height: 4,
        width: 3,
        latent: 2,
        network: Network::Mlp { hidden: vec![5], activation: vaex::tensor::backend::Activation::Relu },
        likelihood: LikelihoodKind::Bernoulli,
        posterior: PosteriorKind::Gaussian(PosteriorScale::LogVar),
        initializer: Initializer::Glorot,
    }
}

#[test]
fn the_same_code_takes_sizes_that_the_compiler_knows() {
    let device = Default::default();
    let architecture = architecture();
    let mut known = Vae::<Const<12>, Const<5>, Const<2>, Host>::new(&device, &architecture).unwrap();
    let mut named = Vae::<Pixels, Hidden, Latent, Host>::new(&device, &architecture).unwrap();
    assert_eq!(parameters::count(&mut known), parameters::count(&mut named));
    assert_eq!(parameters::count(&mut known) as u128, architecture.parameters());
    let wrong = Vae::<Const<12>, Const<5>, Const<3>, Host>::new(&device, &architecture);
    assert!(matches!(wrong, Err(BuildError::Sizes)));
}
