// What connections keep and give out sealed: by the vault, for one purpose and one context (whose token, which row). What does
// not open is no error here: links expire, are copied and are made up.
import { isSignalboxError } from "../foundation/index.ts";
import { Vault } from "./vault.ts";

export interface TextSealer {
  /** Printable, safe in URLs. `context` is needed again to open it. */
  seal(text: string, context?: string): string;
  /** Undefined where it was not sealed by a key of the vault's, for this purpose and context. */
  open(sealed: string, context?: string): string | undefined;
}

/** A sealer for one purpose; the vault may be unlocked later. */
export function textSealer(vault: Vault, purpose: string): TextSealer {
  const sealer = vault.for(purpose);
  return {
    seal: (text, context = "") => sealer.seal(text, context),
    open(sealed, context = ""): string | undefined {
      try {
        return sealer.open(sealed, context);
      } catch (error) {
        if (isSignalboxError(error) && error.code === "SECRET_UNREADABLE") return undefined;
        throw error;
      }
    },
  };
}

/** A sealer with a key of its own, 32 bytes. */
export function createSealer(key: Buffer, purpose: string): TextSealer {
  const vault = new Vault();
  vault.unlock([key]);
  return textSealer(vault, purpose);
}
