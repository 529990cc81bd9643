import type { Command } from "commander";
import { exitCodes, usageError } from "../exit-code.ts";
import { handle, type RunState } from "../invocation.ts";
import { presetNamed, presets, type Preset } from "../presets.ts";
import { table } from "../table.ts";

/**
 * `signalbox servers presets [name]`: what can be added by name, and what a client that would rather run one itself, beside the
 * agent, writes into its own configuration.
 */
export function addPresetsCommand(servers: Command, state: RunState): void {
  const command = servers
    .command("presets")
    .argument("[name]", "one of them, with the configuration that runs it beside an agent")
    .description("the servers that can be added by name");
  handle(command, state, async ({ args, out }) => {
    const [name] = args;
    if (name === undefined) listPresets(out);
    else showPreset(name, out);
    return exitCodes.ok;
  });
}

type Out = Parameters<Parameters<typeof handle>[2]>[0]["out"];

function listPresets(out: Out): void {
  const rows = Object.entries(presets);
  out.result({ presets: rows.map(([name, preset]) => ({ name, ...preset })) }, () =>
    table(
      ["NAME", "LOCATION", "WHAT IT IS"],
      rows.map(([name, { location, description, argumentsNeeded = "" }]) => [
        `${name} ${argumentsNeeded}`.trim(),
        location,
        description,
      ]),
    ),
  );
}

function showPreset(name: string, out: Out): void {
  const preset = presetNamed(name);
  if (preset === undefined)
    throw usageError(`There is no preset "${name}": there are ${Object.keys(presets).join(", ")}.`);
  const configuration = { mcpServers: { [name]: beside(preset) } };
  out.result({ name, ...preset, configuration }, () => [
    `${name} (${preset.location}): ${preset.description}`,
    ...(preset.note === undefined ? [] : [preset.note]),
    `Behind the gateway:  signalbox servers add ${name}${preset.argumentsNeeded === undefined ? "" : ` ${preset.argumentsNeeded}`}`,
    "Beside an agent, in its own configuration:",
    ...JSON.stringify(configuration, null, 2).split("\n"),
  ]);
}

function beside(preset: Preset): Record<string, unknown> {
  const { argumentsNeeded } = preset;
  if (preset.location === "remote")
    return { type: "http", url: `${argumentsNeeded ?? ""}${preset.url}` };
  const [command, ...args] = preset.command;
  return {
    command,
    args: argumentsNeeded === undefined ? args : [...args, argumentsNeeded],
    ...(preset.env !== undefined && { env: preset.env }),
  };
}
