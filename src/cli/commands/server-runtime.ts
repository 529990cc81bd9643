import type { Command } from "commander";
import { z } from "zod";
import { exitCodes, usageError } from "../exit-code.ts";
import { handle } from "../invocation.ts";
import type { RunState } from "../invocation.ts";
import { plain } from "../output.ts";
import { table } from "../table.ts";

/** `signalbox servers show|drain|resume|breaker`: how a server fares, and what an operator can do about it. */
export function addRuntimeCommands(servers: Command, state: RunState): void {
  addShow(servers, state);
  addDrain(servers, state, "drain", "give an endpoint no new calls; what runs may finish");
  addDrain(servers, state, "resume", "give a drained endpoint calls again");
  addBreaker(servers, state);
}

const breaker = z.looseObject({
  state: z.string(),
  failures: z.number().optional(),
  reason: z.string().optional(),
});
const numbers = z.record(z.string(), z.unknown());
const shown = z.looseObject({
  name: z.string(),
  status: z.looseObject({ state: z.string() }).optional(),
  runtime: z
    .looseObject({
      strategy: z.string(),
      primary: z.string(),
      endpoints: z.array(
        z.looseObject({
          id: z.string(),
          state: z.string(),
          since: z.string(),
          uptime: z.number().optional(),
          reconnects: z.number().optional(),
          balance: z.looseObject({
            score: z.number().optional(),
            latencyMs: z.number().optional(),
            inFlight: z.number().optional(),
            ejectedUntil: z.string().optional(),
          }),
          connections: z
            .looseObject({ open: z.number(), busy: z.number(), waiting: z.number() })
            .optional(),
          lastError: z.looseObject({ code: z.string(), message: z.string() }).optional(),
          processes: z
            .array(
              z.looseObject({
                pid: z.number(),
                residentBytes: z.number().optional(),
                cpuSeconds: z.number().optional(),
                children: z.number().optional(),
              }),
            )
            .optional(),
          history: z.array(
            z.looseObject({ at: z.string(), from: z.string(), to: z.string(), reason: z.string() }),
          ),
        }),
      ),
      breakers: z.looseObject({ server: breaker, tools: z.record(z.string(), breaker) }),
      bulkhead: numbers,
      retries: numbers,
      crashLoop: z.looseObject({ looping: z.boolean() }).optional(),
      uptime: z
        .array(
          z.looseObject({
            endpoint: z.string(),
            day: z.number().optional(),
            week: z.number().optional(),
            month: z.number().optional(),
          }),
        )
        .optional(),
      cache: z
        .looseObject({ keys: z.number(), bytes: z.number(), hitRate: z.number().optional() })
        .optional(),
    })
    .optional(),
});

type Shown = z.output<typeof shown>;
type Runtime = NonNullable<Shown["runtime"]>;
type Endpoint = Runtime["endpoints"][number];
const HISTORY_LINES = 8;

function addShow(servers: Command, state: RunState): void {
  const command = servers
    .command("show")
    .description("one server: its endpoints, their history, breakers, repeats and queues")
    .argument("<name>");
  handle(command, state, async ({ args, api, out }) => {
    const [name = ""] = args;
    const server = await (await api()).get(`/api/servers/${encodeURIComponent(name)}`, shown);
    out.result(server, () => described(server));
    return exitCodes.ok;
  });
}

function described({ name, status, runtime }: Shown): string[] {
  const heading = `${plain(name)}: ${status?.state ?? "unknown"}`;
  if (runtime === undefined) return [heading];
  return [
    `${heading}, ${runtime.strategy} over ${runtime.endpoints.length} endpoint${runtime.endpoints.length === 1 ? "" : "s"}`,
    "",
    ...table(
      ["ENDPOINT", "STATE", "SINCE", "UPTIME", "LOST", "SCORE", "LATENCY", "RUNNING"],
      runtime.endpoints.map(endpointRow),
    ),
    ...runtime.endpoints.flatMap(({ id, lastError }) =>
      lastError === undefined ? [] : [plain(`${id}: ${lastError.message} (${lastError.code})`)],
    ),
    ...runtime.endpoints.flatMap(endpointLines),
    ...uptimeLines(runtime),
    "",
    ...breakerLines(runtime.breakers),
    plain(
      `running ${figure(runtime.bulkhead["running"])}, waiting ${figure(runtime.bulkhead["waiting"])}`,
    ),
    plain(
      `repeated ${figure(runtime.retries["repeated"])}, recovered ${figure(runtime.retries["recovered"])}`,
    ),
    ...cacheLines(runtime),
    ...processLines(runtime),
    ...historyLines(runtime.endpoints),
  ];
}

function endpointLines({ id, connections, balance }: Endpoint): string[] {
  const lines: string[] = [];
  if (connections !== undefined) {
    const { open, busy, waiting } = connections;
    lines.push(plain(`${id}: ${open} connections, ${busy} in use, ${waiting} waiting`));
  }
  if (balance.ejectedUntil !== undefined)
    lines.push(plain(`${id}: left out by the balance until ${balance.ejectedUntil}`));
  return lines;
}

