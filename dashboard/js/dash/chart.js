// uPlot in the page's colours, with a legend that is text and a table beside it.

import { fill, h, table } from "../dom.js";

/** @typedef {{name: string, colour: string, dash?: number[], sign?: string, values: (number | null)[]}} Series */
/**
 * @typedef {{from: number, to: number, xs: number[], series: Series[], stacked: boolean,
 *   range: (min: number, max: number) => [number, number], show: (value: number) => string,
 *   time: (ms: number) => string, caption: string, summary: string, total: (series: Series) => string}} Drawing
 *   Times are in milliseconds.
 */

const HEIGHT = 240;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
  /** @type {any} */ #plot = null;
  #shape = "";
  /** @type {Drawing | null} */ #drawing = null;
  #canvas = h("div", { class: "plot", role: "img" });
  #legend = h("ul", { class: "legend" });
  #cursor = h("p", { class: "small cursor", "aria-hidden": "true" });
  #details = h("details", {}, h("summary", {}, "As a table"));

  /** @param {HTMLElement} place */
  constructor(place) {
    fill(place, this.#legend, this.#canvas, this.#cursor, this.#details);
    this.#details.addEventListener("toggle", () => this.#tabulate());
    new ResizeObserver(() => this.#resize()).observe(this.#canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#shape = "";
      if (this.#drawing) this.draw(this.#drawing);
    });
  }

  /** @param {Drawing} drawing */
  draw(drawing) {
    this.#drawing = drawing;
    this.#canvas.setAttribute("aria-label", drawing.summary);
    const data = [drawing.xs.map((ms) => ms / 1000), ...drawing.series.map(({ values }) => values)];
    // Stacked bars are drawn from the highest sum to the lowest, each over the one before.
    if (drawing.stacked) data.splice(1, drawing.series.length, ...sums(drawing.series));
    const shape = JSON.stringify([drawing.series.map(({ name, colour }) => [name, colour]), drawing.stacked]);
    if (this.#plot && shape === this.#shape) {
      this.#plot.setData(data, false);
      this.#plot.setScale("x", { min: drawing.from / 1000, max: drawing.to / 1000 });
    } else {
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#options(), data, this.#canvas);
    }
    this.#shape = shape;
    this.#label();
    this.#tabulate();
  }

  #options() {
    const now = () => /** @type {Drawing} */ (this.#drawing);
    const axis = {
      stroke: colour("--muted"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    const { series, stacked } = now();
    const line = ({ name, colour: paint, dash }) => ({
      label: name,
      stroke: colour(paint),
      width: 2,
      dash,
      spanGaps: true,
      points: { size: 6, show: true, fill: colour(paint), filter: alone },
    });
    const bar = ({ name, colour: paint }) => ({
      label: name,
      fill: colour(paint),
      width: 0,
      points: { show: false },
      paths: uPlot.paths.bars({ align: 1, size: [0.86, 48] }),
    });
    return {
      width: this.#canvas.clientWidth || 300,
      height: HEIGHT,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { show: !stacked }, y: false },
      scales: {
        x: { time: true, range: () => [now().from / 1000, now().to / 1000] },
        y: { range: (_, min, max) => now().range(min, max) },
      },
      axes: [
        { ...axis, size: 28, space: 70, values: (_, ticks) => ticks.map((s) => now().time(s * 1000)) },
        { ...axis, size: 44, values: (_, ticks) => ticks.map((value) => now().show(value)) },
      ],
      series: [{}, ...(stacked ? [...series].reverse().map(bar) : series.map(line))],
      hooks: { setCursor: [(plot) => this.#point(plot.cursor.idx)] },
    };
  }

  #resize() {
    const width = this.#canvas.clientWidth;
    if (this.#plot && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }

  #label() {
    const { series, total } = /** @type {Drawing} */ (this.#drawing);
    const item = (one) =>
      h("li", {}, swatch(one), h("span", {}, one.name), h("span", { class: "value" }, total(one)));
    fill(this.#legend, ...series.map(item));
  }

  /** What is under the pointer. @param {number | null} index */
  #point(index) {
    const { xs, series, show, time } = /** @type {Drawing} */ (this.#drawing);
    if (index === null || index === undefined || !(index in xs)) return fill(this.#cursor);
    const known = series.filter(({ values }) => values[index] !== null && values[index] !== undefined);
    const values = known.map(({ name, values }) => `${name} ${show(/** @type {number} */ (values[index]))}`);
    fill(this.#cursor, `${time(xs[index])}  ${values.join(" · ") || "no texts"}`);
  }

  #tabulate() {
    const [summary, old] = this.#details.children;
    if (!this.#details.open || !this.#drawing) return old?.remove();
    const { xs, series, show, time, caption } = this.#drawing;
    const rows = xs
      .map((ms, at) => [time(ms), ...series.map(({ values }) => (values[at] === null ? "–" : show(/** @type {number} */ (values[at]))))])
      .filter((_, at) => series.some(({ values }) => values[at] !== null && values[at] !== 0));
    fill(this.#details, summary, table(caption, ["From", ...series.map(({ name }) => name)], rows.reverse()));
  }
}

/** A point is marked where a neighbour is missing, so that lines across a gap are told from data. */
function alone(plot, seriesIndex) {
  const values = plot.data[seriesIndex];
  const isMissing = (at) => values[at] === null || values[at] === undefined;
  return [...values.keys()].filter((at) => !isMissing(at) && (isMissing(at - 1) || isMissing(at + 1)));
}

/** @param {Series[]} series @returns {number[][]} The sum of all, that without the last one, and so on. */
function sums(series) {
  const found = [];
  const sum = series[0].values.map(() => 0);
  for (const { values } of series) {
    values.forEach((value, at) => (sum[at] += value ?? 0));
    found.unshift([...sum]);
  }
  return found;
}

/** @param {Series} series */
function swatch({ colour, dash, sign }) {
  if (sign) return h("span", { class: "sign", "aria-hidden": "true", style: { color: `var(${colour})` } }, sign);
  const kind = dash ? (dash[0] > 4 ? "dashed" : "dotted") : "solid";
  return h("span", { class: "swatch", "aria-hidden": "true", style: { "border-top": `3px ${kind} var(${colour})` } });
}
