//! Plans specs and reads files of images with random changes, to find unexpected mistakes. Nothing may panic, hang or take
//! much memory; the resolved spec of a plan must describe the same trial.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints the number of mutations"
)]

mod data;
mod planning;

use planning::{folder, plan, write};
use std::path::Path;
use std::time::{Duration, Instant};
use vaex::random::{Purpose, Stream};

/// The known specs: valid ones, rejected ones, and those that fuzzing found to reach new code.
fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["experiments", "tests/wrong", "tests/corpus", "fuzz/corpus/plan"].map(|name| root.join(name));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_none_or(|extension| extension == "toml") && path.is_file()).collect();
    files.sort();
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// The words that mutations insert.
fn words() -> Vec<String> {
    let keys = vaex::language::known_keys().iter().flat_map(|key| {
        let last = key.rsplit('.').next().unwrap().to_owned();
        [format!("\"{key}\""), last, key.clone()]
    });
    let others = "= [ ] { } , . \" ' \n # 0 1 -1 1e308 -1e308 nan inf 9223372036854775807 18446744073709551616 1e-320 true \
        0x7fffffffffffffff 1979-05-27 [sweep.grid] [sweep.zip] [sweep.random] [[sweep.include]] [[sweep.exclude]] [model] \
        [train] [data] {from=1,to=2,steps=3} {from=1e-9,to=1e9,steps=99999,scale=\"log\"} {log_uniform=[0.1,1]} \
        {int=[-9223372036854775808,9223372036854775807]} {choice=[[],{}]} samples=3 seeds=2 \"conv\" \"mlp\" \"idx\" []";
    keys.chain(others.split(' ').map(str::to_owned)).collect()
}

/// A known spec, changed in one to eight positions.
fn mutated(corpus: &[Vec<u8>], words: &[String], dice: &mut Stream) -> Vec<u8> {
    let mut below = |limit: usize| dice.below(limit.max(1) as u64) as usize;
    let mut bytes = corpus[below(corpus.len())].clone();
    for _ in 0..=below(8) {
        let at = below(bytes.len() + 1);
        let until = (at + below(12)).min(bytes.len());
        match below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << below(8),
            1 => drop(bytes.drain(at..until)),
            2 => {
                let word = &words[below(words.len())];
                drop(bytes.splice(at..until, word.bytes()));
            }
            3 => drop(bytes.splice(at..at, [b' ', below(256) as u8])),
            4 => {
                // Lines of another spec.
                let other = &corpus[below(corpus.len())];
                let start = below(other.len());
                let end = (start + below(200)).min(other.len());
                drop(bytes.splice(at..at, other[start..end].iter().copied()));
            }
            5 => bytes.truncate(at),
            _ => {
                // Another number.
                if let Some(place) = bytes[at..].iter().position(u8::is_ascii_digit) {
                    let number = ["0", "2", "-3", "0.5", "1e9", "4294967296", "\"x\"", "[1]"][below(8)];
                    drop(bytes.splice(at + place..=at + place, number.bytes()));
                }
            }
        }
    }
    bytes
}

/// The time that planning a spec may take.
const TIME: Duration = Duration::from_secs(60);

fn plan_mutations(first: u64, last: impl Fn(u64) -> bool) {
    let (corpus, words, folder) = (corpus(), words(), folder());
    let (mut number, mut plans, mut trials) = (first, 0u64, 0u64);
    while !last(number) {
        let bytes = mutated(&corpus, &words, &mut Stream::new(0, Purpose::Order, 0, number));
        let path = folder.path().join("spec.toml");
        std::fs::write(&path, &bytes).unwrap();
        if let Some(count) = plan(&path, &format!("mutation {number}"), TIME) {
            plans += 1;
            trials += count as u64;
        }
        number += 1;
        // A run of an hour may be stopped early, so progress is printed.
        if (number - first).is_multiple_of(100_000) {
            println!("from {first}: {} mutations, {plans} valid", number - first);
        }
    }
    println!("{} mutations, {plans} valid, with {trials} trials", number - first);
}

#[test]
fn known_specs_are_plans_or_errors() {
    let folder = folder();
    let corpus = corpus();
    assert!(corpus.len() > 300, "{}", corpus.len());
    for (number, bytes) in corpus.iter().enumerate() {
        plan(&write(folder.path(), bytes), &format!("spec {number}"), TIME);
    }
}

#[test]
fn mutated_specs_are_plans_or_errors() {
    plan_mutations(0, |number| number == 4000);
}

#[test]
#[ignore = "long form: ten million mutations, or an hour"]
fn long_form_of_mutated_specs() {
    let start = Instant::now();
    let workers = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let share = 10_000_000 / workers;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let first = 4000 + worker * share;
            scope.spawn(move || {
                plan_mutations(first, |number| number == first + share || start.elapsed() > Duration::from_secs(3600));
            });
        }
    });
}
