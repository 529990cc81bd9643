/**
 * A look at a JSON-RPC answer that builds nothing: most answers are passed on as they came, and then only have to be known for
 * what they are. Every byte is checked against the grammar of RFC 8259; whatever is not the plainest kind of answer is left
 * to be read.
 */

/** Not a plain answer, or no JSON at all: read it. */
export const LOOK_CLOSER = 0;
/** A result. */
export const RESULT = 1;
/** A result that says `isError`. */
export const ERROR_RESULT = 2;

export type AnswerKind = typeof LOOK_CLOSER | typeof RESULT | typeof ERROR_RESULT;

/**
 * What `bytes` are, as the answer to the request with that id: one object with exactly one `id`, which is that number, exactly
 * one `result`, which is an object, and no `error`; its names, and those of the result, without escapes.
 */
export function answerKind(bytes: Uint8Array, id: number): AnswerKind {
  if (!Number.isSafeInteger(id) || id < 0) return LOOK_CLOSER;
  text = bytes;
  end = bytes.length;
  at = 0;
  kind = LOOK_CLOSER;
  const isPlain = scanAnswer(id);
  text = NOTHING;
  return isPlain ? kind : LOOK_CLOSER;
}

const NOTHING = new Uint8Array(0);
/** Deeper answers are read. */
const DEPTH_MAX = 100;

// One scan at a time, without an object for it: the scanner is synchronous and calls nobody.
let text: Uint8Array = NOTHING;
let at = 0;
let end = 0;
let kind: AnswerKind = LOOK_CLOSER;

const SPACE = 0x20;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LOWER_B = 0x62;
const LOWER_E = 0x65;
const UPPER_E = 0x45;
const LOWER_F = 0x66;
const LOWER_N = 0x6e;
const LOWER_R = 0x72;
const LOWER_T = 0x74;
const LOWER_U = 0x75;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const ascii = (word: string): Uint8Array => Uint8Array.from(word, (one) => one.charCodeAt(0));
const ID = ascii("id");
const ERROR = ascii("error");
const RESULT_NAME = ascii("result");
const IS_ERROR = ascii("isError");
const TRUE = ascii("true");
const FALSE = ascii("false");
const NULL = ascii("null");

function scanAnswer(id: number): boolean {
  skipSpace();
  if (text[at] !== OPEN_BRACE) return false;
  at++;
  let ids = 0;
  for (let first = true; ; first = false) {
    skipSpace();
    if (!first) {
      if (text[at] === CLOSE_BRACE) break;
      if (text[at] !== COMMA) return false;
      at++;
      skipSpace();
    }
    const from = at + 1;
    if (!skipString() || hasEscape(from)) return false;
    const to = at - 1;
    if (!skipColon()) return false;
    if (isName(from, to, ID)) {
      ids++;
      if (!skipId(id)) return false;
    } else if (isName(from, to, RESULT_NAME)) {
      if (kind !== LOOK_CLOSER || !scanResult()) return false;
    } else if (isName(from, to, ERROR) || !skipValue(1)) return false;
  }
  at++;
  skipSpace();
  return at === end && ids === 1;
}

function scanResult(): boolean {
  if (text[at] !== OPEN_BRACE) return false;
  at++;
  kind = RESULT;
  let told = false;
  for (let first = true; ; first = false) {
    skipSpace();
    if (text[at] === CLOSE_BRACE) break;
    if (!first) {
      if (text[at] !== COMMA) return false;
      at++;
      skipSpace();
    }
    const from = at + 1;
    if (!skipString() || hasEscape(from)) return false;
    const to = at - 1;
    if (!skipColon()) return false;
    if (!isName(from, to, IS_ERROR)) {
      if (!skipValue(2)) return false;
      continue;
    }
    if (told) return false;
    told = true;
    if (text[at] === LOWER_T) kind = ERROR_RESULT;
    if (!skipWord(text[at] === LOWER_T ? TRUE : FALSE)) return false;
  }
  at++;
  return true;
}

