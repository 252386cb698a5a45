"""Checks that the metrics of `vaex evaluate` equal an independent computation in Python.

    python metrics_check.py VAEX FOLDER

Needs numpy, pyarrow, safetensors, scikit-learn, scipy and torch. In the empty folder FOLDER, the script writes a data
set with four factors in the layout of dSprites, and trains three seeds of two settings with the program VAEX; with the
larger KL weight, some latent axes are dead. VAEX then measures all metrics but `frechet_labels`, whose classifier it trains
itself. Each value, and each matrix that a score comes from, is computed again from the images, the factors, the posteriors
that `vaex embed` writes, and the decoder, which the loader of docs/weights.md reads.

- A value without random draws must be equal, up to rounding: for all trials.
- A value with random draws is computed several times with draws of Python's own, for the first trial of each setting. It
  may differ from their mean by `LIMIT` of their standard deviations, or of a floor.

The table has a line for each value: of all trials and elements of a list, the one that is nearest to the limit or beyond
it. `spread` is the standard deviation of the draws. A value of evaluation.json that is not compared is an error. Exit
status 0 if all values agree, else 1 with the names of those that do not.
"""

import json
import math
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # Must be set before numpy is imported. Two processes compute DCI.

import numpy as np
import pyarrow.parquet as pq
import torch
from scipy import linalg, ndimage
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import entropy
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.metrics import mutual_info_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from pytorch_check import example

REPOSITORY = Path(__file__).parent.parent
SKIPPED = {"frechet_labels"}
VALIDATION, TEST = 200, 400
IMAGES, SIDE, LATENT, NLL_SAMPLES = 1_600, 16, 6, 300
# The factors: how often each value of shape, size, x and y is drawn.
SHARES = [[0.5, 0.25, 0.25], [0.75, 0.25], [1 / 7] * 7, [1 / 5] * 5]
SPEC = f"""
name = "metrics"

[data]
images = "pictures.npz"
stored = [0, 1]
split = "tail"
validation = {VALIDATION}
test = {TEST}

[model]
family = "mlp"
hidden = [64]
latent_dim = {LATENT}

[train]
epochs = 120
batch_size = 50
learning_rate = 3e-3

[sweep]
seeds = 3

[sweep.grid]
"objective.kl_weight" = [1.5, 4.0]
"""

# The recipes: docs/likelihood.md.
BINS, TRAIN_SHARE, PAIRS, BATCH, TRAIN_POINTS, TEST_POINTS = 20, 2 / 3, 64, 64, 10_000, 5_000
PRUNED, ACTIVE, INFORMED, NEIGHBORS, AGGREGATE_SAMPLES = 0.05, 0.01, 0.01, 15, 2_000
SCALES = (0.1, 0.2, 0.5, 1, 2, 5, 10)
LN_2_PI = math.log(2 * math.pi)

# How far values without random draws may differ, relative to values above 1: those that vaex computes in double
# precision from the posterior means, others, and those of a network.
DOUBLE, SINGLE, NETWORK = 1e-9, 1e-6, 1e-5
# The least standard deviation of draws that a difference is measured with: relative to means below 1, but not for very
# few draws, whose standard deviation may be small by chance.
FLOOR = 0.005
# In standard deviations. Training gives other bits on other processors, and there are some hundred comparisons, whose
# deviations are themselves estimated: four would be exceeded by chance on one machine in twenty.
LIMIT = 5.5
DRAWS, DRAWS_OF_SLOW, DRAWS_OF_DCI = 24, 12, 3


