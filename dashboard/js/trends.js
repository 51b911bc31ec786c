// Windows of verdicts, as /v1/trends and /v1/live give them, put together for the panels.

/** @typedef {{term: string, positive: number, neutral: number, negative: number, mixed: number}} Aspect */
/**
 * @typedef {{start: string, end: string, key: string | null, count: number, late: number,
 *   labels: Record<string, number>, mean_score: number | null, emotions: Record<string, number>,
 *   aspects: Aspect[]}} Window
 */
/** @typedef {{start: number, count: number, labels: Record<string, number>, score: number | null}} Point */

/** The windows on the page, one of each start and key; the newest state of one counts. */
export class Windows {
  /** @type {Map<string, Window>} */
  #all = new Map();

  /** @param {Window[]} windows */
  replace(windows) {
    this.#all.clear();
    windows.forEach((window) => this.merge(window));
  }

  /** @param {Window} window */
  merge(window) {
    this.#all.set(JSON.stringify([Date.parse(window.start), window.key]), window);
  }

  /** Forgets what ended before. @param {number} moment */
  dropBefore(moment) {
    for (const [id, window] of this.#all) {
      if (Date.parse(window.end) <= moment) this.#all.delete(id);
    }
  }

  /** Oldest first. @param {(key: string | null) => boolean} [wanted] @returns {Window[]} */
  list(wanted = () => true) {
    const found = [...this.#all.values()].filter((window) => wanted(window.key));
    return found.sort((a, b) => Date.parse(a.start) - Date.parse(b.start));
  }

  /** All keys, the one with most texts first. @returns {(string | null)[]} */
  keys() {
    /** @type {Map<string | null, number>} */
    const counts = new Map();
    for (const { key, count } of this.#all.values()) counts.set(key, (counts.get(key) ?? 0) + count);
    return [...counts].sort((a, b) => b[1] - a[1]).map(([key]) => key);
  }
}

/** @param {Record<string, number>} into @param {Record<string, number> | undefined} parts */
function add(into, parts) {
  for (const [name, n] of Object.entries(parts ?? {})) into[name] = (into[name] ?? 0) + n;
}

/** All of them as one. @param {Window[]} windows */
export function sum(windows) {
  let [count, late, scores] = [0, 0, 0];
  /** @type {Record<string, number>} */ const labels = {};
  /** @type {Record<string, number>} */ const emotions = {};
  /** @type {Map<string, Aspect>} */ const terms = new Map();
  for (const window of windows) {
    count += window.count;
    late += window.late ?? 0;
    scores += (window.mean_score ?? 0) * window.count;
    add(labels, window.labels);
    add(emotions, window.emotions);
    for (const { term, positive, neutral, negative, mixed } of window.aspects ?? []) {
      const known = terms.get(term) ?? { term, positive: 0, neutral: 0, negative: 0, mixed: 0 };
      terms.set(term, known);
      known.positive += positive;
      known.neutral += neutral;
      known.negative += negative;
      known.mixed += mixed;
    }
  }
  const score = count > 0 ? scores / count : null;
  return { count, late, labels, emotions, aspects: [...terms.values()], score };
}

/** A point for each start, whatever the keys. @param {Window[]} windows @returns {Point[]} */
export function overTime(windows) {
  /** @type {Map<number, Window[]>} */
  const starts = new Map();
  for (const window of windows) {
    const start = Date.parse(window.start);
    starts.set(start, [...(starts.get(start) ?? []), window]);
  }
  return [...starts]
    .sort((a, b) => a[0] - b[0])
    .map(([start, same]) => ({ start, ...sum(same) }));
}

/**
 * A line for each key, those with most texts first; what is past the limit is one line together.
 * @param {Window[]} windows @param {(string | null)[]} keys In their order. @param {number} limit
 * @returns {{name: string, key: string | null | undefined, points: Point[], count: number, score: number | null}[]}
 */
export function lines(windows, keys, limit) {
  const shown = keys.length > limit ? keys.slice(0, limit - 1) : keys;
  const line = (name, key, part) => {
    const { count, score } = sum(part);
    return { name, key, points: overTime(part), count, score };
  };
  const found = shown.map((key) =>
    line(key ?? "no key", key, windows.filter((window) => window.key === key)),
  );
  if (shown.length < keys.length) {
    const rest = windows.filter((window) => !shown.includes(window.key));
    found.push(line(`${keys.length - shown.length} other keys`, undefined, rest));
  }
  return found.filter(({ count }) => count > 0);
}

/** What is liked on balance, and what is not, the most so first. @param {Aspect[]} aspects @param {number} limit */
export function opinions(aspects, limit) {
  const balance = ({ positive, negative }) => positive - negative;
  const heard = ({ positive, neutral, negative, mixed }) => positive + neutral + negative + mixed;
  const order = (sign) => (a, b) =>
    sign * (balance(b) - balance(a)) || heard(b) - heard(a) || (a.term < b.term ? -1 : 1);
  const pick = (sign) =>
    aspects
      .filter((aspect) => sign * balance(aspect) > 0)
      .sort(order(sign))
      .slice(0, limit);
  return { liked: pick(1), disliked: pick(-1) };
}
