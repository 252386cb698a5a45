//! Reads the initial weights that specs name, and checks that they fit the model.

use super::Problem;
use crate::folder::{ArraysError, ExperimentFolder, Stored, TrialFolder};
use crate::language::Spec;
use crate::model::{Architecture, Model};
use crate::tensor::backend::Host;
use crate::train::{INIT_FROM_DOTTED, InitSettings, Initial, WEIGHTS};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Initial weights by file, part and network, so that a sweep reads each file once.
pub(super) struct InitialWeights {
    /// The folder that paths are relative to.
    folder: PathBuf,
    files: Vec<(InitSettings, Result<Arc<Files>, Problem>)>,
    loaded: Vec<(InitSettings, [String; 2], Arc<Initial>)>,
}

/// The files of initial weights.
struct Files {
    model: Stored,
    /// The state of the optimizer, if it is taken.
    state: Option<Stored>,
}

fn problem(message: String, help: &str) -> Problem {
    Problem::new(&[INIT_FROM_DOTTED], message, help)
}

impl InitialWeights {
    /// Without any file yet; paths are relative to `folder`.
    pub(super) fn new(folder: &Path) -> InitialWeights {
        InitialWeights { folder: folder.to_path_buf(), files: Vec::new(), loaded: Vec::new() }
    }

    /// The initial weights of a spec; `None` if they are drawn.
    ///
    /// # Errors
    /// They cannot be read, or do not fit the model.
    pub(super) fn of(&mut self, spec: &Spec, architecture: &Architecture) -> Result<Option<Arc<Initial>>, Problem> {
        let Some(settings) = &spec.train.init else { return Ok(None) };
        let names = spec.train.optimizer.moments();
        // What they must fit: the parameters of the model, and the arrays of the optimizer.
        let key = [format!("{architecture:?}"), names.join(" ")];
        if let Some((.., initial)) = self.loaded.iter().find(|(known, one, _)| known == settings && *one == key) {
            return Ok(Some(initial.clone()));
        }
        let files = self.files(settings)?;
        let built = Model::<Host>::new(&Default::default(), architecture);
        let mut model = built.map_err(|error| problem(format!("the model cannot be built: {error}"), ""))?;
        let state = files.state.as_ref().map(|state| (state, names));
        let read = Initial::read(&mut model, settings.part, &files.model, state);
        let initial = Arc::new(read.map_err(|error| unfit(&error, settings))?);
        self.loaded.push((settings.clone(), key, initial.clone()));
        Ok(Some(initial))
    }

    fn files(&mut self, settings: &InitSettings) -> Result<Arc<Files>, Problem> {
        if let Some((_, files)) = self.files.iter().find(|(known, _)| known == settings) {
            return files.clone();
        }
        let path = self.folder.join(&settings.from);
        let files = model_file(&path).and_then(|model| Files::read(&model, settings.optimizer)).map(Arc::new);
        self.files.push((settings.clone(), files.clone()));
        files
    }
}

impl Files {
    fn read(path: &Path, with_state: bool) -> Result<Files, Problem> {
        let wrong = |error: ArraysError| problem(error.to_string(), "restore the file, or name another one");
        // A file of vaex has a checksum; those of other programs have none.
        let mut model = Stored::read(path).map_err(wrong)?;
        if model.is_own() {
            model = Stored::read_own(path).map_err(wrong)?;
        }
        if !with_state {
            return Ok(Files { model, state: None });
        }
        let folder = TrialFolder::new(path.parent().unwrap_or(Path::new("")));
        let help = "only a trial that is done has the state of its optimizer, for its last weights";
        let state = Stored::read_own(&folder.state());
        let state = state.map_err(|error| problem(format!("`train.init_optimizer` needs a state: {error}"), help))?;
        let last = state.notes.get(WEIGHTS).map(|name| folder.file(name)).unwrap_or_default();
        if last.file_name() != path.file_name() {
            let message =
                format!("the state of the optimizer belongs to {}, not to {}", last.display(), path.display());
            return Err(problem(message, "set `init_from` to that file, or remove `init_optimizer`"));
        }
        Ok(Files { model, state: Some(state) })
    }
}

/// The file of weights that a path names: the path itself, or the model of a trial folder.
fn model_file(path: &Path) -> Result<PathBuf, Problem> {
    let trial = TrialFolder::new(path);
    let metadata = std::fs::metadata(path);
    match metadata {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let help =
                "a path in a spec is relative to the folder of the spec; a trial is named by the path of its folder";
            let message = format!("the trial or file of `{INIT_FROM_DOTTED}` does not exist: {}", path.display());
            return Err(problem(message, help));
        }
        Err(error) => return Err(problem(format!("cannot read {}: {error}", path.display()), "")),
        Ok(metadata) if metadata.is_file() => return Ok(path.to_path_buf()),
        Ok(_) => {}
    }
    let unreadable = |error: crate::folder::FileError| problem(error.to_string(), "");
    if ExperimentFolder::new(path).has_plan().map_err(unreadable)? {
        let message = format!("{} is the folder of an experiment, not of a trial", path.display());
        return Err(problem(message, "name the folder of one of its trials: `vaex report` lists them"));
    }
    if !trial.has_record().map_err(unreadable)? {
        let message = format!("{} is not a trial folder: it has no {}", path.display(), TrialFolder::RECORD);
        return Err(problem(message, "name the folder of a trial, or a .safetensors file"));
    }
    if !trial.model().is_file() {
        let message = format!("{} has no trained weights: the trial is not done", path.display());
        return Err(problem(message, "finish the trial first, or name another one"));
    }
    Ok(trial.model())
}

/// The problem of weights that do not fit.
fn unfit(error: &ArraysError, settings: &InitSettings) -> Problem {
    let help = match settings.optimizer {
        true => "use the network and the optimizer that the trial has, or remove `init_optimizer`",
        false => "use the network that the weights are from, or take a part that fits with `init_part`",
    };
    problem(error.to_string(), help)
}
