// One-time codes of six digits (RFC 6238 over RFC 4226: HMAC-SHA-1, steps of thirty seconds), which every authenticator knows.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const STEP_MS = 30_000;
const DIGITS = 6;
const SECRET_BYTES = 20;
/** Clocks may differ by a step. */
const SKEW_STEPS = 1;

/** A fresh secret of 160 bits, in base32. */
export function newTotpSecret(): string {
  return toBase32(randomBytes(SECRET_BYTES));
}

/** The step whose code this is, of the one at `now` (epoch milliseconds) and its neighbours; undefined where it is none of theirs. */
export function stepOfCode(secret: string, code: string, now: number): number | undefined {
  const key = fromBase32(secret);
  const given = Buffer.from(code.padEnd(DIGITS).slice(0, DIGITS));
  const current = Math.floor(now / STEP_MS);
  let found: number | undefined;
  for (let step = current - SKEW_STEPS; step <= current + SKEW_STEPS; step++) {
    if (timingSafeEqual(Buffer.from(codeAt(key, step)), given)) found ??= step;
  }
  return code.length === DIGITS ? found : undefined;
}

/** The code of a secret at a time (epoch milliseconds). */
export function totpCode(secret: string, now: number): string {
  return codeAt(fromBase32(secret), Math.floor(now / STEP_MS));
}

/** What an authenticator takes as a QR code or link. */
export function totpUri(secret: string, name: string): string {
  const label = `Signalbox:${encodeURIComponent(name)}`;
  return `otpauth://totp/${label}?secret=${secret}&issuer=Signalbox&algorithm=SHA1&digits=${DIGITS}&period=${STEP_MS / 1000}`;
}

function codeAt(key: Buffer, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", key).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0xf;
  const number = (mac.readUInt32BE(offset) & 0x7fff_ffff) % 10 ** DIGITS;
  return String(number).padStart(DIGITS, "0");
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** RFC 4648, section 6, without padding: for whole groups of five bits. */
export function toBase32(bytes: Buffer): string {
  let bits = "";
  for (const byte of bytes) bits += byte.toString(2).padStart(8, "0");
  return bits.replaceAll(/.{1,5}/g, (group) =>
    ALPHABET.charAt(Number.parseInt(group.padEnd(5, "0"), 2)),
  );
}

function fromBase32(text: string): Buffer {
  let bits = "";
  for (const character of text) bits += ALPHABET.indexOf(character).toString(2).padStart(5, "0");
  const bytes = bits.match(/.{8}/g) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)));
}
