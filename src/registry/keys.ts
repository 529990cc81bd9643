import { defaultProject, everyProject, mintKey, projectOf } from "../access/index.ts";
import type { KeyRecord } from "../access/index.ts";
import {
  GATEWAY_ACTOR,
  isSignalboxError,
  messageOf,
  newId,
  SignalboxError,
} from "../foundation/index.ts";
import type { AuditSink, Clock, Log } from "../foundation/index.ts";
import type { GatewayConfiguration } from "../gateway/index.ts";
import { planSeed, seededRecord } from "./admin-key-seed.ts";
import { emptyState } from "./configured-state.ts";
import type { StoredState } from "./configured-state.ts";
import { requireKey, viewOfKey } from "./key-input.ts";
import type { KeyView, NewKey } from "./key-input.ts";
import type { LiveConfiguration, Step } from "./live-configuration.ts";
import type { RegistryGateway } from "./ports.ts";
import { projectNotFound, type Projects } from "./projects.ts";
import type { RoleBook } from "./role-book.ts";

export interface KeysDeps {
  live: LiveConfiguration;
  roles: Pick<RoleBook, "get">;
  projects: Pick<Projects, "has">;
  gateway: Pick<RegistryGateway, "takeLastUsed">;
  log: Log;
  clock: Clock;
  audit?: AuditSink | undefined;
}

/** The keys on record: made, listed, revoked, seeded, and when each was last used. */
export class Keys {
  readonly #deps: KeysDeps;
  #adminKey: string | undefined;
  #unwritten = new Map<string, number>();

  constructor(deps: KeysDeps) {
    this.#deps = deps;
    deps.live.onLateLoad = () => this.#seedLate();
    // What the gateway knows of the last uses goes with the keys it is given next.
    deps.live.onBeforeServe = () => this.#collectLastUsed();
  }

  /** Mints a key; the key itself is in the answer and nowhere else. */
  async create(wanted: NewKey): Promise<{ record: KeyView; key: string }> {
    const { live, clock, roles, projects } = this.#deps;
    return await live.change((now) => {
      const at = clock.now();
      const { name, role, project = defaultProject, bundles = "all", rules, expiresAt } = wanted;
      requireKey(wanted, bundlesOf(live.merged, project), at);
      roles.get(role);
      if (project !== everyProject && !projects.has(project)) throw projectNotFound(project);
      if (now.keys.length >= keysMax) {
        throw new SignalboxError("CONFLICT", `No more than ${keysMax} keys are kept.`);
      }
      const { key, hash, prefix } = mintKey();
      const record: KeyRecord = {
        id: newId("key"),
        name,
        role,
        project,
        bundles,
        hash,
        prefix,
        createdAt: at,
      };
      if (rules !== undefined && rules.length > 0) record.rules = rules;
      if (expiresAt !== undefined) record.expiresAt = expiresAt;
      return {
        next: { ...now, keys: [...now.keys, record] },
        persist: (store) => store.keys.insert(record),
        result: { record: viewOfKey(record), key },
      };
    });
  }

