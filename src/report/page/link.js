// Links to the trial folders, or buttons that copy their paths.

/** Whether the page is in the folder that it was written to, next to the trial folders. A page that was mailed or moved must
 * not link to them. */
const isAtHome = (() => {
    if (location.protocol !== "file:") return false;
    try {
        const folder = decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "") || "/";
        // FNV-1a, the same function as in vaex.
        const hash = new TextEncoder().encode(folder).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5);
        return data.places.includes((hash >>> 0).toString(16).padStart(8, "0"));
    } catch {
        // The name of the folder is not UTF-8.
        return false;
    }
})();

/** Copies a text, even if the page may not access the clipboard directly. */
async function copy(text) {
    try {
        await navigator.clipboard.writeText(text);
    } catch {
        const field = element("textarea", { readonly: "" }, text);
        document.body.append(field);
        field.select();
        document.execCommand("copy");
        field.remove();
    }
}

/** A link to a trial folder if it is next to the page, else a button that copies its path, as it was
 * given to vaex. */
function folderLink(page, trial, shown) {
    if (isAtHome) {
        const href = `${trial.folder.split("/").map(encodeURIComponent).join("/")}/`;
        return element("a", { href, title: trial.folder, "aria-label": `folder of ${page.trialName(trial)}` }, shown);
    }
    const path = `${page.folder}/${trial.folder.split("/").pop()}`;
    const said = element("span", { class: "soft", role: "status" });
    const button = element("button", { type: "button", class: "copy", title: `copy ${path}`,
        "aria-label": `copy the path of the folder of ${page.trialName(trial)}`, onclick: async () => {
        await copy(path);
        said.textContent = " copied";
        setTimeout(() => (said.textContent = ""), 1500);
    } }, shown);
    return element("span", {}, button, said);
}
