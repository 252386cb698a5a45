// The data that the page carries, and what is said of its figures. Texts of specs and errors come from files of others:
// they become text, never markup.

const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("report");

/** What the page shows of a metric: `best` finds the best of several values, `rule` says how it is computed. */
const METRICS = data.metrics.map((metric) => ({ ...metric, best: { lower: least, higher: most }[metric.better] }));
/** Those with a column of the table, in its order. */
const FIGURES = METRICS.filter(({ head }) => head !== null);
const TITLES = Object.fromEntries(METRICS.map(({ name, title }) => [name, title]));
const RULES = Object.fromEntries(METRICS.map(({ name, rule }) => [name, rule]));
const BETTER = Object.fromEntries(METRICS.map(({ name, better }) => [name, better]));
const KEY_METRICS = METRICS.filter(({ of_epochs }) => of_epochs).map(({ name }) => name);
const CURVE_METRICS = METRICS.filter(({ curve }) => curve).map(({ name }) => name);
