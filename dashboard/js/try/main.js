// The box to try a text in: what is typed goes to /v1/aspects and /v1/emotions, and the answers are shown.

import { Problem, postJson } from "../api.js";
import { byId, fill, h } from "../dom.js";
import { count } from "../format.js";
import { keyIsMissing, knock, startKeyPanel } from "../keypanel.js";
import { codePoints } from "../spans.js";
import { showVerdict } from "./verdict.js";
import { EXAMPLES } from "./examples.js";

/** Longer than the gateway's own deadline for an LLM, as it comes: its answer says more than ours. */
const PATIENCE_MS = 60_000;
const LIMIT = 20_000;

const ROUTES = {
  auto: "The local model answers; what it cannot be trusted with goes to an LLM, if one is configured.",
  local: "The local model answers. Nothing leaves this machine, and it costs nothing.",
  llm: "An LLM answers, or the request fails and says why. Two questions are asked: aspects and emotions.",
};

const form = byId("try");
const box = byId("text");
let asked = 0;

function route() {
  return form.elements.route.value;
}

function showLength() {
  fill(byId("text-count"), `${count(codePoints(box.value))} of ${count(LIMIT)} characters`);
}

/** @param {string} message */
function fault(message) {
  fill(byId("text-fault"), message);
  box.setAttribute("aria-invalid", String(message !== ""));
}

async function analyse() {
  const text = box.value;
  fault("");
  if (text.trim() === "") {
    fault("Write a text first.");
    return box.focus();
  }
  if (codePoints(text) > LIMIT) {
    fault(`The text has ${count(codePoints(text))} characters; the limit is ${count(LIMIT)}.`);
    return box.focus();
  }
  const turn = (asked += 1);
  const body = { text, route: route(), include: ["signals"], tags: { feature: "try" } };
  form.setAttribute("aria-busy", "true");
  byId("said").textContent = "Reading …";
  try {
    const questions = ["/v1/aspects", "/v1/emotions"].map((path) => postJson(path, body, PATIENCE_MS));
    const settled = await Promise.allSettled(questions);
    if (turn !== asked) return;
    const [aspects, emotions] = settled.map((one) => (one.status === "fulfilled" ? one.value : one.reason));
    // One that came may have been paid for: it is shown without the other.
    if (settled.every(({ status }) => status === "rejected")) throw aspects;
    byId("said").textContent = showVerdict(byId("verdict"), text, aspects, emotions);
  } catch (problem) {
    if (turn === asked) refuse(problem);
  } finally {
    if (turn === asked) form.removeAttribute("aria-busy");
  }
}

/** @param {unknown} problem */
function refuse(problem) {
  byId("said").textContent = "";
  if (keyIsMissing(problem)) return;
  if (!(problem instanceof Problem)) throw problem;
  const help = {
    0: "Is it running? Start it with make run, then try again.",
    403: "Use a key with the scope analyze: undertone keys create --team NAME --scopes analyze",
    429: `Try again in ${problem.retryAfter ?? 1} s.`,
    503: "Without a provider's key (OPENAI_API_KEY or ANTHROPIC_API_KEY) no LLM can be asked; choose Auto or Local.",
  }[problem.status];
  fault([problem.message, help].filter(Boolean).join(" "));
}

function showExamples() {
  const chips = EXAMPLES.map(({ name, text }) => {
    const take = () => {
      box.value = text;
      showLength();
      analyse();
    };
    return h("li", {}, h("button", { type: "button", onclick: take, title: text }, name));
  });
  fill(byId("examples"), ...chips);
}

const describeRoute = () => fill(byId("route-help"), ROUTES[route()]);

startKeyPanel();
showExamples();
showLength();
describeRoute();
box.addEventListener("input", showLength);
box.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
form.addEventListener("change", describeRoute);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  analyse();
});
knock();
