import { fileURLToPath } from "node:url";
import { Argument } from "commander";
import type { Command } from "commander";
import { z } from "zod";
import { bundleView } from "../api-shapes.ts";
import { clients, snippetsFor } from "../connect/snippets.ts";
import { createKey } from "../create-key.ts";
import { CliError, exitCodes, usageError } from "../exit-code.ts";
import type { ExitCode } from "../exit-code.ts";
import type { GatewayAddress } from "../gateway-address.ts";
import { handle } from "../invocation.ts";
import type { Invocation, RunState } from "../invocation.ts";
import { mcpUrl } from "../mcp/modern-request.ts";

/** `signalbox connect <client>`: the configuration to paste. */
export function addConnectCommand(program: Command, state: RunState): void {
  const command = program
    .command("connect")
    .description("print the configuration that connects a client")
    .addArgument(new Argument("<client>", "the client").choices(clients))
    .option("-b, --bundle <bundle>", "connect it to this bundle only")
    .option("--name <name>", "what the client calls the gateway (default: signalbox)")
    .option("--create-key <name>", "create a key with the role caller and write it out, this once")
    .addHelpText(
      "after",
      `
Without --create-key the text refers to the environment variable SIGNALBOX_KEY, or holds a placeholder.

Examples:
  $ signalbox connect claude-code
  $ signalbox connect claude-desktop --create-key desktop
  $ signalbox connect vscode --bundle coding
  $ signalbox connect http`,
    );
  handle(command, state, connect);
}

const connectOptions = z.object({
  bundle: z.string().optional(),
  name: z.string().optional(),
  createKey: z.string().optional(),
});

async function connect(invocation: Invocation): Promise<0> {
  const { out, args } = invocation;
  const client = z.enum(clients).parse(args[0]);
  const {
    bundle,
    name = bundle === undefined ? "signalbox" : `signalbox-${bundle}`,
    createKey: keyName,
  } = connectOptions.parse(invocation.options);
  if (!/^[\w-]{1,64}$/.test(name))
    throw usageError(
      `"${name}" cannot name a server in a client: use letters, digits, "-" and "_".`,
    );
  const address = await invocation.gateway();
  if (bundle !== undefined) await checkBundle(invocation, address, bundle);
  const created =
    keyName === undefined
      ? undefined
      : await createKey(await invocation.api(), {
          name: keyName,
          role: "caller",
          bundles: bundle === undefined ? "all" : [bundle],
        });
  const url = mcpUrl(address, bundle);
  const snippets = snippetsFor(client, {
    url,
    name,
    key: created?.key,
    stdioCommand: stdioCommand(invocation, address, bundle),
  });
  out.result(
    { client, url, name, snippets, ...(created === undefined ? {} : { key: created.record }) },
    () =>
      snippets.flatMap(({ title, file, text }) => [
        out.paint.bold(title),
        ...(file === undefined ? [] : [`  ${file}`]),
        "",
        ...text.split("\n"),
        "",
      ]),
  );
  if (created === undefined)
    out.note(
      "A key for it: signalbox keys create <name>, or this command with --create-key <name>.",
    );
  else out.note(`The key "${created.record.name}" is shown this once.`);
  return exitCodes.ok;
}

/** Throws the gateway's BUNDLE_NOT_FOUND (exit 5); where the gateway cannot be asked, a note says so. */
async function checkBundle(
  { api, out }: Invocation,
  address: GatewayAddress,
  bundle: string,
): Promise<void> {
  const unchecked = `Whether there is a bundle "${bundle}" could not be checked`;
  if (address.key === undefined) {
    out.note(`${unchecked}: no key. ${address.keyHint}`);
    return;
  }
  try {
    await (await api()).get(`/api/bundles/${encodeURIComponent(bundle)}`, bundleView);
  } catch (error) {
    if (!(error instanceof CliError) || !CANNOT_ASK.has(error.exitCode)) throw error;
    out.note(`${unchecked}: ${error.message}`);
  }
}

const CANNOT_ASK: ReadonlySet<ExitCode> = new Set([exitCodes.unreachable, exitCodes.unauthorised]);

function stdioCommand(
  { io, address: given }: Invocation,
  address: GatewayAddress,
  bundle: string | undefined,
): string[] {
  const launcher = io.launcher ?? [
    process.execPath,
    fileURLToPath(new URL("../../../scripts/signalbox.mjs", import.meta.url)),
  ];
  const where =
    address.home === undefined ? ["--url", given.url ?? address.url] : ["--home", address.home];
  return [...launcher, "stdio", ...where, ...(bundle === undefined ? [] : ["--bundle", bundle])];
}
