// What /metrics says of this gateway and of the stream whose results it reads: how much is escalated and why,
// how long answers take, how far the workers are behind.

import { fill, h } from "../dom.js";
import { count, duration, exactTime, percent, words } from "../format.js";
import { held, histogram, quantile, select, since, total, totalsBy } from "../prometheus.js";
import { Chart } from "./chart.js";
import { Panel, command } from "./panel.js";
import { blank, figure } from "./sentiment.js";

/** @typedef {import("../prometheus.js").Sample} Sample */

const SCOPE = "metrics:read";
/** Readings are kept for as long as "lately" lasts, and of the lag for as long as its chart does. */
const LATELY_MS = 5 * 60_000;
const LAG_MS = 60 * 60_000;
/** From fewer requests than these no percentile is told as the latest. */
const ENOUGH = 50;
const ANSWERS = /^\/v1\/(sentiment|aspects|emotions)$/;
const OUTCOMES = {
  answered: "answered by an LLM",
  unavailable: "read locally, since no LLM answered",
  over_budget: "read locally, since a budget was spent",
  disabled: "read locally, since no LLM is configured",
};
/** Texts that the gateway was sent, and those of the results topic. */
const TEXTS = ["undertone_texts_total", "undertone_results_texts_total"];
const REASONS = ["undertone_escalation_reasons_total", "undertone_results_reasons_total"];
/** What is timed, by the histogram that holds it. */
const TIMES = [
  { name: "An answer", histogram: "undertone_http_request_duration_seconds", fits: ({ route, status }) => ANSWERS.test(route) && status === "200" },
  { name: "Local reading", histogram: "undertone_local_read_seconds", fits: () => true },
  { name: "A stream's record", histogram: "undertone_results_worker_seconds", fits: () => true },
  { name: "LLM attempt", histogram: "undertone_llm_latency_seconds", fits: () => true },
];

export class Operations {
  #escalation = Panel.of("escalation");
  #latency = Panel.of("latency");
  #lag = Panel.of("lag");
  /** @type {{at: number, samples: Sample[]}[]} */ #readings = [];
  /** @type {{at: number, lag: number}[]} */ #lags = [];
  /** @type {Chart | null} */ #chart = null;

  /** @param {unknown} problem */
  fail(problem) {
    [this.#escalation, this.#latency, this.#lag].forEach((panel) => panel.fail(problem, SCOPE));
    blank(problem, "escalated", "latency", "lag");
  }

  /** @param {Sample[]} samples */
  show(samples) {
    const at = Date.now();
    this.#readings = [...this.#readings.filter((one) => at - one.at <= LATELY_MS), { at, samples }];
    this.#showEscalation(samples);
    this.#showLatency(samples);
    this.#showLag(samples, at);
  }

  /** @param {Sample[]} samples */
  #showEscalation(samples) {
    const outcomes = totalsBy(samples, TEXTS, "outcome");
    const texts = [...outcomes.values()].reduce((a, b) => a + b, 0);
    const wanted = texts - (outcomes.get("not_needed") ?? 0);
    if (texts === 0) {
      figure("escalated", "–", "no texts yet");
      return this.#escalation.empty("No text has come since the gateway started.");
    }
    const rate = percent(wanted / texts);
    figure("escalated", rate, `${count(wanted)} since the start`);
    const reasons = [...totalsBy(samples, REASONS, "reason")].sort((a, b) => b[1] - a[1]);
    const cached = total(samples, TEXTS, ({ cached }) => cached === "true");
    const came = Object.entries(OUTCOMES).filter(([outcome]) => (outcomes.get(outcome) ?? 0) > 0);
    const notes = { answered: cached > 0 ? `, ${count(cached)} of them from the cache` : "" };
    fill(
      this.#escalation.body,
      h("p", { class: "big" }, h("strong", {}, rate), ` of ${count(texts)} texts`),
      h("h3", {}, "Why"),
      reasons.length
        ? h("ul", { class: "bars" }, ...reasons.map(([reason, n]) => bar(words(reason), n / texts, percent(n / texts), "accent")))
        : h("p", { class: "small" }, "None called for an LLM."),
      came.length > 0 && h("h3", {}, "What came of it"),
      h("ul", { class: "plain" }, ...came.map(([outcome, name]) => h("li", {}, `${count(outcomes.get(outcome) ?? 0)} ${name}${notes[outcome] ?? ""}`))),
    );
    this.#escalation.ready();
  }

