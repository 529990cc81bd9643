import type { Clock } from "../../foundation/index.ts";
import type { BalanceOptions } from "./balance-options.ts";
import { createStrategy } from "./create-strategy.ts";
import { Ejections, type EjectionListener, type Member } from "./ejections.ts";
import type { Strategy } from "./strategy.ts";

export interface ChooserParts<T extends Member> {
  readonly options: BalanceOptions;
  readonly clock: Clock;
  /** Numbers from 0 up to 1; default Math.random. */
  readonly random?: () => number;
  readonly listener?: EjectionListener<T>;
}

export interface ChooseOptions<T extends Member> {
  /** For whom: a session or a principal. Only `sticky` asks. */
  readonly key?: string | undefined;
  /** Members that are taken only when there is no other, such as those that have just failed the same call. */
  readonly avoid?: readonly T[] | undefined;
}

/** An endpoint's standing, for whoever asks why it is chosen or not. */
export interface EndpointExplanation {
  /** How well its last calls went, 0 to 1. */
  readonly score: number;
  /** Undefined until a call has ended. */
  readonly latencyMs?: number;
  readonly inFlight: number;
  /** Epoch milliseconds; undefined when it is not ejected. */
  readonly ejectedUntil?: number;
  /** How often it was ejected, ever. */
  readonly ejections: number;
  /** What it takes of its share, 0.1 to 1. */
  readonly slowStart: number;
  readonly weight: number;
  readonly priority: number;
}

/** Chooses the endpoint of a server that takes the next call. The members may be others at every call. */
export class EndpointChooser<T extends Member> {
  readonly #clock: Clock;
  readonly #failover: boolean;
  readonly #strategy: Strategy;
  readonly #ejections: Ejections<T>;
  /** Those the strategy is asked about; empty between calls, kept so that a call makes no array. */
  readonly #candidates: T[] = [];

  constructor(parts: ChooserParts<T>) {
    const { options, clock, random = Math.random, listener = {} } = parts;
    this.#clock = clock;
    this.#failover = options.failover_enabled;
    this.#strategy = createStrategy(options.strategy, { clock, random });
    this.#ejections = new Ejections(options, clock, listener);
  }

  /**
   * The member for a call; undefined when no link of them can take one. The best condition wins, and within it the first
   * priority: standing; ejected (when all are, some call must find out whether they are well again); to be avoided;
   * both; not ready, in the same order. Without failover only the first priority is looked at.
   */
  choose(members: readonly T[], options: ChooseOptions<T> = nothingSpecial): T | undefined {
    const [only] = members;
    if (members.length === 1 && only !== undefined) return only.usable ? only : undefined;
    const { key, avoid } = options;
    if ((avoid === undefined || avoid.length === 0) && areAlike(members))
      return this.#strategy.choose(members, key);
    const candidates = this.#candidates;
    this.#gather(members, avoid);
    const chosen = candidates.length < 2 ? candidates[0] : this.#strategy.choose(candidates, key);
    candidates.length = 0;
    return chosen;
  }

  /** Whether a member that is ready can take the call of those in `avoid`; asking takes nobody's turn. */
  hasOther(members: readonly T[], avoid: readonly T[]): boolean {
    const lastPriority = this.#failover ? Infinity : firstPriorityOf(members);
    return members.some(
      (one) => one.usable && one.ready && one.priority <= lastPriority && !avoid.includes(one),
    );
  }

  /** To be called after each failure of a member, once its health has heard of it: may eject it. */
  report(member: T, members: readonly T[]): void {
    this.#ejections.consider(member, members);
  }

  explain(member: T): EndpointExplanation {
    this.#ejections.settle(member, this.#clock.monotonicMs());
    const { health, weight, priority } = member;
    const { latencyMs, ejectedUntil } = health;
    return {
      score: health.score,
      ...(latencyMs !== undefined && { latencyMs }),
      inFlight: health.inFlight,
      ...(ejectedUntil !== undefined && { ejectedUntil }),
      ejections: health.ejections,
      slowStart: health.slowStartFactor,
      weight,
      priority,
    };
  }

  /** Fills the candidates with the usable members of the best condition and priority that there are. */
  #gather(members: readonly T[], avoid: readonly T[] | undefined): void {
    const candidates = this.#candidates;
    candidates.length = 0;
    const lastPriority = this.#failover ? Infinity : firstPriorityOf(members);
    let bestCondition = Infinity;
    let bestPriority = Infinity;
    for (const member of members) {
      const { priority } = member;
      if (!member.usable || priority > lastPriority) continue;
      const condition = this.#conditionOf(member, avoid);
      if (condition > bestCondition) continue;
      if (condition === bestCondition && priority > bestPriority) continue;
      if (condition < bestCondition || priority < bestPriority) candidates.length = 0;
      bestCondition = condition;
      bestPriority = priority;
      candidates.push(member);
    }
  }

  /** 0 is best. */
  #conditionOf(member: T, avoid: readonly T[] | undefined): number {
    const { health } = member;
    // Only of an ejected member is the time of interest.
    if (health.ejected) this.#ejections.settle(member, this.#clock.monotonicMs());
    const ejected = health.ejected ? 1 : 0;
    const avoided = avoid !== undefined && avoid.includes(member) ? 2 : 0;
    const unready = member.ready ? 0 : 4;
    return ejected + avoided + unready;
  }
}

const nothingSpecial = {};

/** Whether all can take a call and none comes before another, as it is nearly always. */
function areAlike(members: readonly Member[]): boolean {
  const priority = members[0]?.priority;
  for (const member of members) {
    if (!member.usable || !member.ready) return false;
    if (member.health.ejected || member.priority !== priority) return false;
  }
  return true;
}

function firstPriorityOf(members: readonly Member[]): number {
  let first = Infinity;
  for (const { priority } of members) if (priority < first) first = priority;
  return first;
}
