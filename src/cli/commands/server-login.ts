import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import { z } from "zod";
import type { ApiClient } from "../api-client.ts";
import { listOf } from "../api-shapes.ts";
import { CliError, exitCodes, usageError } from "../exit-code.ts";
import { handle } from "../invocation.ts";
import type { RunState } from "../invocation.ts";
import { plain } from "../output.ts";
import { table } from "../table.ts";

/** `signalbox servers login|logout|connections`: connections to servers that take tokens. */
export function addLoginCommands(servers: Command, state: RunState): void {
  addLogin(servers, state);
  addLogout(servers, state);
  addConnections(servers, state);
}

const connection = z.looseObject({
  server: z.string(),
  mode: z.string(),
  state: z.string(),
  issuer: z.string().optional(),
  scopes: z.array(z.string()).optional(),
  connectedAt: z.string().optional(),
});
type Connection = z.output<typeof connection>;
const link = z.looseObject({ url: z.string(), expiresAt: z.string() });

const WAIT_SECONDS = 300;
const POLL_MS = 1000;

function addLogin(servers: Command, state: RunState): void {
  const command = servers
    .command("login")
    .description("connect to a server by OAuth: prints a link and waits until you have consented")
    .argument("<name>")
    .option("--wait <seconds>", "how long to wait; 0 only prints the link", String(WAIT_SECONDS));
  handle(command, state, async ({ args, options, api, out, signal }) => {
    const [name = ""] = args;
    const seconds = secondsOf(options["wait"]);
    const client = await api();
    const before = (await connectionOf(client, name))?.connectedAt;
    const { url, expiresAt } = await client.post(pathOf(name), {}, link);
    if (seconds === 0) {
      out.result({ name, url, expiresAt }, () => [plain(url)]);
      return exitCodes.ok;
    }
    out.note(`Open this link in your browser and consent:\n\n  ${plain(url)}\n`);
    const made = await connected(client, { name, before, seconds, signal });
    out.result({ name, connected: true, connection: made }, () => [
      `${out.paint.green("connected")} ${name}${made.issuer === undefined ? "" : ` by ${plain(made.issuer)}`}`,
    ]);
    return exitCodes.ok;
  });
}

async function connected(
  client: ApiClient,
  wait: { name: string; before: string | undefined; seconds: number; signal: AbortSignal },
): Promise<Connection> {
  const { name, before, seconds, signal } = wait;
  for (let waitedMs = 0; waitedMs < seconds * 1000; waitedMs += POLL_MS) {
    const now = await connectionOf(client, name);
    if (now?.state === "connected" && now.connectedAt !== before) return now;
    await pause(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
  throw new CliError({
    exitCode: exitCodes.failed,
    code: "CONSENT_NEEDED",
    message: `Nobody has connected to ${name} within ${seconds} s.`,
    remedy: "The link holds for ten minutes; run the command again for a new one.",
  });
}

async function connectionOf(client: ApiClient, name: string): Promise<Connection | undefined> {
  const list = await client.get("/api/connections", listOf("connections", connection));
  return list.find(({ server }) => server === name);
}

function addLogout(servers: Command, state: RunState): void {
  const command = servers
    .command("logout")
    .description("end a connection that was made by OAuth, and revoke its tokens")
    .argument("<name>");
  handle(command, state, async ({ args, api, out }) => {
    const [name = ""] = args;
    const removed = await (
      await api()
    ).remove(pathOf(name), z.looseObject({ removed: z.boolean() }));
    out.result({ name, ...removed }, () => [
      removed.removed ? `${out.paint.green("disconnected")} ${name}` : `${name} was not connected`,
    ]);
    return exitCodes.ok;
  });
}

function addConnections(servers: Command, state: RunState): void {
  const command = servers
    .command("connections")
    .description("the servers that take tokens, and whether you are connected to them");
  handle(command, state, async ({ api, out }) => {
    const list = await (await api()).get("/api/connections", listOf("connections", connection));
    out.result({ connections: list }, () =>
      list.length === 0
        ? ["No server takes tokens."]
        : table(
            ["NAME", "STATE", "WHOSE", "ISSUER", "SCOPES"],
            list.map((one) => [
              one.server,
              one.state,
              one.mode === "gateway" ? "everyone's" : "yours",
              one.issuer ?? "",
              one.scopes?.join(" ") ?? "",
            ]),
          ),
    );
    return exitCodes.ok;
  });
}

function pathOf(name: string): string {
  return `/api/connections/${encodeURIComponent(name)}`;
}

function secondsOf(text: unknown): number {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= 3600) return seconds;
  throw usageError("--wait takes a whole number of seconds, from 0 to 3600.");
}
