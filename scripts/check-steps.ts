import { commandStep, vitestStep, type Step } from "./steps.ts";

/** The quick checks, the longest first so that they overlap well. */
export function checkSteps(): Step[] {
  return [
    vitestStep("unit", "unit"),
    tool("lint", "oxlint/bin/oxlint", "--deny-warnings"),
    tool("layers", ...layersCommand),
    tool("unused", "knip/bin/knip.js"),
    tool("types", "typescript/bin/tsc"),
    tool("format", "oxfmt/bin/oxfmt", "--check"),
  ];
}

const layersCommand = [
  "dependency-cruiser/bin/dependency-cruiser.mjs",
  "--config",
  ".dependency-cruiser.mjs",
  "src",
  "kit",
] as const;

function tool(name: string, file: string, ...args: string[]): Step {
  return commandStep(name, [process.execPath, `node_modules/${file}`, ...args]);
}
