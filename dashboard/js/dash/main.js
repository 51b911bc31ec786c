// The dashboard: asks, listens, and hands what it hears to the panels.

import { Problem, getJson, getText } from "../api.js";
import { byId } from "../dom.js";
import { currentKey, onKey } from "../key.js";
import { keyIsMissing, knock, startKeyPanel } from "../keypanel.js";
import { Live } from "../live.js";
import { parseMetrics } from "../prometheus.js";
import { Windows } from "../trends.js";
import { Controls } from "./controls.js";
import { Money, today } from "./money.js";
import { Operations } from "./operations.js";
import { Sentiment } from "./sentiment.js";
import { Status, showHealth } from "./status.js";

const METRICS_MS = 5_000;
const MONEY_MS = 10_000;
const HEALTH_MS = 15_000;
/** The windows are asked for anew now and then, since the range moves on. */
const WINDOWS_MS = 60_000;
/** A busy stream changes windows many times a second; a page is drawn a few times. */
const DRAW_MS = 300;

const windows = new Windows();
const sentiment = new Sentiment();
const operations = new Operations();
const money = new Money();
const controls = new Controls((isNewQuestion) => (isNewQuestion ? start() : sayAndDraw()));
const live = new Live(heard, liveState);
const status = new Status(start);

/** Answers to an older question are not shown. */
let question = 0;
/** The width of the windows on the page, in seconds. */
let width = controls.bestWidth;
let isLoaded = false;
let drawing = 0;
let isLive = false;
let isFirst = true;
/** Whether the figures are to be read out: when they were asked for, and not as they move. */
let isToBeSaid = true;

/** Asks all over: at the start, for another range, with another key. */
async function start() {
  question += 1;
  isLoaded = false;
  isToBeSaid = true;
  if (currentKey() === null && !(await knock())) return close();
  const turn = question;
  await loadWindows();
  if (turn === question) live.open(livePath());
  refresh();
}

/** Shows nothing, for want of a key. */
function close() {
  question += 1;
  live.close();
  const noKey = new Problem({ status: 401, detail: "" });
  [sentiment, operations].forEach((panels) => panels.fail(noKey));
  money.failCost(noKey);
  money.failBudgets(noKey);
}

function livePath() {
  return `/v1/live?window_seconds=${width}`;
}

async function loadWindows() {
  const turn = question;
  const to = Date.now();
  const from = new Date(to - controls.range * 1000).toISOString();
  const ask = (seconds) => getJson(`/v1/trends?from=${from}${seconds ? `&window_seconds=${seconds}` : ""}`);
  const wanted = controls.width ?? controls.bestWidth;
  try {
    const answer = await ask(wanted).catch((problem) => {
      // The gateway's own windows may be wider than the best for this range: it then says how wide.
      if (controls.width === null && problem.status === 422 && /window_seconds/.test(problem.message)) return ask(null);
      throw problem;
    });
    if (turn !== question) return;
    windows.replace(answer.windows);
    const [first] = answer.windows;
    width = first ? (Date.parse(first.end) - Date.parse(first.start)) / 1000 : wanted;
    isLoaded = true;
    draw();
  } catch (problem) {
    if (turn === question && !keyIsMissing(problem)) sentiment.fail(problem);
  }
}

/** A window has changed. @param {any} told One of them, or several as /v1/trends has them. */
function heard(told) {
  for (const window of told.windows ?? [told]) {
    if ((Date.parse(window.end) - Date.parse(window.start)) / 1000 === width) windows.merge(window);
    else later(loadWindows);
  }
  later(draw);
}

/** @type {Map<() => void, number>} */
const waiting = new Map();

/** Does it soon, and once however often that is asked for meanwhile. @param {() => void} what */
function later(what) {
  if (waiting.has(what)) return;
  const wait = what === draw ? DRAW_MS : DRAW_MS * 5;
  waiting.set(what, setTimeout(() => (waiting.delete(what), what()), wait));
}

/** For those who do not see what they asked for. */
function sayAndDraw() {
  isToBeSaid = true;
  draw();
}

function draw() {
  if (!isLoaded) return;
  const to = Date.now();
  const from = to - controls.range * 1000;
  windows.dropBefore(from);
  const keys = windows.keys();
  controls.offer(keys);
  const wants = (key) => controls.wants(key);
  const view = { from, to, range: controls.range, width, keys: keys.filter(wants) };
  const gist = sentiment.show(windows.list(wants), view);
  if (isToBeSaid) byId("said").textContent = gist;
  isToBeSaid = false;
  drawing += 1;
  // What a test waits for.
  byId("main").dataset.drawn = String(drawing);
}

/** @param {import("../live.js").State} state */
function liveState(state) {
  status.show(state);
  const wasLive = isLive;
  isLive = state.name === "live";
  if (state.name === "refused") keyIsMissing(state.problem);
  // What came while it was away is asked for; at the start it has just been.
  if (isLive && !wasLive && !isFirst) {
    loadWindows();
    refresh();
  }
  if (isLive) isFirst = false;
}

const jobs = [
  { every: METRICS_MS, path: () => "/metrics", get: getText, show: (text) => operations.show(parseMetrics(text)), fail: (problem) => operations.fail(problem) },
  { every: MONEY_MS, path: () => today(Date.now()), get: getJson, show: ({ total }) => money.showCost(total), fail: (problem) => money.failCost(problem) },
  { every: MONEY_MS, path: () => "/v1/budgets", get: getJson, show: ({ budgets }) => money.showBudgets(budgets), fail: (problem) => money.failBudgets(problem) },
  { every: HEALTH_MS, path: () => "/readyz", get: getJson, show: showHealth, fail: () => {} },
].map((job) => ({ ...job, isRunning: false, isRefused: false }));

/** Does a job, unless the last time is not over or it was refused. @param {(typeof jobs)[number]} job */
async function run(job) {
  if (job.isRunning || job.isRefused || document.hidden || !byId("key-panel").hidden) return;
  job.isRunning = true;
  const turn = question;
  try {
    const answer = await job.get(job.path());
    if (turn === question) job.show(answer);
  } catch (problem) {
    if (turn === question && !keyIsMissing(problem)) {
      // A key gains no scopes: asking again would change nothing.
      job.isRefused = problem instanceof Problem && problem.status === 403;
      job.fail(problem);
    }
  } finally {
    job.isRunning = false;
  }
}

function refresh() {
  jobs.forEach((job) => {
    job.isRefused = false;
    run(job);
  });
}

startKeyPanel();
onKey(() => {
  if (currentKey() === null) close();
  else start();
});
jobs.forEach((job) => setInterval(() => run(job), job.every));
setInterval(() => isLive && !document.hidden && loadWindows(), WINDOWS_MS);
document.addEventListener("visibilitychange", () => !document.hidden && refresh());
window.addEventListener("online", start);
start();
