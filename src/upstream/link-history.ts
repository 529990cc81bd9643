import { isFailing, type LinkState } from "./server-status.ts";

/** One change of a link's state. */
export interface LinkTransition {
  readonly from: LinkState;
  readonly to: LinkState;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Why, in words. */
  readonly reason: string;
  /** The code of the failure, where there was one. */
  readonly code?: string;
}

/** Transitions that are remembered; the store keeps the others. */
const TRANSITIONS_MAX = 100;
const REASON_LENGTH_MAX = 300;

/** What a link has been through since it was made: the newest transitions, and how long it was up. */
export class LinkHistory {
  readonly #transitions: LinkTransition[] = [];
  readonly #bornAt: number;
  #state: LinkState;
  #since: number;
  /** When the state became one that is up; undefined while it is none. */
  #upSince: number | undefined;
  #upMs = 0;
  #reconnects = 0;
  /** Whether what ended its last time up was a failure. */
  #wasLost = false;

  /** `at`: epoch milliseconds. */
  constructor(state: LinkState, at: number) {
    this.#state = state;
    this.#since = at;
    this.#bornAt = at;
    this.#upSince = isUp(state) ? at : undefined;
  }

  /** Epoch milliseconds since when the state holds. */
  get since(): number {
    return this.#since;
  }

  /** How often a connection was lost, unplanned, and made again. */
  get reconnects(): number {
    return this.#reconnects;
  }

  /** The newest last, at most 100. */
  get transitions(): readonly LinkTransition[] {
    return this.#transitions;
  }

  enter(to: LinkState, at: number, reason: string, code?: string): LinkTransition {
    const transition: LinkTransition = {
      from: this.#state,
      to,
      at,
      reason: reason.slice(0, REASON_LENGTH_MAX),
      ...(code === undefined ? {} : { code }),
    };
    if (isUp(this.#state)) {
      this.#upMs += Math.max(0, at - this.#since);
      this.#wasLost = isFailing(to);
    } else if (isUp(to) && this.#wasLost) this.#reconnects++;
    this.#upSince = isUp(to) ? (this.#upSince ?? at) : undefined;
    this.#state = to;
    this.#since = at;
    this.#transitions.push(transition);
    if (this.#transitions.length > TRANSITIONS_MAX) this.#transitions.shift();
    return transition;
  }

  /** How long it has been connected or degraded without a break, in milliseconds; 0 while it is neither. */
  upSpellMs(at: number): number {
    return this.#upSince === undefined ? 0 : Math.max(0, at - this.#upSince);
  }

  /** The share of its life the link was connected or degraded, 0 to 1; undefined for a link just made. */
  uptime(at: number): number | undefined {
    const lifeMs = at - this.#bornAt;
    if (lifeMs <= 0) return undefined;
    const spellMs = isUp(this.#state) ? Math.max(0, at - this.#since) : 0;
    return Math.min(1, (this.#upMs + spellMs) / lifeMs);
  }
}

function isUp(state: LinkState): boolean {
  return state === "connected" || state === "degraded";
}
