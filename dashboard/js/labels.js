// The four labels: one colour (in the style sheet), one sign and one place each, everywhere.

import { h } from "./dom.js";

/** In the order in which bars are stacked and listed. */
export const LABELS = /** @type {const} */ (["positive", "neutral", "mixed", "negative"]);

/** @type {Record<string, string>} */
export const SIGNS = { positive: "▲", neutral: "●", mixed: "◆", negative: "▼" };

/** A label as a word with its sign. @param {string} label */
export const labelled = (label) =>
  h("span", { class: `label ${label}` }, h("span", { "aria-hidden": "true" }, SIGNS[label] ?? ""), label);

/**
 * One bar of parts.
 * @param {Record<string, number>} parts By label.
 * @param {number} whole What the whole width stands for.
 */
export function stacked(parts, whole) {
  const bar = h("span", { class: "stacked", "aria-hidden": "true" });
  for (const label of LABELS) {
    const share = whole > 0 ? (parts[label] ?? 0) / whole : 0;
    if (share > 0) bar.append(h("span", { class: label, style: { width: `${share * 100}%` } }));
  }
  return bar;
}
