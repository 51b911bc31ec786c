// What came of a text.

import { Problem } from "../api.js";
import { fill, h, unseen } from "../dom.js";
import { duration, percent, probability, usd, words } from "../format.js";
import { LABELS, labelled } from "../labels.js";
import { pieces } from "../spans.js";

/** What an outcome means for whoever asked, where that is not plain. */
const OUTCOMES = {
  unavailable: "An LLM was wanted, but gave no usable answer: the local verdict stands.",
  over_budget: "An LLM was wanted, but a budget is spent: the local verdict stands.",
  disabled: "An LLM was wanted, but none is configured: the local verdict stands. Set OPENAI_API_KEY or ANTHROPIC_API_KEY to have one.",
};

/**
 * Of two answers at least one is there; a Problem says why the other is not.
 * @param {HTMLElement} place @param {string} text @param {any} aspects The answer of /v1/aspects.
 * @param {any} emotions That of /v1/emotions.
 * @returns {string} The gist, to be read out.
 */
export function showVerdict(place, text, aspects, emotions) {
  const answers = [["Aspects", aspects], ["Emotions", emotions]].filter(([, answer]) => !(answer instanceof Problem));
  const [[, verdict]] = answers;
  const found = aspects.aspects ?? [];
  fill(
    place,
    h("h2", { id: "verdict-title", class: "unseen" }, "Verdict"),
    h(
      "div",
      { class: "card verdict" },
      h("p", { class: "headline" }, labelled(verdict.label), h("span", { class: "sure" }, ` ${percent(verdict.confidence)} sure`)),
      marked(text, found),
      h("div", { class: "columns" }, scores(verdict), sarcasm(verdict)),
    ),
    h("div", { class: "pair" }, aspectCard(aspects), emotionCard(emotions)),
    routeCard(answers),
    signalCard(answers),
  );
  place.hidden = false;
  const heard = found.map(({ term, sentiment }) => `${term} ${sentiment}`).join(", ");
  const felt = emotions.dominant ? `Emotion: ${emotions.dominant}.` : "";
  return `${verdict.label}, ${percent(verdict.confidence)} sure. ${heard ? `Aspects: ${heard}. ` : ""}${felt}`;
}

/** A card for what did not come. @param {string} title @param {Problem} problem */
const failed = (title, problem) =>
  h("section", { class: "card" }, h("h3", {}, title), h("p", { class: "fault" }, problem.message));

/** @param {string} text @param {any[]} aspects */
function marked(text, aspects) {
  const parts = pieces(text, aspects).map(({ text: piece, mark }) =>
    mark ? h("mark", { class: mark.sentiment, title: `${mark.term}: ${mark.sentiment}` }, piece, unseen(` (${mark.sentiment})`)) : piece,
  );
  return h("blockquote", { class: "read", id: "read" }, ...parts);
}

/** One line of a bar chart that is text too. */
function bar(name, share, shown, kind, threshold) {
  return h(
    "li",
    { class: "bar-line" },
    h("span", { class: "bar-name" }, name),
    h(
      "span",
      { class: "track", "aria-hidden": "true" },
      h("span", { class: `fill ${kind}`, style: { width: `${Math.max(0, Math.min(1, share)) * 100}%` } }),
      threshold !== undefined && h("span", { class: "threshold", style: { left: `${Math.min(1, threshold) * 100}%` } }),
    ),
    h("span", { class: "bar-value" }, shown),
  );
}

function scores({ scores }) {
  const lines = LABELS.map((label) => bar(labelled(label), scores[label], probability(scores[label]), label));
  return h("div", {}, h("h3", {}, "Scores"), h("ul", { class: "bars" }, ...lines));
}

function sarcasm({ sarcasm, language }) {
  const { detected, score, label_follows } = sarcasm;
  const follows = { words: "The label follows the words, not what they mean.", meaning: "The label follows what is meant." };
  return h(
    "div",
    {},
    h("h3", {}, "Sarcasm"),
    h("ul", { class: "bars" }, bar(detected ? "Detected" : "Not detected", score, probability(score), "accent")),
    detected && h("p", {}, follows[label_follows]),
    h("h3", {}, "Language"),
    h("p", {}, h("code", {}, language.code), language.supported ? "" : " (the local model does not read it)"),
  );
}

