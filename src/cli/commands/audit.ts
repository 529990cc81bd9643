import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { z } from "zod";
import type { ApiClient } from "../api-client.ts";
import type { CliIo } from "../cli-io.ts";
import { CliError, exitCodes, interruptedError, usageError } from "../exit-code.ts";
import { addGlobalOptions, handle } from "../invocation.ts";
import type { RunState } from "../invocation.ts";
import { duration, messageOf } from "../../foundation/index.ts";
import { plain } from "../output.ts";
import { table } from "../table.ts";

/** `signalbox audit list|tail|verify|export`. */
export function addAuditCommands(program: Command, state: RunState): void {
  const audit = program.command("audit").description("who decided or changed what");
  addGlobalOptions(audit, true);
  audit.addHelpText(
    "after",
    `
Examples:
  $ signalbox audit list --target server:files --since 7d
  $ signalbox audit tail
  $ signalbox audit verify --head 9f2c…           compares with a hash that was kept elsewhere
  $ signalbox audit export --format csv --output audit.csv`,
  );
  addList(audit, state);
  addTail(audit, state);
  addVerify(audit, state);
  addExport(audit, state);
}

const record = z.looseObject({
  seq: z.number(),
  at: z.string(),
  action: z.string(),
  actorName: z.string(),
  target: z.string().optional(),
  outcome: z.string(),
  code: z.string().optional(),
});
type AuditRecord = z.infer<typeof record>;
const page = z.looseObject({ records: z.array(record), next: z.number().optional() });

const conditions = z.object({
  action: z.string().optional(),
  actor: z.string().optional(),
  target: z.string().optional(),
  outcome: z.string().optional(),
  project: z.string().optional(),
  since: z.string().optional(),
  until: z.string().optional(),
});

function withConditions(command: Command): Command {
  return command
    .option("--action <action>", "such as server.update")
    .option("--actor <id>", "the id of who did it")
    .option("--target <target>", "such as server:files")
    .option("--outcome <outcome>", "ok, denied or failed")
    .option("--project <project>", "only what concerns this project")
    .option("--since <time>", "a date and time, or how long ago, such as 2h or 7d")
    .option("--until <time>", "the same; only records before");
}

function queryOf(options: Readonly<Record<string, unknown>>): URLSearchParams {
  const { since, until, ...same } = conditions.parse(options);
  const query = new URLSearchParams();
  const given = { ...same, from: timeOf("--since", since), to: timeOf("--until", until) };
  for (const [name, value] of Object.entries(given))
    if (value !== undefined) query.set(name, value);
  return query;
}

function timeOf(option: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const ago = duration.safeParse(text);
  const at = ago.success ? Date.now() - ago.data : Date.parse(text);
  if (Number.isFinite(at)) return new Date(at).toISOString();
  throw usageError(`${option} takes a date and time or a duration such as 7d, not "${text}".`);
}

function addList(audit: Command, state: RunState): void {
  const command = audit
    .command("list", { isDefault: true })
    .description("the newest records")
    .option("--limit <count>", "how many, at most 1000", "50")
    .option("--before <place>", "only records before this place, as the first column tells it");
  handle(withConditions(command), state, async ({ options, api, out }) => {
    const { limit, before } = paging.parse(options);
    const query = queryOf(options);
    query.set("limit", limit);
    if (before !== undefined) query.set("before", before);
    const shown = await (await api()).get(`/api/audit?${query.toString()}`, page);
    out.result(shown, () =>
      shown.records.length === 0 ? ["No records."] : table(HEADINGS, shown.records.map(row)),
    );
    if (shown.next !== undefined) out.note(`Older ones: --before ${String(shown.next)}`);
    return exitCodes.ok;
  });
}

const paging = z.object({ limit: z.string(), before: z.string().optional() });
const HEADINGS = ["PLACE", "AT", "WHO", "ACTION", "ON", "OUTCOME"];

function row({ seq, at, actorName, action, target = "", outcome, code }: AuditRecord): string[] {
  const ended = code === undefined ? outcome : `${outcome} (${code})`;
  return [String(seq), at.slice(0, 19).replace("T", " "), actorName, action, target, ended];
}

const TAIL_EVERY_MS = 1_000;
const TAIL_PAGE = 1_000;

