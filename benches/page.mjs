// Measures in a headless Chromium how long a report takes to open, and how soon its page answers.
//
//     node benches/page.mjs CHROMIUM REPORT.html...
//
// Needs playwright-core, found through NODE_PATH. Prints milliseconds: of the script that answers, and until the next frame is drawn.
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

// Only `require` uses NODE_PATH.
const { chromium } = createRequire(import.meta.url)("playwright-core");
const [program, ...reports] = process.argv.slice(2);
if (reports.length === 0) {
    console.error("usage: node benches/page.mjs CHROMIUM REPORT.html...");
    process.exit(2);
}

/** What a reader does: a name, the element, and the text that is entered; a click without one. */
const ACTIONS = [
    ["sort by a metric", "table.trials th[data-column=elbo_nats] button", null],
    ["filter", "input[type=search]", "seed=1"],
    ["remove the filter", "input[type=search]", ""],
];

const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
for (const report of reports) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(pathToFileURL(resolve(report)).href);
    const [loaded, elements] = await page.evaluate(() =>
        [performance.getEntriesByType("navigation")[0].loadEventEnd, document.querySelectorAll("*").length]);
    console.log(`${report}: open after ${Math.round(loaded)} ms, ${elements} elements`);
    for (const [name, selector, value] of ACTIONS) {
        const [script, frame] = await page.evaluate(async ([selector, value]) => {
            const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
            const element = document.querySelector(selector);
            await drawn();
            const start = performance.now();
            if (value === null) {
                element.click();
            } else {
                element.value = value;
                element.dispatchEvent(new Event("input", { bubbles: true }));
            }
            const script = performance.now() - start;
            await drawn();
            return [script, performance.now() - start];
        }, [selector, value]);
        console.log(`  ${name}: ${Math.round(script)} ms, drawn after ${Math.round(frame)} ms`);
        // Charts follow a moment later.
        await page.waitForTimeout(2000);
    }
    await page.close();
}
await browser.close();
