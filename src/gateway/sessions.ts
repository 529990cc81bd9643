/** The legacy sessions of this process: bounded in number, ended when idle, and only ever shown to their own principal. */
import { SignalboxError, randomToken, type Clock } from "../foundation/index.ts";
import type { Principal } from "../access/index.ts";
import { greediest, whoGivesWay } from "./greediest.ts";
import type { LegacySession } from "./legacy-session.ts";
import type { Limits } from "./options.ts";

const ID_BYTES = 24;

export class Sessions {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #sessions = new Map<string, LegacySession>();
  readonly #ended: (session: LegacySession) => void;

  /** `ended` hears of each session that is over, to let go of what it held. */
  constructor(deps: { clock: Clock; limits: Limits; ended: (session: LegacySession) => void }) {
    this.#clock = deps.clock;
    this.#limits = deps.limits;
    this.#ended = deps.ended;
  }

  get count(): number {
    return this.#sessions.size;
  }

  all(): Iterable<LegacySession> {
    return this.#sessions.values();
  }

  newId(): string {
    return randomToken(ID_BYTES);
  }

  /**
   * Where there are as many as may be, whoever has most of them loses the one that was idle longest: a client that forgets
   * to end its sessions harms itself and nobody else. One that is in use is lost only to someone who has fewer. Throws
   * SESSION_LIMIT where no room can be made.
   */
  add(session: LegacySession): void {
    if (this.#sessions.size >= this.#limits.sessions_max) this.#makeRoom(session.principal.id);
    if (this.#sessions.size >= this.#limits.sessions_max) {
      throw new SignalboxError(
        "SESSION_LIMIT",
        `The gateway holds ${this.#limits.sessions_max} sessions, as many as it allows.`,
      );
    }
    this.#sessions.set(session.id, session);
  }

  /** The session of that id, if it is this principal's. */
  find(id: string, principal: Principal): LegacySession | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined || session.principal.id !== principal.id) return undefined;
    session.lastSeen = this.#clock.monotonicMs();
    // A newer token of the same principal keeps the session alive.
    if (principal.expiresAt !== undefined) session.principal = principal;
    return session;
  }

  end(session: LegacySession): void {
    if (!this.#sessions.delete(session.id)) return;
    session.end();
    this.#ended(session);
  }

  /** Ends what has been idle for too long. */
  sweep(): void {
    const before = this.#clock.monotonicMs() - this.#limits.session_idle;
    for (const session of this.#sessions.values()) {
      if (session.lastSeen < before && !isInUse(session)) this.end(session);
    }
  }

  #makeRoom(asker: string): void {
    const { id } = greediest(this.#sessions.values());
    const idle = this.#leastUsed(id, (session) => !isInUse(session));
    if (idle !== undefined) {
      this.end(idle);
      return;
    }
    const loser = whoGivesWay([...this.#sessions.values()], asker);
    const used = loser === undefined ? undefined : this.#leastUsed(loser, ({ busy }) => !busy);
    if (used !== undefined) this.end(used);
  }

  #leastUsed(owner: string, may: (session: LegacySession) => boolean): LegacySession | undefined {
    let found: LegacySession | undefined;
    for (const session of this.#sessions.values()) {
      if (session.principal.id !== owner || !may(session)) continue;
      if (found === undefined || session.lastSeen < found.lastSeen) found = session;
    }
    return found;
  }

  close(): void {
    for (const session of this.#sessions.values()) this.end(session);
  }
}

function isInUse(session: LegacySession): boolean {
  return session.hasStream || session.busy;
}
