// The place where a page asks for a key, and the button that forgets it.

import { byId, fill, h } from "./dom.js";
import { Problem, getJson } from "./api.js";
import { currentKey, keyFault, onKey, useKey } from "./key.js";

/** Fills the header's place and the panel; every page calls it once. */
export function startKeyPanel() {
  const panel = byId("key-panel");
  const input = h("input", {
    id: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true,
    "aria-describedby": "key-help key-fault",
  });
  const fault = h("p", { id: "key-fault", class: "fault", role: "alert" });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const key = input.value.trim();
    const wrong = keyFault(key);
    fill(fault, wrong);
    if (wrong) return input.focus();
    input.value = "";
    // The panel goes, and the focus with it.
    byId("main").focus();
    useKey(key);
  };
  fill(
    panel,
    h("h2", { id: "key-title" }, "A key, please"),
    h("p", { id: "key-why" }),
    h(
      "form",
      { onsubmit: submit, class: "key-form" },
      h("label", { for: "key" }, "Key"),
      h("div", { class: "row" }, input, h("button", { class: "primary" }, "Use this key")),
      fault,
    ),
    h(
      "p",
      { id: "key-help", class: "small" },
      "It stays in this tab until you close it or press “Forget key”, and is sent as a header, never in an address. ",
      "A key comes from ", h("code", {}, "undertone keys create --team NAME --scopes analyze,trends:read,costs:read,metrics:read"), ".",
    ),
  );
  onKey(showHeld);
  showHeld();
}

function showHeld() {
  const key = currentKey();
  if (key !== null) byId("key-panel").hidden = true;
  const forget = () => {
    useKey(null);
    // What was shown with it goes too.
    location.reload();
  };
  fill(
    byId("key-held"),
    key !== null && h("span", { class: "small" }, "Key ", h("code", {}, `…${key.slice(-4)}`)),
    key !== null && h("button", { type: "button", id: "forget", onclick: forget }, "Forget key"),
  );
}

/** @param {string} why */
export function askForKey(why) {
  const panel = byId("key-panel");
  fill(byId("key-why"), why);
  // Asked again while somebody types, the focus stays where it is.
  if (!panel.hidden) return;
  panel.hidden = false;
  byId("key").focus();
}

/** Asks for a key where a request lacked one, or had one that opens nothing. @param {unknown} problem */
export function keyIsMissing(problem) {
  if (!(problem instanceof Problem) || problem.status !== 401) return false;
  // Of several requests with one key the first one says it; the others were under way.
  if (problem.key !== currentKey()) return true;
  if (problem.key !== null) {
    useKey(null);
    askForKey("The gateway does not know this key: it is mistyped, revoked or expired.");
  } else if (byId("key-panel").hidden) {
    askForKey("This gateway has keys, so its data and its box need one.");
  }
  return true;
}

/** Whether the page may ask: the first question of every page, which any key opens. */
export async function knock() {
  try {
    await getJson("/v1/budgets");
    return true;
  } catch (problem) {
    return !keyIsMissing(problem);
  }
}
