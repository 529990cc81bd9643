import { defaultProject, keyIdOfSealed, type Vault } from "../access/index.ts";
import { messageOf, newId, SignalboxError } from "../foundation/index.ts";
import type { AuditActor, Clock, Log } from "../foundation/index.ts";
import type { SealedAnew, SealedValues } from "../store/index.ts";
import type { LiveConfiguration } from "./live-configuration.ts";
import { reseal, type Resealing } from "./resealing.ts";
import { SECRETS } from "./sealed-tables.ts";
import { placeOf, requireSecret } from "./secret-record.ts";
import type { SecretName, SecretRecord, SecretView } from "./secret-record.ts";
import { secretsOf, type ServerReferences } from "./server-references.ts";

export interface SecretsDeps {
  live: LiveConfiguration;
  vault: Vault;
  references: ServerReferences;
  clock: Clock;
  log: Log;
}

/** The secrets on record: put, listed without their values, removed, sealed anew. */
export class Secrets {
  readonly #deps: SecretsDeps;
  #unwritten = new Map<string, number>();

  constructor(deps: SecretsDeps) {
    this.#deps = deps;
  }

  /** Those of a project, or all; never with a value. */
  list(project?: string): SecretView[] {
    const { stored } = this.#deps.live;
    const shown = stored.secrets.filter((one) => project === undefined || one.project === project);
    const users = this.#users();
    return shown.map((one) => this.#view(one, users));
  }

  /** Stores a secret, or a new value for one that is there; servers that refer to it are opened anew. */
  async put(
    wanted: SecretName & { value: string },
    actor: AuditActor,
  ): Promise<{ secret: SecretView; created: boolean }> {
    const { live, vault, clock } = this.#deps;
    const { name, project, owner, value } = wanted;
    requireSecret(wanted, value);
    const { record, created } = await live.change((now) => {
      const before = now.secrets.find((one) => isCalled(one, wanted));
      if (before === undefined && now.secrets.length >= SECRETS_MAX)
        throw new SignalboxError("CONFLICT", `No more than ${SECRETS_MAX} secrets are kept.`);
      const id = before?.id ?? newId("secret");
      const at = clock.now();
      const next: SecretRecord = {
        ...(before ?? { id, project, name, createdAt: at, createdBy: actor.id }),
        ...(owner !== undefined && { owner }),
        sealed: vault.for(SECRETS).seal(value, placeOf({ id, project, owner, name })),
        keyId: vault.keyId,
        // A value that follows another within a millisecond is another one all the same.
        updatedAt: Math.max(at, (before?.updatedAt ?? 0) + 1),
        updatedBy: actor.id,
      };
      return {
        next: { ...now, secrets: [...now.secrets.filter((one) => one.id !== id), next] },
        persist: (store) => store.secrets.put(next),
        result: { record: next, created: before === undefined },
      };
    });
    return { secret: this.#view(record, this.#users()), created };
  }

  /** Removes a secret; servers that refer to it fail from now on. Throws NOT_FOUND. */
  async remove(wanted: SecretName): Promise<void> {
    await this.#deps.live.change((now) => {
      const found = now.secrets.find((one) => isCalled(one, wanted));
      if (found === undefined)
        throw new SignalboxError("NOT_FOUND", `There is no secret "${wanted.name.slice(0, 64)}".`);
      return {
        next: { ...now, secrets: now.secrets.filter((one) => one.id !== found.id) },
        persist: (store) => store.secrets.remove(found.id),
        result: undefined,
      };
    });
  }

  /** Seals one portion of what an earlier key has sealed with the key in use, of secrets and of all other tables. */
  async reseal(from: { after: string; limit: number }): Promise<Resealing> {
    const { live, vault } = this.#deps;
    return await live.inTurn(async () => {
      const { stored, ...portion } = await reseal({ vault, store: this.#sealed() }, from);
      if (stored.table === SECRETS) this.#showResealed(stored.values);
      return portion;
    });
  }

  /** Writes when secrets were last given to servers; what cannot be written now is kept for the next time. */
  async flushLastUsed(): Promise<void> {
    const { live, references, log } = this.#deps;
    for (const [id, at] of references.takeLastUsed()) this.#unwritten.set(id, at);
    const taken = this.#unwritten;
    if (live.store === undefined || taken.size === 0) return;
    this.#unwritten = new Map();
    try {
      await live.store.secrets.touch(taken);
      live.amend((state) => ({
        ...state,
        secrets: state.secrets.map((one) => {
          const at = taken.get(one.id);
          return at === undefined ? one : { ...one, lastUsedAt: at };
        }),
      }));
    } catch (error) {
      log.warn({ problem: messageOf(error) }, "The last use of secrets could not be written");
      this.#unwritten = new Map([...taken, ...this.#unwritten]);
    }
  }

  #sealed(): SealedValues {
    const { store } = this.#deps.live;
    if (store !== undefined) return store.sealed;
    throw new SignalboxError("STORE_UNAVAILABLE", "The database cannot be reached.");
  }

  #showResealed(values: readonly SealedAnew[]): void {
    const { live, vault } = this.#deps;
    const anew = new Map(values.map(({ key: [id = ""], sealed }) => [id, sealed]));
    live.amend((state) => ({
      ...state,
      secrets: state.secrets.map((one) => {
        const sealed = anew.get(one.id);
        return sealed === undefined ? one : { ...one, sealed, keyId: vault.keyId };
      }),
    }));
  }

  #users(): Map<string, string[]> {
    const users = new Map<string, string[]>();
    for (const definition of this.#deps.live.merged.servers) {
      for (const name of secretsOf(definition))
        users.set(name, [...(users.get(name) ?? []), definition.name]);
    }
    return users;
  }

  #view({ sealed, ...record }: SecretRecord, users: ReadonlyMap<string, string[]>): SecretView {
    const { vault } = this.#deps;
    const { name, project, owner } = record;
    const shared = owner === undefined && project === defaultProject;
    return {
      ...record,
      current: vault.unlocked && keyIdOfSealed(sealed) === vault.keyId,
      usedBy: shared ? (users.get(name) ?? []) : [],
    };
  }
}

const SECRETS_MAX = 10_000;

function isCalled(record: SecretRecord, { name, project, owner }: SecretName): boolean {
  return record.name === name && record.project === project && record.owner === owner;
}
