import fc from "fast-check";
import { expect, test } from "vitest";
import { Metrics, SERIES_MAX } from "./metrics.ts";
import { processMetrics } from "./process-metrics.ts";

interface Sample {
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly value: number;
}

/** A strict reading of the text format 0.0.4: throws at anything a scraper might refuse. */
function parse(text: string): { types: Map<string, string>; samples: Sample[] } {
  expect(text.endsWith("\n")).toBe(true);
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  let current = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const help = /^# HELP ([a-zA-Z_:][\w:]*) (?:[^\\]|\\\\|\\n)*$/.exec(line);
    if (help !== null) {
      current = help[1] ?? "";
      if (types.has(current)) throw new Error(`${current} twice`);
      types.set(current, "");
      continue;
    }
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      if (type[1] !== current) throw new Error(`TYPE of ${type[1]} under HELP of ${current}`);
      types.set(current, type[2] ?? "");
      continue;
    }
    const sample = parseSample(line);
    const suffixes = types.get(current) === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    expect(suffixes.map((suffix) => current + suffix)).toContain(sample.name);
    samples.push(sample);
  }
  const keys = samples.map(({ name, labels }) => JSON.stringify([name, labels]));
  expect(new Set(keys).size, "a series twice").toBe(keys.length);
  return { types, samples };
}

function parseSample(line: string): Sample {
  const match =
    /^([a-zA-Z_:][\w:]*)(?:\{([^\n]*)\})? (\+Inf|-Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(
      line,
    );
  if (match === null) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  let rest = match[2] ?? "";
  while (rest !== "") {
    const pair = /^([a-zA-Z_]\w*)="((?:[^"\\]|\\\\|\\"|\\n)*)"(?:,(?=.)|$)/.exec(rest);
    if (pair === null) throw new Error(`not a label: ${rest}`);
    const [whole, name = "", value = ""] = pair;
    expect(Object.hasOwn(labels, name)).toBe(false);
    labels[name] = value.replaceAll(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
    rest = rest.slice(whole.length);
  }
  const value = match[3] ?? "";
  return { name: match[1] ?? "", labels, value: value === "+Inf" ? Infinity : Number(value) };
}

const find = (text: string, name: string): Sample[] =>
  parse(text).samples.filter((s) => s.name === name);

test("counters, gauges and histograms are written in the text format", async () => {
  const metrics = new Metrics();
  const calls = metrics.counter("calls_total", "Calls.\nAll \\ of them.", ["server", "status"]);
  calls.slot("a", "ok").inc();
  calls.slot("a", "ok").inc(2);
  metrics.gauge("open", "Open.").slot().set(-1.5);
  const seconds = metrics.histogram("took_seconds", "Time.", ["server"], [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) seconds.slot("a").observe(value);
  const text = await metrics.render();
  expect(text.split("\n").slice(5)).toEqual([
    String.raw`# HELP calls_total Calls.\nAll \\ of them.`,
    "# TYPE calls_total counter",
    'calls_total{server="a",status="ok"} 3',
    "# HELP open Open.",
    "# TYPE open gauge",
    "open -1.5",
    "# HELP took_seconds Time.",
    "# TYPE took_seconds histogram",
    'took_seconds_bucket{server="a",le="0.1"} 2',
    'took_seconds_bucket{server="a",le="1"} 3',
    'took_seconds_bucket{server="a",le="+Inf"} 4',
    'took_seconds_sum{server="a"} 7.65',
    'took_seconds_count{server="a"} 4',
    "",
  ]);
  parse(text);
});

test("any label value comes back from a strict reader as it went in", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.tuple(fc.string({ unit: "binary" }), fc.string()), {
        minLength: 1,
        maxLength: 20,
        selector: (pair) => JSON.stringify(pair),
      }),
      async (pairs) => {
        const metrics = new Metrics();
        const counter = metrics.counter("c_total", "Help.", ["a", "b"]);
        for (const [a, b] of pairs) counter.slot(a, b).inc();
        const read = find(await metrics.render(), "c_total").map(({ labels }) => [
          labels["a"],
          labels["b"],
        ]);
        expect(read).toEqual(pairs);
      },
    ),
  );
});

test("label sets beyond the bound share one series and are counted", async () => {
  const metrics = new Metrics();
  const counter = metrics.counter("c_total", "Help.", ["a", "b"]);
  for (let i = 0; i < SERIES_MAX + 7; i++) counter.slot("x", String(i)).inc();
  counter.slot("x", "0").inc();
  const text = await metrics.render();
  const series = find(text, "c_total");
  expect(series).toHaveLength(SERIES_MAX + 1);
  expect(series.find(({ labels }) => labels["b"] === "_other")).toEqual({
    name: "c_total",
    labels: { a: "_other", b: "_other" },
    value: 7,
  });
  expect(find(text, "mcp_metrics_series_dropped_total")).toEqual([
    { name: "mcp_metrics_series_dropped_total", labels: { metric: "c_total" }, value: 7 },
  ]);
});

