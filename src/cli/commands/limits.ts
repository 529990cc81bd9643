import type { Command } from "commander";
import { z } from "zod";
import type { ApiClient } from "../api-client.ts";
import { keyView, listOf } from "../api-shapes.ts";
import { CliError, exitCodes, usageError } from "../exit-code.ts";
import { addGlobalOptions, handle } from "../invocation.ts";
import type { RunState } from "../invocation.ts";
import { duration } from "../../foundation/index.ts";
import { table } from "../table.ts";

/** `signalbox limits show|set`. */
export function addLimitsCommands(program: Command, state: RunState): void {
  const limits = program.command("limits").description("how often callers may do what");
  addGlobalOptions(limits, true);
  limits.addHelpText(
    "after",
    `
Examples:
  $ signalbox limits                              your own, and what is left of them
  $ signalbox limits show ci
  $ signalbox limits set ci --rate 500/1m --per-day 10000
  $ signalbox limits set ci --rate none           no rate limit for this key
  $ signalbox limits set ci --clear               as configured for all again`,
  );
  addShow(limits, state);
  addSet(limits, state);
}

const allowance = z.looseObject({
  max: z.number(),
  windowMs: z.number(),
  remaining: z.number(),
  resetsAt: z.string(),
});
const shownLimits = z.looseObject({
  caller: z.looseObject({ name: z.string() }),
  own: z.unknown().optional(),
  rate: allowance.extend({ from: z.string() }).optional(),
  all: allowance.optional(),
  servers: z.array(allowance.extend({ server: z.string(), per: z.string() })),
  tools: z.array(allowance.extend({ tools: z.string(), per: z.string() })),
  quotas: z.array(
    z.looseObject({
      subject: z.string(),
      period: z.string(),
      quota: z.number(),
      used: z.number().optional(),
      remaining: z.number().optional(),
      resetsAt: z.string(),
    }),
  ),
});
type ShownLimits = z.infer<typeof shownLimits>;

function addShow(limits: Command, state: RunState): void {
  const command = limits
    .command("show", { isDefault: true })
    .description("the limits in force, and what is left of them")
    .argument("[key]", "a key's id or name; default: the key in use");
  handle(command, state, async ({ args, api, out }) => {
    const client = await api();
    const [wanted] = args;
    const query =
      wanted === undefined ? "" : `?key=${encodeURIComponent(await idOf(client, wanted))}`;
    const shown = await client.get(`/api/limits${query}`, shownLimits);
    out.result(shown, () => linesOf(shown));
    return exitCodes.ok;
  });
}

function linesOf(shown: ShownLimits): string[] {
  const rows = [
    ...rowsOf("caller", shown.rate, shown.rate?.from === "key" ? "set for this key" : ""),
    ...rowsOf("all callers", shown.all),
    ...shown.servers.flatMap((one) => rowsOf(`server ${one.server}`, one, perOf(one))),
    ...shown.tools.flatMap((one) => rowsOf(`tools ${one.tools}`, one, perOf(one))),
    ...shown.quotas.map(({ subject, period, quota, remaining, resetsAt }) => [
      subject.startsWith("principal:") ? "caller" : subject.replace(":", " "),
      `${quota} calls a ${period}`,
      remaining === undefined ? "unknown" : String(remaining),
      timeOf(resetsAt),
      "",
    ]),
  ];
  if (rows.length === 0) return [`No limits for ${shown.caller.name}.`];
  return table(["OF", "LIMIT", "LEFT", "RESETS", ""], rows);
}

function rowsOf(of: string, one: z.infer<typeof allowance> | undefined, note = ""): string[][] {
  if (one === undefined) return [];
  const limit = `${one.max} in ${one.windowMs / 1000} s`;
  return [[of, limit, String(one.remaining), timeOf(one.resetsAt), note]];
}

function perOf({ per }: { per: string }): string {
  return per === "all" ? "of all callers" : "of each caller";
}

function timeOf(at: string): string {
  return at.slice(0, 19).replace("T", " ");
}

const setOptions = z.object({
  rate: z.string().optional(),
  perDay: z.string().optional(),
  perMonth: z.string().optional(),
  clear: z.boolean().optional(),
});
const keyLimits = z.looseObject({
  rate: z.unknown().optional(),
  quota: z.record(z.string(), z.number()).optional(),
});

function addSet(limits: Command, state: RunState): void {
  const command = limits
    .command("set")
    .description("give a key limits of its own; what is not named stays as it is")
    .argument("<key>", "its id, or its name when only one valid key has it")
    .option("--rate <requests/window>", 'such as 500/1m; "none" for no limit')
    .option("--per-day <calls>", 'most calls in a day of UTC; "none" for no quota')
    .option("--per-month <calls>", 'most calls in a month of UTC; "none" for no quota')
    .option("--clear", "take the key's own limits away first");
  handle(command, state, async ({ args, options, api, out }) => {
    const [wanted = ""] = args;
    const given = setOptions.parse(options);
    const rate = given.rate === undefined ? undefined : rateOf(given.rate);
    const quota = {
      ...(given.perDay !== undefined && { day: countOf("--per-day", given.perDay) }),
      ...(given.perMonth !== undefined && { month: countOf("--per-month", given.perMonth) }),
    };
    const something = rate !== undefined || Object.keys(quota).length > 0;
    if (!something && given.clear !== true)
      throw usageError("Name a limit: --rate, --per-day, --per-month, or --clear.");
    const client = await api();
    const key = await idOf(client, wanted);
    const before = given.clear === true ? {} : await ownOf(client, key);
    const all = { ...before.quota, ...quota };
    const body = {
      ...before,
      ...(rate !== undefined && { rate }),
      ...(Object.keys(all).length > 0 && { quota: all }),
    };
    const path = `/api/keys/${encodeURIComponent(key)}/limits`;
    const result = await client.put(path, body, z.looseObject({ limits: keyLimits }));
    out.result(result, () => `${out.paint.green("set")} the limits of ${wanted}`);
    return exitCodes.ok;
  });
}

async function ownOf(client: ApiClient, key: string): Promise<z.infer<typeof keyLimits>> {
  const shown = await client.get(`/api/limits?key=${encodeURIComponent(key)}`, shownLimits);
  return keyLimits.parse(shown.own ?? {});
}

function rateOf(text: string): { max: number; windowMs?: number } {
  if (text === "none") return { max: 0 };
  const [requests = "", window = "1m", ...more] = text.split("/");
  const windowMs = duration.safeParse(/^\d/.test(window) ? window : `1${window}`);
  if (!/^[1-9]\d{0,8}$/.test(requests) || !windowMs.success || more.length > 0)
    throw usageError(`--rate takes requests and a window, such as 500/1m, not "${text}".`);
  return { max: Number(requests), windowMs: windowMs.data };
}

function countOf(option: string, text: string): number {
  if (text === "none") return 0;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw usageError(`${option} takes a number of calls, not "${text}".`);
  return Number(text);
}

async function idOf(client: ApiClient, wanted: string): Promise<string> {
  const keys = await client.get("/api/keys", listOf("keys", keyView));
  if (keys.some(({ id }) => id === wanted)) return wanted;
  const named = keys.filter(({ name, revokedAt }) => name === wanted && revokedAt === undefined);
  const [key] = named;
  if (key !== undefined && named.length === 1) return key.id;
  if (named.length > 1)
    throw usageError(`${String(named.length)} keys are named "${wanted}": give the id.`);
  throw new CliError({
    exitCode: exitCodes.notFound,
    code: "NOT_FOUND",
    message: `There is no key "${wanted}".`,
  });
}
