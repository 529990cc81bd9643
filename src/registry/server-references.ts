// Puts secrets, variables and files in place of the references in servers' options, at the moment the data plane is given them.
// What the registry keeps, shows and compares has the references; only what is given on has what they stand for.
import { createHash } from "node:crypto";
import { defaultProject, type Sealer } from "../access/index.ts";
import {
  GATEWAY_ACTOR,
  hideSecret,
  isSecretName,
  isSignalboxError,
  readSecretFile,
} from "../foundation/index.ts";
import type { AuditSink, Clock } from "../foundation/index.ts";
import { replaceReferences, withReferences } from "../gateway/index.ts";
import type {
  GatewayConfiguration,
  Reference,
  ServerDefinition,
  ServiceSettingsGiven,
} from "../gateway/index.ts";
import { placeOf, type SecretRecord } from "./secret-record.ts";

export interface ServerReferencesDeps {
  sealer: Sealer;
  clock: Clock;
  /** A variable of the gateway's environment. */
  variable(name: string): string | undefined;
  /** Files, and folders of files, that no server may be given: the gateway's own. */
  closedPaths: readonly string[];
  /** Variables that no server may be given: the gateway has secrets of its own from them. */
  closedVariables: ReadonlySet<string>;
  audit?: AuditSink | undefined;
}

/** What a reference stands for, or why there is nothing. */
type Found =
  | { readonly text: string; readonly secret?: SecretRecord }
  | { readonly problem: string };

/** What the references of servers stand for. */
export class ServerReferences {
  readonly #deps: ServerReferencesDeps;
  /** What variables and files were when they were last put in place, as hashes, by reference. */
  #outer = new Map<string, { reference: Reference; hash: string }>();
  /** The secrets each server was last given, to tell a new use from an old one. */
  #given = new Map<string, ReadonlySet<string>>();
  #lastUsed = new Map<string, number>();

  constructor(deps: ServerReferencesDeps) {
    this.#deps = deps;
  }

  /** The configuration with every reference put in place; a server where one cannot be has it as its `problem`. */
  fill(
    configuration: GatewayConfiguration,
    secrets: readonly SecretRecord[],
  ): GatewayConfiguration {
    const outer = new Map<string, { reference: Reference; hash: string }>();
    const given = new Map<string, ReadonlySet<string>>();
    const servers = configuration.servers.map((definition) => {
      hideWritten(definition);
      if (!refers(definition)) return definition;
      const { filled, found } = this.#filled(definition, secrets);
      for (const [reference, value] of found) {
        if (reference.kind !== "secret")
          outer.set(reference.text, { reference, hash: hashOf(value) });
      }
      given.set(definition.name, this.#noteUses(definition.name, found.values()));
      return filled;
    });
    this.#outer = outer;
    this.#given = given;
    return { ...configuration, servers };
  }

  /** One server with its references put in place, for a trial. */
  fillOne(definition: ServerDefinition, secrets: readonly SecretRecord[]): ServerDefinition {
    hideWritten(definition);
    const { filled, found } = this.#filled(definition, secrets);
    this.#noteUses(definition.name, found.values());
    return filled;
  }

  /** Whether a variable or file is another one than it was when it was put in place. */
  get outdated(): boolean {
    return [...this.#outer.values()].some(
      ({ reference, hash }) => hashOf(this.#find(reference, [])) !== hash,
    );
  }

  /** When secrets were last given to a server since this was last asked: id to epoch milliseconds. */
  takeLastUsed(): Map<string, number> {
    const taken = this.#lastUsed;
    this.#lastUsed = new Map();
    return taken;
  }

  #filled(
    definition: ServerDefinition,
    secrets: readonly SecretRecord[],
  ): { filled: ServerDefinition; found: Map<Reference, Found> } {
    const found = new Map<Reference, Found>();
    const missing = new Set<string>();
    const put = (reference: Reference): string => {
      const value = this.#find(reference, secrets);
      found.set(reference, value);
      if ("text" in value) return value.text;
      missing.add(`${reference.text}, which ${value.problem}`);
      return "";
    };
    for (const name of definition.options.env_allow ?? [])
      if (this.#deps.closedVariables.has(name)) missing.add(`the variable ${name}, which ${OWN}`);
    const { settings } = definition;
    if (settings !== undefined) {
      const values = withTexts(settings.values, (text) => replaceReferences(text, put));
      if (missing.size === 0) return { filled: opened(definition, settings, values), found };
    }
    const { options, problem } = withReferences(definition.options, put);
    if (missing.size === 0 && problem === undefined)
      return { filled: { ...definition, options }, found };
    const why =
      missing.size > 0
        ? `needs ${[...missing].join("; and ")}`
        : `cannot use what its references stand for: ${problem}`;
    return {
      filled: { ...definition, problem: { code: "SECRET_MISSING", message: why } },
      found,
    };
  }

  #find({ kind, name }: Reference, secrets: readonly SecretRecord[]): Found {
    if (kind === "secret") return this.#findSecret(name, secrets);
    if (kind === "file") {
      const file = readSecretFile(name, this.#deps.closedPaths);
      if ("text" in file) hideSecret(file.text);
      return file;
    }
    if (this.#deps.closedVariables.has(name)) return { problem: OWN };
    const text = this.#deps.variable(name);
    if (text === undefined) return { problem: "is not set" };
    if (isSecretName(name)) hideSecret(text);
    return { text };
  }

  #findSecret(name: string, secrets: readonly SecretRecord[]): Found {
    const secret = secrets.find(
      (one) => one.name === name && one.project === defaultProject && one.owner === undefined,
    );
    if (secret === undefined) return { problem: "is not there" };
    try {
      const text = this.#deps.sealer.open(secret.sealed, placeOf(secret));
      hideSecret(text);
      return { text, secret };
    } catch (error) {
      if (!isSignalboxError(error)) throw error;
      return { problem: `cannot be opened (${error.code})` };
    }
  }

  #noteUses(server: string, found: Iterable<Found>): ReadonlySet<string> {
    const before = this.#given.get(server);
    const uses = new Set<string>();
    for (const value of found) {
      const secret = "secret" in value ? value.secret : undefined;
      if (secret === undefined) continue;
      const use = `${secret.id} ${secret.updatedAt}`;
      if (uses.has(use)) continue;
      uses.add(use);
      if (before?.has(use) === true) continue;
      this.#lastUsed.set(secret.id, this.#deps.clock.now());
      this.#deps.audit?.({
        action: "secret.use",
        actor: GATEWAY_ACTOR,
        target: `secret:${secret.name}`,
        project: secret.project,
        outcome: "ok",
        details: { server },
      });
    }
    return uses;
  }
}

