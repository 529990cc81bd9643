// What is kept of one tool or prompt of a server, and what becomes of a definition that is seen.
//
//   unknown ── first seen ──▶ approved ── another definition ──▶ pending ── approved by a person ──▶ approved
//      └── new, or lint, and held back ──▶ pending                  └────── rejected by a person ──▶ rejected
//
// An approved definition is always served, whatever else is pending or rejected: a server that returns to it is served
// again by itself. Nothing but a person's decision, or a newer unknown definition, ends what is pending.
import type { PinnedKind, PinOptions } from "../../gateway/index.ts";
import { isAtLeast, type Finding } from "./lint/finding.ts";

export const pinStates = ["approved", "pending", "rejected"] as const;
export type PinState = (typeof pinStates)[number];

/** Definitions of one thing that are approved at the same time, the newest first: replicas are not all new at once. */
export const APPROVED_MAX = 8;

/** Which thing: the name is the one it is kept under. */
export interface PinKey {
  readonly server: string;
  readonly kind: PinnedKind;
  readonly name: string;
}

/** Times are epoch milliseconds. */
export interface Pin extends PinKey {
  readonly state: PinState;
  /** SHA-256 in hex, the newest first. */
  readonly approved: readonly string[];
  /** What waits for a decision, or was rejected. */
  readonly pending?: string | undefined;
  readonly firstSeen: number;
  readonly changedAt: number;
  readonly decidedBy?: string | undefined;
  readonly decidedAt?: number | undefined;
}

/** What is written down of a sight: a first one that is trusted, a change that is taken over, or what needs a decision. */
export type Note = "first" | "accepted" | "pending";

/** Why something is held back. */
export type HeldBecause = "changed" | "new" | "lint" | "rejected" | "crowded";

export type Judgement =
  | { readonly serve: true; readonly note?: Note }
  | { readonly serve: false; readonly because: HeldBecause; readonly note?: Note };

const SERVED: Judgement = { serve: true };

/** What becomes of a definition. `knownServer` says whether anything of that kind was seen at the server before. */
export function judge(
  pin: Pin | undefined,
  hash: string,
  findings: readonly Finding[],
  knownServer: boolean,
  options: PinOptions,
): Judgement {
  const suspect =
    options.lint === "block" &&
    findings.some(({ severity }) => isAtLeast(severity, options.lint_severity));
  if (pin === undefined) {
    if (suspect) return { serve: false, because: "lint", note: "pending" };
    if (knownServer && options.new_tools === "block") {
      return { serve: false, because: "new", note: "pending" };
    }
    return { serve: true, note: "first" };
  }
  if (pin.approved.includes(hash)) return SERVED;
  const seenBefore = pin.pending === hash;
  const asked: { note?: Note } = seenBefore ? {} : { note: "pending" };
  if (pin.state === "rejected") return { serve: false, because: "rejected", ...asked };
  if (pin.approved.length === 0) return { serve: false, because: "new", ...asked };
  if (suspect) return { serve: false, because: "lint", ...asked };
  if (options.policy === "allow") return { serve: true, note: "accepted" };
  if (options.policy === "warn") return { serve: true, ...asked };
  return { serve: false, because: "changed", ...asked };
}

/** The pin once a note is taken. */
export function noted(
  pin: Pin | undefined,
  key: PinKey,
  hash: string,
  note: Note,
  now: number,
): Pin {
  const { server, kind, name } = key;
  const before: Pin = pin ?? {
    server,
    kind,
    name,
    state: note === "pending" ? "pending" : "approved",
    approved: [],
    firstSeen: now,
    changedAt: now,
  };
  if (note === "pending") {
    const state = before.state === "rejected" ? "rejected" : "pending";
    return { ...before, state, pending: hash, changedAt: now };
  }
  if (note === "first" && pin !== undefined) return pin;
  const approved = [hash, ...before.approved.filter((one) => one !== hash)];
  return {
    ...before,
    state: "approved",
    approved: approved.slice(0, APPROVED_MAX),
    pending: undefined,
    changedAt: now,
  };
}

/** The sentence that a client reads of something that is held back. */
export const HELD_SENTENCES: Readonly<Record<HeldBecause, string>> = {
  changed: "its definition changed since it was approved, and the new one is not approved yet.",
  new: "it is new at its server, and not approved yet.",
  lint: "its definition has something in it that must be looked at first.",
  rejected: "its definition was rejected.",
  crowded: "its server has offered more different names than are watched.",
};

export function keyText({ server, kind, name }: PinKey): string {
  return `${server} ${kind} ${name}`;
}
