import type { Command } from "commander";
import { z } from "zod";
import { exitCodes } from "../exit-code.ts";
import { addGlobalOptions, handle } from "../invocation.ts";
import type { Invocation, RunState } from "../invocation.ts";
import { plain } from "../output.ts";
import type { Paint } from "../output.ts";
import { table } from "../table.ts";

/** `signalbox pins`: what is approved of each tool and prompt, what changed, and the decision about it. */
export function addPinsCommands(program: Command, state: RunState): void {
  const pins = program
    .command("pins")
    .description("what is approved of each tool, what changed, and the decision about it");
  addGlobalOptions(pins, true);
  addList(pins, state);
  addShow(pins, state);
  addDiff(pins, state);
  addDecision(pins, state, "approve", "approve the definition that waits; it is served at once");
  addDecision(pins, state, "reject", "reject it; it stays out until the server takes it back");
  addApproveAll(pins, state);
  addLint(pins, state);
  addForget(pins, state);
}

const finding = z.looseObject({
  id: z.string(),
  severity: z.string(),
  where: z.string(),
  message: z.string(),
  excerpt: z.string().optional(),
});
const pin = z.looseObject({
  server: z.string(),
  kind: z.string(),
  name: z.string(),
  state: z.string(),
  listed: z.boolean(),
  held: z.boolean(),
  approved: z.array(z.string()),
  pending: z.string().optional(),
  firstSeen: z.string(),
  changedAt: z.string(),
  decidedBy: z.string().optional(),
  decidedAt: z.string().optional(),
  findings: z.array(finding),
});
const list = z.looseObject({ pins: z.array(pin), total: z.number() });
const change = z.looseObject({
  where: z.string(),
  change: z.string(),
  before: z.string().optional(),
  after: z.string().optional(),
  parts: z.array(z.looseObject({ part: z.string(), text: z.string() })).optional(),
});
const detail = pin.extend({
  definition: z.unknown().optional(),
  pendingDefinition: z.unknown().optional(),
  diff: z.array(change),
});
type Pin = z.output<typeof pin>;
type Change = z.output<typeof change>;

function addList(pins: Command, state: RunState): void {
  const command = pins
    .command("list", { isDefault: true })
    .description("everything that was seen, or only what waits for a decision")
    .option("--state <state>", "only approved, pending or rejected ones")
    .option("--server <name>", "only those of this server");
  handle(command, state, async ({ options, api, out }) => {
    const given = z
      .object({ state: z.string().optional(), server: z.string().optional() })
      .parse(options);
    const found = await (await api()).get(`/api/pins${queryOf(given)}`, list);
    out.result(found, () => {
      if (found.pins.length === 0) return ["Nothing of that kind."];
      const rows = found.pins.map(rowOf);
      const lines = table(["SERVER", "NAME", "STATE", "SERVED", "CHANGED", "FINDINGS"], rows);
      const more = found.total - found.pins.length;
      return more > 0 ? [...lines, `and ${String(more)} more; give --server`] : lines;
    });
    return exitCodes.ok;
  });
}

function rowOf({ server, kind, name, state, listed, held, changedAt, findings }: Pin): string[] {
  const served = held ? "held back" : listed ? "yes" : "not listed";
  const label = kind === "prompts" ? `${name} (prompt)` : name;
  return [server, label, state, served, changedAt, summaryOf(findings)];
}

function summaryOf(findings: Pin["findings"]): string {
  const counts = ["high", "medium", "low"].map((severity) => {
    const count = findings.filter((one) => one.severity === severity).length;
    return count === 0 ? [] : [`${String(count)} ${severity}`];
  });
  return counts.flat().join(", ");
}

function addShow(pins: Command, state: RunState): void {
  const command = ofOne(pins.command("show"), "one tool: its definition, findings and decision");
  handle(command, state, async (invocation) => {
    const found = await fetchOne(invocation);
    const { out } = invocation;
    out.result(found, () => [
      ...headingOf(found, out.paint),
      `first seen ${found.firstSeen}, changed ${found.changedAt}`,
      ...(found.decidedBy === undefined
        ? []
        : [plain(`decided by ${found.decidedBy} at ${found.decidedAt ?? "?"}`)]),
      `approved ${found.approved.join(", ") || "nothing"}`,
      ...(found.pending === undefined ? [] : [`waiting ${found.pending}`]),
      ...findingLines(found.findings, out.paint),
      "",
      ...jsonLines(found.definition ?? found.pendingDefinition),
    ]);
    return exitCodes.ok;
  });
}

function addDiff(pins: Command, state: RunState): void {
  const command = ofOne(pins.command("diff"), "what changed since it was approved");
  handle(command, state, async (invocation) => {
    const found = await fetchOne(invocation);
    const { out } = invocation;
    out.result(found, () => [
      ...headingOf(found, out.paint),
      ...diffLines(found, out.paint),
      ...findingLines(found.findings, out.paint),
    ]);
    return exitCodes.ok;
  });
}

function addDecision(
  pins: Command,
  state: RunState,
  verb: "approve" | "reject",
  description: string,
): void {
  const command = ofOne(pins.command(verb), description).option(
    "--hash <sha256>",
    "only where this is what waits (default: what waits now)",
  );
  handle(command, state, async (invocation) => {
    const { options, api, out } = invocation;
    const { hash } = z.object({ hash: z.string().optional() }).parse(options);
    // What is decided about is what this command showed, should the server change it once more meanwhile.
    const found = await fetchOne(invocation);
    for (const line of diffLines(found, out.paint)) out.note(line);
    const looked = hash ?? found.pending;
    const path = pathOf(invocation, `/${verb}`);
    const body = looked === undefined ? {} : { hash: looked };
    const decided = await (await api()).post(path, body, pin);
    const done = verb === "approve" ? "approved" : "rejected";
    out.result(decided, () => [plain(`${found.name} of ${found.server} is ${done}.`)]);
    return exitCodes.ok;
  });
}

