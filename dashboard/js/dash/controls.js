// What is shown: range, key and window, kept in the address, so that a view can be bookmarked.

import { byId, fill, h } from "../dom.js";
import { span } from "../format.js";

/** The window that a range is best seen in, in seconds. */
const BEST = { 3600: 60, 86400: 900, 604800: 7200, 2592000: 21600 };
const WIDTHS = [60, 300, 900, 3600, 7200, 21600, 86400];
/** A chart with more windows than this tells nothing more, and the gateway answers no more at once. */
const MOST = 1500;

/** The filter's values: keys are anything, so all of them and none have forms that no key has. */
const ALL = "*";
const NONE = "-";
const named = (key) => (key === null ? NONE : `=${key}`);

export class Controls {
  #form = byId("controls");
  #keys = byId("key-filter");
  #widths = byId("width");
  /** @type {(string | null)[]} */ #known = [];

  /** @param {(isNewQuestion: boolean) => void} onChange Told whether the gateway has to be asked anew. */
  constructor(onChange) {
    const asked = new URLSearchParams(location.search);
    const range = this.#form.elements.range;
    if ([...range].some(({ value }) => value === asked.get("range"))) range.value = asked.get("range");
    this.#showWidths();
    const width = asked.get("window");
    if (width && [...this.#widths.options].some(({ value, disabled }) => value === width && !disabled)) this.#widths.value = width;
    const key = asked.get("key");
    if (key) {
      this.#keys.append(h("option", { value: key }, key === NONE ? "(no key)" : key.slice(1)));
      this.#keys.value = key;
    }
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("change", (event) => {
      if (event.target.name === "range") this.#showWidths();
      this.#remember();
      onChange(event.target !== this.#keys);
    });
  }

  /** In seconds. */
  get range() {
    return Number(this.#form.elements.range.value);
  }

  /** In seconds; `null`: the best for the range. */
  get width() {
    return Number(this.#widths.value) || null;
  }

  get bestWidth() {
    return BEST[this.range];
  }

  /** @param {string | null} key */
  wants(key) {
    return this.#keys.value === ALL || this.#keys.value === named(key);
  }

  /** @param {(string | null)[]} keys Those that there are. */
  offer(keys) {
    const sorted = [...keys].sort((a, b) => (a === null ? 1 : b === null ? -1 : a < b ? -1 : 1));
    if (JSON.stringify(sorted) === JSON.stringify(this.#known)) return;
    this.#known = sorted;
    const chosen = this.#keys.value;
    const options = [ALL, ...sorted.map(named)];
    // A filter outlasts the texts that it was made for.
    if (!options.includes(chosen)) options.push(chosen);
    const name = (value) => (value === ALL ? "all keys" : value === NONE ? "(no key)" : value.slice(1));
    fill(this.#keys, ...options.map((value) => h("option", { value }, name(value))));
    this.#keys.value = chosen;
  }

  #showWidths() {
    const chosen = this.#widths.value;
    const isFit = (width) => width <= this.range && this.range / width <= MOST;
    const options = WIDTHS.map((width) => h("option", { value: width, disabled: !isFit(width) }, span(width)));
    fill(this.#widths, h("option", { value: "" }, `auto (${span(this.bestWidth)})`), ...options);
    const kept = options.find(({ value, disabled }) => value === chosen && !disabled);
    this.#widths.value = kept ? chosen : "";
  }

  #remember() {
    const view = new URLSearchParams();
    if (this.range !== 86400) view.set("range", String(this.range));
    if (this.#keys.value !== ALL) view.set("key", this.#keys.value);
    if (this.width) view.set("window", String(this.width));
    const query = view.toString();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
  }
}
