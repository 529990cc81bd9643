import { usageError } from "./exit-code.ts";

/** A server that `signalbox servers add <name>` knows by name: run here, or the vendor's own on the internet. */
export type Preset = LocalPreset | RemotePreset;

export interface LocalPreset {
  readonly location: "local";
  readonly description: string;
  readonly command: readonly string[];
  /** Shown in help and errors when the preset needs arguments of its own. */
  readonly argumentsNeeded?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** For tools that say too little, or nothing, of what they do. */
  readonly annotations?: Readonly<Record<string, PresetHints>>;
  /** Said when it is added. */
  readonly note?: string;
}

export interface RemotePreset {
  readonly location: "remote";
  readonly description: string;
  /** Its address; for a product that people run themselves, what comes after the address they give. */
  readonly url: string;
  readonly argumentsNeeded?: string;
  readonly note?: string;
}

export interface PresetHints {
  readonly readOnlyHint: boolean;
  readonly destructiveHint?: boolean;
}

const reads: PresetHints = { readOnlyHint: true };
const adds: PresetHints = { readOnlyHint: false, destructiveHint: false };
const destroys: PresetHints = { readOnlyHint: false, destructiveHint: true };

/** Programs of others are asked not to report what they are used for. */
const untracked = { DO_NOT_TRACK: "1" };

/** A row here is all a new one takes. */
export const presets: Readonly<Record<string, Preset>> = {
  everything: {
    location: "local",
    description: "the protocol's reference server, with one of everything",
    command: ["npx", "-y", "@modelcontextprotocol/server-everything"],
  },
  filesystem: {
    location: "local",
    description: "reads and writes files below the folders you name",
    command: ["npx", "-y", "@modelcontextprotocol/server-filesystem"],
    argumentsNeeded: "<folder>...",
  },
  memory: {
    location: "local",
    description: "a knowledge graph kept in a file",
    command: ["npx", "-y", "@modelcontextprotocol/server-memory"],
  },
  playwright: {
    location: "local",
    description: "drives a browser",
    command: ["npx", "-y", "@playwright/mcp", "--headless", "--isolated"],
    env: untracked,
    annotations: { browser_run_code_unsafe: destroys, browser_evaluate: destroys },
    note: "browser_run_code_unsafe runs any code on the gateway's machine: leave it out of bundles and roles that need not have it.",
  },
  shadcn: {
    location: "local",
    description: "finds components of shadcn registries",
    command: ["npx", "-y", "shadcn", "mcp"],
    env: untracked,
    annotations: hints(reads, [
      "get_project_registries",
      "list_items_in_registries",
      "search_items_in_registries",
      "view_items_in_registries",
      "get_item_examples_from_registries",
      "get_add_command_for_items",
      "get_audit_checklist",
    ]),
  },
  magicui: {
    location: "local",
    description: "finds components of Magic UI",
    command: ["npx", "-y", "@magicuidesign/mcp"],
    env: untracked,
    annotations: hints(reads, ["listRegistryItems", "getRegistryItem", "searchRegistryItems"]),
  },
  taskmaster: {
    location: "local",
    description: "plans tasks of a project (1.5 GB)",
    command: ["npx", "-y", "--package=task-master-ai", "task-master-ai"],
    env: { ...untracked, TASK_MASTER_TOOLS: "core" },
    note: "Its licence is MIT with the Commons Clause. TASK_MASTER_TOOLS=standard or all gives it more tools.",
  },
  "claude-flow": {
    location: "local",
    description: "keeps states of agents and swarms (327 tools)",
    command: ["npx", "-y", "claude-flow", "mcp", "start"],
    env: untracked,
    note: "It records what swarms are to do and does not do it. Choose some of its tools in a bundle.",
  },
  "ruv-swarm": {
    location: "local",
    description: "keeps states of swarms; what it runs is simulated",
    command: ["npx", "-y", "ruv-swarm", "mcp", "start"],
    env: untracked,
    annotations: {
      ...hints(reads, [
        "swarm_status",
        "swarm_monitor",
        "agent_list",
        "agent_metrics",
        "task_status",
        "task_results",
        "features_detect",
        "memory_usage",
        "neural_status",
        "neural_patterns",
        "daa_learning_status",
        "daa_performance_metrics",
      ]),
      ...hints(adds, [
        "swarm_init",
        "agent_spawn",
        "task_orchestrate",
        "benchmark_run",
        "neural_train",
        "daa_init",
        "daa_agent_create",
        "daa_agent_adapt",
        "daa_workflow_create",
        "daa_workflow_execute",
        "daa_knowledge_share",
        "daa_cognitive_pattern",
        "daa_meta_learning",
      ]),
    },
    note: "It answers with placeholders where it says that a task was done.",
  },
  "github-remote": {
    location: "remote",
    description: "GitHub's own server",
    url: "https://api.githubcopilot.com/mcp/",
    note: "With `--header 'X-MCP-Readonly: true'` it only reads; X-MCP-Toolsets chooses its tools.",
  },
  "cloudflare-remote": {
    location: "remote",
    description: "Cloudflare's own server",
    url: "https://mcp.cloudflare.com/mcp",
  },
  "neon-remote": {
    location: "remote",
    description: "Neon's own server",
    url: "https://mcp.neon.tech/mcp",
  },
  "railway-remote": {
    location: "remote",
    description: "Railway's own server",
    url: "https://mcp.railway.com",
  },
  "mem0-remote": {
    location: "remote",
    description: "Mem0's own server",
    url: "https://mcp.mem0.ai/mcp",
  },
  "n8n-remote": {
    location: "remote",
    description: "the server in your n8n",
    url: "/mcp-server/http",
    argumentsNeeded: "<address>",
  },
};

/** A preset by its name, if there is one. */
export function presetNamed(name: string): Preset | undefined {
  return Object.hasOwn(presets, name) ? presets[name] : undefined;
}

/** What a preset comes to with the arguments it was given; throws a usage error where they are missing, or too many. */
export function presetDefinition(
  name: string,
  args: readonly string[],
): { command: readonly string[]; preset: LocalPreset } | { url: string; preset: RemotePreset } {
  const preset = presetNamed(name);
  if (preset === undefined)
    throw usageError(`There is no preset "${name}": there are ${Object.keys(presets).join(", ")}.`);
  if (preset.argumentsNeeded !== undefined && args.length === 0) {
    const example = preset.location === "local" ? "/data" : "https://n8n.example.com";
    throw usageError(
      `The preset "${name}" needs ${preset.argumentsNeeded}, as in \`signalbox servers add ${name} ${example}\`.`,
    );
  }
  if (preset.location === "local") return { command: [...preset.command, ...args], preset };
  const [address = "", ...others] = args;
  if (others.length > 0 || (preset.argumentsNeeded === undefined && address !== ""))
    throw usageError(`The preset "${name}" takes no such arguments: ${args.join(" ")}.`);
  return { url: address.replace(/\/+$/, "") + preset.url, preset };
}

function hints(said: PresetHints, tools: readonly string[]): Record<string, PresetHints> {
  return Object.fromEntries(tools.map((tool) => [tool, said]));
}
