// Server-sent events out of a stream of text, as the HTML standard says (9.2.6). EventSource cannot send
// a key as a header, so the page reads the stream itself.

/** @typedef {{event: string, data: string, id: string}} ServerEvent */

export class EventParser {
  #rest = "";
  #afterReturn = false;
  #started = false;
  #event = "";
  /** @type {string[]} */
  #data = [];
  #id = "";
  #onEvent;

  /** @param {(event: ServerEvent) => void} onEvent */
  constructor(onEvent) {
    this.#onEvent = onEvent;
  }

  /** Takes the next chunk, which may end anywhere. @param {string} chunk */
  push(chunk) {
    if (!this.#started && chunk !== "") {
      this.#started = true;
      if (chunk.startsWith("\uFEFF")) chunk = chunk.slice(1);
    }
    let line = this.#rest;
    for (const c of chunk) {
      const isSecondHalf = c === "\n" && this.#afterReturn;
      this.#afterReturn = c === "\r";
      if (isSecondHalf) continue;
      if (c === "\n" || c === "\r") {
        this.#take(line);
        line = "";
      } else line += c;
    }
    this.#rest = line;
  }

  /** @param {string} line */
  #take(line) {
    if (line === "") return this.#dispatch();
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
  }

  #dispatch() {
    const [event, data] = [this.#event || "message", this.#data];
    this.#event = "";
    this.#data = [];
    if (data.length > 0) this.#onEvent({ event, data: data.join("\n"), id: this.#id });
  }
}
