// Many local servers under load while they crash, hang, are killed, and are configured anew. Everything is drawn from a
// seed; how it interleaves is up to the machine.
import { setTimeout as delay } from "node:timers/promises";
import type { GatewaySetup, TestGateway } from "../support/gateway.ts";
import { residentBytes } from "../support/processes.ts";
import { inRoot } from "../support/root.ts";
import { until } from "../support/until.ts";
import { legacyRequest, modernRequest, openSession, responseIn, send } from "../support/wire.ts";
import { pick, seededRandom } from "./seeded-random.ts";
import { openFilesOf, type Started, type StartedPrograms } from "./started-programs.ts";

export interface SoakOptions {
  servers: number;
  /** How long there are faults. */
  forMs: number;
  seed: number;
  programs: StartedPrograms;
  /** Where programs note their starts. */
  startsFile: string;
  /** Where Node keeps what it compiled of the program, so that a start costs less. */
  compileCache: string;
}

/** What happened. */
export interface SoakCounts {
  crashes: number;
  hangs: number;
  kills: number;
  reloads: number;
  callsOk: number;
  /** By the code of the failure. */
  callsFailed: Record<string, number>;
  /** Calls that were not answered by a JSON-RPC response, or with the text of another. */
  callsWrong: string[];
}

/** What a process held. */
export interface Holding {
  openFiles: number;
  residentMB: number;
  /** Programs of local servers, their helpers included. */
  programs: number;
}

const workers = 8;
const workerPauseMs = 10;
/** Five crashes within a minute are a crash loop: each server shall come near it, and only some into it. */
const faultEveryMsOfOne = 12_000;
/** What a small machine can start anew beside everything else. */
const faultEveryMsMin = 150;
const reloadEveryMs = 4_000;
/** The share of the servers that comes, goes or is changed at a reload. */
const reloadShare = 0.08;
const sampleEveryMs = 500;
const recoveryMs = 120_000;
const recoveryPauseMs = 100;
const wrongMax = 20;

/** One soak of one gateway. */
export class ProcessSoak {
  readonly counts: SoakCounts = {
    crashes: 0,
    hangs: 0,
    kills: 0,
    reloads: 0,
    callsOk: 0,
    callsFailed: {},
    callsWrong: [],
  };
  readonly peak: Holding = { openFiles: 0, residentMB: 0, programs: 0 };
  /** Servers' own programs, helpers not counted: what the limit of the gateway is about. */
  processesPeak = 0;
  readonly #gateway: TestGateway;
  readonly #options: SoakOptions;
  readonly #random: () => number;
  readonly #servers: SoakServer[];
  #sessions: Record<string, string>[] = [];
  #calls = 0;
  #over = false;

