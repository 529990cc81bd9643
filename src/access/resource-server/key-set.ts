/** The public keys of an issuer: fetched once, kept, and asked for again when they are old or do not have a key, but not often. */
import { createLocalJWKSet, errors, type JWTVerifyGetKey } from "jose";
import { z } from "zod";
import { SignalboxError, isSignalboxError, type Clock } from "../../foundation/index.ts";
import type { FetchJson } from "../fetch-json.ts";

type LocalKeys = ReturnType<typeof createLocalJWKSet>;

export interface KeySetDeps {
  readonly fetchJson: FetchJson;
  readonly clock: Clock;
  readonly url: () => Promise<string>;
}

export class KeySet {
  readonly #deps: KeySetDeps;
  #keys: LocalKeys | undefined;
  #fetchedAt = -Infinity;
  #triedAt = -Infinity;
  #fetching: Promise<LocalKeys> | undefined;
  #failure: SignalboxError | undefined;

  constructor(deps: KeySetDeps) {
    this.#deps = deps;
  }

  /** The key that a token's header names, for jose. Throws AUTH_UNAVAILABLE where no keys can be had. */
  readonly key: JWTVerifyGetKey = async (header, token) => {
    const keys = await this.#current();
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || this.#since(this.#triedAt) < REFETCH_MS) {
        throw error;
      }
      const newer = await this.#fetch();
      return await newer(header, token);
    }
  };

  // Old keys go on counting while newer ones cannot be had, for some hours.
  async #current(): Promise<LocalKeys> {
    const age = this.#since(this.#fetchedAt);
    if (this.#keys !== undefined && age < AGE_MAX_MS) return this.#keys;
    const kept = age < STALE_MAX_MS ? this.#keys : undefined;
    const waits = this.#since(this.#triedAt) < RETRY_MS && this.#fetching === undefined;
    if (waits && kept !== undefined) return kept;
    if (waits && this.#failure !== undefined) throw this.#failure;
    try {
      return await this.#fetch();
    } catch (error) {
      if (kept !== undefined) return kept;
      throw error;
    }
  }

  #fetch(): Promise<LocalKeys> {
    this.#fetching ??= this.#fetchNow().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetchNow(): Promise<LocalKeys> {
    this.#triedAt = this.#deps.clock.monotonicMs();
    try {
      const { body } = await this.#deps.fetchJson(await this.#deps.url(), {
        signal: AbortSignal.timeout(DEADLINE_MS),
        bytesMax: BYTES_MAX,
      });
      const { keys } = keySetShape.parse(body);
      // A secret has no business in a public list; with it, a token could be signed by whoever reads the list.
      this.#keys = createLocalJWKSet({ keys: keys.filter(({ kty }) => kty !== "oct") });
      this.#fetchedAt = this.#deps.clock.monotonicMs();
      this.#failure = undefined;
      return this.#keys;
    } catch (error) {
      this.#failure = isSignalboxError(error) ? error : unreadable(error);
      throw this.#failure;
    }
  }

  #since(time: number): number {
    return this.#deps.clock.monotonicMs() - time;
  }
}

function unreadable(cause: unknown): SignalboxError {
  return new SignalboxError("AUTH_UNAVAILABLE", "The issuer's keys cannot be read.", { cause });
}

const keySetShape = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

const AGE_MAX_MS = 600_000;
const STALE_MAX_MS = 6 * 3_600_000;
/** Tokens with made-up key names make the issuer's keys be fetched no more often than this. */
const REFETCH_MS = 30_000;
const RETRY_MS = 5_000;
const DEADLINE_MS = 5_000;
const BYTES_MAX = 262_144;
