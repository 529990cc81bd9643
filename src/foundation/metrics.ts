// An own registry, because a value written through a pre-bound slot costs a tenth of a labelled lookup, and
// because rendering thousands of series in one go holds up every call that is under way: here it pauses.
import { setImmediate } from "node:timers/promises";

/** Seconds; suits what a gateway adds and what servers take. */
export const gatewayBuckets: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** The most label sets per metric; more share one series whose labels all read "_other". */
export const SERIES_MAX = 500;
/** The same for metrics whose label values stand in the configuration: they grow with it, not with what comes in. */
export const CONFIGURED_SERIES_MAX = 5_000;

const SERIES_PER_SLICE = 500;
const OTHER = "_other";

export interface CounterSlot {
  /** Adds n (default 1); what is not a positive number is ignored. */
  inc(n?: number): void;
  readonly value: number;
}

export interface GaugeSlot {
  set(n: number): void;
  inc(n?: number): void;
  dec(n?: number): void;
  readonly value: number;
}

export interface HistogramSlot {
  observe(seconds: number): void;
  readonly count: number;
  readonly sum: number;
}

/** A metric's family of series; `slot` resolves label values once, for a holder to keep and write to. */
export interface Family<Slot> {
  readonly name: string;
  slot(...labelValues: string[]): Slot;
  /** Forgets the series of these label values, as when their server is removed. */
  remove(...labelValues: string[]): boolean;
  /** Forgets all series whose first label has this value. */
  removeAll(firstLabelValue: string): void;
}
export type Counter = Family<CounterSlot>;
export type Gauge = Family<GaugeSlot>;
export type Histogram = Family<HistogramSlot>;

type Collector = (() => void) | (() => Iterable<void>);

/** What the program counts, and its rendering as Prometheus text format 0.0.4. */
export class Metrics {
  readonly contentType = "text/plain; version=0.0.4; charset=utf-8";
  readonly #families = new Map<string, Renderable>();
  readonly #counters = new Map<string, SeriesFamily<CounterSeries>>();
  readonly #gauges = new Map<string, SeriesFamily<GaugeSeries>>();
  readonly #histograms = new Map<string, SeriesFamily<HistogramSeries>>();
  readonly #collectors: Collector[] = [];
  readonly #dropped: Counter;
  readonly #collectErrors: CounterSlot;
  #rendering: Promise<string> | undefined;

  constructor() {
    this.#dropped = this.counter(
      "mcp_metrics_series_dropped_total",
      "Label sets beyond the bound of their metric, counted under _other instead.",
      ["metric"],
    );
    this.#collectErrors = this.counter(
      "mcp_metrics_collect_errors_total",
      "Failures of functions that gather values for a scrape.",
    ).slot();
  }

  /** A number that only grows; its name ends in _total. Asking again for the same metric gives the same one. */
  counter(
    name: string,
    help: string,
    labelNames: readonly string[] = [],
    seriesMax = SERIES_MAX,
  ): Counter {
    const heading = { type: "counter", name, help, labelNames, seriesMax } as const;
    return this.#register(this.#counters, heading, () => new CounterSeries());
  }

  /** A number that goes up and down. */
  gauge(
    name: string,
    help: string,
    labelNames: readonly string[] = [],
    seriesMax = SERIES_MAX,
  ): Gauge {
    const heading = { type: "gauge", name, help, labelNames, seriesMax } as const;
    return this.#register(this.#gauges, heading, () => new GaugeSeries());
  }

  /** A distribution over buckets of increasing upper bounds, in seconds unless the name says otherwise. */
  histogram(
    name: string,
    help: string,
    labelNames: readonly string[] = [],
    buckets: readonly number[] = gatewayBuckets,
    seriesMax = SERIES_MAX,
  ): Histogram {
    checkBuckets(name, buckets);
    const bounds = Float64Array.from(buckets);
    const heading = { type: "histogram", name, help, labelNames, seriesMax } as const;
    return this.#register(this.#histograms, heading, () => new HistogramSeries(bounds));
  }

  /**
   * Shows a metric under another name as well, worked out when scraped and free until then. `relabel` gets the
   * source's label values in order and gives the alias's; series that fall together are added up.
   */
  alias(options: {
    name: string;
    help: string;
    labelNames: readonly string[];
    source: Counter | Gauge | Histogram;
    relabel: (values: readonly string[]) => readonly string[];
  }): void {
    const { name, help, labelNames, relabel } = options;
    const source = this.#families.get(options.source.name);
    if (source === undefined)
      throw new TypeError(`metric ${options.source.name} is not known here`);
    const { type, seriesMax } = source.heading;
    const heading: Heading = { type, name, help, labelNames, seriesMax };
    this.#add(new Alias(heading, source, relabel));
  }

  /**
   * Calls fn before every rendering, to set gauges from what they measure. A generator yields wherever other work may get
   * its turn.
   */
  collect(fn: Collector): void {
    this.#collectors.push(fn);
  }

  /** All metrics as text. Pauses between slices of series; askers at the same time share one rendering. */
  render(): Promise<string> {
    this.#rendering ??= this.#renderAll().finally(() => {
      this.#rendering = undefined;
    });
    return this.#rendering;
  }

  async #renderAll(): Promise<string> {
    for (const fn of this.#collectors) await this.#collectFrom(fn);
    const lines: string[] = [];
    let pauseAt = SERIES_PER_SLICE;
    for (const family of Array.from(this.#families.values())) {
      lines.push(...headingLines(family.heading));
      for (const { labels, series } of family.entries()) {
        series.lines(family.heading.name, labels, lines);
        if (lines.length < pauseAt) continue;
        pauseAt = lines.length + SERIES_PER_SLICE;
        await setImmediate();
      }
    }
    return `${lines.join("\n")}\n`;
  }

  async #collectFrom(fn: Collector): Promise<void> {
    try {
      const steps = fn();
      if (steps === undefined) return;
      for (const _ of steps) await setImmediate();
    } catch {
      this.#collectErrors.inc();
    }
  }

  #register<S extends Series>(
    known: Map<string, SeriesFamily<S>>,
    heading: Heading,
    make: () => S,
  ): SeriesFamily<S> {
    const existing = known.get(heading.name);
    if (existing !== undefined) return sameLabels(existing, heading);
    const family = new SeriesFamily(heading, make, () => this.#countDropped(heading.name));
    this.#add(family);
    known.set(heading.name, family);
    if (heading.labelNames.length === 0) family.slot();
    return family;
  }

  #add(family: Renderable): void {
    const { heading } = family;
    checkHeading(heading);
    if (this.#families.has(heading.name)) {
      throw new TypeError(`metric ${heading.name} exists already`);
    }
    this.#families.set(heading.name, family);
  }

  #countDropped(name: string): void {
    if (name !== "mcp_metrics_series_dropped_total") this.#dropped.slot(name).inc();
  }
}

