// Where in a text its aspects are. The gateway counts Unicode code points, JavaScript's strings count
// UTF-16 units: an emoji is one of the former and two of the latter.

/**
 * Cuts a text at the spans of its aspects.
 * @template {{span: {start: number, end: number} | null}} Marked
 * @param {string} text
 * @param {Marked[]} marks Those without a span are left out, as is one that another covers already.
 * @returns {{text: string, mark: Marked | null}[]} Pieces that join to the text.
 */
export function pieces(text, marks) {
  const points = Array.from(text);
  const cut = (from, to) => points.slice(from, to).join("");
  const placed = marks
    .filter(({ span }) => span && span.start < span.end && span.end <= points.length)
    .sort((a, b) => a.span.start - b.span.start || b.span.end - a.span.end);
  const found = [];
  let at = 0;
  for (const mark of placed) {
    const { start, end } = mark.span;
    if (start < at) continue;
    if (start > at) found.push({ text: cut(at, start), mark: null });
    found.push({ text: cut(start, end), mark });
    at = end;
  }
  if (at < points.length) found.push({ text: cut(at, points.length), mark: null });
  return found;
}

/** How long a text is as the gateway counts. @param {string} text */
export const codePoints = (text) => {
  let n = 0;
  for (const _ of text) n += 1;
  return n;
};