function uptimeLines({ uptime = [] }: Runtime): string[] {
  return uptime.flatMap(({ endpoint, day, week, month }) => {
    const shares = [
      ["24 h", day],
      ["7 d", week],
      ["30 d", month],
    ] as const;
    const known = shares.flatMap(([span, share]) =>
      share === undefined ? [] : [`${percent(share)} of ${span}`],
    );
    return known.length === 0 ? [] : [plain(`${endpoint}: up ${known.join(", ")}`)];
  });
}

function cacheLines({ cache }: Runtime): string[] {
  if (cache === undefined) return [];
  const rate = cache.hitRate === undefined ? "" : `, ${percent(cache.hitRate)} of lookups hit`;
  return [`cache: ${cache.keys} answers, ${(cache.bytes / 1e6).toFixed(1)} MB${rate}`];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function processLines({ endpoints, crashLoop }: Runtime): string[] {
  const lines = endpoints
    .flatMap(({ processes = [] }) => processes)
    .map(({ pid, residentBytes = 0, cpuSeconds = 0, children = 0 }) => {
      const size = `${(residentBytes / 1e6).toFixed(1)} MB, ${cpuSeconds.toFixed(1)} s of CPU`;
      return `process ${pid}: ${size}, ${children} child${children === 1 ? "" : "ren"}`;
    });
  if (crashLoop?.looping === true) lines.push("its process ends again and again after its start");
  return lines;
}

function endpointRow(one: Endpoint): string[] {
  const { score, latencyMs, inFlight } = one.balance;
  return [
    one.id,
    one.state,
    one.since,
    one.uptime === undefined ? "" : percent(one.uptime),
    String(one.reconnects ?? 0),
    score === undefined ? "" : score.toFixed(2),
    latencyMs === undefined ? "" : `${latencyMs.toFixed(1)} ms`,
    String(inFlight ?? 0),
  ];
}

function breakerLines({ server, tools }: Runtime["breakers"]): string[] {
  const all: [string, z.output<typeof breaker>][] = [
    ["breaker", server],
    ...Object.entries(tools).map(([tool, one]): [string, z.output<typeof breaker>] => [
      `breaker of ${tool}`,
      one,
    ]),
  ];
  return all.map(([what, one]) => {
    const why = one.reason === undefined ? "" : ` (${one.reason})`;
    return plain(`${what}: ${one.state.replace("_", " ")}${why}`);
  });
}

function historyLines(endpoints: Runtime["endpoints"]): string[] {
  const steps = endpoints
    .flatMap(({ id, history }) => history.map((step) => ({ id, ...step })).toReversed())
    .toSorted((a, b) => Number(a.at < b.at) - Number(a.at > b.at))
    .slice(0, HISTORY_LINES);
  if (steps.length === 0) return [];
  return [
    "",
    ...table(
      ["WHEN", "ENDPOINT", "FROM", "TO", "WHY"],
      steps.map(({ at, id, from, to, reason }) => [at, id, from, to, reason]),
    ),
  ];
}

function figure(value: unknown): string {
  return typeof value === "number" ? String(value) : "0";
}

function addDrain(
  servers: Command,
  state: RunState,
  verb: "drain" | "resume",
  description: string,
): void {
  const command = servers
    .command(verb)
    .description(description)
    .argument("<name>")
    .argument("<endpoint>", "its id, as `servers show` has it");
  handle(command, state, async ({ args, api, out }) => {
    const [name = "", endpoint = ""] = args;
    const path = `/api/servers/${encodeURIComponent(name)}/endpoints/${encodeURIComponent(endpoint)}/${verb}`;
    await (await api()).post(path, {}, z.unknown());
    out.result({ name, endpoint, drained: verb === "drain" }, () => [
      plain(
        `${endpoint} of ${name} ${verb === "drain" ? "gets no new calls" : "gets calls again"}.`,
      ),
    ]);
    return exitCodes.ok;
  });
}

function addBreaker(servers: Command, state: RunState): void {
  const command = servers
    .command("breaker")
    .description("open or close the circuit breaker of a server, or of one tool, by hand")
    .argument("<name>")
    .argument("<state>", "open or close")
    .option("--tool <tool>", "the tool as the server names it");
  handle(command, state, async ({ args, options, api, out }) => {
    const [name = "", wanted = ""] = args;
    if (wanted !== "open" && wanted !== "close") {
      throw usageError(`Say "open" or "close", not "${wanted}".`);
    }
    const { tool } = z.object({ tool: z.string().optional() }).parse(options);
    const body = {
      state: wanted === "open" ? "open" : "closed",
      ...(tool !== undefined && { tool }),
    };
    const path = `/api/servers/${encodeURIComponent(name)}/breaker`;
    await (await api()).post(path, body, z.unknown());
    out.result({ name, ...body }, () => [
      plain(`The breaker of ${tool === undefined ? name : `${tool} of ${name}`} is ${body.state}.`),
    ]);
    return exitCodes.ok;
  });
}
