// Small stand-ins for what the registry steers, for tests.
import type { KeyRecord } from "../access/index.ts";
import type {
  GatewayConfiguration,
  ServerDefinition,
  CatalogStatus,
  TestReport,
} from "../gateway/index.ts";
import type { SealedValues } from "../store/index.ts";
import type { RegistryGateway, RegistryStore, StoredDefinition, StoredKey } from "./ports.ts";
import type { SecretRecord } from "./secret-record.ts";

/** A data plane that remembers what it was given. */
export class FakeGateway implements RegistryGateway {
  applied: GatewayConfiguration[] = [];
  refuse: string | undefined;
  used = new Map<string, number>();
  tested: ServerDefinition[] = [];
  statuses: CatalogStatus[] = [];
  report: TestReport = { ok: true, ms: 1 };

  async apply(configuration: GatewayConfiguration): Promise<void> {
    await Promise.resolve();
    if (this.refuse !== undefined) throw new Error(this.refuse);
    this.applied.push(configuration);
  }
  get now(): GatewayConfiguration {
    const last = this.applied.at(-1);
    if (last === undefined) throw new Error("nothing applied");
    return last;
  }
  serverStatus(): CatalogStatus[] {
    return this.statuses;
  }
  serverFacts(): undefined {
    return undefined;
  }
  readonly steered: string[] = [];
  drainEndpoint(server: string, endpoint: string, drained: boolean): void {
    this.steered.push(`${drained ? "drain" : "resume"} ${server} ${endpoint}`);
  }
  setBreaker(server: string, state: "open" | "closed", tool?: string): void {
    this.steered.push(`breaker ${server} ${tool ?? "*"} ${state}`);
  }
  stderr(name: string): string[] {
    return [`line of ${name}`];
  }
  async testServer(definition: ServerDefinition): Promise<TestReport> {
    this.tested.push(definition);
    return await Promise.resolve(this.report);
  }
  takeLastUsed(): Map<string, number> {
    const taken = this.used;
    this.used = new Map();
    return taken;
  }
}

class FakeTable {
  readonly rows = new Map<string, unknown>();
  readonly #store: FakeStore;
  constructor(store: FakeStore) {
    this.#store = store;
  }
  async list(): Promise<StoredDefinition[]> {
    await this.#store.answer();
    return [...this.rows].map(([name, options]) => ({ name, options }));
  }
  async put(name: string, options: Record<string, unknown>): Promise<void> {
    await this.#store.answer();
    this.rows.set(name, structuredClone(options));
  }
  async remove(name: string): Promise<boolean> {
    await this.#store.answer();
    return this.rows.delete(name);
  }
}

/** A store in memory that can be made to fail. */
export class FakeStore implements RegistryStore {
  down = false;
  readonly servers = new FakeTable(this);
  readonly bundles = new FakeTable(this);
  readonly projects = new FakeTable(this);
  readonly roles = new FakeTable(this);
  readonly records = new Map<string, StoredKey>();
  readonly listeners = new Set<() => void>();
  readonly keys = {
    list: async (): Promise<StoredKey[]> => {
      await this.answer();
      return [...this.records.values()];
    },
    insert: async (record: KeyRecord): Promise<void> => {
      await this.answer();
      this.records.set(record.id, record);
    },
    revoke: async (id: string, at: number): Promise<boolean> => {
      await this.answer();
      const record = this.records.get(id);
      if (record !== undefined) this.records.set(id, { ...record, revokedAt: at });
      return record !== undefined;
    },
    touch: async (lastUsed: Map<string, number>): Promise<void> => {
      await this.answer();
      for (const [id, at] of lastUsed) {
        const record = this.records.get(id);
        if (record !== undefined) this.records.set(id, { ...record, lastUsedAt: at });
      }
    },
  };

  readonly secretRows = new Map<string, SecretRecord>();
  readonly secrets = {
    list: async (): Promise<SecretRecord[]> => {
      await this.answer();
      return [...this.secretRows.values()];
    },
    put: async (record: SecretRecord): Promise<void> => {
      await this.answer();
      this.secretRows.set(record.id, record);
    },
    remove: async (id: string): Promise<boolean> => {
      await this.answer();
      return this.secretRows.delete(id);
    },
    touch: async (lastUsed: Map<string, number>): Promise<void> => {
      await this.answer();
      for (const [id, lastUsedAt] of lastUsed) {
        const record = this.secretRows.get(id);
        if (record !== undefined) this.secretRows.set(id, { ...record, lastUsedAt });
      }
    },
  };

  /** Of secrets alone: nothing else that is sealed is kept here. */
  readonly sealed: SealedValues = {
    otherwise: async ({ table }, keyId, after, limit) => {
      await this.answer();
      return this.#sealedOtherwise(table, keyId)
        .filter(({ id }) => after === undefined || id > (after[0] ?? ""))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, limit)
        .map(({ id, sealed, project, owner = null, name }) => ({
          key: [id],
          sealed,
          with: [project, owner, name],
        }));
    },
    reseal: async (_, values, keyId) => {
      await this.answer();
      const kept = values.filter(
        ({ key, was }) => this.secretRows.get(key[0] ?? "")?.sealed === was,
      );
      for (const { key, sealed } of kept) {
        const record = this.secretRows.get(key[0] ?? "");
        if (record !== undefined) this.secretRows.set(record.id, { ...record, sealed, keyId });
      }
      return kept.map(({ key }) => key);
    },
    count: async ({ table }, keyId) => {
      await this.answer();
      return this.#sealedOtherwise(table, keyId).length;
    },
  };

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  notify(): void {
    for (const listener of this.listeners) listener();
  }
  #sealedOtherwise(table: string, keyId: string): SecretRecord[] {
    if (table !== "signalbox.secrets") return [];
    return [...this.secretRows.values()].filter((record) => record.keyId !== keyId);
  }
  async answer(): Promise<void> {
    await Promise.resolve();
    if (this.down) throw new Error("connection refused");
  }
}