class Table:
    """The comparisons, by the name of the value; the worst one of each is printed."""

    def __init__(self):
        self.rows = {}

    def add(self, name, trial, found, expected, spread, allowed, kind):
        """Compares numbers, or lists of the same shape. Of a list, the worst element is kept."""
        row = self.rows.setdefault(name, {"kind": kind, "compared": 0, "worst": -1.0})
        if found is None or np.shape(found) != np.shape(expected):
            found, expected, spread, allowed = math.nan, math.nan, np.max(spread), np.max(allowed)
        lists = np.broadcast_arrays(*(np.asarray(one, dtype=float) for one in (found, expected, spread, allowed)))
        for at in np.ndindex(lists[0].shape):
            one, other, _, limit = numbers = [values[at] for values in lists]
            excess = abs(one - other) / limit
            excess = excess if math.isfinite(excess) else math.inf
            row["compared"] += 1
            if excess > row["worst"]:
                row |= {"worst": excess, "numbers": numbers, "place": f"{trial} {list(at)}" if at else trial}

    def exact(self, name, trial, found, expected, tolerance):
        allowed = tolerance * np.maximum(1, np.abs(expected))
        self.add(name, trial, found, expected, 0 * allowed, allowed, "exact")

    def drawn(self, name, trial, found, draws):
        """Compares with the mean of several draws: numbers, or lists of the same shape.

        All elements of a list have the largest standard deviation of them: among so many, that of some draws is too small
        by chance.
        """
        draws = np.array(draws, dtype=float)
        means, deviation = draws.mean(0), draws.std(0, ddof=1).max()
        floors = FLOOR if len(draws) < DRAWS_OF_SLOW else FLOOR * np.clip(np.abs(means), 1e-6, 1)
        self.add(name, trial, found, means, deviation, LIMIT * np.maximum(deviation, floors), f"{len(draws)} draws")

    def sampled(self, name, trial, found, expected, error):
        """Compares with a number, given the standard error of their difference."""
        self.add(name, trial, found, expected, error, 4 * error, "errors")

    def print(self):
        heads = ["metric", "vaex", "Python", "spread", "allowed", "kind", "values", "worst in", "ok"]
        lines = [heads]
        for name, row in self.rows.items():
            numbers = [f"{number:.6g}" for number in row["numbers"]]
            ok = "yes" if row["worst"] <= 1 else "NO"
            lines.append([name, *numbers, row["kind"], str(row["compared"]), row["place"], ok])
        widths = [max(map(len, column)) for column in zip(*lines)]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
        return [name for name, row in self.rows.items() if not row["worst"] <= 1]


# The data set and the trials.


def write_data(path):
    """Squares and bars in the layout of dSprites, with a constant factor, as its color. Some pixels are inverted."""
    rng = np.random.default_rng(0)
    factors = np.stack([rng.choice(len(shares), IMAGES, p=shares) for shares in SHARES], 1)
    images = np.zeros((len(factors), SIDE, SIDE), np.uint8)
    for image, (shape, size, x, y) in zip(images, factors):
        height, width = np.array([(3, 3), (2, 6), (6, 2)][shape]) + 2 * size
        image[1 + y : 1 + y + height, 1 + x : 1 + x + width] = 1
    images ^= (rng.random(images.shape) < 0.02).astype(np.uint8)
    classes = np.concatenate([np.zeros_like(factors[:, :1]), factors], 1)
    # Other numbers than the classes, in the same order.
    np.savez(path, imgs=images, latents_classes=classes, latents_values=np.sqrt(1.0 + classes))
    return images.reshape(len(images), -1).astype(np.float32), factors


