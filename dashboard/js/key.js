// The caller's key: for this tab alone, until it is closed or told to forget. It goes out as a header,
// never in a URL.

const NAME = "undertone-key";
/** @type {string | null} */
let key = null;
/** @type {Set<() => void>} */
const watchers = new Set();

try {
  key = sessionStorage.getItem(NAME);
} catch {
  // Storage is switched off: the key then lasts as long as the page.
}

export const currentKey = () => key;

/** @param {string | null} next */
export function useKey(next) {
  key = next;
  try {
    if (next === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, next);
  } catch {
    // As above.
  }
  watchers.forEach((watcher) => watcher());
}

/** Calls back whenever another key, or none, is used. @param {() => void} watcher */
export const onKey = (watcher) => watchers.add(watcher);

/** What is wrong with a key before it is sent: a header holds visible ASCII only. @param {string} text */
export function keyFault(text) {
  if (text === "") return "Enter a key.";
  return /^[\x21-\x7e]+$/.test(text) ? null : "A key is one word without spaces, as undertone keys create prints it.";
}
