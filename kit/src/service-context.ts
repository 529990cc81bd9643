import type { Clock } from "./clock.ts";

/** What a service is given when it connects. */
export interface ServiceContext {
  /**
   * Goes out by the gateway: the places named in the service's settings, and public https addresses. Redirects are not followed;
   * the caller bounds the time with `signal` and reads the body within its own bound.
   */
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly log: ServiceLog;
  /** The secrets in the service's settings, for whatever masks them. */
  readonly secrets: readonly string[];
  /** Aborts when the gateway stops, or the caller for whom it connects gives up. */
  readonly signal: AbortSignal;
}

/** The part of the Fetch Standard's `fetch` that services use. */
export type Fetch = (url: string, init?: FetchInit) => Promise<Response>;

export interface FetchInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | FormData;
  readonly signal?: AbortSignal;
}

/** Where a service says what happens. Secrets in fields and messages are masked. */
export interface ServiceLog {
  debug(fields: Record<string, unknown>, message: string): void;
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}