test("a removed series is gone, and makes room", async () => {
  const metrics = new Metrics();
  const gauge = metrics.gauge("g", "Help.", ["a"]);
  gauge.slot("x").set(1);
  expect(gauge.remove("x")).toBe(true);
  expect(gauge.remove("x")).toBe(false);
  expect(find(await metrics.render(), "g")).toEqual([]);
});

test("an alias shows its source under another name, with series that fall together added up", async () => {
  const metrics = new Metrics();
  const source = metrics.histogram("s_seconds", "Help.", ["route", "status"], [1]);
  source.slot("/a", "200").observe(0.5);
  source.slot("/a", "500").observe(2);
  source.slot("/b", "200").observe(0.25);
  metrics.alias({
    name: "http_request_duration_seconds",
    help: "Help.",
    labelNames: ["endpoint"],
    source,
    relabel: ([route = ""]) => [route],
  });
  const text = await metrics.render();
  const counts = find(text, "http_request_duration_seconds_count");
  expect(counts.map(({ labels, value }) => [labels["endpoint"], value])).toEqual([
    ["/a", 2],
    ["/b", 1],
  ]);
  expect(find(text, "http_request_duration_seconds_sum")[0]?.value).toBe(2.5);
});

test("numbers that make no sense are ignored", () => {
  const metrics = new Metrics();
  const counter = metrics.counter("c_total", "Help.").slot();
  counter.inc(-1);
  counter.inc(NaN);
  const histogram = metrics.histogram("h_seconds", "Help.").slot();
  histogram.observe(NaN);
  histogram.observe(-0.1);
  expect([counter.value, histogram.count, histogram.sum]).toEqual([0, 0, 0]);
});

test("the same metric asked for twice is one; another type, other labels or a bad name are refused", () => {
  const metrics = new Metrics();
  const counter = metrics.counter("c_total", "Help.", ["a"]);
  expect(metrics.counter("c_total", "Help.", ["a"])).toBe(counter);
  expect(() => metrics.counter("c_total", "Help.", ["b"])).toThrow("other labels");
  expect(() => metrics.gauge("c_total", "Help.", ["a"])).toThrow("exists already");
  expect(() => metrics.gauge("a-b", "Help.")).toThrow("cannot be the name");
  expect(() => metrics.gauge("g", "Help.", ["__x"])).toThrow("cannot be a label");
  expect(() => metrics.histogram("h", "Help.", ["le"])).toThrow("cannot be a label");
  expect(() => metrics.histogram("h", "Help.", [], [2, 1])).toThrow("increasing");
  expect(() => counter.slot()).toThrow("takes the labels (a)");
});

test("collectors run before each rendering, and one that throws does not spoil it", async () => {
  const metrics = new Metrics();
  const gauge = metrics.gauge("g", "Help.").slot();
  metrics.collect(() => {
    throw new Error("no");
  });
  metrics.collect(() => gauge.inc());
  await metrics.render();
  const text = await metrics.render();
  expect(find(text, "g")[0]?.value).toBe(2);
  expect(find(text, "mcp_metrics_collect_errors_total")[0]?.value).toBe(2);
});

test("rendering many series lets other work go on in between", async () => {
  const metrics = new Metrics();
  for (let m = 0; m < 10; m++) {
    const histogram = metrics.histogram(`h${m}_seconds`, "Help.", ["a"]);
    for (let i = 0; i < 100; i++) histogram.slot(String(i)).observe(0.1);
  }
  let turns = 0;
  let rendering = true;
  const count = (): void => {
    turns++;
    if (rendering) setImmediate(count);
  };
  setImmediate(count);
  const text = await metrics.render();
  rendering = false;
  expect(turns).toBeGreaterThan(10);
  expect(parse(text).samples.length).toBeGreaterThan(15_000);
});

test("the process's own metrics are all there and finite", async () => {
  const metrics = new Metrics();
  const stop = processMetrics(metrics, { version: "1.2.3" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const { samples } = parse(await metrics.render());
  stop();
  const values = new Map(samples.map(({ name, value }) => [name, value]));
  for (const name of [
    "process_cpu_user_seconds_total",
    "process_resident_memory_bytes",
    "nodejs_eventloop_lag_p99_seconds",
    "nodejs_heap_size_used_bytes",
    "mcp_build_info",
  ]) {
    expect([name, Number.isFinite(values.get(name))]).toEqual([name, true]);
  }
  expect(samples.find(({ name }) => name === "mcp_build_info")?.labels).toMatchObject({
    version: "1.2.3",
  });
});
