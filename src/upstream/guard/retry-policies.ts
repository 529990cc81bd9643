// Which policy a tool has, made once for each pattern when the configuration is read: a call only looks it up.
import {
  retryPresets,
  type RetryOptions,
  type RetryPreset,
  type RetryValues,
  type ServerRetryOptions,
  type ToolRetryOptions,
} from "./retry-options.ts";
import { ToolPattern } from "./tool-pattern.ts";

/** How the failed calls of one tool are repeated. */
export interface ToolPolicy extends RetryValues {
  /** What the operator says about the tool; undefined leaves it to the tool's own hints. */
  readonly idempotent?: boolean;
  /** How long a call may last, in milliseconds; undefined leaves it to the server. */
  readonly timeoutMs?: number;
}

/** The retry budget of one server. */
export interface BudgetSettings {
  /** Repeats per call, 0 to 1. */
  readonly share: number;
  readonly minPerSecond: number;
}

/** The policies of one server's tools. The same tool has the same object each time. */
export class RetryPolicies {
  readonly budget: BudgetSettings;
  readonly #otherwise: ToolPolicy;
  readonly #patterns: readonly { readonly pattern: ToolPattern; readonly policy: ToolPolicy }[];
  readonly #known = new Map<string, ToolPolicy>();

  constructor(global: RetryOptions, server?: ServerRetryOptions) {
    this.budget = budgetOf(global, server);
    this.#otherwise = policyOf(global, server);
    this.#patterns = Object.entries(server?.tools ?? {})
      .map(([text, tool]) => ({
        pattern: new ToolPattern(text),
        policy: policyOf(global, server, tool),
      }))
      .toSorted((a, b) => b.pattern.weight - a.pattern.weight || a.pattern.stars - b.pattern.stars);
  }

  of(tool: string): ToolPolicy {
    if (this.#patterns.length === 0) return this.#otherwise;
    return this.#known.get(tool) ?? this.#find(tool);
  }

  #find(tool: string): ToolPolicy {
    const found = this.#patterns.find(({ pattern }) => pattern.matches(tool));
    const policy = found?.policy ?? this.#otherwise;
    // Names that no catalog holds may be asked for without end; finding a policy anew is cheap.
    if (this.#known.size >= toolsKnownMax) this.#known.clear();
    this.#known.set(tool, policy);
    return policy;
  }
}

/** Most tool names whose policy is kept at hand. */
export const toolsKnownMax = 10_000;

type Table = Pick<ToolRetryOptions, Exclude<keyof ToolRetryOptions, "idempotent" | "timeout">>;

function policyOf(
  global: RetryOptions,
  server: ServerRetryOptions | undefined,
  tool?: ToolRetryOptions,
): ToolPolicy {
  const values = [global, server, tool].reduce(overlaid, retryPresets.standard);
  return {
    ...values,
    // Written in two places the two may not fit; the longest wait is the promise that is kept.
    baseDelayMs: Math.min(values.baseDelayMs, values.maxDelayMs),
    ...(tool?.idempotent === undefined ? {} : { idempotent: tool.idempotent }),
    ...(tool?.timeout === undefined ? {} : { timeoutMs: tool.timeout }),
  };
}

function overlaid(wider: RetryValues, table: Table | undefined): RetryValues {
  if (table === undefined) return wider;
  const base = presetOf(table.preset) ?? wider;
  return {
    strategy: table.strategy ?? base.strategy,
    baseDelayMs: table.base_delay ?? base.baseDelayMs,
    maxDelayMs: table.max_delay ?? base.maxDelayMs,
    attemptsMax: table.max_attempts ?? base.attemptsMax,
    jitter: table.jitter ?? base.jitter,
  };
}

function presetOf(preset: RetryPreset | undefined): RetryValues | undefined {
  return preset === undefined ? undefined : retryPresets[preset];
}

function budgetOf(global: RetryOptions, server: ServerRetryOptions | undefined): BudgetSettings {
  return {
    share: server?.budget?.share ?? global.budget.share,
    minPerSecond: server?.budget?.min_per_second ?? global.budget.min_per_second,
  };
}
