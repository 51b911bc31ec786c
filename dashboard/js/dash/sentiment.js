// What the windows say: sentiment over time, texts by label, aspects, emotions, and their figures.

import { byId, fill, h, table } from "../dom.js";
import { count, moment, past, percent, score, span } from "../format.js";
import { currentKey } from "../key.js";
import { LABELS, SIGNS, labelled, stacked } from "../labels.js";
import { lines, opinions, overTime, sum } from "../trends.js";
import { Chart } from "./chart.js";
import { Panel, curl } from "./panel.js";

/** @typedef {import("../trends.js").Window} Window */
/** @typedef {{from: number, to: number, range: number, width: number, keys: (string | null)[]}} View `from` and `to` in milliseconds, the others in seconds. */

const LINES = 6;
const TERMS = 8;
const EMOTIONS = 10;
const DASHES = [undefined, [8, 4], [2, 3], [8, 4], [2, 3], undefined];
/** More points than a chart has pixels tell nothing. */
const POINTS = 3000;
const SCOPE = "trends:read";

/** Makes a panel's chart once there is something to draw: uPlot wants to know its width. */
function chartOn(panel) {
  /** @type {Chart | null} */ let chart = null;
  return (drawing) => {
    panel.ready();
    chart ??= new Chart(panel.body);
    chart.draw(drawing);
  };
}

export class Sentiment {
  #panels = ["sentiment", "labels", "aspects", "emotions"].map((id) => Panel.of(id));
  #drawScores = chartOn(this.#panels[0]);
  #drawLabels = chartOn(this.#panels[1]);

  /** @param {unknown} problem */
  fail(problem) {
    this.#panels.forEach((panel) => panel.fail(problem, SCOPE));
    blank(problem, "texts", "score", "negative");
  }

  /** @param {Window[]} windows @param {View} view @returns {string} The gist. */
  show(windows, view) {
    const all = sum(windows);
    figures(all, view);
    const [scores, labels, aspects, emotions] = this.#panels;
    const keyed = currentKey() !== null;
    if (all.count === 0) {
      const none = `No texts in the last ${past(view.range)}.`;
      scores.empty(`${none} Post one, and it shows here within a second or two:`, curl("/v1/sentiment", "I love this phone.", keyed), tryIt());
      labels.empty(none);
    } else {
      this.#drawScores(scoreDrawing(windows, view));
      this.#drawLabels(labelDrawing(windows, view));
    }
    if (all.aspects.length === 0) {
      aspects.empty("Aspects are known of texts sent to /v1/aspects, and of streams with that task:", curl("/v1/aspects", "Great screen, poor battery.", keyed));
    } else showAspects(aspects, all.aspects);
    if (Object.keys(all.emotions).length === 0) {
      emotions.empty("Emotions are known of texts sent to /v1/emotions, and of streams with that task:", curl("/v1/emotions", "Thank you so much!", keyed));
    } else showEmotions(emotions, all.emotions);
    const mean = all.count > 0 ? `, mean score ${score(all.score)}` : "";
    return `${count(all.count)} texts in the last ${past(view.range)}${mean}`;
  }
}

const tryIt = () => h("p", {}, "Or ", h("a", { href: "/" }, "try one in the box"), ".");

function figures(all, { range }) {
  const late = all.late > 0 ? `${count(all.late)} late` : `in the last ${past(range)}`;
  figure("texts", count(all.count), late);
  figure("score", score(all.score), "−1 to +1");
  const negative = all.labels.negative ?? 0;
  figure("negative", percent(all.count ? negative / all.count : null), `${count(negative)} texts`);
}

/** @param {string} name @param {string} value @param {string} note */
export function figure(name, value, note) {
  fill(byId(`figure-${name}`), h("span", { class: "value" }, value), h("span", { class: "small" }, note));
}

/** Figures that a key opens are not shown to who lacks it. @param {any} problem @param {...string} names */
export function blank(problem, ...names) {
  if (problem.status === 401 || problem.status === 403) names.forEach((name) => figure(name, "–", "not open to you"));
}

/** The starts of all windows in view, those without texts too. @param {View} view @param {{start: number}[]} known */
function starts({ from, to, width }, known) {
  const step = width * 1000;
  const first = Math.floor(from / step) * step;
  if ((to - first) / step > POINTS) return known.map(({ start }) => start);
  return Array.from({ length: Math.max(1, Math.ceil((to - first) / step)) }, (_, at) => first + at * step);
}

