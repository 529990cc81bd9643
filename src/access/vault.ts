// What seals secrets before they are stored. Every value is sealed with AES-256-GCM under a key of its purpose, which
// HKDF-SHA256 derives from the encryption key, and is bound to what its owner names beside it (table, row, project): a sealed
// value that was moved to another row, or is presented for another purpose, does not open.
//
//   v1.<id of the encryption key>.<nonce>.<ciphertext and tag>      the last two in base64url
//
// Several keys may be known: the current one seals, all of them open. The id in the text says which, and thereby what is
// left to be sealed anew after the current one was replaced.
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import { SignalboxError } from "../foundation/index.ts";

/** Seals and opens texts for one purpose. `aad` names the place of the text; it must be the same for both. */
export interface Sealer {
  seal(plain: string | Buffer, aad: string): string;
  /** Throws SECRET_UNREADABLE where the text was altered or moved, or its key is not known. */
  open(sealed: string, aad: string): string;
}

/** What the sealed values of a process are sealed with; locked until it is given keys. */
export class Vault {
  #keys: readonly VaultKey[] = [];

  /** Gives it its keys: the first seals, all of them open. */
  unlock(keys: readonly Buffer[]): void {
    const known = new Map(keys.map((master) => [keyIdOf(master), master]));
    this.#keys = [...known].map(([id, master]) => ({ id, master, derived: new Map() }));
  }

  /** Whether it has a key. */
  get unlocked(): boolean {
    return this.#keys.length > 0;
  }

  /** The id of the key that seals now. Throws ENCRYPTION_KEY_MISSING while locked. */
  get keyId(): string {
    return this.#current().id;
  }

  /** The sealer of a purpose, such as "secrets" or "oauth-tokens"; may be taken while the vault is still locked. */
  for(purpose: string): Sealer {
    return {
      seal: (plain, aad) => {
        const { id, ...key } = this.#current();
        const nonce = randomBytes(NONCE_BYTES);
        const cipher = createCipheriv(CIPHER, derivedKey(key, purpose), nonce);
        cipher.setAAD(boundTo(purpose, aad));
        const body = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
        return [VERSION, id, nonce.toString("base64url"), body.toString("base64url")].join(".");
      },
      open: (sealed, aad) => this.#open(purpose, sealed, aad),
    };
  }

  #open(purpose: string, sealed: string, aad: string): string {
    const [version, id, nonce = "", text = "", ...rest] = sealed.split(".");
    if (version !== VERSION || rest.length > 0) throw unreadable("it is not a sealed text");
    this.#current();
    const key = this.#keys.find((one) => one.id === id);
    if (key === undefined)
      throw unreadable(`it was sealed with the key ${shown(id)}, which is not configured`);
    const body = Buffer.from(text, "base64url");
    const iv = Buffer.from(nonce, "base64url");
    // Node overlooks what is no base64url, so that one sealed text could be written in many ways.
    if (body.toString("base64url") !== text || iv.toString("base64url") !== nonce)
      throw unreadable("it is not a sealed text");
    if (iv.length !== NONCE_BYTES || body.length < TAG_BYTES)
      throw unreadable("it is not a sealed text");
    const decipher = createDecipheriv(CIPHER, derivedKey(key, purpose), iv, {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(boundTo(purpose, aad));
    decipher.setAuthTag(body.subarray(-TAG_BYTES));
    try {
      const opened = [decipher.update(body.subarray(0, -TAG_BYTES)), decipher.final()];
      return Buffer.concat(opened).toString("utf8");
    } catch (cause) {
      throw unreadable("it was altered, or belongs to another place", cause);
    }
  }

  #current(): VaultKey {
    const [current] = this.#keys;
    if (current !== undefined) return current;
    throw new SignalboxError(
      "ENCRYPTION_KEY_MISSING",
      "Nothing can be sealed or opened: MCP_ENCRYPTION_KEY is not set.",
    );
  }
}

/** The id of the key a text was sealed with; undefined where it is no sealed text. */
export function keyIdOfSealed(sealed: string): string | undefined {
  const [version, id] = sealed.split(".", 2);
  return version === VERSION ? id : undefined;
}

/**
 * The 32 bytes of an encryption key as it is written: base64 (also its form for addresses) or hex of 32 bytes, or 32
 * characters that are themselves the bytes. Undefined where it is none of these.
 */
export function readEncryptionKey(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  if (/^[A-Za-z0-9+/]{43}=?$|^[A-Za-z0-9_-]{43}=?$/.test(text)) return Buffer.from(text, "base64");
  const bytes = Buffer.from(text, "utf8");
  return bytes.length === KEY_BYTES ? bytes : undefined;
}

const CIPHER = "aes-256-gcm";
const VERSION = "v1";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID_CHARACTERS = 10;

interface VaultKey {
  readonly id: string;
  readonly master: Buffer;
  /** By purpose: there are few, all of them named in code. */
  readonly derived: Map<string, Buffer>;
}

// Not a hash of the key itself, which would say something about a key that is not random.
function keyIdOf(master: Buffer): string {
  const bytes = derive(master, "key id");
  return createHash("sha256").update(bytes).digest("base64url").slice(0, KEY_ID_CHARACTERS);
}

function derivedKey({ master, derived }: Omit<VaultKey, "id">, purpose: string): Buffer {
  const known = derived.get(purpose);
  if (known !== undefined) return known;
  const key = derive(master, `seal ${purpose}`);
  derived.set(purpose, key);
  return key;
}

function derive(master: Buffer, info: string): Buffer {
  return Buffer.from(hkdfSync("sha256", master, "signalbox vault v1", info, KEY_BYTES));
}

// As JSON, so that no choice of the parts can read like another choice.
function boundTo(purpose: string, aad: string): Buffer {
  return Buffer.from(JSON.stringify([VERSION, purpose, aad]), "utf8");
}

function unreadable(why: string, cause?: unknown): SignalboxError {
  return new SignalboxError("SECRET_UNREADABLE", `A sealed value cannot be opened: ${why}.`, {
    ...(cause !== undefined && { cause }),
  });
}

function shown(id: string | undefined): string {
  return JSON.stringify((id ?? "").slice(0, 2 * KEY_ID_CHARACTERS));
}
