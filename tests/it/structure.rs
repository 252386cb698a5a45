//! The structure of the sources: which module may import which, and the length of files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The maximum number of lines of a file.
const LINES: usize = 500;

/// A source file: its path, the path of its module, and its text without tests and comments.
struct Source {
    file: PathBuf,
    module: Vec<String>,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter().map(Result::unwrap);
    let files =
        entries.map(walkdir::DirEntry::into_path).filter(|path| path.extension().is_some_and(|one| one == "rs"));
    let source = |file: PathBuf| {
        let inner = file.strip_prefix(&root).unwrap().with_extension("");
        let mut module: Vec<String> = inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if ["mod", "lib", "main"].contains(&&**module.last().unwrap()) {
            module.pop();
        }
        let text = std::fs::read_to_string(&file).unwrap();
        // By convention tests come last.
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        Source { text: lines.collect::<Vec<_>>().join("\n"), file, module }
    };
    let is_test = |source: &Source| source.module.iter().any(|name| name == "tests");
    files.map(source).filter(|source| !is_test(source)).collect()
}

impl Source {
    /// The modules and items that it names by `crate::` or `super::`, as paths from the crate root.
    fn names(&self) -> BTreeSet<Vec<String>> {
        let mut names = BTreeSet::new();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        for start in ["crate::", "super::"] {
            for (at, _) in self.text.match_indices(start) {
                let before = self.text[..at].chars().next_back();
                if before.is_some_and(|c| is_word(c) || c == ':') {
                    continue;
                }
                let mut rest = &self.text[at..];
                let mut path = if start == "crate::" { Vec::new() } else { self.module.clone() };
                loop {
                    let word: String = rest.chars().take_while(|c| is_word(*c)).collect();
                    rest = &rest[word.len()..];
                    match word.as_str() {
                        "crate" => path.clear(),
                        "super" => drop(path.pop()),
                        "" => break,
                        _ => path.push(word),
                    }
                    let Some(after) = rest.strip_prefix("::") else { break };
                    rest = after;
                }
                // The first words of the paths in a group of imports.
                let group = rest.strip_prefix('{').map(|group| group.split(';').next().unwrap_or_default());
                let (mut depth, mut word, mut is_rest) = (0, String::new(), false);
                for c in group.unwrap_or_default().chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        _ if depth > 0 => {}
                        ',' => {
                            if !word.is_empty() {
                                names.insert([path.clone(), vec![std::mem::take(&mut word)]].concat());
                            }
                            is_rest = false;
                        }
                        c if is_word(c) && !is_rest => word.push(c),
                        ':' => is_rest = true,
                        _ => {}
                    }
                }
                if !word.is_empty() {
                    path.push(word);
                }
                names.insert(path);
            }
        }
        names
    }
}

/// The modules in the order of src/lib.rs.
fn order() -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let names = text.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    names.map(str::to_owned).collect()
}

#[test]
fn a_module_imports_only_from_those_before_it() {
    let order = order();
    assert!(order.len() > 15, "{order:?}");
    let place = |name: &String| order.iter().position(|one| one == name);
    let mut faults = Vec::new();
    for source in sources() {
        let Some(own) = source.module.first().and_then(place) else { continue };
        for name in source.names() {
            let other = name.first().and_then(place);
            if let Some(other) = other.filter(|other| *other > own) {
                faults.push(format!("{} imports from {}", source.file.display(), order[other]));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Files and folders in the same folder may import each other, but not in a circle. The folder's own file is excluded:
/// it declares the others.
#[test]
fn no_parts_of_a_module_import_one_another_in_a_circle() {
    let sources = sources();
    let mut children: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
    for source in &sources {
        for depth in 1..source.module.len() {
            children.entry(source.module[..depth].to_vec()).or_default().insert(source.module[depth].clone());
        }
    }
    let mut edges: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for source in &sources {
        let names = source.names();
        for depth in 1..source.module.len() {
            let (parent, own) = (&source.module[..depth], &source.module[..=depth]);
            let of_parent = names.iter().filter(|name| name.len() > depth && name[..depth] == *parent);
            let siblings = of_parent.filter(|name| children[parent].contains(&name[depth]) && name[..=depth] != *own);
            edges.entry(own.to_vec()).or_default().extend(siblings.map(|name| name[..=depth].to_vec()));
        }
    }
    // Remove modules that import none of the remaining modules; the rest is in circles or leads to one.
    loop {
        let left: BTreeSet<Vec<String>> = edges.keys().cloned().collect();
        let before = edges.len();
        edges.retain(|_, others| others.iter().any(|other| left.contains(other)));
        if edges.len() == before {
            break;
        }
    }
    // Then remove modules that no remaining module imports: they only lead to a circle.
    loop {
        let imported: BTreeSet<Vec<String>> = edges.values().flatten().cloned().collect();
        let before = edges.len();
        edges.retain(|own, _| imported.contains(own));
        if edges.len() == before {
            break;
        }
    }
    let shown = |(own, others): (&Vec<String>, &BTreeSet<Vec<String>>)| {
        let others: Vec<String> =
            others.iter().filter(|one| edges.contains_key(*one)).map(|one| one.join("::")).collect();
        format!("{} imports {}", own.join("::"), others.join(", "))
    };
    let circles: Vec<String> = edges.iter().map(shown).collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn no_file_is_long_and_each_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for entry in walkdir::WalkDir::new(&root).into_iter().map(Result::unwrap) {
        let path = entry.path();
        let is_ours = !path.components().any(|part| part.as_os_str() == "vendor");
        let start = match path.extension().and_then(|one| one.to_str()) {
            Some("rs") if is_ours => "//! ",
            Some("js") if is_ours => "// ",
            _ => continue,
        };
        let text = std::fs::read_to_string(path).unwrap();
        if text.lines().count() > LINES {
            faults.push(format!("{} has {} lines", path.display(), text.lines().count()));
        }
        if !text.starts_with(start) {
            faults.push(format!("{} does not say what it is for", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn all_paths_of_a_group_of_imports_are_found() {
    let text = "use crate::{metrics::{Row, Split}, launch, commands::run};".to_owned();
    let source = Source { file: PathBuf::new(), module: Vec::new(), text };
    let names: Vec<String> = source.names().into_iter().filter_map(|name| name.first().cloned()).collect();
    assert_eq!(names, ["commands", "launch", "metrics"]);
}
