/**
 * Drives one endpoint and checks every answer. Closed loop: each of the connections has one call in flight. Open loop:
 * calls fall due at a rate and are sent about every millisecond whether or not the earlier ones were answered; waiting
 * for a free connection counts as latency. Every call's text is its own, so an answer given to the wrong call is an error.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Answer } from "./http-connection.ts";
import { McpClient, describe, memberOf, messageIn, type Endpoint } from "./mcp-client.ts";
import { cpuOf, residentKiB } from "./process-use.ts";

/** What is called, and how an answer is known to be right. */
export interface Call {
  readonly method: string;
  readonly tool?: string;
  /** The members of `params` for a call with this text. */
  readonly members: (text: string) => string;
  /** Bytes of the text. */
  readonly textBytes: number;
  /** What is wrong with the answer; undefined where it is right. */
  readonly wrong: (answer: Answer, id: number, text: string) => string | undefined;
}

export interface LoadOptions {
  readonly endpoint: Endpoint;
  readonly call: Call;
  readonly seconds: number;
  /** Unmeasured seconds before; 0.3 by default. */
  readonly warmSeconds?: number;
  /** 16 by default. */
  readonly connections?: number;
  /** Calls per second (open loop); without it the loop is closed. */
  readonly rate?: number;
  /** The process under test. */
  readonly pid?: number;
}

export interface Load {
  readonly answers: number;
  readonly errors: number;
  /** The first few distinct complaints. */
  readonly complaints: readonly string[];
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the process under test per answer; NaN where there is none. */
  readonly cpuUs: number;
  readonly userUs: number;
  readonly systemUs: number;
  readonly residentMiB: number;
}

/** Runs one load; throws where no answer was right. */
export async function runLoad(options: LoadOptions): Promise<Load> {
  const run = new Run(options);
  try {
    await run.open();
    return await run.measure();
  } finally {
    await run.close();
  }
}

const COMPLAINTS_MAX = 5;
const DRAIN_MS = 3_000;
const RETRY_MS = 5;
const KiB = 1024;