  /** @param {Sample[]} samples */
  #showLatency(samples) {
    const before = this.#readings[0].samples;
    const ever = TIMES.map((one) => ({ ...one, buckets: histogram(samples, one.histogram, one.fits) }));
    const lately = ever.map((one) => ({ ...one, buckets: since(one.buckets, histogram(before, one.histogram, one.fits)) }));
    // What is told first decides: a gateway may have a stream's records and no requests.
    const first = ever.findIndex(({ buckets }) => held(buckets) > 0);
    const isLate = first >= 0 && held(lately[first].buckets) >= ENOUGH;
    const known = (isLate ? lately : ever).filter(({ buckets }) => held(buckets) > 0);
    const period = isLate ? "in the last minutes" : "since it started";
    fill(document.querySelector("#latency-about"), `Of this gateway, ${period}`);
    if (known.length === 0) {
      figure("latency", "–", "no answers yet");
      return this.#latency.empty("Nothing has been answered since the gateway started.");
    }
    const ms = (buckets, q) => duration((quantile(buckets, q) ?? 0) * 1000);
    const [answer] = known;
    figure("latency", ms(answer.buckets, 0.95), answer.name === "An answer" ? period : answer.name.toLowerCase());
    const head = ["", "half", "95 %", "99 %", "count"];
    const row = ({ name, buckets }) =>
      h("tr", {}, h("th", { scope: "row" }, name), ...[0.5, 0.95, 0.99].map((q) => h("td", {}, ms(buckets, q))), h("td", {}, count(held(buckets))));
    fill(
      this.#latency.body,
      h(
        "table",
        { class: "numbers" },
        h("caption", { class: "unseen" }, "Within which time half, 95 % and 99 % were done"),
        h("thead", {}, h("tr", {}, ...head.map((name) => (name ? h("th", { scope: "col" }, name) : h("td", {}))))),
        h("tbody", {}, ...known.map(row)),
      ),
      h("p", { class: "small" }, "Within which time so many were done; estimated from the histograms of /metrics."),
    );
    this.#latency.ready();
  }

  /** @param {Sample[]} samples @param {number} at */
  #showLag(samples, at) {
    const partitions = select(samples, ["undertone_stream_lag_records"]);
    if (partitions.length === 0) {
      figure("lag", "–", "no stream");
      return this.#lag.empty(
        "This gateway watches no stream. Name the brokers and it shows how far the workers are behind:",
        command("UNDERTONE_STREAM__BROKERS=localhost:9092 undertone serve"),
      );
    }
    const lag = partitions.reduce((sum, { value }) => sum + value, 0);
    figure("lag", count(lag), lag === 0 ? "workers are level" : "records behind");
    this.#lags = [...this.#lags.filter((one) => at - one.at <= LAG_MS), { at, lag }];
    const most = partitions.reduce((a, b) => (b.value > a.value ? b : a));
    const where = `${count(partitions.length)} partitions; the furthest behind is ${most.labels.topic ?? "the topic"}/${most.labels.partition ?? "?"} with ${count(most.value)}`;
    this.#lag.ready();
    this.#chart ??= new Chart(this.#lag.body);
    this.#chart.draw({
      from: Math.min(this.#lags[0].at, at - LATELY_MS), to: at, xs: this.#lags.map((one) => one.at), stacked: false,
      series: [{ name: "Records behind", colour: "--series-0", values: this.#lags.map((one) => one.lag) }],
      range: (_, max) => [0, Math.max(10, max * 1.1)],
      show: count, time: exactTime, caption: "Lag while this page was open",
      summary: `Line chart of the lag while this page was open, now ${count(lag)} records. ${where}. A table follows.`,
      total: () => `${count(lag)} · ${where}`,
    });
  }
}

/** @param {string} name @param {number} share @param {string} shown @param {string} kind */
export const bar = (name, share, shown, kind) =>
  h(
    "li",
    { class: "bar-line" },
    h("span", { class: "bar-name" }, name),
    h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: `fill ${kind}`, style: { width: `${Math.min(1, share) * 100}%` } })),
    h("span", { class: "bar-value" }, shown),
  );
