// Numbers, money and times as people read them.

const whole = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

/** @param {number} n A count. */
export const count = (n) => (n >= 1_000_000 ? short.format(n) : whole.format(n));

/** @param {number | null} share 0 to 1. */
export function percent(share) {
  if (share === null || !Number.isFinite(share)) return "–";
  const value = share * 100;
  const digits = value === 0 || value >= 10 || value === Math.round(value) ? 0 : 1;
  return `${value > 0 && value < 0.1 ? "< 0.1" : value.toFixed(digits)} %`;
}

/** @param {number | null} score −1 to 1. */
export function score(score) {
  if (score === null || !Number.isFinite(score)) return "–";
  const text = Math.abs(score).toFixed(2);
  return text === "0.00" ? text : `${score < 0 ? "−" : "+"}${text}`;
}

/** @param {number} probability 0 to 1. */
export const probability = (probability) => probability.toFixed(2);

/**
 * US dollars from a decimal string: cents from a dollar on, three digits that tell below it.
 * @param {string | null | undefined} amount
 */
export function usd(amount) {
  if (amount === null || amount === undefined) return "not known";
  const value = Number(amount);
  const size = Math.abs(value);
  if (value === 0) return "$0";
  const sign = value < 0 ? "−" : "";
  if (size >= 1000) return `${sign}$${whole.format(Math.round(size))}`;
  if (size >= 1) return `${sign}$${size.toFixed(2)}`;
  const digits = Math.min(9, 2 - Math.floor(Math.log10(size)));
  return `${sign}$${size.toFixed(digits).replace(/(\.\d\d\d*?)0+$/, "$1")}`;
}

/** @param {number | null} ms Milliseconds. */
export function duration(ms) {
  if (ms === null || !Number.isFinite(ms)) return "–";
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

/** How far back a range goes. @param {number} seconds */
export const past = (seconds) => (seconds === 86400 ? "24 hours" : seconds === 3600 ? "hour" : span(seconds));

/** A width of time. @param {number} seconds */
export function span(seconds) {
  for (const [size, name] of /** @type {[number, string][]} */ ([
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ])) {
    if (seconds >= size && seconds % size === 0) {
      const n = seconds / size;
      return n === 1 ? `1 ${name}` : `${n} ${name}s`;
    }
  }
  return `${seconds} s`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const exactClock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** A moment, with its day where a range is longer than one. @param {number} ms @param {number} range Seconds. */
export const moment = (ms, range) =>
  range > 86400 ? `${day.format(ms)}, ${clock.format(ms)}` : clock.format(ms);

/** @param {number} ms */
export const exactTime = (ms) => exactClock.format(ms);

/** `multi_aspect` as words. @param {string} name */
export const words = (name) => name.replaceAll("_", " ");
