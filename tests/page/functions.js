// The page's pure functions, in the browser that they are for. Comes to a list of what is wrong.
(async () => {
  const names = ["sse", "spans", "prometheus", "trends", "format", "key"];
  const modules = await Promise.all(names.map((name) => import(`/dashboard/js/${name}.js`)));
  const [{ EventParser }, { pieces, codePoints }, metrics, trends, format, { keyFault }] = modules;
  const wrong = [];
  const equal = (what, got, expected) => {
    const [a, b] = [got, expected].map((value) => JSON.stringify(value));
    if (a !== b) wrong.push(`${what}: ${a} rather than ${b}`);
  };

  // Server-sent events: whatever way the stream is cut.
  const stream = "\uFEFF: hello\r\nevent: window\r\ndata: {\"a\":\r\ndata:1}\r\nid: 7\r\n\r\ndata\n\ndata: x\ry: z\r\rretry: 1\n\nevent: lost\ndata: never ends";
  const expected = [
    { event: "window", data: '{"a":\n1}', id: "7" },
    { event: "message", data: "", id: "7" },
    { event: "message", data: "x", id: "7" },
  ];
  for (let size = 1; size <= stream.length; size += 1) {
    const events = [];
    const parser = new EventParser((event) => events.push(event));
    for (let at = 0; at < stream.length; at += size) parser.push(stream.slice(at, at + size));
    equal(`events in chunks of ${size}`, events, expected);
  }

  // Spans count code points: 😍 is one, and two UTF-16 units; a flag is two; e with an accent may be two.
  const marked = (text, ...spans) =>
    pieces(text, spans.map((span) => ({ span: span && { start: span[0], end: span[1] } }))).map(({ text, mark }) => (mark ? `[${text}]` : text)).join("|");
  equal("plain", marked("good food", [5, 9]), "good |[food]");
  equal("an emoji before", marked("😍😍 the food!", [7, 11]), "😍😍 the |[food]|!");
  equal("an emoji in it", marked("a 🍕🇮🇹 b", [2, 5]), "a |[🍕🇮🇹]| b");
  equal("a combining accent", marked("cafe\u0301 bar", [0, 5]), "[cafe\u0301]| bar");
  equal("order, overlap, none", marked("one two three", [8, 13], null, [0, 7], [4, 7]), "[one two]| |[three]");
  equal("out of the text", marked("ab", [1, 9], [1, 1]), "ab");
  equal("no marks", marked("<b>&amp;"), "<b>&amp;");
  equal("length", codePoints("a😍e\u0301"), 4);

  // Prometheus.
  const samples = metrics.parseMetrics('# TYPE a counter\na 1\na{b="x"} 2.5e1 1700000000\na{b="q\\"\\\\\\n}",c="y"} +Inf\n\nbad line here\n');
  equal("names", samples.map(({ name }) => name), ["a", "a", "a"]);
  equal("labels", samples[2].labels, { b: 'q"\\\n}', c: "y" });
  equal("value", [samples[1].value, samples[2].value === Infinity], [25, true]);
  const text = (counts) => [0.1, 0.5, "+Inf"].map((le, at) => `h_bucket{le="${le}"} ${counts[at]}`).join("\n");
  const buckets = (...counts) => metrics.histogram(metrics.parseMetrics(text(counts)), "h");
  const tenths = (n) => n === null ? null : Math.round(n * 1000) / 1000;
  equal("half", tenths(metrics.quantile(buckets(10, 20, 20), 0.5)), 0.1);
  equal("three quarters", tenths(metrics.quantile(buckets(10, 20, 20), 0.75)), 0.3);
  equal("past the last bound", metrics.quantile(buckets(0, 0, 5), 0.5), 0.5);
  equal("empty", metrics.quantile(buckets(0, 0, 0), 0.5), null);
  equal("growth", metrics.since(buckets(5, 9, 9), buckets(2, 3, 3)).map(({ count }) => count), [3, 6, 6]);
  equal("a restart", metrics.since(buckets(1, 1, 1), buckets(2, 3, 3)).map(({ count }) => count), [1, 1, 1]);

  // Windows.
  const window = (start, key, positive, negative, aspects = []) => ({
    start: new Date(start).toISOString(), end: new Date(start + 60_000).toISOString(), key,
    count: positive + negative, late: 0, labels: { positive, negative }, mean_score: (positive - negative) / (positive + negative),
    emotions: { joy: positive }, aspects,
  });
  const windows = new trends.Windows();
  windows.replace([window(60_000, "b", 1, 0), window(0, "a", 3, 1), window(0, null, 0, 4)]);
  windows.merge(window(60_000, "b", 1, 1));
  equal("merged", windows.list().map(({ key, count }) => [key, count]), [["a", 4], [null, 4], ["b", 2]]);
  equal("keys", windows.keys(), ["a", null, "b"]);
  equal("sum", trends.sum(windows.list()).labels, { positive: 4, negative: 6 });
  equal("weighed mean", trends.sum(windows.list()).score, -0.2);
  equal("points", trends.overTime(windows.list()).map(({ start, score }) => [start, score]), [[0, -0.25], [60_000, 0]]);
  equal("lines", trends.lines(windows.list(), windows.keys(), 2).map(({ name, count }) => [name, count]), [["a", 4], ["2 other keys", 6]]);
  windows.dropBefore(60_000);
  equal("dropped", windows.list().length, 1);
  const aspect = (term, positive, negative) => ({ term, positive, negative, neutral: 0, mixed: 0 });
  const { liked, disliked } = trends.opinions([aspect("x", 1, 0), aspect("y", 5, 9), aspect("z", 9, 2), aspect("even", 2, 2)], 5);
  equal("opinions", [liked, disliked].map((some) => some.map(({ term }) => term)), [["z", "x"], ["y"]]);

  // Numbers.
  const money = { "0": "$0", "0.0016075": "$0.00161", "0.5": "$0.50", "12.345": "$12.35", "4321.9": "$4,322", "0.000000004": "$0.000000004", "-0.02": "−$0.02" };
  for (const [amount, shown] of Object.entries(money)) equal(amount, format.usd(amount), shown);
  equal("unknown money", format.usd(null), "not known");
  equal("shares", [0, 0.0004, 0.034, 0.5, 1, NaN].map(format.percent), ["0 %", "< 0.1 %", "3.4 %", "50 %", "100 %", "–"]);
  equal("scores", [0.5, -0.123, 0.001, null].map(format.score), ["+0.50", "−0.12", "0.00", "–"]);
  equal("times", [1.26, 12.6, 1260, 12600, null].map(format.duration), ["1.3 ms", "13 ms", "1.3 s", "13 s", "–"]);
  equal("widths", [60, 900, 3600, 86400, 90].map(format.span), ["1 minute", "15 minutes", "1 hour", "1 day", "90 s"]);

  // Keys.
  equal("a key", keyFault("ut_abc"), null);
  equal("no key", [keyFault("") !== null, keyFault("a b") !== null, keyFault("ключ") !== null], [true, true, true]);
  return wrong;
})()