/** @param {Window[]} windows @param {View} view */
function scoreDrawing(windows, view) {
  const time = (ms) => moment(ms, view.range);
  const found = lines(windows, view.keys, LINES);
  const xs = starts(view, overTime(windows));
  const series = found.map(({ name, points, count: texts, score: mean }, at) => {
    const scores = new Map(points.map(({ start, score }) => [start, score]));
    const values = xs.map((x) => scores.get(x) ?? null);
    return { name, colour: `--series-${at}`, dash: DASHES[at], values, texts, mean };
  });
  const told = series.map(({ name, mean, texts }) => `${name} ${score(mean)} over ${count(texts)} texts`);
  return {
    ...view, xs, series, stacked: false, time, show: score,
    range: () => /** @type {[number, number]} */ ([-1, 1]),
    caption: `Mean score by key, every ${span(view.width)}`,
    summary: `Line chart of the mean score over the last ${past(view.range)}: ${told.join("; ")}. A table follows.`,
    total: ({ mean, texts }) => `${score(mean)} · ${count(texts)}`,
  };
}

/** @param {Window[]} windows @param {View} view */
function labelDrawing(windows, view) {
  const time = (ms) => moment(ms, view.range);
  const points = overTime(windows);
  const xs = starts(view, points);
  const byStart = new Map(points.map((point) => [point.start, point.labels]));
  const all = sum(windows).labels;
  const series = LABELS.map((name) => ({
    name, sign: SIGNS[name], colour: `--${name}`,
    values: xs.map((x) => byStart.get(x)?.[name] ?? 0),
  }));
  const told = LABELS.map((name) => `${count(all[name] ?? 0)} ${name}`);
  return {
    ...view, xs, series, stacked: true, time, show: count,
    range: (_, max) => /** @type {[number, number]} */ ([0, Math.max(4, max * 1.08)]),
    caption: `Texts by label, every ${span(view.width)}`,
    summary: `Bar chart of texts by label over the last ${past(view.range)}: ${told.join(", ")}. A table follows.`,
    total: ({ name }) => count(all[name] ?? 0),
  };
}

/** @param {Panel} panel @param {import("../trends.js").Aspect[]} aspects */
function showAspects(panel, aspects) {
  const heard = (aspect) => LABELS.reduce((n, label) => n + aspect[label], 0);
  const { liked, disliked } = opinions(aspects, TERMS);
  const most = Math.max(...[...liked, ...disliked].map(heard), 1);
  const line = (aspect) =>
    h(
      "li",
      { class: "bar-line" },
      h("span", { class: "bar-name" }, aspect.term),
      stacked(aspect, most),
      h("span", { class: "bar-value" }, pair("positive", aspect.positive), " ", pair("negative", aspect.negative)),
    );
  const list = (title, some, none) =>
    h("div", {}, h("h3", {}, title), some.length ? h("ul", { class: "bars aspects" }, ...some.map(line)) : h("p", { class: "small" }, none));
  const rows = [...liked, ...disliked].map((aspect) => [aspect.term, ...LABELS.map((label) => count(aspect[label]))]);
  const open = panel.body.querySelector("details")?.open;
  panel.ready();
  fill(
    panel.body,
    h("div", { class: "halves" }, list("Liked most", liked, "Nothing is liked on balance."), list("Disliked most", disliked, "Nothing is disliked on balance.")),
    h("details", { open }, h("summary", {}, "As a table"), table("Mentions of aspects by label", ["Aspect", ...LABELS], rows)),
  );
}

/** A number with the sign of its label. @param {string} label @param {number} n */
function pair(label, n) {
  const sign = labelled(label);
  sign.lastChild.replaceWith(h("span", { class: "unseen" }, `${label} `));
  sign.append(count(n));
  return sign;
}

/** @param {Panel} panel @param {Record<string, number>} emotions */
function showEmotions(panel, emotions) {
  const sorted = Object.entries(emotions).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const most = sorted[0][1];
  const line = ([name, n]) =>
    h(
      "li",
      { class: "bar-line" },
      h("span", { class: "bar-name" }, name),
      h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "fill accent", style: { width: `${(n / most) * 100}%` } })),
      h("span", { class: "bar-value" }, count(n)),
    );
  const open = panel.body.querySelector("details")?.open;
  panel.ready();
  fill(
    panel.body,
    h("ul", { class: "bars" }, ...sorted.slice(0, EMOTIONS).map(line)),
    h("details", { open }, h("summary", {}, "As a table"), table("Texts by emotion", ["Emotion", "Texts"], sorted.map(([name, n]) => [name, count(n)]))),
  );
}
