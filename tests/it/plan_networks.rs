//! What `vaex plan` says about networks that several files write, about presets, and about output layers.

use crate::harness::Workspace;
use serde_json::Value;

/// The plan of `spec.toml` as JSON.
fn planned(workspace: &Workspace, more: &[&str]) -> Value {
    let outcome = workspace.vaex(&[&["plan", "spec.toml", "--json"][..], more].concat());
    assert_eq!(outcome.status, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// The messages of the warnings of a plan, without the one about grey pixels.
fn warnings(plan: &Value) -> Vec<String> {
    let all =
        plan["warnings"].as_array().unwrap().iter().map(|warning| warning["message"].as_str().unwrap().to_owned());
    all.filter(|message| !message.contains("on grey pixels")).collect()
}

const LISTS: &str = "encoder = [{ dense = 16 }]\ndecoder = [{ dense = \"output\" }]\n";
const FAMILY: &str = "family = \"mlp\"\nhidden = [20]\n";
const PRESET: &str = "preset = \"iwae\"\n";

/// The network of the later source is used, and keys of earlier ones that give another network are left out with a warning.
#[test]
fn a_later_source_replaces_the_whole_network() {
    for later in [LISTS, FAMILY, PRESET] {
        let workspace = Workspace::with_spec(&format!("[model]\n{later}"));
        let alone = planned(&workspace, &[])["trials"][0]["trial"].clone();
        for base in [LISTS, FAMILY, PRESET].into_iter().filter(|base| *base != later) {
            let mut workspace = Workspace::with_spec(&format!("extends = \"base.toml\"\n[model]\n{later}"));
            workspace.write("base.toml", format!("[model]\n{base}"));
            let plan = planned(&workspace, &[]);
            assert_eq!(plan["trials"][0]["trial"], alone, "{base}{later}");
            let keys = base.lines().filter_map(|line| line.split(' ').next()).map(|key| format!("model.{key}"));
            let by = later.split(' ').next().unwrap();
            let message = |(line, key): (usize, String)| {
                let place = format!("`{key}` of base.toml:{}", line + 2);
                format!("{place} does not apply, because `model.{by}` gives the whole network; it is ignored")
            };
            let mut expected: Vec<String> = keys.enumerate().map(message).collect();
            let mut found = warnings(&plan);
            expected.sort();
            found.sort();
            assert_eq!(found, expected, "{base}{later}");
        }
    }
}

#[test]
fn an_argument_replaces_the_network_of_a_file() {
    for base in [LISTS, FAMILY, "channels = [8]\nstrides = [2]\n"] {
        let workspace = Workspace::with_spec(&format!("[model]\n{base}"));
        let plan = planned(&workspace, &["--set", "model.preset=iwae"]);
        assert_eq!(plan["trials"][0]["spec"]["model.preset"], "iwae", "{base}");
        assert_eq!(warnings(&plan).len(), 2, "{plan}");
        let is_first = |said: &String| said.contains(" of spec.toml:2 does not apply, because `model.preset` gives");
        assert!(warnings(&plan).iter().any(is_first), "{plan}");
    }
    let workspace = Workspace::with_spec(&format!("[model]\n{PRESET}"));
    let plan = planned(&workspace, &["--set", "model.hidden=[7]"]);
    let spec = &plan["trials"][0]["spec"];
    assert_eq!((&spec["model.preset"], &spec["model.hidden"]), (&Value::Null, &serde_json::json!([7])));
    // Of three sources, the last one that gives a network decides.
    let mut workspace = Workspace::with_spec(&format!("extends = \"base.toml\"\n[model]\n{PRESET}"));
    workspace.write("base.toml", format!("[model]\n{FAMILY}"));
    let plan = planned(&workspace, &["--set", "model.family=mlp"]);
    assert_eq!(plan["trials"][0]["spec"]["model.family"], "mlp");
    assert_eq!(warnings(&plan).len(), 1, "{plan}");
}

/// A swept preset of a file replaces the family of its base in each trial.
#[test]
fn a_swept_network_replaces_that_of_a_base() {
    let grid = "extends = \"base.toml\"\n[sweep.grid]\n\"model.preset\" = [\"iwae\", \"pythae_mlp\"]\n";
    let mut workspace = Workspace::with_spec(grid);
    workspace.write("base.toml", format!("[model]\n{FAMILY}"));
    let plan = planned(&workspace, &[]);
    let trials = plan["trials"].as_array().unwrap();
    let presets: Vec<&Value> = trials.iter().map(|trial| &trial["spec"]["model.preset"]).collect();
    assert_eq!(presets, ["iwae", "pythae_mlp"]);
    assert_eq!(warnings(&plan).len(), 2, "{plan}");
    // In one file, a family and a preset are an error.
    workspace
        .write("spec.toml", format!("[model]\n{FAMILY}[sweep.grid]\n\"model.preset\" = [\"iwae\", \"pythae_mlp\"]\n"));
    let outcome = workspace.vaex(&["plan", "spec.toml"]);
    assert!(outcome.stderr.contains("`model.family` and `model.preset` exclude each other"), "{}", outcome.stderr);
    assert_eq!(outcome.status, Some(2));
}

#[test]
fn values_of_a_preset_are_marked_as_such() {
    let workspace = Workspace::with_spec("[model]\npreset = \"vampprior\"\nlatent_dim = 3\n");
    let resolved = workspace.succeed(&["plan", "spec.toml", "--resolved"]);
    for line in [
        "preset = \"vampprior\"  # spec.toml:2",
        "latent_dim = 3  # spec.toml:3",
        "log_var_bounds = [-6.0, 2.0]  # preset",
        "initializer = \"he_normal\"  # preset",
        "activation = \"relu\"  # default",
    ] {
        assert!(resolved.lines().any(|one| one == line), "{line} is not in:\n{resolved}");
    }
    // Also where it is the default.
    let workspace = Workspace::with_spec("[model]\npreset = \"keras\"\n");
    let resolved = workspace.succeed(&["plan", "spec.toml", "--resolved"]);
    assert!(resolved.contains("\nlatent_dim = 2  # preset\n"), "{resolved}");
}

/// An activation of the output layer that does not suit the likelihood is warned of, at that layer.
#[test]
fn activations_of_output_layers_are_compared_with_the_likelihood() {
    let of = |activation: &str, more: &str| {
        let decoder = format!("[{{ dense = 9 }}, {{ dense = \"output\", activation = \"{activation}\" }}]");
        let model = format!("[model]\nencoder = [{{ dense = 16 }}]\ndecoder = {decoder}\n{more}");
        let plan = planned(&Workspace::with_spec(&model), &[]);
        let found = warnings(&plan);
        if !found.is_empty() {
            let layer = "{ dense = \"output\"";
            let column = model.lines().nth(2).unwrap().find(layer).unwrap() + 1;
            let is_of_layer = |warning: &&Value| warning["message"] == found[0].as_str();
            let warning = plan["warnings"].as_array().unwrap().iter().find(is_of_layer).unwrap();
            assert_eq!((warning["line"].as_u64(), warning["column"].as_u64()), (Some(3), Some(column as u64)));
        }
        found
    };
    for (activation, likelihood, title) in [
        ("sigmoid", "bernoulli", "Bernoulli"),
        ("leaky_relu", "bernoulli", "Bernoulli"),
        ("sigmoid", "continuous_bernoulli", "continuous Bernoulli"),
    ] {
        let message =
            format!("the output layer has the activation `{activation}`, but a {title} likelihood takes logits");
        assert_eq!(of(activation, &format!("likelihood = \"{likelihood}\"")), [message]);
    }
    let numbers = [
        ("relu", "gaussian", "\n[data]\nrange = [-1, 1]", "0 or more", "Gaussian", "from -1 to 1"),
        ("tanh", "laplace", "\n[data]\nrange = [0, 2]", "from -1 to 1", "Laplace", "from 0 to 2"),
        ("sigmoid", "discretized_logistic", "", "from 0 to 1", "discretized logistic", "from -1 to 1"),
        ("tanh", "discretized_logistic", "\nscale = \"decoder\"", "from -1 to 1", "discretized logistic", "any number"),
        ("sigmoid", "gaussian", "\nvariance = \"decoder\"", "from 0 to 1", "Gaussian", "any number"),
        ("elu", "logistic_mixture", "", "-1 or more", "logistic mixture", "any number"),
    ];
    for (activation, likelihood, more, values, title, needed) in numbers {
        let message = format!(
            "the output layer has the activation `{activation}`, whose values are {values}, but a {title} likelihood needs \
             outputs that are {needed}"
        );
        assert_eq!(of(activation, &format!("likelihood = \"{likelihood}\"{more}")), [message], "{likelihood}{more}");
    }
    for (activation, more) in [
        ("none", ""),
        ("sigmoid", "likelihood = \"gaussian\""),
        ("gelu", "likelihood = \"laplace\""),
        ("tanh", "likelihood = \"gaussian\"\n[data]\nrange = [-1, 1]"),
        ("tanh", "likelihood = \"discretized_logistic\""),
        ("leaky_relu", "likelihood = \"gaussian\"\nvariance = \"decoder\""),
    ] {
        assert_eq!(of(activation, more), Vec::<String>::new(), "{activation} {more}");
    }
}

#[test]
fn densities_of_bits_are_warned_of() {
    for likelihood in ["gaussian", "laplace", "continuous_bernoulli"] {
        let spec = format!("[data]\nsource = \"sprites\"\nlimit = 500\n[model]\nlikelihood = \"{likelihood}\"\n");
        let found = warnings(&planned(&Workspace::with_spec(&spec), &[]));
        assert_eq!(found, [format!("`model.likelihood = \"{likelihood}\"` on pixels that are only black or white")]);
    }
    let mut workspace = Workspace::new();
    let image = [&crate::harness::idx(&[200, 4, 4], 0)[..], &[0, 1].repeat(1600)].concat();
    workspace.write("images.idx", image);
    let data = "[data]\nsource = \"idx\"\nimages = \"images.idx\"\nstored = [0, 1]\n";
    workspace.write("spec.toml", format!("{data}[model]\nlikelihood = \"gaussian\"\n"));
    assert_eq!(warnings(&planned(&workspace, &[])).len(), 1);
    // With noise they are continuous; a Bernoulli likelihood is that of bits.
    workspace.write("spec.toml", format!("{data}dequantize = true\n[model]\nlikelihood = \"gaussian\"\n"));
    assert_eq!(warnings(&planned(&workspace, &[])), Vec::<String>::new());
    workspace.write("spec.toml", data);
    assert_eq!(warnings(&planned(&workspace, &[])), Vec::<String>::new());
}
