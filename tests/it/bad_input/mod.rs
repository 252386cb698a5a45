//! What is wrong with a spec, its data or the command line is said in full before anything starts: whole messages.

mod arguments;
mod combinations;
mod composition;
mod data;
mod files;
mod keys;
mod several;
mod slips;
mod sweeps;
mod text;
mod types;
mod values;

use crate::harness::Workspace;

const SPEC: &str = "spec.toml";

/// `vaex run spec.toml` is refused.
#[track_caller]
fn refused(spec: &str, message: &str) {
    refused_with(&[], spec, &[], message);
}

/// `vaex run spec.toml` with arguments is refused.
#[track_caller]
fn arguments_refused(arguments: &[&str], spec: &str, message: &str) {
    refused_with(arguments, spec, &[], message);
}

/// `vaex run spec.toml` beside files of images is refused.
#[track_caller]
fn data_refused(spec: &str, files: &[(&str, &[u8])], message: &str) {
    refused_with(&[], spec, files, message);
}

#[track_caller]
fn refused_with(arguments: &[&str], spec: &str, files: &[(&str, &[u8])], message: &str) {
    let mut workspace = Workspace::with_spec(spec);
    for (name, content) in files {
        workspace.write(name, content);
    }
    workspace.refuse(&[&["run", SPEC], arguments].concat(), message);
}