def call(vaex, *arguments, folder):
    result = subprocess.run([vaex, *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"metrics_check: vaex {' '.join(map(str, arguments))} failed:\n{result.stdout}{result.stderr}")


def metric_names():
    """The names of all metrics, from the schema of the spec."""
    schema = json.loads((REPOSITORY / "schemas" / "experiment.schema.json").read_text())
    kinds = schema["properties"]["evaluate"]["properties"]["metrics"]["anyOf"]
    (names,) = [kind["items"]["oneOf"] for kind in kinds if "items" in kind]
    return [name["const"] for name in names if name["const"] not in SKIPPED]


class Trial:
    """A trial: its posteriors of all images, (Images, Latent), its network, and what vaex measured."""

    def __init__(self, vaex, path, folder, load_vaex):
        record = json.loads((path / "trial.json").read_text())
        self.spec, self.path = record["spec"], path
        self.setting, self.seed = self.spec["objective.kl_weight"], self.spec["seed"]
        self.name = f"kl {self.setting:g} seed {self.seed}"
        self.network = load_vaex(str(path / "model.safetensors"), self.spec)
        call(vaex, "embed", path, "--data", "pictures.npz", "-o", "posteriors.parquet", folder=folder)
        self.embedded = pq.read_table(folder / "posteriors.parquet")
        column = lambda name: np.stack([self.embedded[f"{name}_{axis}"].to_numpy() for axis in range(LATENT)], 1)
        self.means, self.log_variances = column("mean").astype(float), 2 * np.log(column("deviation").astype(float))
        results = json.loads((path / "evaluation.json").read_text())["results"]
        self.measured = {result["metric"]: result for result in results}

    def value(self, metric, name):
        """A value, whose name may be that of a column for the test images, or something from the details."""
        result = self.measured[metric]
        for values in (result["values"], result["details"]):
            for key in (name, f"test_{name}"):
                if key in values:
                    return values[key]
        return None

    def decode(self, codes):
        """The logits of codes, (Codes, Values)."""
        with torch.no_grad():
            return self.network.decode(torch.from_numpy(np.asarray(codes, np.float32)))


# Formulas. Codes are (Points, Axes), factors are (Points, Factors), matrices are (Axes, Factors).


def binned(values):
    """The numbers of equal-width bins, from 0."""
    return np.digitize(values, np.histogram(values, BINS)[1][:-1]) - 1


def information(codes, factors):
    """The mutual information of binned axes and factors."""
    bins = [binned(axis) for axis in codes.T]
    return np.array([[mutual_info_score(axis, factor) for factor in factors.T] for axis in bins])


def gaps(matrix):
    """For each factor, the largest minus the second largest value."""
    ordered = np.sort(matrix, axis=0)
    return ordered[-1] - ordered[-2]


def mig(codes, factors):
    matrix = information(codes, factors)
    relative = gaps(matrix) / [mutual_info_score(factor, factor) for factor in factors.T]
    return {"mig": relative.mean(), "matrix": matrix, "gap_factor": relative}


def mean_log_mixture(samples, means, log_variances):
    """The mean over samples of the log-density of a mixture of normal distributions with equal weights."""
    squares = (samples[:, None] - means) ** 2 * np.exp(-log_variances)
    return np.log(np.exp(-0.5 * (squares + log_variances + LN_2_PI)).mean(1)).mean()


def mig_sampled(means, log_variances, factors, rng):
    """The gap by the entropies of sampled codes: of all images, and of the images of each value of a factor."""
    codes = means + np.exp(0.5 * log_variances) * rng.standard_normal(means.shape)
    matrix = np.empty((means.shape[1], factors.shape[1]))
    for axis, (z, mean, log_variance) in enumerate(zip(codes.T, means.T, log_variances.T)):
        marginal = -mean_log_mixture(z, mean, log_variance)
        for number, factor in enumerate(factors.T):
            groups = [factor == value for value in np.unique(factor)]
            parts = [-group.mean() * mean_log_mixture(z[group], mean[group], log_variance[group]) for group in groups]
            matrix[axis, number] = marginal - sum(parts)
    relative = gaps(np.maximum(matrix, 0)) / [np.log(len(np.unique(factor))) for factor in factors.T]
    return {"mig_sampled": relative.mean(), "matrix": matrix, "gap_factor": relative}


def split_points(count, rng):
    """Training points and other points for tests, in the ratio of the recipe."""
    order = rng.permutation(count)
    return np.split(order, [round(TRAIN_SHARE * count)])


def modularity(codes, factors, rng):
    """Modularity, and explicitness: the area under the ROC curve of each value of each factor."""
    train, test = split_points(len(codes), rng)
    matrix = information(codes[train], factors[train])
    squares = matrix**2
    most = squares.max(1)
    of_axes = 1 - (squares.sum(1) - most) / (most * (factors.shape[1] - 1))
    scaler = StandardScaler().fit(codes[train])
    areas = []
    for factor in factors.T:
        model = regression().fit(scaler.transform(codes[train]), factor[train])
        shares = model.predict_proba(scaler.transform(codes[test]))
        values = range(len(model.classes_))
        areas.append(np.mean([roc_auc_score(factor[test] == model.classes_[at], shares[:, at]) for at in values]))
    return {"modularity": of_axes.mean(), "explicitness": np.mean(areas), "matrix": matrix}


def regression():
    return LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-9, max_iter=1_000)


def sap(codes, factors, rng):
    train, test = split_points(len(codes), rng)
    matrix = np.empty((codes.shape[1], factors.shape[1]))
    for axis, number in np.ndindex(matrix.shape):
        code, factor = codes[:, [axis]], factors[:, number]
        model = LinearSVC(C=0.01, class_weight="balanced", dual=False, tol=1e-6, max_iter=10_000)
        matrix[axis, number] = model.fit(code[train], factor[train]).score(code[test], factor[test])
    return {"sap": gaps(matrix).mean(), "matrix": matrix, "gap_factor": gaps(matrix)}


