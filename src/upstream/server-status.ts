import type { ErrorCode } from "../foundation/index.ts";
import type { Era } from "../protocol/index.ts";

export type ServerState = "idle" | "connecting" | "connected" | "error" | "disabled";

export interface ServerStatus {
  name: string;
  transport: "stdio" | "streamable-http" | "http-sse" | "in-process";
  state: ServerState;
  era?: Era;
  revision?: string;
  /** Epoch milliseconds since when the state holds. */
  since: number;
  lastError?: { code: ErrorCode; message: string; at: number };
  pid?: number;
  era_probed_at?: number;
  calls: number;
  errors: number;
  skippedLines?: number;
}
