// What every demonstration has: a real gateway, servers, calls over MCP, and facts that are checked as they are said.
import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { startGateway, type GatewaySetup, type TestGateway } from "../../test/support/gateway.ts";
import { modernRequest, responseIn, send } from "../../test/support/wire.ts";
import { DemoServer, type DemoServerOptions } from "./servers.ts";

/** A demonstration that takes longer has failed. */
const WITHIN_MS = 60_000;

/** How one call ended. */
export interface Called {
  /** What was asked for. */
  readonly order: string;
  readonly ok: boolean;
  /** What the server answered; of a failure, its sentence. */
  readonly text: string;
  /** Of a failure: its code, such as `SERVER_CLOSED`. */
  readonly code?: string;
  /** Of a failure: whether the call was carried out, as far as the gateway knows. */
  readonly outcome?: string;
  /** Of a failure: how often it was sent. */
  readonly attempts?: number;
  readonly tookMs: number;
}

/**
 * Runs one demonstration, says what it shows, and ends what it started. The exit code is 1 where a fact did not hold, where
 * it broke off, and where it took more than a minute.
 */
export async function demonstrate(
  title: string,
  run: (demonstration: Demonstration) => Promise<void>,
): Promise<void> {
  process.once("SIGTERM", () => process.exit(1));
  say(`\n== ${title}`);
  const startedMs = performance.now();
  const demonstration = new Demonstration();
  try {
    await Promise.race([run(demonstration), tooLong(WITHIN_MS)]);
  } catch (error) {
    demonstration.check(`it broke off: ${String(error)}`, false);
  }
  await demonstration.end();
  const { facts, failed } = demonstration;
  say(`   ${facts - failed} of ${facts} facts held, ${seconds(performance.now() - startedMs)}`);
  process.exit(failed === 0 && facts > 0 ? 0 : 1);
}

/** One run: what it started, and what it found. */
export class Demonstration {
  readonly #started = new AsyncDisposableStack();
  #facts = 0;
  #failed = 0;

  get facts(): number {
    return this.#facts;
  }

  get failed(): number {
    return this.#failed;
  }

  /** Prints a line. */
  say(line: string): void {
    say(`   ${line}`);
  }

  /** Prints a fact and whether it holds. */
  check(fact: string, holds: boolean): void {
    this.#facts++;
    if (!holds) this.#failed++;
    say(`   ${holds ? "ok    " : "FAILED"} ${fact}`);
  }

  /** Starts a server that is ended with the demonstration. */
  async server(name: string, options?: DemoServerOptions): Promise<DemoServer> {
    const server = await DemoServer.start(name, options);
    this.#started.defer(() => server.kill());
    return server;
  }

  /** Starts a gateway with its own home, ports and database, that is ended with the demonstration. */
  async gateway(setup: GatewaySetup): Promise<Gateway> {
    const gateway = new Gateway(await startGateway(setup));
    this.#started.defer(() => gateway.end());
    this.say(`a gateway was ready after ${seconds(gateway.process.readyAfterMs)}`);
    return gateway;
  }

  async end(): Promise<void> {
    await this.#started.disposeAsync().catch((error: unknown) => {
      this.check(`it could not be ended: ${String(error)}`, false);
    });
  }
}

/** A gateway process, as its users and its operator see it. */
export class Gateway {
  readonly process: TestGateway;
  #ended = false;

  constructor(process: TestGateway) {
    this.process = process;
  }

  /** Calls a tool over MCP and waits for how it ends; it rejects only where no answer began. */
  async call(tool: string, order = ""): Promise<Called> {
    const startedMs = performance.now();
    const { url, key } = this.process;
    const request = modernRequest(key, "tools/call", { name: tool, arguments: { order } });
    const response = responseIn(await send(`${url}/mcp`, request));
    return { order, ...endingOf(response), tookMs: performance.now() - startedMs };
  }

  /** Makes `count` calls, `atOnce` of them at a time; their endings. `orderOf` gives each its order, from its number. */
  async calls(
    tool: string,
    count: number,
    atOnce: number,
    orderOf: (call: number) => string = () => "",
  ): Promise<Called[]> {
    const endings: Called[] = [];
    let made = 0;
    const caller = async (): Promise<void> => {
      while (made < count) {
        made++;
        endings.push(await this.call(tool, orderOf(made)));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, caller));
    return endings;
  }

  /** What `GET /api/servers/{name}` says now. */
  async server(name: string): Promise<ServerInDetail> {
    const { body } = await this.process.api("GET", `/api/servers/${name}`);
    return serverSchema.parse(body);
  }

