// A link that somebody may follow within ten minutes: it says, sealed, for whom and to which server. The page's link can be
// followed again; what stands on the page works only in the browser that was shown it, and starts a consent once (its nonce is
// kept with the consent).
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { randomToken } from "../../foundation/index.ts";
import type { SignalboxError } from "../../foundation/index.ts";
import type { TextSealer } from "../sealer.ts";

export const TICKET_MS = 10 * 60_000;

/** Where the wish for a connection came from: what the server's challenge asked for. */
export interface Wish {
  readonly server: string;
  readonly scopes: readonly string[];
  readonly resourceMetadata?: string;
}

/** Leads to the page. */
export interface PageTicket {
  readonly principalId: string;
  /** What the page was opened for; others are shown beside it. */
  readonly wish?: Wish;
}

/** Does something on the page: leads to an authorization server, or ends a connection. */
export interface ActionTicket {
  readonly principalId: string;
  readonly wish: Wish;
  readonly browserHash: string;
  readonly nonce: string;
}

/** Seals and opens tickets. */
export class Tickets {
  readonly #sealer: TextSealer;

  constructor(sealer: TextSealer) {
    this.#sealer = sealer;
  }

  page(ticket: PageTicket, now: number): string {
    return this.#seal("page", ticket, now);
  }

  openPage(text: string, now: number): PageTicket | undefined {
    return this.#open("page", pageTicket, text, now);
  }

  action(ticket: Omit<ActionTicket, "nonce">, now: number): string {
    return this.#seal("action", { ...ticket, nonce: randomToken(16) }, now);
  }

  openAction(text: string, now: number): ActionTicket | undefined {
    return this.#open("action", actionTicket, text, now);
  }

  #seal(kind: string, ticket: object, now: number): string {
    return this.#sealer.seal(JSON.stringify({ ...ticket, until: now + TICKET_MS }), kind);
  }

  #open<T>(kind: string, shape: z.ZodType<T>, text: string, now: number): T | undefined {
    const opened = text.length <= TICKET_LENGTH_MAX ? this.#sealer.open(text, kind) : undefined;
    if (opened === undefined) return undefined;
    const value: unknown = JSON.parse(opened);
    const { until } = validity.parse(value);
    return until > now ? shape.parse(value) : undefined;
  }
}

/** The wish of a CONSENT_NEEDED. */
export function wishOf(error: SignalboxError): Wish | undefined {
  return wish.safeParse(error.details?.["wish"]).data;
}

/** Whether a browser's cookie is the one that a hash was made of. */
export function isBrowserOf(cookie: string | undefined, browserHash: string): boolean {
  const one = Buffer.from(hashOf(cookie ?? ""));
  const other = Buffer.from(browserHash);
  return cookie !== undefined && one.length === other.length && timingSafeEqual(one, other);
}

export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

const wish = z.object({
  server: z.string(),
  scopes: z.array(z.string()),
  resourceMetadata: z.string().exactOptional(),
});
const validity = z.object({ until: z.number() });
const pageTicket = z.object({ principalId: z.string(), wish: wish.exactOptional() });
const actionTicket = z.object({
  principalId: z.string(),
  wish,
  browserHash: z.string(),
  nonce: z.string(),
});

const TICKET_LENGTH_MAX = 8192;
