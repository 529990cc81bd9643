import type { ErrorCode } from "../foundation/index.ts";
import type { Era } from "../protocol/index.ts";

/** The state of one endpoint's link; `link.ts` says how it moves. */
export const LINK_STATES = [
  "idle",
  "connecting",
  "connected",
  "degraded",
  "reconnecting",
  "error",
  "draining",
  "disabled",
  "needs_auth",
] as const;

export type LinkState = (typeof LINK_STATES)[number];

const FAILING: ReadonlySet<LinkState> = new Set(["error", "reconnecting", "needs_auth"]);

/** Whether calls cannot be taken in this state, and it is not meant to be so. */
export function isFailing(state: LinkState): boolean {
  return FAILING.has(state);
}

/** The state of a server is that of its best endpoint, but `degraded` where another one fails. */
export type ServerState = LinkState;

export interface LastError {
  code: ErrorCode;
  message: string;
  /** Epoch milliseconds. */
  at: number;
}

export interface ServerStatus {
  name: string;
  transport: "stdio" | "streamable-http" | "http-sse" | "in-process";
  state: ServerState;
  era?: Era;
  revision?: string;
  /** Epoch milliseconds since when the state holds. */
  since: number;
  lastError?: LastError;
  pid?: number;
  era_probed_at?: number;
  calls: number;
  errors: number;
  skippedLines?: number;
  /** Endpoints by state, where there are several. */
  endpoints?: { id: string; state: LinkState }[];
}
