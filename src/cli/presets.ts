import { usageError } from "./exit-code.ts";

export interface Preset {
  description: string;
  command: readonly string[];
  /** Shown in help and errors when the preset needs arguments of its own. */
  argumentsNeeded?: string;
}

/** Servers that `signalbox servers add <name>` knows by name. A row here is all a new one takes. */
export const presets: Readonly<Record<string, Preset>> = {
  everything: {
    description: "the protocol's reference server, with one of everything",
    command: ["npx", "-y", "@modelcontextprotocol/server-everything"],
  },
  filesystem: {
    description: "reads and writes files below the folders you name",
    command: ["npx", "-y", "@modelcontextprotocol/server-filesystem"],
    argumentsNeeded: "<folder>...",
  },
  memory: {
    description: "a knowledge graph kept in a file",
    command: ["npx", "-y", "@modelcontextprotocol/server-memory"],
  },
};

/** The command of a preset with the arguments it was given; throws a usage error when they are missing. */
export function presetCommand(name: string, args: readonly string[]): readonly string[] {
  const preset = Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (preset === undefined) {
    throw usageError(`There is no preset "${name}": there are ${Object.keys(presets).join(", ")}.`);
  }
  if (preset.argumentsNeeded !== undefined && args.length === 0) {
    throw usageError(
      `The preset "${name}" needs ${preset.argumentsNeeded}, as in \`signalbox servers add ${name} /data\`.`,
    );
  }
  return [...preset.command, ...args];
}
