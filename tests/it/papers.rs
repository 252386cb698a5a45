//! What `vaex report` writes for papers: LaTeX tables and figures, of one or several experiments, in another folder.

use crate::harness::Workspace;
use crate::runs::TINY;
use std::collections::BTreeSet;
use std::path::Path;

/// A workspace with the experiments `one`, of two settings with two seeds each, and `two`, of one setting.
fn trained() -> Workspace {
    let mut workspace = Workspace::with_spec(TINY);
    workspace.write("two.toml", TINY.replace("hidden = [16]", "hidden = [6]"));
    let sweep = ["--set", "name=one", "--set", "sweep.seeds=2"];
    workspace.succeed(&[&["run", "spec.toml"], &sweep[..]].concat());
    workspace.succeed(&["run", "two.toml", "--set", "name=two", "--set", "objective.kl_weight=0.5"]);
    workspace
}

fn names(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The command is refused with this message, as [`Workspace::refuse`], which is for a workspace without runs.
fn refused(workspace: &Workspace, arguments: &[&str], message: &str) {
    let outcome = workspace.vaex(arguments);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(2), message));
}

/// The texts of a figure.
fn texts(svg: &str) -> Vec<&str> {
    svg.split("<text")
        .skip(1)
        .filter_map(|one| one.split_once(">\n")?.1.split_once('\n'))
        .map(|(text, _)| text)
        .collect()
}

#[test]
fn tables_and_figures_of_one_experiment() {
    let workspace = trained();
    let said = workspace.succeed(&["report", "runs/one", "--format", "latex,svg"]);
    assert!(said.contains("wrote runs/one/report.tex\nwrote runs/one/figures/rate-distortion.svg\n"), "{said}");
    let table = text(&workspace.path("runs/one/report.tex"));
    assert!(table.contains("\\begin{tabular}{lr") && table.contains("kl\\_weight & seeds & loss &"), "{table}");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with('$')).collect();
    assert_eq!(rows.len(), 2, "{table}");
    // The loss in both tables.
    let shown = workspace.succeed(&["report", "runs/one"]);
    for row in rows {
        let loss = row.split(" & ").nth(2).unwrap().trim_matches('$').replace("\\pm", "±");
        assert!(shown.contains(&loss), "{loss} in {shown}");
    }
    let figures = names(&workspace.path("runs/one/figures"));
    for name in ["rate-distortion", "by-kl_weight-elbo_nats", "curve-loss", "kl-axes"] {
        assert!(figures.contains(&format!("{name}.svg")), "{figures:?}");
    }
    let squared = text(&workspace.path("runs/one/figures/curve-mse.svg"));
    assert!(texts(&squared).contains(&"validation squared error"), "{squared}");
    let rate = text(&workspace.path("runs/one/figures/rate-distortion.svg"));
    assert!(rate.starts_with("<svg width=\"234pt\"") && rate.ends_with("</svg>\n"), "{rate}");
    let shown = texts(&rate);
    let titles = ["validation KL (nats per image)", "validation reconstruction", "(nats per image)"];
    for text in titles.into_iter().chain(["kl_weight = 0.5", "kl_weight = 1"]) {
        assert!(shown.contains(&text), "{shown:?}");
    }
    // A setting with two seeds has an interval along both axes; another run of the command draws the same.
    assert_eq!(rate.matches("<polyline").count() - axes(&rate), 4, "{rate}");
    workspace.succeed(&["report", "runs/one", "--format", "svg"]);
    assert_eq!(text(&workspace.path("runs/one/figures/rate-distortion.svg")), rate);
}

