// Requests to the gateway that served the page: with the key, within a time, and with errors that say
// what to do.

import { currentKey } from "./key.js";

const TIMEOUT_MS = 30_000;

/** Why a request gave nothing: the gateway's own words (RFC 9457) where it answered, else status 0. */
export class Problem extends Error {
  /** @param {{status: number, detail: string, errors?: {field: string, message: string}[], retryAfter?: number, key?: string | null}} told `key`: with which it was asked. */
  constructor({ status, detail, errors = [], retryAfter, key = null }) {
    const fields = errors.map(({ field, message }) => `${field} ${message}`).join("; ");
    super(fields || detail);
    this.status = status;
    this.retryAfter = retryAfter;
    this.key = key;
  }
}

export const SILENCE = "The gateway does not answer.";

/** @param {Record<string, string>} [more] */
export function headers(more = {}) {
  const key = currentKey();
  return key === null ? more : { ...more, Authorization: `Bearer ${key}` };
}

/** @param {Response} response @param {string | null} key With which it was asked. @returns {Promise<Problem>} */
export async function problemOf(response, key) {
  const told = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get("Retry-After")) || undefined;
  const detail = told.detail ?? `The gateway answered ${response.status}.`;
  return new Problem({ status: response.status, detail, errors: told.errors, retryAfter, key });
}

/**
 * @param {string} path @param {RequestInit & {timeoutMs?: number}} [options]
 * @returns {Promise<Response>} One that went well; all else is a Problem.
 */
async function ask(path, { timeoutMs = TIMEOUT_MS, ...options } = {}) {
  const signal = AbortSignal.timeout(timeoutMs);
  const key = currentKey();
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, { ...options, signal, cache: "no-store" });
  } catch {
    const detail = signal.aborted ? `No answer within ${timeoutMs / 1000} s.` : SILENCE;
    throw new Problem({ status: 0, detail });
  }
  if (!response.ok) throw await problemOf(response, key);
  return response;
}

/** @param {string} path @returns {Promise<any>} */
export const getJson = async (path) =>
  (await ask(path, { headers: headers({ Accept: "application/json" }) })).json();

/** @param {string} path @returns {Promise<string>} */
export const getText = async (path) => (await ask(path, { headers: headers() })).text();

/** @param {string} path @param {any} body @param {number} timeoutMs @returns {Promise<any>} */
export async function postJson(path, body, timeoutMs) {
  const sent = headers({ "Content-Type": "application/json", Accept: "application/json" });
  const options = { method: "POST", headers: sent, body: JSON.stringify(body), timeoutMs };
  return (await ask(path, options)).json();
}
