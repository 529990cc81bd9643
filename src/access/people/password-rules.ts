import { SignalboxError } from "../../foundation/index.ts";

const passwordCharactersMin = 12;
/** A longer one is refused before anything is computed of it. */
export const passwordCharactersMax = 200;

/**
 * Throws PASSWORD_WEAK. As NIST SP 800-63B has it: length, and nothing that is tried first; no rules about which characters,
 * which only move people to predictable ones.
 */
export function requireGoodPassword(
  password: string,
  about: readonly (string | undefined)[],
): void {
  const problem = problemOf(password, about);
  if (problem === undefined) return;
  throw new SignalboxError("PASSWORD_WEAK", `The password ${problem}.`);
}

function problemOf(password: string, about: readonly (string | undefined)[]): string | undefined {
  const { length } = Array.from(password);
  if (length < passwordCharactersMin)
    return `has ${length} characters and needs at least ${passwordCharactersMin}`;
  if (length > passwordCharactersMax) return `has more than ${passwordCharactersMax} characters`;
  if (/\p{Cc}/u.test(password)) return "has characters that cannot be typed everywhere";
  const plain = password.toLowerCase();
  if (new Set(plain).size < 5 || `${plain}${plain}`.indexOf(plain, 1) < plain.length)
    return "repeats itself";
  const named = about.some(
    (word) => word !== undefined && word.length >= 4 && plain.replace(word, "").length < 6,
  );
  if (named) return "is little more than the name";
  const rest = tried.reduce((left, word) => left.replaceAll(word, ""), plain);
  if (rest.length < plain.length / 2) return "is one of those that are tried first";
  return undefined;
}

const tried = [
  "password",
  "passw0rd",
  "qwerty",
  "123456",
  "letmein",
  "changeme",
  "change-me",
  "welcome",
  "administrator",
];