class Run {
  readonly #options: LoadOptions;
  readonly #users: McpClient[] = [];
  readonly #text: string;
  readonly #latencies: number[] = [];
  readonly #complaints = new Set<string>();
  #errors = 0;
  #calls = 0;
  #inflight = 0;
  #measuring = false;
  #stopping = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#text = "lorem ipsum dolor sit amet ".repeat(options.call.textBytes / 27 + 1);
  }

  async open(): Promise<void> {
    const { endpoint, call, connections = 16 } = this.#options;
    for (let count = 0; count < connections; count++) {
      const user = await new McpClient(endpoint).open();
      user.prepare(call.method, call.tool);
      this.#users.push(user);
    }
  }

  async measure(): Promise<Load> {
    const { seconds, warmSeconds = 0.3, pid, rate } = this.#options;
    if (rate === undefined) for (const user of this.#users) this.#loop(user);
    else this.#pace(rate);
    await delay(warmSeconds * 1000);
    const before = pid === undefined ? undefined : cpuOf(pid);
    const startedMs = performance.now();
    this.#measuring = true;
    await delay(seconds * 1000);
    this.#measuring = false;
    const after = pid === undefined ? undefined : cpuOf(pid);
    const elapsed = (performance.now() - startedMs) / 1000;
    const answers = this.#latencies.length;
    if (answers === 0) {
      const { url } = this.#options.endpoint;
      throw new Error(`no right answer from ${url}: ${[...this.#complaints].join("; ")}`);
    }
    const userUs = ((after?.userUs ?? NaN) - (before?.userUs ?? NaN)) / answers;
    const systemUs = ((after?.systemUs ?? NaN) - (before?.systemUs ?? NaN)) / answers;
    const sorted = Float64Array.from(this.#latencies).toSorted();
    return {
      answers,
      errors: this.#errors,
      complaints: [...this.#complaints],
      perSecond: answers / elapsed,
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
      cpuUs: userUs + systemUs,
      userUs,
      systemUs,
      residentMiB: pid === undefined ? NaN : residentKiB(pid) / KiB,
    };
  }

  async close(): Promise<void> {
    this.#stopping = true;
    const deadline = performance.now() + DRAIN_MS;
    while (this.#inflight > 0 && performance.now() < deadline) await delay(RETRY_MS);
    if (this.#inflight > 0) for (const user of this.#users) user.connection.close();
    else await Promise.all(this.#users.map((user) => user.close()));
  }

  #loop(user: McpClient): void {
    this.#one(user, performance.now(), () => this.#loop(user));
  }

  // The generator sleeps between ticks, so that on a small machine it does not take a core from the process under test.
  #pace(rate: number): void {
    const free = [...this.#users];
    const due: number[] = [];
    let credit = 0;
    let last = performance.now();
    const pump = (): void => {
      while (due.length > 0) {
        const user = free.pop();
        if (user === undefined) return;
        this.#one(user, due.shift() ?? last, () => {
          free.push(user);
          pump();
        });
      }
    };
    const tick = (): void => {
      if (this.#stopping) return;
      const now = performance.now();
      credit += ((now - last) * rate) / 1000;
      last = now;
      for (; credit >= 1; credit--) due.push(now);
      pump();
      setTimeout(tick, 1);
    };
    tick();
  }

  #one(user: McpClient, dueMs: number, next: () => void): void {
    if (this.#stopping) return;
    const { call } = this.#options;
    const tag = `${++this.#calls}.`;
    const text = tag + this.#text.slice(0, Math.max(0, call.textBytes - tag.length));
    this.#inflight++;
    const id = user.call(call.method, call.members(text), (error, answer) => {
      this.#inflight--;
      const wrong = error === undefined ? call.wrong(answer, id, text) : error.message;
      if (this.#measuring) this.#count(dueMs, wrong);
      if (this.#stopping) return;
      if (error === undefined) next();
      else setTimeout(next, RETRY_MS);
    });
  }

  #count(dueMs: number, wrong: string | undefined): void {
    if (wrong === undefined) {
      this.#latencies.push(performance.now() - dueMs);
      return;
    }
    this.#errors++;
    if (this.#complaints.size < COMPLAINTS_MAX) this.#complaints.add(wrong);
  }
}

/** A call of a tool that returns its text. */
export function echoCall(tool: string): Call {
  return {
    method: "tools/call",
    tool,
    textBytes: 64,
    members: (text) => `"name":"${tool}","arguments":{"text":"${text}"}`,
    wrong: (answer, id, text) => {
      const result = resultOf(answer, id);
      if (typeof result === "string") return result;
      const content = memberOf(result, "content");
      const got: unknown = Array.isArray(content) ? memberOf(content[0], "text") : undefined;
      return got === text ? undefined : `not what was sent: ${describe(answer)}`;
    },
  };
}

/** A call whose result has `bytes` bytes; answers are compared at their ends only, for parsing them would cost too much. */
export function blobCall(tool: string, bytes: number): Call {
  return {
    method: "tools/call",
    tool,
    textBytes: 64,
    members: (text) => `"name":"${tool}","arguments":{"text":"${text}","size":${bytes}}`,
    wrong: (answer, id, text) => {
      const { body } = answer;
      if (answer.status !== 200 || body.length < bytes) return `short: ${describe(answer)}`;
      const ends = body.toString("latin1", 0, 1_000) + body.toString("latin1", body.length - 1_000);
      return ends.includes(text) && ends.includes(`"id":${id}`) ? undefined : "another's answer";
    },
  };
}

/** A call of a built-in tool with fixed arguments (JSON); the answer has to be a result and no error. */
export function plainCall(tool: string, args: string): Call {
  return {
    method: "tools/call",
    tool,
    textBytes: 0,
    members: () => `"name":"${tool}","arguments":${args}`,
    wrong: (answer, id) => {
      const result = resultOf(answer, id);
      return typeof result === "string" ? result : undefined;
    },
  };
}

/** A `tools/list`; the answer has to have `bytes` bytes or more. */
export function listCall(bytes: number): Call {
  return {
    method: "tools/list",
    textBytes: 0,
    members: () => "",
    wrong: (answer) =>
      answer.status === 200 && answer.body.length >= bytes
        ? undefined
        : `short: ${describe(answer)}`,
  };
}

// The result of an answer, or a sentence that says what is wrong.
function resultOf(answer: Answer, id: number): unknown {
  if (answer.status !== 200) return describe(answer);
  const message = messageIn(answer);
  if (memberOf(message, "id") !== id) return `another's answer: ${describe(answer)}`;
  const result = memberOf(message, "result");
  if (result === undefined || memberOf(result, "isError") === true) return describe(answer);
  return result;
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