  constructor(gateway: TestGateway, options: SoakOptions) {
    this.#gateway = gateway;
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#servers = Array.from({ length: options.servers }, (_, index) => ({
      name: `soak${index}`,
      generation: 0,
      present: true,
      kind: kinds[index % kinds.length] ?? {},
    }));
  }

  /** Configures all servers, breaks them for as long as it was told, and waits until each one there answers again. */
  async run(): Promise<void> {
    await this.#gateway.configure(this.setup());
    const url = `${this.#gateway.url}/mcp`;
    this.#sessions = [
      await openSession(url, this.#gateway.key),
      await openSession(url, this.#gateway.key),
    ];
    const sampling = this.#sample();
    await this.#recover();
    const load = Promise.all(Array.from({ length: workers }, (_, index) => this.#work(index)));
    const endAt = performance.now() + this.#options.forMs;
    await Promise.all([this.#breakUntil(endAt), this.#reloadUntil(endAt)]);
    await this.#recover();
    this.#over = true;
    await Promise.all([load, sampling]);
    for (const headers of this.#sessions) await send(url, { method: "DELETE", headers });
  }

  /** The configuration as it is now. */
  setup(): GatewaySetup {
    const { startsFile, compileCache } = this.#options;
    const servers = this.#present().map(({ name, generation, kind }) => [
      name,
      {
        command: process.execPath,
        args: [
          inRoot("test/faults/soak-stdio.ts"),
          startsFile,
          name,
          String(generation),
          ...(kind.helper === true ? ["with-helper"] : []),
        ],
        env: { NODE_COMPILE_CACHE: compileCache, SOAK_STARTS: startsFile },
        timeout: "2s",
        process: {
          start_timeout: "5s",
          ...(kind.mode && { mode: kind.mode, processes_max: 8 }),
        },
        connection_pool: { reconnect_backoff: "200ms", max_reconnect_backoff: "2s" },
        circuit_breaker: { open_for: "1s" },
      },
    ]);
    return { ...soakSettings, servers: Object.fromEntries(servers) };
  }

  #present(): SoakServer[] {
    return this.#servers.filter(({ present }) => present);
  }

  // --- load

  async #work(index: number): Promise<void> {
    while (!this.#over) {
      await this.#call(pick(this.#present(), this.#random).name, "echo", index);
      await delay(workerPauseMs);
    }
  }

  /** One call, by one of the clients; whether it succeeded. */
  async #call(server: string, tool: string, client: number): Promise<boolean> {
    const id = (this.#calls += 1);
    const params = { name: `${server}__${tool}`, arguments: { text: `call-${id}` } };
    const session = this.#sessions[client % (this.#sessions.length + 1)];
    const request =
      session === undefined
        ? modernRequest(this.#gateway.key, "tools/call", params, id)
        : legacyRequest(session, "tools/call", params, id);
    const answer = await send(`${this.#gateway.url}/mcp`, request).catch(String);
    if (typeof answer === "string") return this.#wrong(`${params.name}: ${answer}`);
    const { id: answered, result, error } = responseIn(answer);
    if (error !== undefined) {
      const named = error.data?.["code"];
      const code = typeof named === "string" ? named : String(error.code);
      this.counts.callsFailed[code] = (this.counts.callsFailed[code] ?? 0) + 1;
      return false;
    }
    const expected = JSON.stringify([{ type: "text", text: `${server} call-${id}` }]);
    if (answered !== id || JSON.stringify(result?.["content"]) !== expected)
      return this.#wrong(`${params.name}: HTTP ${answer.status} ${answer.text.slice(0, 200)}`);
    this.counts.callsOk += 1;
    return true;
  }

  #wrong(what: string): false {
    if (this.counts.callsWrong.length < wrongMax) this.counts.callsWrong.push(what);
    return false;
  }

  // Hung ones are found by calls that time out, and a crash loop lets one start through every half minute.
  async #recover(): Promise<void> {
    const waiting = this.#present().map(({ name }) => name);
    const worker = async (index: number): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        const server = name;
        const answers = async (): Promise<boolean> => {
          if (await this.#call(server, "echo", index)) return true;
          await delay(recoveryPauseMs);
          return false;
        };
        await until(`${server} answers`, answers, recoveryMs);
      }
    };
    await Promise.all(Array.from({ length: workers }, (_, index) => worker(index)));
  }

  // --- faults

  async #breakUntil(endAt: number): Promise<void> {
    const everyMs = Math.max(faultEveryMsMin, faultEveryMsOfOne / this.#options.servers);
    while (performance.now() < endAt) {
      this.#breakOne();
      await delay(everyMs * (0.5 + this.#random()));
    }
  }

  #breakOne(): void {
    const drawn = this.#random();
    if (drawn < 0.4) {
      this.counts.crashes += 1;
      void this.#call(pick(this.#present(), this.#random).name, "crash", this.counts.crashes);
      return;
    }
    const victims = this.#options.programs.living().filter(isServer);
    if (victims.length === 0) return;
    const victim = pick(victims, this.#random);
    if (drawn < 0.8) this.counts.kills += this.#signal(victim, "SIGKILL");
    else this.counts.hangs += this.#signal(victim, "SIGSTOP");
  }

  #signal(victim: Started, signal: NodeJS.Signals): number {
    return this.#options.programs.signal(victim, signal) ? 1 : 0;
  }

  async #reloadUntil(endAt: number): Promise<void> {
    while (performance.now() + reloadEveryMs < endAt) {
      await delay(reloadEveryMs);
      for (const server of this.#servers) this.#maybeChange(server);
      this.counts.reloads += 1;
      await this.#gateway.configure(this.setup());
    }
  }

  #maybeChange(server: SoakServer): void {
    if (this.#random() >= reloadShare) return;
    const mayGo = this.#present().length > this.#servers.length / 2;
    if (!server.present) server.present = true;
    else if (mayGo && this.#random() < 0.5) server.present = false;
    server.generation += 1;
  }

  async #sample(): Promise<void> {
    while (!this.#over) {
      const now = await holdingOf(this.#gateway, this.#options.programs);
      for (const key of ["openFiles", "residentMB", "programs"] as const)
        this.peak[key] = Math.max(this.peak[key], now[key]);
      const processes = this.#options.programs.living().filter(isServer).length;
      this.processesPeak = Math.max(this.processesPeak, processes);
      await delay(sampleEveryMs);
    }
  }
}

/** What a gateway holds now. */
export async function holdingOf(gateway: TestGateway, programs: StartedPrograms): Promise<Holding> {
  const { pid } = gateway.child;
  return {
    openFiles: openFilesOf(pid),
    residentMB: Math.round((await residentBytes(pid)) / 1e6),
    programs: programs.living().length,
  };
}

/** Processes of all servers together. */
export const processesTotalMax = 300;

/** What the gateway is set to beside its servers, from its start on. */
export const soakSettings: GatewaySetup = {
  settings: { limits: { processes_total_max: processesTotalMax } },
};

interface SoakServer {
  readonly name: string;
  /** Changed arguments are another program. */
  generation: number;
  present: boolean;
  readonly kind: Kind;
}

interface Kind {
  mode?: "call" | "session" | "principal";
  helper?: boolean;
}

/** Most are shared, as by default; a process for each call costs a start for each. */
const kinds: readonly Kind[] = [
  {},
  { helper: true },
  {},
  { mode: "session" },
  {},
  { mode: "principal", helper: true },
  {},
  {},
  { helper: true },
  {},
  {},
  { mode: "call" },
];

function isServer({ name }: Started): boolean {
  return !name.startsWith("helper");
}