  /** Every key on record, revoked ones included, without its hash. */
  list(): KeyView[] {
    return withLastUse(this.#deps.live.stored.keys, this.#unwritten).map(viewOfKey);
  }

  /** Revokes a key, for ever. Throws NOT_FOUND. Revoking twice is no error. */
  async revoke(id: string): Promise<KeyView> {
    return await this.#deps.live.change<KeyView>((now) => {
      const record = now.keys.find((key) => key.id === id);
      if (record === undefined)
        throw new SignalboxError("NOT_FOUND", "There is no key with this id.");
      if (record.revokedAt !== undefined) return { result: viewOfKey(record) };
      const at = this.#deps.clock.now();
      return {
        next: revokedIn(now, [id], at),
        persist: (store) => store.keys.revoke(id, at),
        result: viewOfKey({ ...record, revokedAt: at }),
      };
    });
  }

  /** See `Registry.seedAdminKey`. */
  async seed(given: string | undefined): Promise<{ created?: string }> {
    this.#adminKey = given;
    return await this.#deps.live.inTurn(async () => {
      if (this.#deps.live.loaded) return await this.#seedNow();
      await this.#serveGivenKey();
      return {};
    });
  }

  /** Writes when keys were last used; what cannot be written now is kept for the next time. */
  async flushLastUsed(): Promise<void> {
    const { live, log } = this.#deps;
    this.#collectLastUsed();
    const taken = this.#unwritten;
    if (live.store === undefined || taken.size === 0) return;
    this.#unwritten = new Map();
    try {
      await live.store.keys.touch(taken);
      live.amend((state) => ({ ...state, keys: withLastUse(state.keys, taken) }));
    } catch (error) {
      log.warn({ problem: messageOf(error) }, "The last use of keys could not be written");
      this.#unwritten = new Map([...taken, ...this.#unwritten]);
    }
  }

  #collectLastUsed(): void {
    for (const [id, at] of this.#deps.gateway.takeLastUsed()) this.#unwritten.set(id, at);
  }

  async #seedNow(): Promise<{ created?: string }> {
    const { live, clock, log } = this.#deps;
    const at = clock.now();
    const { insert, revoke, created, refused } = planSeed(live.stored.keys, this.#adminKey, at);
    if (refused)
      log.warn({}, "The key in SIGNALBOX_ADMIN_KEY was revoked and stays so; choose another");
    if (insert === undefined && revoke.length === 0) return {};
    try {
      await live.commit(seedStep(live.stored, insert, revoke, at));
    } catch (error) {
      // Another process that starts on the same database has just seeded the same key.
      if (!isSignalboxError(error) || error.code !== "CONFLICT") throw error;
      await live.loadInTurn();
      return {};
    }
    this.#tellSeed(insert, revoke);
    return created === undefined ? {} : { created };
  }

  #tellSeed(insert: KeyRecord | undefined, revoke: readonly string[]): void {
    const tell = (action: string, id: string, after?: KeyView): void =>
      this.#deps.audit?.({
        action,
        actor: GATEWAY_ACTOR,
        target: `key:${id}`,
        project: everyProject,
        outcome: "ok",
        details: { seeded: true },
        ...(after !== undefined && { after }),
      });
    if (insert !== undefined) tell("key.create", insert.id, viewOfKey(insert));
    for (const id of revoke) tell("key.revoke", id);
  }

  // Nobody is there any more to be shown a minted key, so a database that was away at the first start gets one
  // at the next start.
  async #seedLate(): Promise<void> {
    const { live, log } = this.#deps;
    if (this.#adminKey === undefined && live.stored.keys.length === 0) {
      log.warn({}, "There is no key on record; the next start makes the first one");
      return;
    }
    await this.#seedNow();
  }

  async #serveGivenKey(): Promise<void> {
    if (this.#adminKey === undefined) return;
    const keys = [seededRecord(this.#adminKey, this.#deps.clock.now())];
    await this.#deps.live.serveUnstored({ ...emptyState, keys });
  }
}

// A key of a project finds that project's bundles alone.
function bundlesOf({ bundles }: GatewayConfiguration, project: string): ReadonlySet<string> {
  const reachable = bundles.filter(
    (bundle) => project === everyProject || projectOf(bundle) === project,
  );
  return new Set(reachable.map(({ name }) => name));
}

function seedStep(
  now: StoredState,
  insert: KeyRecord | undefined,
  revoke: readonly string[],
  at: number,
): Step<undefined> {
  const { keys } = revokedIn(now, revoke, at);
  return {
    next: { ...now, keys: insert === undefined ? keys : [...keys, insert] },
    persist: async (store) => {
      if (insert !== undefined) await store.keys.insert(insert);
      await Promise.all(revoke.map((id) => store.keys.revoke(id, at)));
    },
    result: undefined,
  };
}

function revokedIn(state: StoredState, ids: readonly string[], at: number): StoredState {
  const revoked = state.keys.map((key) => (ids.includes(key.id) ? { ...key, revokedAt: at } : key));
  return { ...state, keys: revoked };
}

function withLastUse(
  keys: readonly KeyRecord[],
  lastUsed: ReadonlyMap<string, number>,
): readonly KeyRecord[] {
  return keys.map((record) => {
    const at = lastUsed.get(record.id);
    return at === undefined
      ? record
      : { ...record, lastUsedAt: Math.max(at, record.lastUsedAt ?? 0) };
  });
}

const keysMax = 10_000;
