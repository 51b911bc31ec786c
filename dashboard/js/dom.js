// Building the page. Whatever comes from outside is put in as text: there is no way to insert HTML here.

/** @param {string} id @returns {any} The element of that id, which the page has. */
export const byId = (id) => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
};

/**
 * Makes an element.
 * @param {string} tag
 * @param {Record<string, any>} [props] Attributes; `onclick` and its like are listeners, `style` holds
 *   properties, which a strict policy of content allows only this way.
 * @param {...(Node | string | null | undefined | false)} children Strings become text.
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") {
      for (const [key, to] of Object.entries(value)) element.style.setProperty(key, String(to));
    } else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child || child === ""));
  return element;
}

/** @param {Element} element @param {...(Node | string | null | undefined | false)} children */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child || child === ""));
}

/** Words for screen readers alone. @param {string} text */
export const unseen = (text) => h("span", { class: "unseen" }, text);

/**
 * A table, as the other way to read a chart.
 * @param {string} caption
 * @param {string[]} head
 * @param {(string | Node)[][]} rows The first cell of each names it.
 */
export function table(caption, head, rows) {
  const cells = (row) =>
    row.map((cell, at) => (at === 0 ? h("th", { scope: "row" }, cell) : h("td", {}, cell)));
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.map((row) => h("tr", {}, ...cells(row)))),
    ),
  );
}
