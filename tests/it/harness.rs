//! Runs the built program in a fresh folder, and returns what it printed and which files it left.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use vaex::data::{Cache, Files};
use vaex::language::Override;
use vaex::plan::Plan;
use walkdir::WalkDir;

/// The built program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vaex");

/// A fresh working directory; it is removed on drop.
pub(crate) struct Workspace {
    folder: TempDir,
    /// Where the program keeps prepared images.
    cache: TempDir,
    written: BTreeSet<PathBuf>,
}

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Exit status; `None` if a signal ended the process.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workspace {
    pub(crate) fn new() -> Workspace {
        let [folder, cache] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        Workspace { folder, cache, written: BTreeSet::new() }
    }

    /// A workspace with `spec.toml`.
    pub(crate) fn with_spec(spec: &str) -> Workspace {
        let mut workspace = Workspace::new();
        workspace.write("spec.toml", spec);
        workspace
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&mut self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
        self.written.insert(name.into());
    }

    pub(crate) fn create_folder(&mut self, name: &str) {
        std::fs::create_dir(self.path(name)).unwrap();
        self.written.insert(name.into());
    }

    /// A command that runs the program here, without a terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.shell(default_signals(PROGRAM));
        command.args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A command that starts the program here, directly or in a script.
    pub(crate) fn shell(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).env("VAEX_CACHE", self.cache.path());
        command
    }

    /// The folder of prepared images.
    pub(crate) fn cache(&self) -> &Path {
        self.cache.path()
    }

    /// Runs the program and removes the warning about grey pixels, because most tests train on grey images with the default
    /// likelihood, and what it says about images whose preparation takes more than a second.
    pub(crate) fn vaex(&self, arguments: &[&str]) -> Outcome {
        let outcome = self.vaex_in_full(arguments);
        Outcome { stderr: without_grey(&without_preparing(&outcome.stderr)), ..outcome }
    }

    pub(crate) fn vaex_in_full(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().unwrap();
        Outcome {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The exit status of a command and what it shows on a terminal with this many columns, standard output and error
    /// together.
    #[cfg(unix)]
    pub(crate) fn on_terminal(&self, columns: u16, variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
        use nix::fcntl::{FcntlArg, FdFlag, fcntl};
        use std::io::Read;
        let size = nix::pty::Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let nix::pty::OpenptyResult { master, slave } = nix::pty::openpty(Some(&size), None).unwrap();
        // The processes of other tests must not keep the terminal open.
        for end in [&master, &slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let mut command = self.command(arguments);
        command.env("TERM", "xterm-256color");
        for name in ["NO_COLOR", "COLUMNS", "CLICOLOR"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        command.stdout(slave.try_clone().unwrap()).stderr(slave);
        let mut process = command.spawn().unwrap();
        drop(command);
        let (mut shown, mut terminal) = (Vec::new(), std::fs::File::from(master));
        let mut part = [0; 4096];
        // Reading from a terminal that no process has open any more is an error.
        while let Ok(count @ 1..) = terminal.read(&mut part) {
            shown.extend_from_slice(&part[..count]);
        }
        let shown = String::from_utf8(shown).unwrap().replace("\r\n", "\n");
        (process.wait().unwrap().code().unwrap(), shown)
    }

    /// Runs a command that must succeed; returns its standard output. Standard error must be empty.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let outcome = self.vaex(arguments);
        assert_eq!((outcome.status, &*outcome.stderr), (Some(0), ""), "{}", outcome.stdout);
        outcome.stdout
    }

    /// Runs a command that must be rejected with this message: status 2, no output, no files.
    #[track_caller]
    pub(crate) fn refuse(&self, arguments: &[&str], message: &str) {
        let Outcome { status, stdout, stderr } = self.vaex(arguments);
        assert_eq!(stderr, message, "\n--- found\n{stderr}\n--- expected\n{message}");
        assert_eq!((status, &*stdout), (Some(2), ""));
        self.holds_nothing_more();
    }

    /// The workspace has only the files that the test wrote.
    #[track_caller]
    pub(crate) fn holds_nothing_more(&self) {
        assert_eq!(self.changes(), Vec::<PathBuf>::new());
    }

    /// Files that the program added or removed.
    pub(crate) fn changes(&self) -> Vec<PathBuf> {
        self.files_below("").symmetric_difference(&self.written).cloned().collect()
    }

    /// All files and folders below a folder, relative to it.
    pub(crate) fn files_below(&self, folder: &str) -> BTreeSet<PathBuf> {
        let folder = self.path(folder);
        let entries = WalkDir::new(&folder).min_depth(1).into_iter().map(|entry| entry.unwrap().into_path());
        entries.map(|path| path.strip_prefix(&folder).unwrap().to_path_buf()).collect()
    }

    /// The trial folders of an experiment in `runs`, by id.
    pub(crate) fn trials(&self, runs: &str) -> BTreeMap<String, PathBuf> {
        let folders = std::fs::read_dir(self.path(runs)).unwrap().map(|entry| entry.unwrap().path());
        let folders = folders.filter(|path| path.join("trial.json").exists());
        folders.map(|path| (vaex::folder::TrialFolder::new(&path).id().unwrap().to_owned(), path)).collect()
    }

    /// The folder of a trial in the folder of an experiment.
    #[track_caller]
    pub(crate) fn trial(&self, experiment: &str, id: &str) -> PathBuf {
        let folders = vaex::folder::ExperimentFolder::new(self.path(experiment)).trials().unwrap();
        folders.find(id).unwrap_or_else(|| panic!("{experiment} has no trial {id}")).path().to_path_buf()
    }
}

/// Lines of progress without their times; other lines are not changed.
#[track_caller]
pub(crate) fn untimed(said: &str) -> String {
    let is_time = |text: &str| {
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        shape == "0000-00-00T00:00:00Z"
    };
    let time = |line: &str| line.split_once(' ').filter(|(time, _)| is_time(time)).map(|(_, rest)| rest.to_owned());
    let lines: Vec<String> = said.split('\n').map(|line| time(line).unwrap_or_else(|| line.to_owned())).collect();
    lines.join("\n")
}

/// Removes the lines about images that take a while to prepare.
pub(crate) fn without_preparing(messages: &str) -> String {
    let is_kept = |line: &&str| !line.starts_with("preparing the images of ");
    messages.split_inclusive('\n').filter(is_kept).collect()
}

/// Removes the warning about grey pixels: the message, its location and help, and the empty line after it.
pub(crate) fn without_grey(messages: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut inside = false;
    for line in messages.split_inclusive('\n') {
        if line.starts_with("warning: `model.likelihood = \"bernoulli\"` on grey pixels") {
            inside = true;
            // It may be the last of several messages.
            kept.pop_if(|line| *line == "\n");
        } else if inside && line == "\n" {
            inside = false;
            kept.extend((!kept.is_empty()).then_some(line));
        } else if !(inside && line.starts_with(|c: char| " -".contains(c) || c.is_ascii_digit())) {
            inside = false;
            kept.push(line);
        }
    }
    kept.concat()
}

/// A command that ignores no signals, even if this process does: background processes of a shell ignore SIGINT.
pub(crate) fn default_signals(program: &str) -> Command {
    if !cfg!(target_os = "linux") {
        return Command::new(program);
    }
    let mut command = Command::new("/usr/bin/env");
    command.arg("--default-signal=HUP,INT,TERM").arg(program);
    command
}

/// The plan of a spec. Its prepared images are in a folder that is removed at once: they stay until the plan is dropped.
pub(crate) fn plan(spec: &Path, overrides: &[Override]) -> Plan {
    let cache = tempfile::tempdir().unwrap();
    Plan::with_files(spec, overrides, Files::new(Cache::in_folder(cache.path()), |_| {})).unwrap()
}

/// The content of a JSON file.
pub(crate) fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// An IDX file whose header says `sizes`, with `count` bytes of data.
pub(crate) fn idx(sizes: &[u32], count: usize) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    file.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    file.resize(file.len() + count, 7);
    file
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
