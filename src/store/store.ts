import { orAborted } from "@signalbox/kit";
import { randomToken } from "../foundation/index.ts";
import type { Log } from "../foundation/index.ts";
import { auditIn } from "./audit.ts";
import type { AuditLog } from "./audit.ts";
import { callsIn } from "./calls.ts";
import type { Calls } from "./calls.ts";
import { connectionsIn } from "./connections.ts";
import type { Connections } from "./connections.ts";
import { ConfigChanges } from "./config-changes.ts";
import { databaseOptions } from "./database-options.ts";
import type { DatabaseOptions } from "./database-options.ts";
import { Database } from "./database.ts";
import type { DatabaseTarget, PoolUse } from "./database.ts";
import { definitionsIn } from "./definitions.ts";
import type { Definitions } from "./definitions.ts";
import { startEmbeddedServer } from "./embedded/embedded-server.ts";
import { lockHome } from "./home-lock.ts";
import { keyLimitsIn } from "./key-limits.ts";
import type { KeyLimitRows } from "./key-limits.ts";
import { keysIn } from "./keys.ts";
import type { Keys } from "./keys.ts";
import { linkTransitionsIn } from "./link-transitions.ts";
import type { LinkTransitions } from "./link-transitions.ts";
import { migrate } from "./migrate.ts";
import { peopleIn } from "./people.ts";
import type { People } from "./people.ts";
import { pinsIn } from "./pins.ts";
import type { Pins } from "./pins.ts";
import { quotasIn } from "./quotas.ts";
import type { Quotas } from "./quotas.ts";
import { rateCountsIn } from "./rate-counts.ts";
import type { RateCounts } from "./rate-counts.ts";
import { bundles, projects, roles, servers } from "./schema.ts";
import { sealedValuesIn } from "./sealed-values.ts";
import type { SealedValues } from "./sealed-values.ts";
import { secretsIn } from "./secrets.ts";
import type { Secrets } from "./secrets.ts";
import { settingsIn } from "./settings.ts";
import type { Settings } from "./settings.ts";
import { storeError } from "./store-error.ts";

/** Everything that is kept, in one PostgreSQL. Methods throw STORE_UNAVAILABLE while it is away. */
export interface Store extends AsyncDisposable {
  readonly kind: "embedded" | "external";
  /** Where the database is, without secrets. */
  readonly describe: string;
  readonly servers: Definitions;
  readonly bundles: Definitions;
  readonly projects: Definitions;
  readonly roles: Definitions;
  readonly keys: Keys;
  readonly secrets: Secrets;
  readonly sealed: SealedValues;
  readonly calls: Calls;
  readonly linkTransitions: LinkTransitions;
  readonly audit: AuditLog;
  readonly settings: Settings;
  readonly rateCounts: RateCounts;
  readonly quotas: Quotas;
  readonly keyLimits: KeyLimitRows;
  readonly connections: Connections;
  readonly pins: Pins;
  readonly people: People;
  /** Calls `fn` when another process changed servers, bundles, projects, roles, keys, secrets or pins, or ended sessions, or may have; returns the way to end that. */
  onChange(fn: () => void): () => void;
  /** Throws when the database does not answer before the signal. */
  ping(signal: AbortSignal): Promise<void>;
  poolUse(): PoolUse;
  /** Ends connections, the embedded server and the hold on the home; within 12 s at the worst. */
  close(): Promise<void>;
}

export type OpenStoreOptions = Partial<DatabaseOptions> & {
  home: string;
  log: Log;
  signal?: AbortSignal;
};

/**
 * Locks the home and opens its database: the one of `url`, else the embedded one, which it starts. Tables are
 * brought up to date. Throws HOME_LOCKED, STORE_PLATFORM, STORE_START, STORE_UNAVAILABLE or STORE_MIGRATION.
 */
export async function openStore(given: OpenStoreOptions): Promise<Store> {
  const { home, log, signal = new AbortController().signal, ...rest } = given;
  const options = databaseOptions.parse(rest);
  await using opening = new AsyncDisposableStack();
  const lock = lockHome(home);
  opening.defer(() => {
    lock.release();
  });
  const place =
    options.url === undefined
      ? await openEmbedded(lock.home, log, signal, opening)
      : openExternal(options.url);
  const applicationName = `signalbox-${randomToken(6)}`;
  const database = new Database({ target: place.target, options, applicationName, log });
  opening.defer(() => database.close());
  place.onMoved((address) => {
    database.moveTo(address);
  });
  await database.checkVersion();
  await migrate({ clientConfig: database.clientConfig(MIGRATION_QUERY_TIMEOUT_MS), log, signal });
  const changes = new ConfigChanges({
    clientConfig: () => database.clientConfig(options.query_timeout),
    ownName: applicationName,
    log,
  });
  opening.defer(() => changes.stop());
  await changes.start().catch((error: unknown) => {
    throw storeError(error);
  });
  signal.throwIfAborted();
  const open = opening.move();
  log.info({ database: place.describe }, "opened the database");
  return storeOver({ place, database, changes, close: () => open.disposeAsync() });
}

/** A migration may rewrite a table. */
const MIGRATION_QUERY_TIMEOUT_MS = 10 * 60_000;

interface Place {
  readonly target: DatabaseTarget;
  readonly describe: string;
  onMoved(fn: (address: { host: string; port: number }) => void): void;
}

async function openEmbedded(
  home: string,
  log: Log,
  signal: AbortSignal,
  opening: AsyncDisposableStack,
): Promise<Place> {
  const server = await startEmbeddedServer({ home, log, signal });
  opening.defer(() => server.stop());
  return {
    target: { kind: "embedded", address: () => server.address },
    describe: `embedded PostgreSQL in ${server.folder}`,
    onMoved: (fn) => {
      server.onMoved(fn);
    },
  };
}

function openExternal(url: string): Place {
  return {
    target: { kind: "external", url },
    describe: describeUrl(url),
    onMoved: () => undefined,
  };
}

function describeUrl(url: string): string {
  const { host, pathname } = URL.parse(url) ?? { host: "", pathname: "" };
  return `PostgreSQL at ${host || "a local socket"}${pathname}`;
}

function storeOver(parts: {
  place: Place;
  database: Database;
  changes: ConfigChanges;
  close: () => Promise<void>;
}): Store {
  const { place, database, changes, close } = parts;
  let closing: Promise<void> | undefined;
  const closeOnce = (): Promise<void> => (closing ??= close());
  return {
    kind: place.target.kind,
    describe: place.describe,
    servers: definitionsIn(database, servers),
    bundles: definitionsIn(database, bundles),
    projects: definitionsIn(database, projects),
    roles: definitionsIn(database, roles),
    keys: keysIn(database),
    secrets: secretsIn(database),
    sealed: sealedValuesIn(database),
    calls: callsIn(database),
    linkTransitions: linkTransitionsIn(database),
    audit: auditIn(database),
    settings: settingsIn(database),
    rateCounts: rateCountsIn(database),
    quotas: quotasIn(database),
    keyLimits: keyLimitsIn(database),
    connections: connectionsIn(database),
    pins: pinsIn(database),
    people: peopleIn(database),
    onChange: (fn) => changes.onChange(fn),
    // The query itself ends by its own deadline.
    ping: async (signal) => {
      await orAborted(database.query("SELECT 1"), signal);
    },
    poolUse: () => database.use(),
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  };
}
