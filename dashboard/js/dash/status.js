// Whether the page is live: said once when it changes, counted down silently.

import { byId, fill, h } from "../dom.js";
import { words } from "../format.js";

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  waiting: "Disconnected, trying again",
  refused: "Not live",
  stopped: "Paused",
};

export class Status {
  #timer = 0;
  /** How often in a row it could not be reached. */
  #failures = 0;

  /** @param {() => void} onRetry */
  constructor(onRetry) {
    byId("status-retry").addEventListener("click", onRetry);
  }

  /** @param {import("../live.js").State} state */
  show({ name, until, reason }) {
    clearInterval(this.#timer);
    byId("status").dataset.state = name;
    byId("status").title = reason ?? "";
    // While it tries again and again, nothing new is to be said.
    const text = byId("status-text");
    if (!(name === "connecting" && text.dataset.name === "waiting")) {
      if (text.dataset.name !== name) fill(text, WORDS[name]);
      text.dataset.name = name;
    }
    byId("status-retry").hidden = name !== "waiting";
    // A short break is told by the line above alone.
    if (name === "waiting") this.#failures += 1;
    else if (name !== "connecting") this.#failures = 0;
    byId("offline").hidden = this.#failures < 2;
    const wait = byId("status-wait");
    fill(wait, name === "connecting" && text.dataset.name === "waiting" ? "now" : "");
    if (name !== "waiting" || until === undefined) return;
    const tick = () => fill(wait, `in ${Math.max(1, Math.ceil((until - Date.now()) / 1000))} s`);
    tick();
    this.#timer = setInterval(tick, 500);
  }
}

/** What is amiss, by /readyz. @param {any} readiness */
export function showHealth({ providers, warnings, ...parts }) {
  const failed = [...Object.values(parts), ...providers].filter((part) => part?.ok === false);
  const lines = [...failed.map(({ name, error }) => `${name}: ${words(error ?? "not well")}`), ...warnings];
  const place = byId("health");
  if (place.dataset.told === lines.join("\n")) return;
  place.dataset.told = lines.join("\n");
  place.hidden = lines.length === 0;
  fill(place, h("h2", {}, "To look at"), h("ul", { class: "plain" }, ...lines.map((line) => h("li", {}, line))));
}