function addApproveAll(pins: Command, state: RunState): void {
  const command = pins
    .command("approve-all")
    .description("approve all that waits at a server; what was rejected stays out")
    .argument("<server>");
  handle(command, state, async ({ args, api, out }) => {
    const [server = ""] = args;
    const path = `/api/pins/${encodeURIComponent(server)}/approve-all`;
    const answer = z.looseObject({ approved: z.array(pin) });
    const result = await (await api()).post(path, undefined, answer);
    out.result(result, () => [
      ...result.approved.map(({ name }) => plain(name)),
      `${String(result.approved.length)} approved.`,
    ]);
    return exitCodes.ok;
  });
}

function addLint(pins: Command, state: RunState): void {
  const command = pins
    .command("lint")
    .description("what a person should look at in what the servers list now")
    .option("--server <name>", "only of this server");
  handle(command, state, async ({ options, api, out }) => {
    const given = z.object({ server: z.string().optional() }).parse(options);
    const query = queryOf({ ...given, findings: "true" });
    const found = await (await api()).get(`/api/pins${query}`, list);
    out.result(found, () =>
      found.pins.length === 0
        ? ["Nothing to look at."]
        : found.pins.flatMap((one) => [
            ...headingOf(one, out.paint),
            ...findingLines(one.findings, out.paint),
          ]),
    );
    return exitCodes.ok;
  });
}

function addForget(pins: Command, state: RunState): void {
  const command = pins
    .command("forget")
    .description("forget what was approved of a server, which is then trusted as it is seen next")
    .argument("<server>");
  handle(command, state, async ({ args, api, out }) => {
    const [server = ""] = args;
    const answer = z.looseObject({ forgotten: z.number() });
    const path = `/api/pins/${encodeURIComponent(server)}/forget`;
    const result = await (await api()).post(path, undefined, answer);
    out.result(result, () => [`${String(result.forgotten)} forgotten.`]);
    return exitCodes.ok;
  });
}

function ofOne(command: Command, description: string): Command {
  return command
    .description(description)
    .argument("<server>")
    .argument("<name>", "as the server writes it")
    .option("--kind <kind>", "tools, prompts or instructions", "tools");
}

async function fetchOne(invocation: Invocation): Promise<z.output<typeof detail>> {
  return await (await invocation.api()).get(pathOf(invocation, ""), detail);
}

function pathOf({ args, options }: Invocation, suffix: string): string {
  const [server = "", name = ""] = args;
  const { kind } = z.object({ kind: z.string() }).parse(options);
  const place = `/api/pins/${encodeURIComponent(server)}/${encodeURIComponent(name)}${suffix}`;
  return kind === "tools" ? place : `${place}${queryOf({ kind })}`;
}

function queryOf(given: Readonly<Record<string, string | undefined>>): string {
  const set = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return set.length === 0 ? "" : `?${set.join("&")}`;
}

function headingOf({ server, name, state, held }: Pin, paint: Paint): string[] {
  const colour =
    state === "approved" ? paint.green : state === "pending" ? paint.yellow : paint.red;
  const note = held ? `${state}, held back` : state;
  return [`${paint.bold(plain(`${server} ${name}`))}: ${colour(note)}`];
}

function findingLines(findings: Pin["findings"], paint: Paint): string[] {
  return findings.flatMap(({ id, severity, where, message, excerpt }) => {
    const colour =
      severity === "high" ? paint.red : severity === "medium" ? paint.yellow : paint.dim;
    const lines = [`  ${colour(severity)} ${plain(`${id} at ${where}: ${message}`)}`];
    return excerpt === undefined ? lines : [...lines, paint.dim(plain(`    ${excerpt}`))];
  });
}

function diffLines(
  { diff, pendingDefinition, approved }: z.output<typeof detail>,
  paint: Paint,
): string[] {
  if (diff.length > 0) return diff.flatMap((one) => changeLines(one, paint));
  if (pendingDefinition === undefined) return ["Nothing waits."];
  if (approved.length > 0) return ["Its text is as it was."];
  const lines = jsonLines(pendingDefinition).map((line) => paint.green(`+ ${line}`));
  return ["Nothing of it was approved before:", ...lines];
}

// Without colours what was taken out and put in stands in brackets, so that a pipe or a log shows it, too.
function changeLines(
  { where, change: what, before, after, parts }: Change,
  paint: Paint,
): string[] {
  const heading = paint.bold(plain(`${what} ${where}`));
  if (parts !== undefined) {
    const text = parts.map(({ part, text: piece }) => partOf(part, plain(piece), paint)).join("");
    return [heading, ...text.split("\n").map((line) => `    ${line}`)];
  }
  return [
    heading,
    ...(before === undefined ? [] : coloured(before, "  - ", paint.red)),
    ...(after === undefined ? [] : coloured(after, "  + ", paint.green)),
  ];
}

function partOf(part: string, text: string, paint: Paint): string {
  if (part === "added") return paint.green(`{+${text}+}`);
  return part === "removed" ? paint.red(`[-${text}-]`) : text;
}

function coloured(text: string, prefix: string, colour: (text: string) => string): string[] {
  return text.split("\n").map((line) => colour(`${prefix}${plain(line)}`));
}

// What nobody sees is what somebody who looks at a definition looks for.
function jsonLines(definition: unknown): string[] {
  const text = JSON.stringify(definition, null, 2) ?? "";
  const shown = text.replaceAll(hidden, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
    return `\\u{${code}}`;
  });
  return shown.split("\n").map(plain);
}

const hidden = /[\p{Cf}\p{Co}\p{DI}\u2800]/gu;
