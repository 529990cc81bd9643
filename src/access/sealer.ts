// What is kept or given out sealed: AES-256-GCM under a key of its own for each purpose, derived by HKDF, so that what was
// sealed for one purpose opens for no other. The context (whose token, which row) is authenticated along with it.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

export interface Sealer {
  /** Printable, safe in URLs. `context` is needed again to open it. */
  seal(text: string, context?: string): string;
  /** Undefined where it was not sealed by this key, for this purpose and context. */
  open(sealed: string, context?: string): string | undefined;
}

/** A sealer for one purpose. `key` has 32 bytes. */
export function createSealer(key: Buffer, purpose: string): Sealer {
  const own = Buffer.from(hkdfSync("sha256", key, "", `signalbox/${purpose}`, KEY_BYTES));
  return {
    seal(text, context = ""): string {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", own, nonce);
      cipher.setAAD(Buffer.from(context));
      const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([VERSION, nonce, cipher.getAuthTag(), sealed]).toString("base64url");
    },
    open(sealed, context = ""): string | undefined {
      const bytes = Buffer.from(sealed, "base64url");
      if (bytes.length < HEAD_BYTES || bytes[0] !== VERSION[0]) return undefined;
      try {
        const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
        const decipher = createDecipheriv("aes-256-gcm", own, nonce, { authTagLength: TAG_BYTES });
        decipher.setAAD(Buffer.from(context));
        decipher.setAuthTag(bytes.subarray(1 + NONCE_BYTES, HEAD_BYTES));
        const text = decipher.update(bytes.subarray(HEAD_BYTES), undefined, "utf8");
        return text + decipher.final("utf8");
      } catch {
        return undefined;
      }
    },
  };
}

const VERSION = Buffer.from([1]);
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES;
