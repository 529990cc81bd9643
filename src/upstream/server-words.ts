import { redactText } from "../foundation/index.ts";

/**
 * What a server said, as it may be repeated in a failure: a server may say again what it was given. Masked before it is cut, since half
 * a secret is not known any more.
 */
export function serverWords(text: string, charactersMax = 200): string {
  return redactText(text).slice(0, charactersMax);
}
