// The data that the page carries, and what is said of its figures. Texts of specs and errors come from files of others:
// they become text, never markup.

const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("report");

/** In the order of the table's columns; `best` says which figure is, where one is, `rule` how it is computed. */
const FIGURES = [
    { name: "loss", head: "loss", title: "loss, in the objective's unit", spread: true, best: least,
        rule: "the objective with the spec's weights and reduction, mean over the images" },
    { name: "elbo_nats", head: "elbo_nats", title: "ELBO (nats per image)", spread: true, best: most,
        rule: "minus recon_nats minus kl_nats, with a KL weight of 1 whatever the objective's is" },
    { name: "recon_nats", head: "recon_nats", title: "reconstruction (nats per image)", spread: true,
        rule: "-log p(x|z), summed over the pixels, mean over the images" },
    { name: "kl_nats", head: "kl_nats", title: "KL (nats per image)", spread: true,
        rule: "KL of the posterior from the prior, summed over the latent axes, mean over the images" },
    { name: "active_units", head: "active", title: "active latent axes",
        rule: "number of latent axes whose posterior mean has a variance above 0.01 over the images (Burda et al. 2016)" },
    { name: "images_per_second", head: "images/s", title: "training images per second",
        rule: "training images, repetitions included, by the seconds spent on training steps" },
    { name: "seconds", head: "seconds", title: "seconds", rule: "wall time of the trial, all its resumptions together" },
];
const TITLES = Object.fromEntries(FIGURES.map(({ name, title }) => [name, title]));
const RULES = Object.fromEntries(FIGURES.map(({ name, rule }) => [name, rule]));
const KEY_METRICS = ["elbo_nats", "loss", "recon_nats", "kl_nats", "active_units"];
const CURVE_METRICS = ["elbo_nats", "loss", "recon_nats", "kl_nats"];
