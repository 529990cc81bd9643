// Passwords as argon2id hashes (RFC 9106), with the parameters of OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one
// lane. Node computes them in its thread pool. How many are computed at once, and how many wait, is bounded: each takes
// memory and a core, and whoever guesses passwords asks for as many as he likes.
import crypto, { randomBytes, timingSafeEqual } from "node:crypto";
import { SignalboxError } from "../../foundation/index.ts";

export interface HasherLimits {
  /** Hashes computed at once; the thread pool has four threads, which files and names need too. */
  readonly concurrency: number;
  /** How many may wait for their turn. */
  readonly queueMax: number;
}

export interface HashCost {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** Hashes passwords and compares them. Throws SIGN_IN_BUSY where too many wait, NODE_UNSUPPORTED before Node 24.7. */
export class PasswordHasher {
  readonly #limits: HasherLimits;
  readonly #cost: HashCost;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** `cost` (default: OWASP's) is what a new hash takes. */
  constructor(
    limits: HasherLimits = { concurrency: 2, queueMax: 32 },
    cost: HashCost = RECOMMENDED,
  ) {
    this.#limits = limits;
    this.#cost = cost;
  }

  /** A PHC string with a salt of its own. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.#inTurn(() => derive(password, salt, this.#cost, HASH_BYTES));
    return phc(salt, hash, this.#cost);
  }

  /** Whether a password is the one of a hash. Without a hash it takes the same time, and is not. */
  async matches(password: string, stored: string | undefined): Promise<boolean> {
    const known = stored === undefined ? undefined : parsed(stored);
    const { salt, hash, cost } = known ?? { ...NOBODY, cost: this.#cost };
    const derived = await this.#inTurn(() => derive(password, salt, cost, hash.length));
    return timingSafeEqual(derived, hash) && known !== undefined;
  }

  /** Whether a hash was made with other parameters than today's. */
  outdated(stored: string): boolean {
    const { memory, passes } = parsed(stored)?.cost ?? this.#cost;
    return memory !== this.#cost.memory || passes !== this.#cost.passes;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limits.concurrency) {
      if (this.#waiting.length >= this.#limits.queueMax) {
        throw new SignalboxError("SIGN_IN_BUSY", "Too many passwords are being checked just now.");
      }
      // Whoever is let in takes over the place of the one who leaves.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

const RECOMMENDED: HashCost = { memory: 19_456, passes: 2, parallelism: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;

// What a password is compared with where there is none.
const NOBODY = { salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) };

// The same letter can be written in several ways, and keyboards differ in which (NIST SP 800-63B, section 3.1.1.2).
function derive(password: string, salt: Buffer, cost: HashCost, bytes: number): Promise<Buffer> {
  const argon2: typeof crypto.argon2 | undefined = crypto.argon2;
  if (argon2 === undefined) {
    throw new SignalboxError(
      "NODE_UNSUPPORTED",
      `Passwords need Node.js 24.7 or newer, and this is ${process.version}.`,
    );
  }
  const message = password.normalize("NFKC");
  return new Promise((resolve, reject) => {
    argon2("argon2id", { message, nonce: salt, tagLength: bytes, ...cost }, (error, hash) => {
      if (error === null) resolve(hash);
      else reject(error);
    });
  });
}

function phc(salt: Buffer, hash: Buffer, cost: HashCost): string {
  const { memory, passes, parallelism } = cost;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
}

function parsed(text: string): { salt: Buffer; hash: Buffer; cost: HashCost } | undefined {
  const [, memory, passes, parallelism, salt, hash] = SHAPE.exec(text) ?? [];
  if (salt === undefined || hash === undefined) return undefined;
  return {
    salt: Buffer.from(salt, "base64"),
    hash: Buffer.from(hash, "base64"),
    cost: { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) },
  };
}

const SHAPE =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,})\$([A-Za-z0-9+/]{16,})$/;

function base64(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
