/** The seam behind which decisions are made. An engine is compiled once, answers at once, and is asked when views are built. */
import type { Rule } from "./rule.ts";

/**
 * What is done to a server: `read` uses what only reads (read-only tools, prompts, resources), `write` uses its other tools,
 * `manage` changes its configuration, and uses the tools of services that change how a system works.
 */
export type Action = "read" | "write" | "manage";

/** A thing a server offers. */
export interface AccessItem {
  readonly kind: "tool" | "prompt" | "resource";
  /** As the server writes it; of a resource its URI. */
  readonly original: string;
  /** The names under which clients see it, less what a bundle makes of them; of a resource none. */
  readonly publicNames: readonly string[];
  readonly readOnly: boolean;
  readonly destructive: boolean;
  /** A tool that changes how its system works rather than what is in it. */
  readonly manages?: boolean;
}

export interface AccessRequest {
  readonly server: string;
  readonly action: Action;
  /** Without one the question is whether anything of the server permits the action. */
  readonly item?: AccessItem;
}

export interface Decision {
  readonly allowed: boolean;
  /** Whose rules decided. */
  readonly of: "role" | "key";
  /** The rule, and its place among them from 1; absent where none spoke, which refuses. */
  readonly place?: number;
  readonly rule?: Rule;
}

export interface PolicyEngine {
  /** Undefined where it has no opinion. Of several engines one refusal refuses, and at least one must allow. */
  decide(request: AccessRequest): Decision | undefined;
  /** True only where nothing that can be called or read is ever refused: such principals share one view. */
  readonly allowsEveryUse: boolean;
}
