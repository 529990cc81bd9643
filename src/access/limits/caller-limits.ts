/**
 * What callers may do how often. A request is counted once for its caller and once for all when it comes in; what goes on
 * to a server is counted for that server, for its tool, and in the quotas. Everything that one caller's call to one tool
 * is counted in is put together at the first such call, so that each further one looks it up and adds.
 */
import { isIPv6 } from "node:net";
import type { Clock, Log } from "../../foundation/index.ts";
import type { KeyLimits, QuotaOptions, RateLimitOptions } from "./limit-options.ts";
import { periods, type Period } from "./periods.ts";
import { QuotaKeeper, isSpent, type QuotaCount, type QuotaLedger } from "./quota-keeper.ts";
import { RateLimiter, type RateCount, type RateLedger } from "./rate-limiter.ts";

/** Who calls, as far as limits go; a principal is one. */
export interface LimitedCaller {
  readonly id: string;
  readonly role: string;
  readonly keyId?: string;
  readonly kind?: string;
  readonly project?: string;
}

export type LimitScope = "caller" | "all" | "server" | "tool";

/** Why a request is not served now. */
export type LimitRefusal = RateRefusal | QuotaRefusal;

export interface RateRefusal {
  readonly code: "RATE_LIMITED";
  readonly scope: LimitScope;
  /** Whose limit: the caller's id, a server's name, a pattern; empty for that of all. */
  readonly of: string;
  readonly max: number;
  readonly windowMs: number;
  readonly retryAfterMs: number;
  /** Whether this is the first refusal for a while, and worth a line in the log. */
  readonly first: boolean;
}

export interface QuotaRefusal {
  readonly code: "QUOTA_EXCEEDED";
  readonly scope: "quota";
  /** Whose quota, as "principal:<id>", "project:<name>" or "server:<name>". */
  readonly of: string;
  readonly period: Period;
  readonly quota: number;
  /** False where there may be more, and the ledger has to be asked first. */
  readonly spent: boolean;
  /** Epoch milliseconds. */
  readonly resetsAt: number;
  readonly retryAfterMs: number;
  readonly first: boolean;
}

/** The limit that a caller's own requests are under, and what is left of it. */
export interface Allowance {
  readonly max: number;
  readonly windowMs: number;
  readonly remaining: number;
  /** How long until some of what was used is given back; 0 where nothing was used. */
  readonly nextMs: number;
  /** How long until all of it is. */
  readonly resetMs: number;
}

/** What a caller is under, for the API. */
export interface CallerView {
  readonly rate: (Allowance & { readonly from: "key" | "configuration" }) | undefined;
  readonly all: Allowance | undefined;
  readonly servers: readonly ({ readonly server: string; readonly per: string } & Allowance)[];
  readonly tools: readonly ({ readonly tools: string; readonly per: string } & Allowance)[];
  readonly quotas: readonly QuotaView[];
}

export interface QuotaView {
  readonly subject: string;
  readonly period: Period;
  readonly quota: number;
  /** Calls that this gateway has reserved and not spent: the ledger has them as used. */
  readonly held: number;
  /** Calls that the ledger does not have yet. */
  readonly debt: number;
}

/** Who a caller is counted as, with everything its calls are counted in. */
interface Account {
  readonly role: string;
  readonly project: string | undefined;
  readonly own: RateCount | undefined;
  readonly all: RateCount | undefined;
  readonly quotas: readonly QuotaCount[];
  /** By server, then by tool; "" for what is no tool. */
  readonly tolls: Map<string, Map<string, Toll>>;
}

/** What one caller's call to one tool is counted in. */
interface Toll {
  readonly rates: readonly {
    readonly count: RateCount;
    readonly scope: LimitScope;
    readonly of: string;
  }[];
  readonly quotas: readonly QuotaCount[];
}

/** Accounts are put together anew when there are more; what they count is kept elsewhere. */
const ACCOUNTS_MAX = 50_000;
/** The same, for the tools of one caller. */
const TOLLS_MAX = 2_000;
const QUIET_MIN_MS = 60_000;