function aspectCard(answer) {
  if (answer instanceof Problem) return failed("Aspects", answer);
  const line = ({ term, category, sentiment, opinion, confidence }) =>
    h(
      "li",
      { class: "aspect" },
      h("strong", {}, term),
      " ",
      labelled(sentiment),
      h("span", { class: "small" }, [opinion && `“${opinion}”`, category, `${percent(confidence)} sure`].filter(Boolean).join(" · ")),
    );
  const shown = answer.aspects.filter(({ sentiment }) => sentiment !== null);
  const none = h("p", { class: "small" }, "It judges no particular thing.");
  return h("section", { class: "card" }, h("h3", {}, "Aspects"), shown.length ? h("ul", { class: "plain" }, ...shown.map(line)) : none);
}

function emotionCard(answer) {
  if (answer instanceof Problem) return failed("Emotions", answer);
  const { emotions, ekman } = answer;
  const line = ({ label, score, detected }) =>
    bar(h("span", {}, label, detected && h("span", { class: "tick" }, " ✓", unseen(" detected"))), score, probability(score), detected ? "accent" : "faint");
  const first = Math.max(3, Math.min(6, emotions.filter(({ detected }) => detected).length));
  return h(
    "section",
    { class: "card" },
    h("h3", {}, "Emotions"),
    h("p", { class: "small" }, `✓ passes its own threshold. In Ekman's terms: ${ekman}.`),
    h("ul", { class: "bars" }, ...emotions.slice(0, first).map(line)),
    h("details", {}, h("summary", {}, `All ${emotions.length}`), h("ul", { class: "bars" }, ...emotions.slice(first).map(line))),
  );
}

function routeCard(answers) {
  const facts = ({ route, model, cached, escalation, cost_usd, usage, timing }) => {
    const tokens = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
    return [
      ["Route", `${route}${cached ? ", from the cache" : ""}`],
      ["Model", model],
      ["Reasons", escalation.reasons.map(words).join(", ") || "none"],
      ["Outcome", words(escalation.outcome)],
      ["Cost", cost_usd === null ? "not known yet" : usd(cost_usd)],
      ["Tokens", tokens + usage.output_tokens === 0 ? "none" : `${tokens} in, ${usage.output_tokens} out`],
      ["Time", `${duration(timing.total_ms)} (local ${duration(timing.local_ms)}${timing.llm_ms > 0 ? `, LLM ${duration(timing.llm_ms)}` : ""})`],
    ];
  };
  const [first, ...others] = answers.map(([, answer]) => facts(answer));
  const rows = first.map(([name, value], at) => {
    const values = [value, ...others.map((other) => other[at][1])];
    const same = values.every((one) => one === value);
    const cells = same ? [h("td", { colspan: values.length }, value)] : values.map((one) => h("td", {}, one));
    return h("tr", {}, h("th", { scope: "row" }, name), ...cells);
  });
  const notes = new Set(answers.map(([, { escalation }]) => OUTCOMES[escalation.outcome]).filter(Boolean));
  return h(
    "section",
    { class: "card" },
    h("h3", {}, "How it was answered"),
    h(
      "table",
      { class: "facts" },
      h("thead", {}, h("tr", {}, h("td", {}), ...answers.map(([title]) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, ...rows),
    ),
    ...[...notes].map((note) => h("p", { class: "small note" }, note)),
  );
}

function signalCard(answers) {
  const line = ({ name, value, threshold }) => {
    const calls = value >= threshold;
    const shown = h("span", {}, words(name), calls && h("span", { class: "tick" }, " ✓", unseen(" calls for an LLM")));
    return bar(shown, value, `${probability(value)} of ${probability(threshold)}`, calls ? "accent" : "faint", threshold);
  };
  const list = ([title, { signals }]) => h("div", {}, h("h4", {}, title), h("ul", { class: "bars" }, ...(signals ?? []).map(line)));
  return h(
    "section",
    { class: "card" },
    h("h3", {}, "Signals"),
    h("p", { class: "small" }, "How far the local verdict is to be doubted. One that reaches its threshold (the notch) calls for an LLM."),
    h("div", { class: "columns even" }, ...answers.map(list)),
  );
}