  /** `/health` or `/ready`: the status, and the state of the background check of the servers. */
  async health(page: "/health" | "/ready"): Promise<{ status: number; servers: string }> {
    const answer = await fetch(this.process.url + page);
    const { checks } = healthSchema.parse(await answer.json());
    return { status: answer.status, servers: checks.mcp_servers };
  }

  /** Ends it as an operator does, with SIGTERM, and keeps its home; the exit code, null where it had to be killed. */
  async terminate(): Promise<number | null> {
    this.#ended = true;
    await this.process.stop({ keepHome: true });
    return this.process.child.process.exitCode;
  }

  /** Ends it, unless that was done, and removes its home. */
  async end(): Promise<void> {
    if (!this.#ended) await this.process.stop();
    await rm(this.process.home, { recursive: true, force: true });
  }
}

/** Calls without a pause until they are told to stop. */
export class Load {
  readonly #gateway: Gateway;
  readonly #tool: string;
  readonly #endings: Called[] = [];
  readonly #callers: Promise<void>[];
  #running = true;

  /** `pauseMs` after each call of each of the callers. */
  constructor(gateway: Gateway, tool: string, { atOnce, pauseMs }: LoadShape) {
    this.#gateway = gateway;
    this.#tool = tool;
    this.#callers = Array.from({ length: atOnce }, () => this.#callOn(pauseMs));
    // Whoever stops the load hears of it; where the demonstration broke off nobody does.
    for (const caller of this.#callers) caller.catch(() => undefined);
  }

  /** How the calls so far ended. */
  get endings(): readonly Called[] {
    return this.#endings;
  }

  /** Lets the calls in flight end. */
  async stop(): Promise<readonly Called[]> {
    this.#running = false;
    await Promise.all(this.#callers);
    return this.#endings;
  }

  async #callOn(pauseMs: number): Promise<void> {
    while (this.#running) {
      this.#endings.push(await this.#gateway.call(this.#tool));
      await delay(pauseMs);
    }
  }
}

export interface LoadShape {
  readonly atOnce: number;
  readonly pauseMs: number;
}

/** "2 failed (SERVER_CLOSED), 98 answered". */
export function summary(endings: readonly Called[]): string {
  const failed = endings.filter(({ ok }) => !ok);
  const codes = [...new Set(failed.map(({ code, text }) => code ?? text))].join(", ");
  const answered = `${endings.length - failed.length} answered`;
  return failed.length === 0
    ? `${answered}, none failed`
    : `${answered}, ${failed.length} failed (${codes})`;
}

/** "1.2 s". */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** "12 ms". */
export function milliseconds(ms: number): string {
  return `${Math.round(ms)} ms`;
}

const serverSchema = z.looseObject({
  status: z.looseObject({ state: z.string() }),
  runtime: z.looseObject({
    endpoints: z.array(
      z.looseObject({
        id: z.string(),
        state: z.string(),
        uptime: z.number().optional(),
        reconnects: z.number(),
        connections: z
          .object({ open: z.number(), busy: z.number(), waiting: z.number(), max: z.number() })
          .optional(),
        balance: z.looseObject({
          score: z.number(),
          ejections: z.number(),
          ejectedUntil: z.number().optional(),
        }),
        history: z.array(
          z.looseObject({ at: z.string(), from: z.string(), to: z.string(), reason: z.string() }),
        ),
      }),
    ),
    breakers: z.looseObject({ server: z.looseObject({ state: z.string() }) }),
    retries: z.looseObject({ repeated: z.number(), recovered: z.number() }),
  }),
});

export type ServerInDetail = z.infer<typeof serverSchema>;

const healthSchema = z.looseObject({ checks: z.looseObject({ mcp_servers: z.string() }) });

const resultSchema = z.looseObject({
  content: z.array(z.looseObject({ text: z.string() })).min(1),
});

const failureSchema = z.looseObject({
  code: z.string().optional(),
  outcome: z.string().optional(),
  attempts: z.number().optional(),
});

function endingOf(response: ReturnType<typeof responseIn>): Omit<Called, "order" | "tookMs"> {
  const { result, error } = response;
  if (error === undefined) {
    const [first] = resultSchema.parse(result).content;
    return { ok: true, text: first?.text ?? "" };
  }
  const { code, outcome, attempts } = failureSchema.parse(error.data ?? {});
  return {
    ok: false,
    text: error.message,
    ...(code !== undefined && { code }),
    ...(outcome !== undefined && { outcome }),
    ...(attempts !== undefined && { attempts }),
  };
}

async function tooLong(ms: number): Promise<never> {
  await delay(ms, undefined, { ref: false });
  throw new Error(`it took more than ${seconds(ms)}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