export class CallerLimits {
  readonly #rate: RateLimitOptions;
  readonly #quota: QuotaOptions;
  readonly #clock: Clock;
  readonly #limiter: RateLimiter;
  readonly #keeper: QuotaKeeper;
  readonly #patterns: readonly { readonly text: string; readonly shape: RegExp }[];
  #keys: ReadonlyMap<string, KeyLimits> = new Map();
  readonly #accounts = new Map<string, Account>();
  /** Whether any request, and any call, is counted at all. */
  #counts = { requests: false, calls: false };

  constructor(
    options: { rate: RateLimitOptions; quota: QuotaOptions },
    deps: { clock: Clock; log: Log },
  ) {
    const { rate, quota } = options;
    this.#rate = rate;
    this.#quota = quota;
    this.#clock = deps.clock;
    const more = { ...deps, evicted: () => this.#accounts.clear() };
    this.#limiter = new RateLimiter({ ...more, leaseShare: rate.lease });
    this.#keeper = new QuotaKeeper({ ...more, allowUncounted: quota.without_database === "allow" });
    this.#patterns = Object.keys(rate.tools).map((text) => ({ text, shape: shapeOf(text) }));
    this.#recount();
  }

  /** Counts rates together with other gateways. */
  share(ledger: RateLedger): void {
    this.#limiter.share(ledger);
  }

  /** Counts quotas there. */
  keepQuotasIn(ledger: QuotaLedger): void {
    this.#keeper.keepIn(ledger);
  }

  /** The limits of single keys, by the key's id, in place of those before. */
  setKeyLimits(limits: ReadonlyMap<string, KeyLimits>): void {
    this.#keys = limits;
    this.#accounts.clear();
    this.#recount();
  }

  /** The limits that a key has of its own. */
  keyLimits(id: string): KeyLimits | undefined {
    return this.#keys.get(id);
  }

  /** How gateways count together; undefined where this one counts for itself. */
  get sharing(): { readonly up: boolean; readonly gateways: number } | undefined {
    return this.#limiter.sharing;
  }

  /** Counts a request that came in. */
  request(caller: LimitedCaller, address: string | undefined): RateRefusal | undefined {
    if (!this.#counts.requests) return undefined;
    const { own, all } = this.#account(caller, address);
    const nowMs = this.#clock.monotonicMs();
    if (own !== undefined && this.#limiter.left(own, nowMs) < 1) {
      return this.#refusal(own, "caller", idOf(caller, address), nowMs);
    }
    if (all !== undefined) {
      if (this.#limiter.left(all, nowMs) < 1) return this.#refusal(all, "all", "", nowMs);
      this.#limiter.take(all);
    }
    if (own !== undefined) this.#limiter.take(own);
    return undefined;
  }

  /** The state of the caller's own limit, for the headers of an answer. */
  allowance(caller: LimitedCaller, address: string | undefined): Allowance | undefined {
    if (!this.#counts.requests) return undefined;
    const { own } = this.#account(caller, address);
    return own && this.#allowanceOf(own);
  }

  /** Counts a call that goes on to a server. */
  call(
    caller: LimitedCaller,
    address: string | undefined,
    server: string,
    tool: string | undefined,
  ): LimitRefusal | undefined {
    if (!this.#counts.calls) return undefined;
    const toll = this.#toll(
      this.#account(caller, address),
      idOf(caller, address),
      server,
      tool ?? "",
    );
    const nowMs = this.#clock.monotonicMs();
    for (const { count, scope, of } of toll.rates) {
      if (this.#limiter.left(count, nowMs) < 1) return this.#refusal(count, scope, of, nowMs);
    }
    if (toll.quotas.length > 0) {
      const now = this.#clock.now();
      for (const count of toll.quotas) {
        if (!this.#keeper.has(count, now)) return this.#quotaRefusal(count, now, nowMs);
      }
      for (const count of toll.quotas) this.#keeper.take(count);
    }
    for (const { count } of toll.rates) this.#limiter.take(count);
    return undefined;
  }

  /** What a caller is under; nothing is counted. */
  view(caller: LimitedCaller, address: string | undefined): CallerView {
    const id = idOf(caller, address);
    const { own, all, quotas } = this.#account(caller, address);
    const of = (count: RateCount): Allowance => this.#allowanceOf(count);
    const from = this.#keys.get(caller.keyId ?? "")?.rate === undefined ? "configuration" : "key";
    return {
      rate: own && { ...of(own), from },
      all: all && of(all),
      servers: Object.entries(this.#rate.servers).map(([server, { per }]) => ({
        server,
        per,
        ...of(this.#serverCount(id, server)),
      })),
      tools: Object.entries(this.#rate.tools).map(([tools, { per }]) => ({
        tools,
        per,
        ...of(this.#toolCount(id, tools)),
      })),
      quotas: [
        ...quotas,
        ...Object.keys(this.#quota.servers).flatMap((name) => this.#serverQuotas(name)),
      ].map(({ subject, period, quota, held, debt }) => ({ subject, period, quota, held, debt })),
    };
  }

  /** Tells the ledgers what is left to tell, and gives back what is reserved. */
  async close(): Promise<void> {
    await Promise.all([this.#limiter.close(), this.#keeper.close()]);
  }

  #recount(): void {
    const rate = this.#rate;
    const quota = this.#quota;
    const own = [...this.#keys.values()];
    const limited = Object.keys(rate.servers).length + Object.keys(rate.tools).length > 0;
    const quotas =
      quota.day !== undefined ||
      quota.month !== undefined ||
      [quota.roles, quota.projects, quota.servers].some((part) => Object.keys(part).length > 0) ||
      own.some((limits) => limits.quota !== undefined);
    this.#counts = {
      requests:
        rate.max > 0 || rate.all !== undefined || own.some((limits) => limits.rate !== undefined),
      calls: limited || quotas,
    };
  }

  #account(caller: LimitedCaller, address: string | undefined): Account {
    const id = idOf(caller, address);
    const known = this.#accounts.get(id);
    if (known !== undefined && known.role === caller.role && known.project === caller.project) {
      return known;
    }
    if (this.#accounts.size >= ACCOUNTS_MAX) this.#accounts.clear();
    const account = this.#open(caller, id);
    this.#accounts.set(id, account);
    return account;
  }

  #open(caller: LimitedCaller, id: string): Account {
    const limits = this.#keys.get(caller.keyId ?? "");
    const { max, windowMs } = limits?.rate ?? { max: this.#rate.max, windowMs: this.#rate.window };
    const { all } = this.#rate;
    const given = ownOf(this.#quota.roles, caller.role) ?? this.#quota;
    const quotas = periods.flatMap((period) => {
      const quota = limits?.quota?.[period] ?? given[period] ?? 0;
      return quota === 0 ? [] : [this.#keeper.count(`principal:${id}`, period, quota)];
    });
    const { project } = caller;
    if (project !== undefined) {
      quotas.push(...this.#quotasOf(`project:${project}`, ownOf(this.#quota.projects, project)));
    }
    return {
      role: caller.role,
      project,
      own: max === 0 ? undefined : this.#limiter.count(`caller:${id}`, { max, windowMs }),
      all: all && this.#limiter.count("all", { max: all.max, windowMs: all.window }),
      quotas,
      tolls: new Map(),
    };
  }

  #toll({ tolls, quotas }: Account, id: string, server: string, tool: string): Toll {
    let ofServer = tolls.get(server);
    const known = ofServer?.get(tool);
    if (known !== undefined) return known;
    if (ofServer === undefined || ofServer.size >= TOLLS_MAX) {
      if (tolls.size >= TOLLS_MAX) tolls.clear();
      tolls.set(server, (ofServer = new Map()));
    }
    const toll = {
      rates: [...this.#serverRates(id, server), ...this.#toolRates(id, server, tool)],
      quotas: [...quotas, ...this.#serverQuotas(server)],
    };
    ofServer.set(tool, toll);
    return toll;
  }

  #serverRates(id: string, server: string): Toll["rates"] {
    if (!Object.hasOwn(this.#rate.servers, server)) return [];
    return [{ count: this.#serverCount(id, server), scope: "server", of: server }];
  }

  #toolRates(id: string, server: string, tool: string): Toll["rates"] {
    if (tool === "") return [];
    const name = `${server}__${tool}`;
    return this.#patterns
      .filter(({ shape }) => shape.test(name))
      .map(({ text }) => ({ count: this.#toolCount(id, text), scope: "tool", of: text }));
  }

  #serverCount(id: string, server: string): RateCount {
    return this.#ruleCount(`server:${server}`, id, this.#rate.servers[server]);
  }

  #toolCount(id: string, pattern: string): RateCount {
    return this.#ruleCount(`tool:${pattern}`, id, this.#rate.tools[pattern]);
  }

  #ruleCount(
    what: string,
    id: string,
    rule: RateLimitOptions["servers"][string] | undefined,
  ): RateCount {
    const { max = 0, window = QUIET_MIN_MS, per } = rule ?? {};
    const name = per === "all" ? what : `${what}|${id}`;
    return this.#limiter.count(name, { max, windowMs: window });
  }

  #serverQuotas(server: string): QuotaCount[] {
    return this.#quotasOf(`server:${server}`, ownOf(this.#quota.servers, server));
  }

  #quotasOf(
    subject: string,
    given: { day?: number | undefined; month?: number | undefined } = {},
  ): QuotaCount[] {
    return periods.flatMap((period) => {
      const quota = given[period];
      return quota === undefined ? [] : [this.#keeper.count(subject, period, quota)];
    });
  }

  #allowanceOf(count: RateCount): Allowance {
    const nowMs = this.#clock.monotonicMs();
    const remaining = Math.max(0, this.#limiter.left(count, nowMs));
    const { window, max } = count;
    return {
      max,
      windowMs: window.windowMs,
      remaining,
      nextMs: window.untilNextMs(nowMs),
      resetMs: window.untilEmptyMs(nowMs),
    };
  }

  #refusal(count: RateCount, scope: LimitScope, of: string, nowMs: number): RateRefusal {
    const { max, window } = count;
    const soon = this.#limiter.waitsForTelling(count);
    return {
      code: "RATE_LIMITED",
      scope,
      of,
      max,
      windowMs: window.windowMs,
      retryAfterMs: soon ? SOON_MS : Math.max(1, Math.ceil(window.untilNextMs(nowMs))),
      first: announces(count, nowMs, window.windowMs),
    };
  }

  #quotaRefusal(count: QuotaCount, now: number, nowMs: number): QuotaRefusal {
    const { subject, period, quota, endsAt } = count;
    return {
      code: "QUOTA_EXCEEDED",
      scope: "quota",
      of: subject,
      period,
      quota,
      spent: isSpent(count),
      resetsAt: endsAt,
      retryAfterMs: isSpent(count) ? Math.max(1, endsAt - now) : SOON_MS,
      first: announces(count, nowMs, QUIET_MIN_MS),
    };
  }
}

/** A gateway that has admitted as many as it may before it has told the others has told them soon. */
const SOON_MS = 100;

function announces(count: { quietUntilMs: number }, nowMs: number, windowMs: number): boolean {
  if (nowMs < count.quietUntilMs) return false;
  count.quietUntilMs = nowMs + Math.max(windowMs, QUIET_MIN_MS);
  return true;
}

// A name may be one that every object has.
function ownOf<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

// Callers without a credential of their own are told apart by where they come from.
function idOf({ id, kind }: LimitedCaller, address: string | undefined): string {
  const nameless =
    kind === undefined ? id === "anonymous" : kind === "anonymous" || kind === "network";
  return nameless ? `ip:${networkOf(address ?? "")}` : id;
}

// Whoever has one IPv6 address has 2^64 of them.
function networkOf(address: string): string {
  if (address.startsWith("::ffff:")) return address.slice("::ffff:".length);
  if (!isIPv6(address) || address.startsWith("::")) return address;
  const [head = ""] = address.split("::");
  const groups = head
    .split(":")
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16));
  while (groups.length < 4) groups.push("0");
  return `${groups.join(":")}::/64`;
}

function shapeOf(pattern: string): RegExp {
  return new RegExp(
    `^${pattern
      .split("*")
      .map((part) => RegExp.escape(part))
      .join(".*")}$`,
  );
}
