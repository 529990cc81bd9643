// Tokens that end and are renewed. However many ask at once, one request is made; a token is renewed a while before it
// ends, and as long as the old one holds nobody waits for that.
import { orAborted, type Clock } from "../clock.ts";

export interface Token {
  readonly value: string;
  /** When it ends, epoch milliseconds; Infinity for one that does not. */
  readonly expiresAt: number;
}

export interface TokenProviderOptions {
  /** Gets a new token; `before` is the one that ends or was refused. */
  fetchToken(signal: AbortSignal, before: Token | undefined): Promise<Token>;
  readonly clock: Clock;
  /** How long before its end a token is renewed; default 5 minutes, a tenth of its life at most. */
  readonly earlyMs?: number;
  /** The longest renewal; default 30 s. */
  readonly timeoutMs?: number;
}

/** Gives the token of the moment. */
export interface TokenProvider {
  /** Rejects with what `fetchToken` rejects with, or the signal's reason; the renewal goes on for the others. */
  get(signal: AbortSignal): Promise<string>;
  /** The vendor refused this token: the next `get` renews it. */
  refuse(value: string): void;
}

/** A token that never changes. */
export function staticToken(value: string): TokenProvider {
  return { get: () => Promise.resolve(value), refuse: () => {} };
}

/** A provider over `fetchToken`. */
export function createTokenProvider(options: TokenProviderOptions): TokenProvider {
  const { clock, timeoutMs = 30_000 } = options;
  let token: Token | undefined;
  let renewAt = 0;
  let renewing: Promise<Token> | undefined;

  const renew = async (): Promise<Token> => {
    try {
      const made = await options.fetchToken(AbortSignal.timeout(timeoutMs), token);
      const lifeMs = made.expiresAt - clock.now();
      token = made;
      renewAt = made.expiresAt - Math.min(options.earlyMs ?? 300_000, lifeMs / 10);
      return made;
    } finally {
      renewing = undefined;
    }
  };

  return {
    get: async (signal) => {
      const now = clock.now();
      if (token !== undefined && now < renewAt) return token.value;
      renewing ??= renew();
      if (token === undefined || token.expiresAt - now < spareMs)
        return (await orAborted(renewing, signal)).value;
      // The old one still holds, so a renewal that fails is tried again by the next request.
      renewing.catch(() => {});
      return token.value;
    },
    refuse: (value) => {
      if (token?.value !== value) return;
      token = { ...token, expiresAt: 0 };
      renewAt = 0;
    },
  };
}

/** A token with less time than this is not sent any more. */
const spareMs = 10_000;