function skipId(id: number): boolean {
  let value = 0;
  const from = at;
  for (; at < end; at++) {
    const digit = (text[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (at === from || (text[from] === ZERO && at > from + 1) || value !== id) return false;
  const next = text[at];
  return next !== DOT && next !== LOWER_E && next !== UPPER_E;
}

function skipValue(depth: number): boolean {
  switch (text[at] ?? 0) {
    case QUOTE:
      return skipString();
    case OPEN_BRACE:
      return depth < DEPTH_MAX && skipObject(depth + 1);
    case OPEN_BRACKET:
      return depth < DEPTH_MAX && skipArray(depth + 1);
    case LOWER_T:
      return skipWord(TRUE);
    case LOWER_F:
      return skipWord(FALSE);
    case LOWER_N:
      return skipWord(NULL);
    default:
      return skipNumber();
  }
}

function skipObject(depth: number): boolean {
  at++;
  for (let first = true; ; first = false) {
    skipSpace();
    if (text[at] === CLOSE_BRACE && first) break;
    if (!first) {
      if (text[at] === CLOSE_BRACE) break;
      if (text[at] !== COMMA) return false;
      at++;
      skipSpace();
    }
    if (!skipString() || !skipColon() || !skipValue(depth)) return false;
  }
  at++;
  return true;
}

function skipArray(depth: number): boolean {
  at++;
  for (let first = true; ; first = false) {
    skipSpace();
    if (text[at] === CLOSE_BRACKET) break;
    if (!first) {
      if (text[at] !== COMMA) return false;
      at++;
      skipSpace();
    }
    if (!skipValue(depth)) return false;
  }
  at++;
  return true;
}

function skipColon(): boolean {
  skipSpace();
  if (text[at] !== COLON) return false;
  at++;
  skipSpace();
  return true;
}

function skipSpace(): void {
  for (; at < end; at++) {
    const byte = text[at];
    if (byte !== SPACE && byte !== LF && byte !== CR && byte !== TAB) return;
  }
}

function skipWord(word: Uint8Array): boolean {
  if (!isName(at, at + word.length, word)) return false;
  at += word.length;
  return true;
}

function skipString(): boolean {
  if (text[at] !== QUOTE) return false;
  for (at++; at < end; at++) {
    const byte = text[at] ?? 0;
    if (byte === QUOTE) {
      at++;
      return true;
    }
    if (byte < SPACE) return false;
    if (byte === BACKSLASH && !skipEscape()) return false;
  }
  return false;
}

// Leaves `at` on the last byte of the escape.
function skipEscape(): boolean {
  at++;
  switch (text[at] ?? 0) {
    case QUOTE:
    case BACKSLASH:
    case SLASH:
    case LOWER_B:
    case LOWER_F:
    case LOWER_N:
    case LOWER_R:
    case LOWER_T:
      return true;
    case LOWER_U:
      for (let digits = 0; digits < 4; digits++) {
        at++;
        if (!isHex(text[at] ?? 0)) return false;
      }
      return true;
    default:
      return false;
  }
}

function skipNumber(): boolean {
  if (text[at] === MINUS) at++;
  if (text[at] === ZERO) at++;
  else if (!skipDigits()) return false;
  if (text[at] === DOT) {
    at++;
    if (!skipDigits()) return false;
  }
  if (text[at] === LOWER_E || text[at] === UPPER_E) {
    at++;
    if (text[at] === PLUS || text[at] === MINUS) at++;
    if (!skipDigits()) return false;
  }
  return true;
}

function skipDigits(): boolean {
  const from = at;
  for (; at < end; at++) {
    const byte = text[at] ?? 0;
    if (byte < ZERO || byte > NINE) break;
  }
  return at > from;
}

function isHex(byte: number): boolean {
  return (
    (byte >= ZERO && byte <= NINE) ||
    (byte >= 0x61 && byte <= 0x66) ||
    (byte >= 0x41 && byte <= 0x46)
  );
}

function hasEscape(from: number): boolean {
  for (let place = from; place < at; place++) if (text[place] === BACKSLASH) return true;
  return false;
}

function isName(from: number, to: number, name: Uint8Array): boolean {
  if (to - from !== name.length || to > end) return false;
  for (let place = 0; place < name.length; place++) {
    if (text[from + place] !== name[place]) return false;
  }
  return true;
}
