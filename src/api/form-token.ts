// What a plain form carries so that no other site can send it: a value that follows from a cookie of that browser, which other
// sites can neither read nor set.
import { createHash, timingSafeEqual } from "node:crypto";

/** The token of a form for a browser that has this secret in a cookie. */
export function formToken(secret: string): string {
  return createHash("sha256").update(`form ${secret}`).digest("base64url");
}

/** Whether a form's token follows from the browser's secret. */
export function isFormToken(token: string, secret: string | undefined): boolean {
  if (secret === undefined || secret === "") return false;
  const [given, wanted] = [Buffer.from(token), Buffer.from(formToken(secret))];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