def dci(codes, factors, seed):
    """Boosted trees on points that are drawn with replacement: an image's weight is how often it is drawn."""
    rng = np.random.default_rng(seed)
    counts = lambda points: np.bincount(rng.integers(0, len(codes), points), minlength=len(codes))
    train, test = counts(TRAIN_POINTS), counts(TEST_POINTS)
    drawn, importances, accuracies, of_training = train > 0, [], [], []
    for factor in factors.T:
        model = GradientBoostingClassifier(random_state=seed)
        right = model.fit(codes[drawn], factor[drawn], sample_weight=train[drawn]).predict(codes) == factor
        importances.append(model.feature_importances_)
        accuracies.append(np.average(right, weights=test))
        of_training.append(np.average(right, weights=train))
    matrix = np.array(importances).T
    shares = matrix + 1e-11
    axes = 1 - entropy(shares, axis=1, base=shares.shape[1])
    columns = 1 - entropy(shares, axis=0, base=shares.shape[0])
    return {
        "dci_disentanglement": np.average(axes, weights=matrix.sum(1)),
        "dci_completeness": np.average(columns, weights=matrix.sum(0)),
        "dci_accuracy": np.mean(accuracies), "train_accuracy": np.mean(of_training), "accuracy_factor": accuracies,
        "matrix": matrix, "disentanglement_axis": axes, "completeness_factor": columns,
    }


def irs(codes, factors):
    """The robustness of each axis, while a factor keeps its value."""
    largest = np.abs(codes - codes.mean(0)).max(0)
    matrix = np.empty((codes.shape[1], factors.shape[1]))
    for number, factor in enumerate(factors.T):
        bins = binned(factor)
        groups = [codes[bins == value] for value in np.unique(bins)]
        deviations = [np.quantile(np.abs(group - group.mean(0)), 0.99, axis=0) for group in groups]
        matrix[:, number] = 1 - np.mean(deviations, axis=0) / largest
    return {"irs": np.average(matrix.max(1), weights=largest), "matrix": matrix}


def images_of_values(factors):
    """For each factor, the images of each of its values."""
    return [[np.flatnonzero(factor == value) for value in np.unique(factor)] for factor in factors.T]


def images_with_value(lists, count, each, rng):
    """Random factors, (count), and for each of them images, (count, each), with the same value of the factor."""
    drawn, images = rng.integers(0, len(lists), count), np.empty((count, each), dtype=int)
    for number, of_factor in enumerate(lists):
        values = rng.integers(0, len(of_factor), count)
        for value, known in enumerate(of_factor):
            chosen = (drawn == number) & (values == value)
            images[chosen] = known[rng.integers(0, len(known), (chosen.sum(), each))]
    return drawn, images


def factor_vae_score(codes, factors, rng):
    """The accuracy of a majority vote by the axis whose variance, relative to that of all images, is smallest."""
    lists = images_of_values(factors)
    variances = codes[rng.integers(0, len(codes), TRAIN_POINTS)].var(0, ddof=1)
    kept = np.flatnonzero(np.sqrt(variances) >= PRUNED)
    tables = []
    for count in (TRAIN_POINTS, TEST_POINTS):
        fixed, images = images_with_value(lists, count, BATCH, rng)
        axes = (codes[images][:, :, kept].var(1, ddof=1) / variances[kept]).argmin(1)
        tables.append(np.zeros((len(lists), len(kept))))
        np.add.at(tables[-1], (fixed, axes), 1)
    assigned = tables[0].argmax(0)
    train, test = (table[assigned, range(len(kept))].sum() / table.sum() for table in tables)
    return {"factor_vae_score": test, "train_accuracy": train}


def beta_vae_score(codes, factors, rng):
    """The accuracy of a regression that tells the factor that pairs share from the mean differences of their codes."""
    lists = images_of_values(factors)

    def points(count):
        labels = rng.integers(0, len(lists), count)
        features = np.empty((count, codes.shape[1]))
        for number, of_factor in enumerate(lists):
            # Each pair has a value of its own.
            own = np.flatnonzero(labels == number)
            _, images = images_with_value([of_factor], len(own) * PAIRS, 2, rng)
            differences = np.abs(codes[images[:, 0]] - codes[images[:, 1]])
            features[own] = differences.reshape(len(own), PAIRS, -1).mean(1)
        return features, labels

    train, test = points(TRAIN_POINTS), points(TEST_POINTS)
    model = regression().fit(*train)
    return {"beta_vae_score": model.score(*test), "train_accuracy": model.score(*train)}


