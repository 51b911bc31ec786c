// A panel shows its body, or one of: that it is loading, that there is nothing, which scope is missing,
// what went wrong.

import { Problem } from "../api.js";
import { fill, h } from "../dom.js";
import { exactTime } from "../format.js";

export class Panel {
  #state;
  #body;
  #shown = 0;
  #told = "";

  /** @param {HTMLElement} state @param {HTMLElement} body */
  constructor(state, body) {
    this.#state = state;
    this.#body = body;
    this.#tell("loading", h("span", {}, "Loading …"));
    body.hidden = true;
  }

  /** The panel of that id, which holds a place for its state and one for its body. @param {string} id */
  static of(id) {
    const place = (name) => document.querySelector(`#${id} > .${name}`);
    return new Panel(place("state"), place("body"));
  }

  get body() {
    return this.#body;
  }

  /** Its body is up to date. */
  ready() {
    this.#shown = Date.now();
    this.#body.hidden = false;
    this.#tell("ready");
  }

  /** There is nothing to show yet. @param {string} words @param {...Node} how What to do about it. */
  empty(words, ...how) {
    this.#body.hidden = true;
    this.#tell("empty", h("p", {}, words), ...how);
  }

  /** @param {unknown} problem @param {string} scope What its data asks for. */
  fail(problem, scope) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 403) {
      this.#body.hidden = true;
      const create = `undertone keys create --team NAME --scopes ${scope}`;
      return this.#tell("scope", h("p", {}, "This needs a key with the scope ", h("code", {}, scope), "."), command(create));
    }
    if (problem.status === 401) {
      this.#body.hidden = true;
      return this.#tell("scope", h("p", {}, "This needs a key."));
    }
    // What was seen last is worth more than nothing, if it is said how old it is.
    const old = this.#shown > 0 && !this.#body.hidden;
    const seen = old ? ` What you see is of ${exactTime(this.#shown)}.` : "";
    this.#tell("error", h("p", {}, problem.message, seen));
  }

  /** @param {string} name @param {...Node} nodes */
  #tell(name, ...nodes) {
    const told = name + nodes.map((node) => node.textContent).join(" ");
    // Said again each second, it would be read out each second.
    if (told === this.#told) return;
    this.#told = told;
    this.#state.dataset.state = name;
    this.#state.hidden = nodes.length === 0;
    fill(this.#state, ...nodes);
  }
}

/** A line to type into a terminal. @param {string} line */
export const command = (line) =>
  h("pre", { tabindex: "0", role: "region", "aria-label": "A line for a terminal" }, h("code", {}, line));

/** A line that posts a text to that route of this gateway. @param {string} path @param {string} text */
export function curl(path, text, isKeyed) {
  const key = isKeyed ? " -H \"Authorization: Bearer $UNDERTONE_KEY\"" : "";
  return command(
    `curl ${location.origin}${path}${key} -H 'Content-Type: application/json' -d '${JSON.stringify({ text, tags: { key: "acme" } })}'`,
  );
}
