import { randomBytes } from "node:crypto";

/** A new id that sorts by the time of its making (UUID version 7), as `prefix_uuid` when a prefix is given. */
export function newId(prefix?: string): string {
  const uuid = uuidV7(Date.now());
  return prefix === undefined ? uuid : `${prefix}_${uuid}`;
}

/** A secret of that many random bytes, in base64url. */
export function randomToken(bytes: number): string {
  return randomBytes(bytes).toString("base64url");
}

// The 12 bits after the time count within a millisecond, so ids of one process never go backwards,
// not even when the wall clock does.
let lastMs = 0;
let lastMsText = "";
let sequence = 0;

function uuidV7(nowMs: number): string {
  if (nowMs > lastMs) {
    setLastMs(nowMs);
    sequence = Number.parseInt(randomHex(1), 16) << 2; // the lower quarter, to leave room to count
  } else if (++sequence > 0xfff) {
    setLastMs(lastMs + 1);
    sequence = 0;
  }
  const tail = randomHex(8);
  const variant = VARIANTS.charAt(Number.parseInt(tail.charAt(0), 16) & 3);
  return `${lastMsText}-7${HEX[sequence >> 8]}${HEX[(sequence >> 4) & 15]}${HEX[sequence & 15]}-${variant}${tail.slice(1, 4)}-${tail.slice(4)}`;
}

function setLastMs(ms: number): void {
  const text = ms.toString(16).padStart(12, "0");
  lastMs = ms;
  lastMsText = `${text.slice(0, 8)}-${text.slice(8)}`;
}

const HEX = "0123456789abcdef";
const VARIANTS = "89ab";

// Asking the kernel for every id costs more than the id, so random bytes are fetched in pages and used once.
const PAGE_BYTES = 4096;
let page = Buffer.alloc(0);
let used = 0;

/** That many random bytes, at most 4096, in hexadecimal. */
function randomHex(bytes: number): string {
  if (used + bytes > page.length) {
    page = randomBytes(PAGE_BYTES);
    used = 0;
  }
  used += bytes;
  return page.toString("hex", used - bytes, used);
}