function addTail(audit: Command, state: RunState): void {
  const command = audit
    .command("tail")
    .description("the last records, and new ones as they come, until it is interrupted")
    .option("--lines <count>", "how many of the last ones first", "10");
  handle(withConditions(command), state, async ({ io, options, api, out, signal }) => {
    const client = await api();
    const { lines } = z.object({ lines: z.string() }).parse(options);
    const query = queryOf(options);
    query.set("limit", lines);
    const say = (records: readonly AuditRecord[]): void => {
      for (const one of records.toReversed())
        io.stdout.write(`${out.json ? JSON.stringify(one) : plain(row(one).join("  "))}\n`);
    };
    const { records } = await client.get(`/api/audit?${query.toString()}`, page);
    say(records);
    query.set("limit", String(TAIL_PAGE));
    for (let last = records[0]?.seq ?? 0; ;) {
      await sleep(TAIL_EVERY_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return exitCodes.interrupted;
      const fresh = await newerThan(last, client, query);
      say(fresh);
      last = fresh[0]?.seq ?? last;
    }
  });
}

/** The newest first; of more than a page comes in between, the page alone. */
async function newerThan(
  last: number,
  client: ApiClient,
  query: URLSearchParams,
): Promise<AuditRecord[]> {
  const { records } = await client.get(`/api/audit?${query.toString()}`, page);
  return records.filter(({ seq }) => seq > last);
}

const verdict = z.looseObject({
  valid: z.boolean(),
  checked: z.number(),
  first: z.number(),
  head: z.looseObject({ seq: z.number(), hash: z.string() }),
  faults: z.array(z.looseObject({ seq: z.number(), kind: z.string(), sentence: z.string() })),
});
/** More than the gateway gives itself. */
const VERIFY_WITHIN_MS = 660_000;

function addVerify(audit: Command, state: RunState): void {
  const command = audit
    .command("verify")
    .description("whether the records are as they were written; exit code 1 where they are not")
    .option("--head <hash>", "the hash of an earlier head, kept elsewhere");
  handle(command, state, async ({ options, api, out }) => {
    const body = z.object({ head: z.string().optional() }).parse(options);
    const progress = out.progress("reading the audit trail …");
    const found = await (
      await api()
    )
      .post("/api/audit/verify", body, verdict, VERIFY_WITHIN_MS)
      .finally(() => progress.done());
    const { valid, checked, first, head, faults } = found;
    const range = checked === 0 ? "" : `, ${String(first)} to ${String(head.seq)}`;
    out.result(found, () => [
      valid
        ? `${out.paint.green("whole")}  ${String(checked)} records${range}`
        : `${out.paint.red("tampered with")}  ${String(checked)} records read${range}`,
      ...faults.map(({ kind, sentence }) => plain(`  ${kind}: ${sentence}`)),
      `head   ${plain(head.hash)}`,
    ]);
    if (valid && body.head === undefined)
      out.note("Keep the head's hash elsewhere; `verify --head` compares with it.");
    return valid ? exitCodes.ok : exitCodes.failed;
  });
}

const exportOptions = z.object({
  format: z.string(),
  output: z.string().optional(),
  after: z.string().optional(),
});

function addExport(audit: Command, state: RunState): void {
  const command = audit
    .command("export")
    .description("the records as NDJSON or CSV, the oldest first")
    .option("--format <format>", "ndjson or csv", "ndjson")
    .option("--output <file>", "a file that you alone may read; default: standard output")
    .option("--after <place>", "only records behind this place");
  handle(withConditions(command), state, async ({ io, options, api, out, signal }) => {
    const { format, output, after } = exportOptions.parse(options);
    const query = queryOf(options);
    query.set("format", format);
    if (after !== undefined) query.set("after", after);
    const client = await api();
    const pieces = await client.stream(`/api/audit/export?${query.toString()}`);
    if (output === undefined) await toStdout(pieces, io, signal);
    else {
      await toFile(pieces, output, signal);
      out.note(`Written to ${output}`);
    }
    return exitCodes.ok;
  });
}

async function toStdout(
  pieces: AsyncIterable<Uint8Array>,
  { stdout }: CliIo,
  signal: AbortSignal,
): Promise<void> {
  try {
    await pipeline(pieces, stdout, { end: false, signal });
  } catch (error) {
    if (signal.aborted) throw interruptedError();
    // A reader such as `head` has seen enough.
    const enough = error instanceof Error && "code" in error && error.code === "EPIPE";
    if (!enough) throw error;
  }
}

// Whole or not at all.
async function toFile(
  pieces: AsyncIterable<Uint8Array>,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const draft = `${path}.${String(process.pid)}.part`;
  try {
    await pipeline(pieces, createWriteStream(draft, { flags: "wx", mode: 0o600 }), { signal });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    if (signal.aborted) throw interruptedError();
    if (error instanceof CliError) throw error;
    throw usageError(`${path} cannot be written: ${messageOf(error)}`);
  }
}
