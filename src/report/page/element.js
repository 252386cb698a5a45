// Elements of the page: controls and labels.

/** A page narrower than this is laid out for a phone. */
const NARROW = 600;

/** An element with attributes and children; strings become text nodes. */
function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
        else if (value !== false && !isMissing(value)) made.setAttribute(key, value);
    }
    made.append(...children.flat().filter((child) => child !== null));
    return made;
}

/** Buttons of which exactly one is pressed. */
function choice(label, options, chosen, change) {
    const buttons = options.map(([value, shown]) => element("button", {
        type: "button", "aria-pressed": String(value === chosen),
        onclick: (event) => {
            buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === event.currentTarget)));
            change(value);
        },
    }, shown));
    return element("span", { role: "group", "aria-label": label, class: "choice" }, buttons);
}

function select(label, options, chosen, change) {
    const made = options.map(([value, shown]) => element("option", { value, selected: value === chosen ? "" : null }, shown));
    return element("label", {}, label, element("select", { onchange: (event) => change(event.target.value) }, made));
}

/** A label that may be wrapped after its commas. */
const breakable = (label) => label.split(",").flatMap((part, index) => (index > 0 ? [",", element("wbr"), part] : [part]));
