// Codes for who has lost the authenticator; each works once. They have 80 random bits, so a plain hash is enough.
import { createHash, randomBytes } from "node:crypto";
import { toBase32 } from "./totp.ts";

const CODES = 10;
const CODE_BYTES = 10;

/** Ten fresh codes, such as `ABCD-EFGH-IJKL-MNOP`, with their hashes for a person. */
export function newRecoveryCodes(personId: string): { codes: string[]; hashes: string[] } {
  const codes = Array.from({ length: CODES }, () =>
    toBase32(randomBytes(CODE_BYTES)).replaceAll(/(.{4})(?=.)/g, "$1-"),
  );
  return { codes, hashes: codes.map((code) => recoveryHash(personId, code)) };
}

/** Whether a text has the form of one, rather than that of a one-time code. */
export function isRecoveryCode(text: string): boolean {
  return /^[A-Z2-7]{16}$/.test(plain(text));
}

/** SHA-256 in hex; upper and lower case, hyphens and spaces make no difference. */
export function recoveryHash(personId: string, code: string): string {
  return createHash("sha256")
    .update(`${personId} ${plain(code)}`)
    .digest("hex");
}

function plain(code: string): string {
  return code.toUpperCase().replaceAll(/[-\s]/g, "");
}
