// The data of the page, and the definitions of its metrics. Texts of specs and errors come from other people's files: they are
// shown as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("report");

/** The metrics of the page: `best` returns the best of several values, `rule` says how the metric is computed. */
const METRICS = data.metrics.map((metric) => ({ ...metric, best: { lower: least, higher: most }[metric.better] }));
/** The metrics that have a column in the table, in its order. */
const TABLE_METRICS = METRICS.filter(({ head }) => head !== null);
const TITLES = Object.fromEntries(METRICS.map(({ name, title }) => [name, title]));
const RULES = Object.fromEntries(METRICS.map(({ name, rule }) => [name, rule]));
const UNITS = Object.fromEntries(METRICS.map(({ name, unit }) => [name, unit]));
const BETTER = Object.fromEntries(METRICS.map(({ name, better }) => [name, better]));
const KEY_METRICS = METRICS.filter(({ of_epochs }) => of_epochs).map(({ name }) => name);
const CURVE_METRICS = METRICS.filter(({ curve }) => curve).map(({ name }) => name);