def unsupervised(codes):
    covariance = np.cov(codes.T)
    variances = np.diag(covariance)
    root = linalg.sqrtm(np.sqrt(variances)[:, None] * covariance * np.sqrt(variances))
    bins = [binned(axis) for axis in codes.T]
    pairs = [mutual_info_score(bins[i], bins[j]) for i in range(len(bins)) for j in range(i)]
    return {
        "gaussian_tc_nats": 0.5 * (np.log(variances).sum() - np.linalg.slogdet(covariance)[1]),
        "wasserstein_correlation": 2 * (variances.sum() - np.trace(root).real) / variances.sum(),
        "axis_mi_nats": np.mean(pairs),
    }


def kl_terms(means, log_variances):
    """The KL of each image and axis to the standard normal distribution."""
    return 0.5 * (means**2 + np.exp(log_variances) - log_variances - 1)


def active_units(means):
    variances = means.var(0)
    active = int((variances > ACTIVE).sum())
    return {"active_units": active, "mean_variance_axis": variances}, {0: "full", LATENT: "none"}.get(active, "partial")


def udr(models):
    """The score of each model: by Lasso from each other model, the median. A model is its means and log-variances."""
    informed = [kl_terms(*model).mean(0) > INFORMED for model in models]
    codes = [StandardScaler().fit_transform(means)[:, kept] for (means, _), kept in zip(models, informed)]

    def strength(table):
        sums = table.sum(1)
        return np.where(sums > 0, table.max(1) ** 2 / np.where(sums > 0, sums, 1), 0).mean()

    def pair(one, other):
        table = np.abs(Lasso(alpha=0.1, tol=1e-12, max_iter=100_000).fit(one, other).coef_)
        return (strength(table) + strength(table.T)) / 2

    scores = [np.median([pair(one, other) for one in codes if one is not other]) for other in codes]
    return scores, [int(kept.sum()) for kept in informed]


def aggregate(means, log_variances, rng):
    """Mutual information, total correlation and KL of the axes, from samples of the aggregate posterior."""
    chosen = rng.integers(0, len(means), AGGREGATE_SAMPLES)
    codes = means[chosen] + np.exp(0.5 * log_variances[chosen]) * rng.standard_normal((len(chosen), means.shape[1]))
    normal = lambda z, mean, log_variance: -0.5 * ((z - mean) ** 2 * np.exp(-log_variance) + log_variance + LN_2_PI)
    densities = normal(codes[:, None], means, log_variances)
    of_axes, joint = np.log(np.exp(densities).mean(1)), np.log(np.exp(densities.sum(2)).mean(1))
    own = normal(codes, means[chosen], log_variances[chosen])
    terms = {
        "mi_nats": own.sum(1) - joint, "tc_nats": joint - of_axes.sum(1),
        "dwkl_nats": of_axes.sum(1) - normal(codes, 0.0, 0.0).sum(1),
    }
    errors = {f"{name}_se": standard_error(values) for name, values in terms.items()}
    return {name: values.mean() for name, values in terms.items()} | errors | {
        "mutual_information_axis": (own - of_axes).mean(0),
    }


def standard_error(values):
    return values.std(ddof=1) / math.sqrt(len(values))


def recon_nats(logits, images):
    """-log p(x|z) of a Bernoulli likelihood. Each image has the same number of rows of logits."""
    logits = logits.reshape(len(images), -1, images.shape[1])
    of_values = torch.nn.functional.softplus(logits) - torch.from_numpy(images)[:, None] * logits
    return of_values.sum(2, dtype=torch.float64).numpy()


def elbo(trial, images, means, log_variances, rng):
    codes = means + np.exp(0.5 * log_variances) * rng.standard_normal(means.shape)
    recon, kl = recon_nats(trial.decode(codes), images)[:, 0], kl_terms(means, log_variances).sum(1)
    bound = -recon - kl
    return {
        "elbo_nats": bound.mean(), "elbo_nats_se": standard_error(bound), "recon_nats": recon.mean(),
        "bits_per_dim": -bound.mean() / (images.shape[1] * math.log(2)),
    }


