import type { Command } from "commander";
import { z } from "zod";
import { catalogView } from "../api-shapes.ts";
import { exitCodes } from "../exit-code.ts";
import { handle } from "../invocation.ts";
import type { Invocation, RunState } from "../invocation.ts";
import { plain } from "../output.ts";
import { firstLine, table } from "../table.ts";

/** `signalbox tools`: what the gateway offers, and which servers are missing and why. */
export function addToolsCommand(program: Command, state: RunState): void {
  const command = program
    .command("tools")
    .description("every tool the gateway offers, and the servers that are missing")
    .option("-b, --bundle <bundle>", "as this bundle offers them")
    .option("-s, --server <server>", "only those of this server")
    .addHelpText(
      "after",
      `
Examples:
  $ signalbox tools
  $ signalbox tools --server everything
  $ signalbox tools --bundle coding --json`,
    );
  handle(command, state, listTools);
}

const toolsOptions = z.object({ bundle: z.string().optional(), server: z.string().optional() });

async function listTools({ options, api, out }: Invocation): Promise<0> {
  const { bundle, server } = toolsOptions.parse(options);
  const query = bundle === undefined ? "" : `?bundle=${encodeURIComponent(bundle)}`;
  const catalog = await (await api()).get(`/api/catalog${query}`, catalogView);
  const tools = catalog.tools.filter((tool) => server === undefined || tool.server === server);
  const missing = (catalog.missing ?? []).filter(
    (hole) => server === undefined || hole.server === server,
  );
  out.result({ tools, missing }, () => [
    ...(tools.length === 0
      ? ["No tools."]
      : table(
          ["TOOL", "DESCRIPTION"],
          tools.map(({ name, description }) => [name, firstLine(description ?? "", 80)]),
        )),
    ...missing.map((hole) => out.paint.yellow(plain(describeHole(hole)))),
  ]);
  return exitCodes.ok;
}

type Hole = NonNullable<z.infer<typeof catalogView>["missing"]>[number];

function describeHole({ server, reason, message, since, stale }: Hole): string {
  const what =
    stale === true
      ? `${server} does not answer, its last known tools are listed`
      : `${server} is missing`;
  const why = message === undefined ? reason : `${message} (${reason})`;
  return `${what}: ${why}${since === undefined ? "" : `, since ${since}`}`;
}
