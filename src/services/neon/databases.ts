// The addresses of databases, with their passwords: asked for once, kept in memory for a while, and never shown.
import { ToolError, path, type Clock, type RestClient } from "@signalbox/kit";
import { z } from "zod";
import { branchOf, projectOf, type Place } from "./place.ts";
import type { NeonOptions } from "./settings.ts";
import { branch, database } from "./schemas.ts";

export class Databases {
  readonly #api: RestClient;
  readonly #options: NeonOptions;
  readonly #clock: Clock;
  readonly #known = new Map<string, { uri: string; untilMs: number }>();

  constructor(api: RestClient, options: NeonOptions, clock: Clock) {
    this.#api = api;
    this.#options = options;
    this.#clock = clock;
  }

  /** `postgresql://role:password@host/database`: secret. Throws ToolError where there is no such database. */
  async addressOf(place: Place, signal: AbortSignal, pooled = false): Promise<string> {
    const { database_url } = this.#options;
    const named = place.projectId ?? place.branchId ?? place.database ?? place.role;
    if (named === undefined && database_url !== undefined) return database_url;
    const key = JSON.stringify([
      place.projectId,
      place.branchId,
      place.database,
      place.role,
      pooled,
    ]);
    const known = this.#known.get(key);
    if (known !== undefined && known.untilMs > this.#clock.monotonicMs()) return known.uri;
    const uri = await this.#ask(place, pooled, signal);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= knownMax && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(key, { uri, untilMs: this.#clock.monotonicMs() + knownMs });
    return uri;
  }

  /** The database's password was changed, or its branch is gone. */
  forget(uri: string): boolean {
    const found = [...this.#known].filter(([, known]) => known.uri === uri);
    for (const [key] of found) this.#known.delete(key);
    return found.length > 0;
  }

  forgetAll(): void {
    this.#known.clear();
  }

  /** The branch meant: named, or the project's default. */
  async branchOf(place: Place, signal: AbortSignal): Promise<string> {
    const named = branchOf(place, this.#options);
    if (named !== undefined) return named;
    const projectId = projectOf(place, this.#options);
    const { branches } = await this.#api.ask(
      { path: path`/projects/${projectId}/branches`, signal },
      z.object({ branches: z.array(branch) }),
    );
    const found = branches.find((one) => one.default ?? one.primary ?? false) ?? branches[0];
    if (found !== undefined) return found.id;
    throw new ToolError(`The project ${projectId} has no branch.`, { code: "NOT_FOUND" });
  }

  async #ask(place: Place, pooled: boolean, signal: AbortSignal): Promise<string> {
    const projectId = projectOf(place, this.#options);
    const branchId = await this.branchOf(place, signal);
    const found = await this.#database(projectId, branchId, place, signal);
    const { uri } = await this.#api.ask(
      {
        path: path`/projects/${projectId}/connection_uri`,
        query: {
          branch_id: branchId,
          database_name: found.name,
          role_name: place.role ?? found.owner_name,
          pooled,
        },
        signal,
      },
      z.object({ uri: z.url({ protocol: /^postgres(?:ql)?$/ }) }),
    );
    return uri;
  }

  async #database(projectId: string, branchId: string, place: Place, signal: AbortSignal) {
    const { databases } = await this.#api.ask(
      { path: path`/projects/${projectId}/branches/${branchId}/databases`, signal },
      z.object({ databases: z.array(database) }),
    );
    const wanted = place.database ?? this.#options.database;
    const found =
      databases.find(({ name }) => name === (wanted ?? "neondb")) ??
      (wanted === undefined ? databases[0] : undefined);
    if (found !== undefined) return found;
    const names = databases.map(({ name }) => name).join(", ");
    throw new ToolError(
      `There is no database "${wanted ?? "neondb"}" on this branch; there ${names === "" ? "is none" : `are: ${names}`}.`,
      { code: "NOT_FOUND" },
    );
  }
}

const knownMs = 10 * 60_000;
const knownMax = 200;

/** An address as it may be shown: `postgresql://role:***@host/database`. */
export function shownAddress(uri: string): string {
  const url = new URL(uri);
  if (url.password !== "") url.password = "***";
  return url.href;
}