const OWN = "holds a secret of the gateway itself";

/** The names of the secrets a server refers to. */
export function secretsOf(definition: ServerDefinition): Set<string> {
  const names = new Set<string>();
  const note = ({ kind, name }: Reference): string => {
    if (kind === "secret") names.add(name);
    return "";
  };
  withReferences(definition.options, note);
  withTexts(definition.settings?.values ?? {}, (text) => replaceReferences(text, note));
  return names;
}

// A service whose settings do not fit is shown as failing, like a server that cannot be opened.
function opened(
  definition: ServerDefinition,
  settings: ServiceSettingsGiven,
  values: Record<string, unknown>,
): ServerDefinition {
  try {
    return { ...definition, service: settings.open(values) };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const message = `cannot use its settings: ${error.message}`;
    return { ...definition, problem: { code: "CONFIG_INVALID", message } };
  }
}

function withTexts(
  table: Readonly<Record<string, unknown>>,
  put: (text: string) => string,
): Record<string, unknown> {
  const copy = (value: unknown): unknown => {
    if (typeof value === "string") return put(value);
    if (Array.isArray(value)) return value.map(copy);
    return isTable(value) ? withTexts(value, put) : value;
  };
  return Object.fromEntries(Object.entries(table).map(([name, value]) => [name, copy(value)]));
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// A secret that is written out is to be masked no less: a server that fails may say what it was given.
function hideWritten({ options: { env, headers, endpoints = [] } }: ServerDefinition): void {
  const tables = [env, headers, ...endpoints.map((one) => one.headers)];
  for (const [name, text] of tables.flatMap((table) => Object.entries(table ?? {}))) {
    if (isSecretName(name) && !text.includes("${"))
      hideSecret(text.replace(/^(Bearer|Basic|Token)\s+/i, ""));
  }
}

function refers({ service, settings, options }: ServerDefinition): boolean {
  // A service with settings is opened here, whether or not they refer to anything.
  if (settings !== undefined) return true;
  if (service !== undefined) return false;
  return options.env_allow !== undefined || JSON.stringify(options).includes("${");
}

function hashOf(found: Found): string {
  return createHash("sha256").update(JSON.stringify(found)).digest("base64url");
}