interface Heading {
  readonly type: "counter" | "gauge" | "histogram";
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly seriesMax: number;
}

interface Renderable {
  readonly heading: Heading;
  entries(): Iterable<Entry<Series>>;
}

interface Series {
  lines(name: string, labels: string, into: string[]): void;
  /** A new series with both added up; `other` is undefined at first. */
  plus(other: Series | undefined): Series;
}

interface Entry<S> {
  readonly values: readonly string[];
  readonly labels: string; // as rendered: a="1",b="2"
  readonly series: S;
}

class SeriesFamily<S extends Series> implements Renderable {
  readonly heading: Heading;
  readonly #make: () => S;
  readonly #onDropped: () => void;
  readonly #entries = new Map<string, Entry<S>>();
  #overflowed = false;

  constructor(heading: Heading, make: () => S, onDropped: () => void) {
    this.heading = heading;
    this.#make = make;
    this.#onDropped = onDropped;
  }

  get name(): string {
    return this.heading.name;
  }

  slot(...labelValues: string[]): S {
    const { labelNames, name, seriesMax } = this.heading;
    if (labelValues.length !== labelNames.length) {
      throw new TypeError(`metric ${name} takes the labels (${labelNames.join(", ")})`);
    }
    const key = keyOf(labelValues);
    const entry = this.#entries.get(key);
    if (entry !== undefined) return entry.series;
    if (labelNames.length > 0 && this.#count() >= seriesMax) return this.#overflow();
    return this.#create(key, labelValues);
  }

  remove(...labelValues: string[]): boolean {
    if (labelValues.every((value) => value === OTHER)) this.#overflowed = false;
    return this.#entries.delete(keyOf(labelValues));
  }

  removeAll(firstLabelValue: string): void {
    for (const [key, { values }] of this.#entries)
      if (values[0] === firstLabelValue) this.#entries.delete(key);
  }

  entries(): Iterable<Entry<S>> {
    return this.#entries.values();
  }

  // Without the one for all that have no place: it must not take the place of one that could have it.
  #count(): number {
    return this.#entries.size - (this.#overflowed ? 1 : 0);
  }

  #overflow(): S {
    this.#onDropped();
    this.#overflowed = true;
    const values = this.heading.labelNames.map(() => OTHER);
    const key = keyOf(values);
    return this.#entries.get(key)?.series ?? this.#create(key, values);
  }

  #create(key: string, values: readonly string[]): S {
    const series = this.#make();
    const labels = labelText(this.heading.labelNames, values);
    this.#entries.set(key, { values, labels, series });
    return series;
  }
}

class Alias implements Renderable {
  readonly heading: Heading;
  readonly #source: Renderable;
  readonly #relabel: (values: readonly string[]) => readonly string[];

  constructor(
    heading: Heading,
    source: Renderable,
    relabel: (values: readonly string[]) => readonly string[],
  ) {
    this.heading = heading;
    this.#source = source;
    this.#relabel = relabel;
  }