def nll(trial, images, means, log_variances, rng):
    """The likelihood by importance sampling: importance-weighted bounds of all samples and of groups of them."""
    parts = []
    for part in np.array_split(np.arange(len(images)), 20):
        noise = rng.standard_normal((len(part), NLL_SAMPLES, means.shape[1]))
        codes = means[part, None] + np.exp(0.5 * log_variances[part, None]) * noise
        log_ratio = 0.5 * (noise**2 - codes**2 + log_variances[part, None]).sum(2)
        parts.append(log_ratio - recon_nats(trial.decode(codes.reshape(-1, means.shape[1])), images[part]))
    log_weights = np.concatenate(parts)
    log_mean = lambda values: logsumexp(values, axis=-1) - math.log(values.shape[-1])
    log_likelihood = log_mean(log_weights)
    effective = np.exp(2 * logsumexp(log_weights, axis=1) - logsumexp(2 * log_weights, axis=1))
    bound = lambda size: log_mean(log_weights.reshape(len(images), -1, size)).mean()
    return {
        "nll_nats": -log_likelihood.mean(), "nll_nats_se": standard_error(log_likelihood),
        "nll_sampling_nats": math.sqrt((1 / effective - 1 / NLL_SAMPLES).sum()) / len(images),
        "nll_ess": effective.mean(), "nll_ess_least": effective.min(),
        "images_with_ess_below_10": (effective < 10).sum(),
        "nll_bits_per_dim": -log_likelihood.mean() / (images.shape[1] * math.log(2)),
        "iwae_5_nats": bound(5), "iwae_50_nats": bound(50),
    }


def structural_similarity(first, second):
    """SSIM with a Gaussian window of 11 pixels, the mean over the windows inside the image."""
    smooth = lambda image: ndimage.gaussian_filter(image, 1.5, truncate=3.5)[5:-5, 5:-5]
    means = smooth(first), smooth(second)
    variances = smooth(first * first) - means[0] ** 2, smooth(second * second) - means[1] ** 2
    covariance = smooth(first * second) - means[0] * means[1]
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * means[0] * means[1] + c1) * (2 * covariance + c2)
    return (similarity / ((means[0] ** 2 + means[1] ** 2 + c1) * (variances[0] + variances[1] + c2))).mean()


def reconstruction(trial, images, means):
    expected = trial.decode(means).sigmoid().numpy().astype(float)
    errors = ((expected - images) ** 2).mean(1)
    pairs = zip(images.astype(float).reshape(-1, SIDE, SIDE), expected.reshape(-1, SIDE, SIDE))
    return {
        "mse": errors.mean(), "psnr": (-10 * np.log10(errors)).mean(),
        "ssim": np.mean([structural_similarity(*pair) for pair in pairs]),
    }


def neighbor_label(labels, distances):
    """The most frequent label of the nearest neighbors; of several, that with the smaller sum of distances."""
    nearest = np.argsort(distances, kind="stable")[:NEIGHBORS]
    values = np.unique(labels[nearest])
    votes = [(labels[nearest] == value) for value in values]
    return min(zip(values, votes), key=lambda pair: (-pair[1].sum(), distances[nearest][pair[1]].sum()))[0]


def label_accuracies(train, test):
    """The accuracies of nearest neighbors and of a logistic regression; both arguments are codes and labels."""
    (codes, labels), (others, expected) = train, test
    distances = cdist(others, codes)
    scaler = StandardScaler().fit(codes)
    near, probe = [], []
    for known, wanted in zip(labels.T, expected.T):
        near.append(np.mean([neighbor_label(known, row) == value for row, value in zip(distances, wanted)]))
        probe.append(regression().fit(scaler.transform(codes), known).score(scaler.transform(others), wanted))
    return near, probe


def mmd(first, second):
    """The squared maximum mean discrepancy, unbiased, with inverse multiquadratic kernels."""
    size = 2 * first.shape[1]

    def mean_kernel(one, other):
        distances = cdist(one, other, "sqeuclidean")
        values = sum(scale * size / (scale * size + distances) for scale in SCALES)
        return values.mean() if one is not other else (values.sum() - np.trace(values)) / (len(one) * (len(one) - 1))

    return mean_kernel(first, first) + mean_kernel(second, second) - 2 * mean_kernel(first, second)


def discrepancies(trial, images, means, log_variances, rng):
    codes = means + np.exp(0.5 * log_variances) * rng.standard_normal(means.shape)
    prior = rng.standard_normal(means.shape)
    samples = trial.decode(prior).sigmoid().numpy()
    return {"code_mmd": mmd(codes, prior), "sample_mmd": mmd(images, samples)}


# The comparisons.


