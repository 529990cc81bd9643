import type { Command } from "commander";
import { z } from "zod";
import { exitCodes } from "../exit-code.ts";
import { handle } from "../invocation.ts";
import type { RunState } from "../invocation.ts";
import { plain } from "../output.ts";

const statusView = z.record(z.string(), z.unknown());

/** `signalbox status`: what runs and where. */
export function addStatusCommand(program: Command, state: RunState): void {
  const command = program
    .command("status")
    .description("what runs, where, and how it is")
    .addHelpText("after", "\nExamples:\n  $ signalbox status\n  $ signalbox status --json");
  handle(command, state, async ({ api, out }) => {
    const client = await api();
    const status = await client.get("/api/status", statusView);
    out.result({ url: client.address.url, ...status }, () => [
      `${out.paint.bold("signalbox")} at ${client.address.url}`,
      ...lines(status, "  "),
    ]);
    return exitCodes.ok;
  });
}

function lines(value: Readonly<Record<string, unknown>>, indent: string): string[] {
  return Object.entries(value).flatMap(([name, field]) => {
    const nested = statusView.safeParse(field);
    if (nested.success) return [`${indent}${plain(name)}:`, ...lines(nested.data, `${indent}  `)];
    return [
      `${indent}${plain(name)}: ${plain(typeof field === "string" ? field : JSON.stringify(field))}`,
    ];
  });
}