/// Values that were measured with other settings are not compared without a warning.
#[test]
fn values_of_different_settings_have_a_warning() {
    let workspace = trained();
    let trials: Vec<String> = workspace.trials("runs/one").into_keys().collect();
    let evaluate = |what: &str, samples: &str| {
        let outcome =
            workspace.vaex(&["evaluate", what, "--metrics", "nll", "--nll-samples", samples, "--nll-images", "4"]);
        assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
        outcome.stdout + &outcome.stderr
    };
    let replaced = "nll of the validation images was measured with images=4 samples=20 seed=0 before; measuring it with images=4 \
                    samples=30 seed=0 replaces that";
    let few = "4 of 4 images have an effective number of samples below 10, so the NLL is likely too high";
    let differ = "warning: nll of the validation images was measured with images=4 samples=20 seed=0 and with images=4 samples=30 \
                  seed=0: such values are not comparable";
    let table = || {
        workspace.succeed(&["report", "runs/one", "--format", "latex"]);
        text(&workspace.path("runs/one/report.tex"))
    };
    let diff = || workspace.vaex(&["diff", &trials[0], &trials[1]]).stderr;
    let said = evaluate("runs/one", "20");
    assert!(!said.contains("replaces") && !table().contains(differ) && !diff().contains("warning"), "{said}");
    let said = evaluate(&trials[0], "30");
    assert!(said.contains(replaced), "{said}");
    assert!(table().contains(&format!("% {differ}")), "{}", table());
    assert!(diff().starts_with(differ), "{}", diff());
    // So few samples are too few for nearly all models.
    let said = evaluate("runs/one", "2");
    assert!(said.contains(few), "{said}");
    assert!(table().contains(few), "{}", table());
}

/// The number of lines that are axes: those in black.
fn axes(svg: &str) -> usize {
    svg.lines().filter(|line| line.starts_with("<polyline") && line.contains("#000000")).count()
}

#[test]
fn several_experiments_are_drawn_over_one_another_in_another_folder() {
    let workspace = trained();
    let before = workspace.files_below("runs");
    refused(
        &workspace,
        &["report", "runs/one", "runs/two"],
        "error: a report of several folders needs --output DIR: the folder to write it to\n",
    );
    workspace.succeed(&["report", "runs/one", "runs/two", "--output", "paper", "--format", "html,parquet,svg,latex"]);
    assert_eq!(workspace.files_below("runs"), before);
    let found = names(&workspace.path("paper"));
    let expected = ["curves.parquet", "figures", "report.html", "report.tex", "trials.parquet"];
    assert_eq!(found, expected.map(str::to_owned).into());
    let rate = text(&workspace.path("paper/figures/rate-distortion.svg"));
    assert!(["one", "two"].iter().all(|name| texts(&rate).contains(name)), "{rate}");
    let curves = text(&workspace.path("paper/figures/curve-loss.svg"));
    assert!(["one: kl_weight = 0.5", "two"].iter().all(|name| texts(&curves).contains(name)), "{:?}", texts(&curves));
    assert_eq!(text(&workspace.path("paper/report.tex")).matches("\\begin{tabular}").count(), 2);
    // Links to trials would lead nowhere.
    let page = text(&workspace.path("paper/report.html"));
    assert!(page.contains("\"places\":[]"), "{}", &page[page.len() - 300..]);
    // Each experiment once.
    let said = workspace.succeed(&["report", "runs", "runs/one", "--output", "paper", "--format", "latex"]);
    assert_eq!(said.matches("one: 4 done").count(), 1, "{said}");
}

#[test]
fn only_some_trials_are_reported() {
    let workspace = trained();
    let before = workspace.files_below("runs");
    let said = workspace.succeed(&["report", "runs/one", "--only", "kl_weight=1"]);
    assert!(said.starts_with("one: 2 done\n") && !said.contains("wrote"), "{said}");
    assert_eq!(workspace.files_below("runs"), before);
    refused(
        &workspace,
        &["report", "runs/one", "--only", "kl_weight=1", "--format", "csv"],
        "error: --only and --format need --output DIR: the files in the folder of an experiment have all of its trials\n",
    );
    refused(
        &workspace,
        &["report", "runs/one", "--only", "kl_weight=3"],
        "error: no trial of `one` matches `--only kl_weight=3`: `objective.kl_weight` is 0.5, 1\n",
    );
    refused(
        &workspace,
        &["report", "runs/one", "--only", "kl_weight=1", "--output", "runs/one"],
        "error: runs/one is the folder of the experiment `one`, whose files have all of its trials; choose another folder for \
         --output\n",
    );
    let said = workspace.succeed(&["report", "runs", "--only", "seed=1", "--output", "some", "--format", "csv"]);
    assert!(said.contains("one: 2 done") && !said.contains("two"), "{said}");
    assert_eq!(text(&workspace.path("some/trials.csv")).lines().count(), 3);
}
