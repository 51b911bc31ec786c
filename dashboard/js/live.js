// The stream of changed windows (/v1/live): read as it comes, opened again when it breaks off.

import { SILENCE, headers, problemOf } from "./api.js";
import { currentKey } from "./key.js";
import { EventParser } from "./sse.js";

/** The gateway sends a comment every 15 s: a stream that is silent for three of them is dead. */
const SILENCE_MS = 45_000;
const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 15;

/**
 * `connecting`; `live`; `waiting` (tries again at `until`); `refused` (another key is needed, or another
 * question); `stopped`.
 * @typedef {{name: "connecting" | "live" | "waiting" | "refused" | "stopped", until?: number, reason?: string, problem?: import("./api.js").Problem}} State
 */

export class Live {
  /** @type {AbortController | null} */
  #attempt = null;
  #timer = 0;
  #failures = 0;
  #onWindow;
  #onState;

  /** @param {(window: any) => void} onWindow @param {(state: State) => void} onState */
  constructor(onWindow, onState) {
    this.#onWindow = onWindow;
    this.#onState = onState;
  }

  /** Reads from there, at once. @param {string} path */
  open(path) {
    this.#drop();
    this.#connect(path);
  }

  close() {
    this.#drop();
    this.#onState({ name: "stopped" });
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#attempt?.abort();
    this.#attempt = null;
  }

  /** @param {string} path */
  async #connect(path) {
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.#onState({ name: "connecting" });
    let reason = "The stream ended.";
    let wait;
    const key = currentKey();
    try {
      const response = await fetch(path, {
        headers: headers({ Accept: "text/event-stream" }),
        signal: attempt.signal,
        cache: "no-store",
      });
      if (response.ok && response.body) {
        this.#failures = 0;
        this.#onState({ name: "live" });
        await this.#read(response.body, attempt);
      } else {
        const problem = await problemOf(response, key);
        if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
          if (this.#attempt !== attempt) return;
          return this.#onState({ name: "refused", reason: problem.message, problem });
        }
        [reason, wait] = [problem.message, problem.retryAfter];
      }
    } catch {
      reason = SILENCE;
    }
    if (this.#attempt !== attempt) return;
    this.#again(path, reason, wait);
  }

  /** @param {string} path @param {string} reason @param {number | undefined} asked Seconds. */
  #again(path, reason, asked) {
    const doubled = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** this.#failures);
    // Spread, so that many pages do not come back to a gateway that has just started all at once.
    const seconds = Math.max(asked ?? 0, doubled * (0.75 + Math.random() / 2));
    this.#failures += 1;
    this.#onState({ name: "waiting", until: Date.now() + seconds * 1000, reason });
    this.#timer = setTimeout(() => this.#connect(path), seconds * 1000);
  }

  /** To the end of the stream. @param {ReadableStream<Uint8Array>} body @param {AbortController} attempt */
  async #read(body, attempt) {
    const parser = new EventParser(({ event, data }) => {
      if (event === "window") this.#onWindow(JSON.parse(data));
    });
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const silent = setTimeout(() => {
        // Not `attempt.abort()`: it is this attempt that is to be followed by another one.
        reader.cancel().catch(() => {});
      }, SILENCE_MS);
      try {
        const { done, value } = await reader.read();
        if (done) return;
        parser.push(value);
      } finally {
        clearTimeout(silent);
        if (attempt.signal.aborted) reader.cancel().catch(() => {});
      }
    }
  }
}