  entries(): Iterable<Entry<Series>> {
    const sums = new Map<string, Entry<Series>>();
    for (const entry of this.#source.entries()) {
      const values = this.#relabel(entry.values);
      const labels = labelText(this.heading.labelNames, values);
      sums.set(labels, { values, labels, series: entry.series.plus(sums.get(labels)?.series) });
    }
    return sums.values();
  }
}

class CounterSeries implements Series, CounterSlot {
  value = 0;

  inc(n = 1): void {
    if (n > 0) this.value += n;
  }

  lines(name: string, labels: string, into: string[]): void {
    into.push(sampleLine(name, labels, this.value));
  }

  plus(other: Series | undefined): Series {
    const sum = new CounterSeries();
    sum.value = this.value + (other instanceof CounterSeries ? other.value : 0);
    return sum;
  }
}

class GaugeSeries implements Series, GaugeSlot {
  value = 0;

  set(n: number): void {
    this.value = n;
  }

  inc(n = 1): void {
    this.value += n;
  }

  dec(n = 1): void {
    this.value -= n;
  }

  lines(name: string, labels: string, into: string[]): void {
    into.push(sampleLine(name, labels, this.value));
  }

  plus(other: Series | undefined): Series {
    const sum = new GaugeSeries();
    sum.value = this.value + (other instanceof GaugeSeries ? other.value : 0);
    return sum;
  }
}

class HistogramSeries implements Series, HistogramSlot {
  readonly #bounds: Float64Array;
  readonly #counts: Float64Array; // one per bucket, not cumulative; the last is +Inf
  #sum = 0;

  constructor(bounds: Float64Array) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  get sum(): number {
    return this.#sum;
  }

  get count(): number {
    return this.#counts.reduce((total, count) => total + count, 0);
  }

  observe(seconds: number): void {
    if (!(seconds >= 0)) return; // neither NaN nor time that ran backwards
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] ?? Infinity)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += seconds;
  }

  lines(name: string, labels: string, into: string[]): void {
    const before = labels === "" ? "" : `${labels},`;
    let cumulative = 0;
    this.#counts.forEach((count, bucket) => {
      cumulative += count;
      const bound = formatNumber(this.#bounds[bucket] ?? Infinity);
      into.push(sampleLine(`${name}_bucket`, `${before}le="${bound}"`, cumulative));
    });
    into.push(sampleLine(`${name}_sum`, labels, this.#sum));
    into.push(sampleLine(`${name}_count`, labels, cumulative));
  }

  plus(other: Series | undefined): Series {
    const sum = new HistogramSeries(this.#bounds);
    const summands = other instanceof HistogramSeries ? [this, other] : [this];
    for (const summand of summands) {
      summand.#counts.forEach((count, i) => (sum.#counts[i] = (sum.#counts[i] ?? 0) + count));
      sum.#sum += summand.#sum;
    }
    return sum;
  }
}

function sameLabels<S extends Series>(family: SeriesFamily<S>, heading: Heading): SeriesFamily<S> {
  const names = family.heading.labelNames;
  const { labelNames } = heading;
  const same =
    names.length === labelNames.length && names.every((name, n) => name === labelNames[n]);
  if (same) return family;
  throw new TypeError(`metric ${heading.name} exists with other labels`);
}

function keyOf(values: readonly string[]): string {
  return values.length === 1 ? (values[0] ?? "") : JSON.stringify(values);
}

function headingLines({ name, help, type }: Heading): string[] {
  const escaped = help.replaceAll("\\", String.raw`\\`).replaceAll("\n", String.raw`\n`);
  return [`# HELP ${name} ${escaped}`, `# TYPE ${name} ${type}`];
}

function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, index) => `${name}="${escapeLabel(values[index] ?? "")}"`).join(",");
}

function escapeLabel(value: string): string {
  return value
    .replaceAll("\\", String.raw`\\`)
    .replaceAll("\n", String.raw`\n`)
    .replaceAll('"', String.raw`\"`);
}

function sampleLine(name: string, labels: string, value: number): string {
  return labels === ""
    ? `${name} ${formatNumber(value)}`
    : `${name}{${labels}} ${formatNumber(value)}`;
}

function formatNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const labelName = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/;

function checkHeading({ name, labelNames, type }: Heading): void {
  if (!metricName.test(name)) throw new TypeError(`${name} cannot be the name of a metric`);
  const wrong = labelNames.find(
    (label, index) =>
      !labelName.test(label) ||
      labelNames.indexOf(label) !== index ||
      (type === "histogram" && label === "le"),
  );
  if (wrong !== undefined) throw new TypeError(`${wrong} cannot be a label of metric ${name}`);
}

function checkBuckets(name: string, buckets: readonly number[]): void {
  const increasing = buckets.every(
    (bound, index) => Number.isFinite(bound) && bound > (buckets[index - 1] ?? -Infinity),
  );
  if (buckets.length === 0 || !increasing) {
    throw new TypeError(`metric ${name} needs finite, increasing bucket bounds`);
  }
}
