// What the registry needs of its neighbours, and no more; `main.ts` hands in the real store and gateway.
import type { KeyRecord } from "../access/index.ts";
import type {
  GatewayConfiguration,
  ServerDefinition,
  ServerFacts,
  CatalogStatus,
  TestReport,
} from "../gateway/index.ts";
import type { SealedValues } from "../store/index.ts";
import type { SecretRecord } from "./secret-record.ts";

/** The data plane as the registry steers it. */
export interface RegistryGateway {
  /** Builds the whole configuration and swaps it in, or throws and keeps the one it serves. */
  apply(configuration: GatewayConfiguration): Promise<void>;
  serverStatus(): CatalogStatus[];
  serverFacts(name: string): ServerFacts | undefined;
  /** Throws ENDPOINT_NOT_FOUND. */
  drainEndpoint(server: string, endpoint: string, drained: boolean): void;
  /** Opens or closes a breaker by hand: the server's own, or that of one of its tools. */
  setBreaker(server: string, state: "open" | "closed", tool?: string): void;
  /** The last lines a local server wrote to its standard error. */
  stderr(name: string): readonly string[] | undefined;
  testServer(definition: ServerDefinition, signal: AbortSignal): Promise<TestReport>;
  /** Key ids used since this was last asked, with the time of their last use (epoch ms). */
  takeLastUsed(): Map<string, number>;
}

/** A row as the store keeps it: the options are what a person wrote, and are parsed again when they are read. */
export interface StoredDefinition {
  name: string;
  options: unknown;
}

/** Definitions of one kind in the store. */
export interface DefinitionTable {
  list(): Promise<readonly StoredDefinition[]>;
  put(name: string, options: Record<string, unknown>): Promise<void>;
  remove(name: string): Promise<boolean>;
}

/** A key as the store keeps it; its rules are parsed when it is read. */
export interface StoredKey extends Omit<KeyRecord, "rules"> {
  rules?: unknown;
}

/** The parts of the store that hold configuration. Every method throws when the database cannot be reached. */
export interface RegistryStore {
  servers: DefinitionTable;
  bundles: DefinitionTable;
  projects: DefinitionTable;
  roles: DefinitionTable;
  keys: {
    list(): Promise<readonly StoredKey[]>;
    insert(record: KeyRecord): Promise<void>;
    revoke(id: string, at: number): Promise<boolean>;
    touch(lastUsed: Map<string, number>): Promise<void>;
  };
  secrets: {
    list(): Promise<readonly SecretRecord[]>;
    put(record: SecretRecord): Promise<void>;
    remove(id: string): Promise<boolean>;
    touch(lastUsed: Map<string, number>): Promise<void>;
  };
  sealed: SealedValues;
  /** Tells that any of these changed, in this process or another; returns how to stop listening. */
  onChange(listener: () => void): () => void;
}
