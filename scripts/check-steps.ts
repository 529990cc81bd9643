import { commandStep, vitestStep, type Step } from "./steps.ts";

/** The quick checks, the longest first so that they overlap well. */
export function checkSteps(): Step[] {
  return [
    vitestStep("unit", "unit"),
    tool("lint", "oxlint/bin/oxlint", "--deny-warnings"),
    // Each further checker looks again at types that the first one knows: with tests beside it, one is quicker.
    tool("types", "typescript/bin/tsc", "--checkers", "1"),
    tool("layers", ...layersCommand),
    tool("unused", "knip/bin/knip.js"),
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
