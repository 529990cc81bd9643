import type { Change, Memory, Scope } from "./memory.ts";

export interface Message {
  readonly role: "user" | "assistant" | "system";
  readonly content: string;
}

export interface Remembered {
  /** What came of it; nothing yet where it is pending. */
  memories: { id: string; memory: string; event: string }[];
  readonly pending: boolean;
  /** By which it can be asked for later; only the platform has it. */
  readonly eventId?: string;
}

/** What Mem0 does, in either of its APIs. */
export interface Store {
  add(
    messages: readonly Message[],
    scope: Scope,
    how: {
      readonly metadata?: Readonly<Record<string, unknown>> | undefined;
      readonly infer: boolean;
    },
    signal: AbortSignal,
  ): Promise<Remembered>;
  search(
    query: string,
    scope: Scope,
    how: { readonly limit: number; readonly threshold?: number | undefined },
    signal: AbortSignal,
  ): Promise<Memory[]>;
  list(
    scope: Scope,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ items: Memory[]; more: boolean }>;
  get(id: string, signal: AbortSignal): Promise<Memory>;
  update(id: string, text: string, signal: AbortSignal): Promise<void>;
  remove(id: string, signal: AbortSignal): Promise<void>;
  removeAll(scope: Scope, signal: AbortSignal): Promise<void>;
  history(id: string, signal: AbortSignal): Promise<Change[]>;
  event(id: string, signal: AbortSignal): Promise<Remembered & { readonly status: string }>;
  ping(signal: AbortSignal): Promise<void>;
}
