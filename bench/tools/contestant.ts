/** Several contestants measured in turns, so that the noise of the machine falls on all of them alike. */
import { runLoad, type Load, type LoadOptions } from "./load.ts";

export type Figure = (load: Load) => number;

export const cpuUs: Figure = (load) => load.cpuUs;
export const p50Ms: Figure = (load) => load.p50Ms;
export const p99Ms: Figure = (load) => load.p99Ms;

/** One thing under the same load as the others, and its rounds so far. */
export class Contestant {
  readonly name: string;
  readonly #options: LoadOptions;
  readonly #during: (round: () => Promise<void>) => Promise<void>;
  readonly #rounds: Load[] = [];

  /** `during` runs each round, and whatever is to go on beside it. */
  constructor(
    name: string,
    options: LoadOptions,
    during: (round: () => Promise<void>) => Promise<void> = (round) => round(),
  ) {
    this.name = name;
    this.#options = options;
    this.#during = during;
  }

  /** One round that is not recorded: the code on its way gets compiled. */
  async warm(): Promise<void> {
    await runLoad({ ...this.#options, warmSeconds: 0.5 });
  }

  round(): Promise<void> {
    return this.#during(async () => {
      const load = await runLoad(this.#options);
      this.#rounds.push(load);
      process.stderr.write(`  ${this.name} ${this.#rounds.length}: ${inWords(load)}\n`);
    });
  }

  /** The median over the rounds. */
  median(figure: Figure): number {
    return median(this.#rounds.map(figure));
  }

  /** The median over the rounds of what `combine` makes of this one's figure and the other's in the same round. */
  against(
    other: Contestant,
    figure: Figure,
    combine: (own: number, its: number) => number,
  ): number {
    const pairs = this.#rounds.flatMap((load, round) => {
      const its = other.#rounds[round];
      return its === undefined ? [] : [combine(figure(load), figure(its))];
    });
    return median(pairs);
  }

  /** How many times the other's figure this one's is. */
  ratio(other: Contestant, figure: Figure): number {
    return this.against(other, figure, (own, its) => own / its);
  }

  /** How much more than the other's figure this one's is. */
  added(other: Contestant, figure: Figure): number {
    return this.against(other, figure, (own, its) => own - its);
  }

  /** Its medians as a line of a Markdown table. */
  line(): string {
    const cells = [
      this.#cell(cpuUs, 1),
      this.#cell((load) => load.userUs, 1),
      this.#cell((load) => load.systemUs, 1),
      this.#cell((load) => load.perSecond, 0),
      this.#cell(p50Ms, 3),
      this.#cell(p99Ms, 3),
      this.#cell((load) => load.residentMiB, 0),
      String(this.#rounds.reduce((sum, load) => sum + load.errors, 0)),
    ];
    return `| ${this.name} | ${cells.join(" | ")} |`;
  }

  #cell(figure: Figure, digits: number): string {
    const value = this.median(figure);
    return Number.isNaN(value) ? "" : value.toFixed(digits);
  }
}

/** Warms every contestant up, then measures them `rounds` times in turns, each round starting with another. */
export async function alternate(contestants: readonly Contestant[], rounds: number): Promise<void> {
  for (const contestant of contestants) await contestant.warm();
  for (let round = 0; round < rounds; round++) {
    const first = round % contestants.length;
    const order = [...contestants.slice(first), ...contestants.slice(0, first)];
    for (const contestant of order) await contestant.round();
  }
}

/** A Markdown table of the contestants' medians. */
export function mediansTable(contestants: readonly Contestant[]): string {
  return [
    "| | CPU µs per answer | user | system | answers/s | p50 ms | p99 ms | RSS MiB | errors |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...contestants.map((contestant) => contestant.line()),
  ].join("\n");
}

/** The middle value (the lower of two). */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
}

function inWords(load: Load): string {
  const cpu = Number.isNaN(load.cpuUs) ? "" : `${load.cpuUs.toFixed(1)} µs, `;
  const complaint = load.complaints[0] === undefined ? "" : ` (${load.complaints[0]})`;
  return `${cpu}${load.perSecond.toFixed(0)}/s, p50 ${load.p50Ms.toFixed(3)} ms, p99 ${load.p99Ms.toFixed(3)} ms, ${load.errors} errors${complaint}`;
}