class Check:
    def __init__(self, images, factors):
        self.images, self.factors, self.table = images, factors, Table()
        self.compared = set()
        count = len(images)
        self.train, self.test = slice(0, count - VALIDATION - TEST), slice(count - TEST, count)
        self.wrong = []

    def exact(self, trial, metric, found, tolerance=SINGLE):
        for name, value in found.items():
            by = lambda row, ours: self.table.exact(row, trial.name, ours, value, tolerance)
            self.compare(trial, metric, name, by)

    def drawn(self, trial, metric, draws):
        for name in draws[0]:
            values = [draw[name] for draw in draws]
            self.compare(trial, metric, name, lambda row, ours: self.table.drawn(row, trial.name, ours, values))

    def compare(self, trial, metric, name, by):
        self.compared.add((metric, name))
        known = trial.measured[metric]["values"]
        value = name in known or f"test_{name}" in known
        by(name if value else f"{metric}: {name}", trial.value(metric, name))

    def posteriors(self, trial):
        """The images and factors that vaex read, and the encoder: what everything else is computed from."""
        columns = [name for name in trial.embedded.column_names if name.startswith("factor_")]
        read = np.stack([trial.embedded[name].to_numpy() for name in columns], 1)
        varying = read[:, np.ptp(read, axis=0) > 0]
        if varying.shape != self.factors.shape or not (varying == self.factors).all():
            self.wrong.append(f"{trial.name}: the factors in the table of `vaex embed` differ from those of the file")
        network = trial.network
        with torch.no_grad():
            hidden = network.run(torch.from_numpy(self.images), "encoder", network.layers["encoder"], network.image)
            outputs = [network.dense(hidden, f"posterior_{name}").numpy() for name in ("mean", "log_var")]
        for name, found, expected in zip(("means", "log-variances"), (trial.means, trial.log_variances), outputs):
            self.table.exact(f"posteriors: {name}", trial.name, found, expected, NETWORK)

    def without_draws(self, trial):
        """What depends on no random draw, because all images are used."""
        means, log_variances = trial.means[self.test], trial.log_variances[self.test]
        kl = kl_terms(means, log_variances)
        self.exact(trial, "elbo", {"kl_nats": kl.sum(1).mean()})
        own = pq.read_table(trial.path / "evaluation" / "test_elbo.parquet")
        self.table.exact("kl_nats of each image", trial.name, own["kl_nats"].to_numpy(), kl.sum(1), SINGLE)
        self.exact(trial, "aggregate", {"kl_axis_nats": kl.mean(0)})
        values, verdict = active_units(means)
        self.exact(trial, "active_units", values, DOUBLE)
        self.compared.add(("active_units", "collapse"))
        found = trial.value("active_units", "collapse")
        if found != verdict:
            self.wrong.append(f"{trial.name}: collapse is {found!r}, expected {verdict!r}")
        self.exact(trial, "reconstruction", reconstruction(trial, self.images[self.test], means), NETWORK)
        train, test = ((trial.means[images], self.factors[images]) for images in (self.train, self.test))
        near, probe = label_accuracies(train, test)
        self.exact(trial, "labels", {"knn_accuracy": np.mean(near), "knn_accuracy_label": near}, DOUBLE)
        # The label of one image may depend on how far a regression converges.
        self.exact(trial, "labels", {"probe_accuracy": np.mean(probe), "probe_accuracy_label": probe}, 1.01 / TEST)
        self.exact(trial, "unsupervised", unsupervised(means), DOUBLE)
        self.exact(trial, "mig", mig(trial.means, self.factors), DOUBLE)
        self.exact(trial, "irs", irs(trial.means, self.factors), DOUBLE)
        # The variances that leave out axes are those of a sample; no axis is near the threshold.
        self.exact(trial, "factor_vae_score", {"axes": np.flatnonzero(trial.means.std(0) >= PRUNED)}, DOUBLE)

    def with_draws(self, trial, dci_draws):
        images, means, log_variances = self.images[self.test], trial.means[self.test], trial.log_variances[self.test]
        codes, factors = trial.means, self.factors
        draws = lambda draw, count=DRAWS: [draw(np.random.default_rng(seed)) for seed in range(count)]
        slow = lambda draw: draws(draw, DRAWS_OF_SLOW)
        self.drawn(trial, "elbo", draws(lambda rng: elbo(trial, images, means, log_variances, rng)))
        self.likelihood(trial, slow(lambda rng: nll(trial, images, means, log_variances, rng)))
        self.drawn(trial, "aggregate", draws(lambda rng: aggregate(means, log_variances, rng)))
        self.drawn(trial, "mmd", draws(lambda rng: discrepancies(trial, images, means, log_variances, rng)))
        self.drawn(trial, "mig_sampled", slow(lambda rng: mig_sampled(codes, trial.log_variances, factors, rng)))
        self.drawn(trial, "beta_vae_score", draws(lambda rng: beta_vae_score(codes, factors, rng)))
        self.drawn(trial, "factor_vae_score", draws(lambda rng: factor_vae_score(codes, factors, rng)))
        self.drawn(trial, "sap", draws(lambda rng: sap(codes, factors, rng)))
        self.drawn(trial, "modularity", draws(lambda rng: modularity(codes, factors, rng)))
        self.drawn(trial, "dci", dci_draws)

    def likelihood(self, trial, draws):
        """The likelihood itself must agree within the errors that vaex and this script state for it."""
        mean = lambda name: np.mean([draw[name] for draw in draws])
        error = math.hypot(trial.value("nll", "nll_sampling_nats"), mean("nll_sampling_nats") / math.sqrt(len(draws)))
        values = self.images.shape[1] * math.log(2)
        units = {"nll_nats": 1, "nll_bits_per_dim": values}
        for name, unit in units.items():
            by = lambda row, ours: self.table.sampled(row, trial.name, ours, mean(name), error / unit)
            self.compare(trial, "nll", name, by)
        self.drawn(trial, "nll", [{name: draw[name] for name in draw if name not in units} for draw in draws])

    def settings(self, trials):
        """Scores of the seeds of a setting."""
        for setting in sorted({trial.setting for trial in trials}):
            own = [trial for trial in trials if trial.setting == setting]
            scores, kept = udr([(trial.means[self.test], trial.log_variances[self.test]) for trial in own])
            for trial, score, axes in zip(own, scores, kept):
                self.exact(trial, "udr", {"udr": score, "kept_axes": axes})

    def is_complete(self, trial):
        """Notes values of evaluation.json that nothing was compared with."""
        for metric, result in trial.measured.items():
            if result["refused"]:
                self.wrong.append(f"{trial.name}: {metric} was not measured: {result['refused']}")
            for name in result["values"]:
                if not {(metric, name), (metric, name.removeprefix("test_"))} & self.compared:
                    self.wrong.append(f"{metric}: {name} is not compared")


