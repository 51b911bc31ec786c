// Prometheus's text format, and what its histograms say.

/** @typedef {{name: string, labels: Record<string, string>, value: number}} Sample */
/** @typedef {{le: number, count: number}[]} Buckets Cumulative, by their upper bound in seconds. */
/** @typedef {(labels: Record<string, string>) => boolean} Filter */

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES = { n: "\n", "\\": "\\", '"': '"' };

/** @param {string} word */
function number(word) {
  if (word === "+Inf") return Infinity;
  return word === "-Inf" ? -Infinity : Number(word);
}

/** @param {string} text @returns {Sample[]} */
export function parseMetrics(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : SAMPLE.exec(line.trim());
    if (!found) continue;
    const [, name, inside, value] = found;
    /** @type {Record<string, string>} */
    const labels = {};
    for (const [, label, raw] of (inside ?? "").matchAll(LABEL)) {
      labels[label] = raw.replace(/\\(.)/g, (_, c) => ESCAPES[c] ?? c);
    }
    samples.push({ name, labels, value: number(value) });
  }
  return samples;
}

const always = () => true;

/** @param {Sample[]} samples @param {string[]} names @param {Filter} [filter] */
export const select = (samples, names, filter = always) =>
  samples.filter((sample) => names.includes(sample.name) && filter(sample.labels));

/** The sum over all that fit. @param {Sample[]} samples @param {string[]} names @param {Filter} [filter] */
export const total = (samples, names, filter) =>
  select(samples, names, filter).reduce((sum, sample) => sum + sample.value, 0);

/** The sums by the values of a label. @param {Sample[]} samples @param {string[]} names @param {string} label */
export function totalsBy(samples, names, label) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const { labels, value } of select(samples, names)) {
    sums.set(labels[label] ?? "", (sums.get(labels[label] ?? "") ?? 0) + value);
  }
  return sums;
}

/** A histogram, summed over all that fit. @returns {Buckets} @param {Sample[]} samples @param {string} name @param {Filter} [filter] */
export function histogram(samples, name, filter) {
  /** @type {Map<number, number>} */
  const sums = new Map();
  for (const { labels, value } of select(samples, [`${name}_bucket`], filter)) {
    const le = number(labels.le ?? "");
    sums.set(le, (sums.get(le) ?? 0) + value);
  }
  return [...sums].map(([le, count]) => ({ le, count })).sort((a, b) => a.le - b.le);
}

/**
 * What came between two readings. Where the program was started again in between, all of the later one.
 * @param {Buckets} now @param {Buckets} before @returns {Buckets}
 */
export function since(now, before) {
  const then = new Map(before.map(({ le, count }) => [le, count]));
  const grew = now.map(({ le, count }) => ({ le, count: count - (then.get(le) ?? 0) }));
  return grew.some(({ count }) => count < 0) ? now : grew;
}

/** How many a histogram holds. @param {Buckets} buckets */
export const held = (buckets) => buckets.at(-1)?.count ?? 0;

/**
 * The quantile, by straight lines within a bucket, as Prometheus's histogram_quantile has it; in the last
 * bucket its lower bound. `null` where the histogram is empty.
 * @param {Buckets} buckets @param {number} q @returns {number | null} Seconds.
 */
export function quantile(buckets, q) {
  const rank = q * held(buckets);
  if (!(rank > 0)) return null;
  const at = buckets.findIndex(({ count }) => count >= rank);
  const { le, count } = buckets[at];
  const below = at > 0 ? buckets[at - 1] : { le: 0, count: 0 };
  if (le === Infinity) return below.le;
  return below.le + (le - below.le) * ((rank - below.count) / (count - below.count));
}
