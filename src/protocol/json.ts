/**
 * JSON as the relay needs it: numbers survive a round trip, and a hostile document is refused before it is built.
 *
 * A message is parsed once, a few named fields are changed, and it is written again. `JSON.parse` alone would turn
 * 12345678901234567890 into 12345678901234567000, so numbers that a double cannot hold are kept as their source text
 * (`JSON.rawJSON`). Parsing also collapses duplicate keys to the last one, so what was checked is what is sent.
 */

declare global {
  // Proposal "JSON.parse source text access", in Node 24, not yet in TypeScript's library.
  interface JSON {
    rawJSON(text: string): object;
    isRawJSON(value: unknown): boolean;
  }
}

/** A JSON object whose members are not known yet. */
export type JsonObject = { [key: string]: unknown };

/** What a document may hold before it is refused. */
export interface JsonBounds {
  /** Levels of arrays and objects inside each other. */
  readonly depthMax: number;
  /** Members of all arrays and objects together. */
  readonly elementsMax: number;
}

/** A document that is JSON but larger or deeper than its bounds. */
export class JsonBoundsError extends Error {
  override readonly name = "JsonBoundsError";
}

/**
 * Parses `text`; throws SyntaxError where it is not JSON and JsonBoundsError where it passes `bounds`. Without bounds too it
 * must not nest deeper than can be written again: what parses a hundred thousand levels deep overflows the stack of
 * `JSON.stringify`, and with it whoever passes it on.
 */
export function parseJson(text: string, bounds: JsonBounds = WRITABLE): unknown {
  if (mayExceed(text, bounds)) checkBounds(text, bounds);
  return MAY_LOSE_DIGITS.test(text) ? JSON.parse(text, keepSource) : JSON.parse(text);
}

/** Writes `value` on one line; numbers kept by `parseJson` come out as they came in. */
export function stringify(value: unknown): string {
  return JSON.stringify(value);
}

/** Whether `value` is a JSON object: not null, not an array, not a number kept as text. */
export function isJsonObject(value: unknown): value is JsonObject {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value)
  );
}

/** A number as `parseJson` reads it: also one that it keeps as its source text. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  return JSON.isRawJSON(value) ? Number(JSON.stringify(value)) : undefined;
}

// A number of sixteen digits or more, or with an exponent. A match inside a string costs time, never correctness.
const MAY_LOSE_DIGITS = /[:,[]\s*-?(?:\d[\d.]{15,}|[\d.]+[eE])/;

function keepSource(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || context?.source === undefined) return value;
  return String(value) === context.source ? value : JSON.rawJSON(context.source);
}

const WRITABLE: JsonBounds = { depthMax: 1_000, elementsMax: Number.POSITIVE_INFINITY };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

// A few look-ups tell of nearly every document that it cannot exceed its bounds: each level has its opening bracket, and
// each member its comma.
function mayExceed(text: string, { depthMax, elementsMax }: JsonBounds): boolean {
  if (text.length <= depthMax) return false;
  if (text.length > elementsMax) return true;
  let openings = 0;
  for (const bracket of BRACKETS) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++openings > depthMax) return true;
    }
  }
  return false;
}

const BRACKETS = ["{", "["] as const;

function checkBounds(text: string, bounds: JsonBounds): void {
  let depth = 0;
  let elements = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at + 1);
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > bounds.depthMax) {
        throw new JsonBoundsError(`nested deeper than ${bounds.depthMax} levels`);
      }
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth--;
    } else if (code === COMMA && ++elements > bounds.elementsMax) {
      throw new JsonBoundsError(`more than ${bounds.elementsMax} members`);
    }
  }
}

function endOfString(text: string, from: number): number {
  for (let at = from; ; at++) {
    at = text.indexOf('"', at);
    if (at < 0) return text.length;
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at;
  }
}