def main():
    if len(sys.argv) != 3:
        raise SystemExit("usage: python metrics_check.py VAEX FOLDER")
    vaex, folder = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2])
    if not folder.is_dir() or any(folder.iterdir()):
        raise SystemExit(f"metrics_check: {folder} is not an empty folder")
    torch.set_num_threads(1)
    images, factors = write_data(folder / "pictures.npz")
    (folder / "metrics.toml").write_text(SPEC)
    call(vaex, "run", "metrics.toml", folder=folder)
    names = metric_names()
    call(vaex, "evaluate", "runs/metrics", "--metrics", ",".join(names), "--nll-samples", NLL_SAMPLES, folder=folder)
    page, loader = REPOSITORY / "docs" / "weights.md", {"__name__": "example"}
    exec(compile(example(page), str(page), "exec"), loader)
    paths = sorted(path.parent.resolve() for path in folder.glob("runs/metrics/*/trial.json"))
    trials = [Trial(vaex, path, folder, loader["load_vaex"]) for path in paths]
    trials.sort(key=lambda trial: (trial.setting, trial.seed))

    check = Check(images, factors)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        first = [trial for trial in trials if trial.seed == 0]
        start = lambda trial: [pool.submit(dci, trial.means, factors, seed) for seed in range(DRAWS_OF_DCI)]
        started = [start(trial) for trial in first]
        for trial in trials:
            check.posteriors(trial)
            check.without_draws(trial)
        check.settings(trials)
        for trial, draws in zip(first, started):
            check.with_draws(trial, [draw.result() for draw in draws])
    for trial in trials:
        missing = set(names) - set(trial.measured)
        check.wrong.extend(f"{trial.name}: {metric} is missing" for metric in sorted(missing))
    check.is_complete(trials[0])

    failed = check.table.print()
    check.wrong.extend(f"{name} differs" for name in failed)
    for message in check.wrong:
        print(f"WRONG {message}")
    if check.wrong:
        raise SystemExit(1)
    print(f"{len(check.table.rows)} values agree, in {len(trials)} trials")


if __name__ == "__main__":
    main()
