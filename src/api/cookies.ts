// The cookies of pages. Over https they have the prefix with which browsers take them only over https, for this host alone.

/** The value of a cookie; undefined where it was not sent. */
export function cookieNamed(header: string | null | undefined, name: string): string | undefined {
  for (const pair of (header ?? "").slice(0, COOKIES_LENGTH_MAX).split(";")) {
    const at = pair.indexOf("=");
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

/** `name` as browsers know it. */
export function cookieName(name: string, secure: boolean): string {
  return secure ? `__Host-${name}` : name;
}

/** A `Set-Cookie` header. `maxAgeMs` of 0 takes the cookie away. */
export function setCookie(
  name: string,
  value: string,
  { secure, maxAgeMs }: { secure: boolean; maxAgeMs: number },
): string {
  const age = Math.floor(maxAgeMs / 1000);
  return `${cookieName(name, secure)}=${value}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
}

/**
 * Whether a cookie for this request may only go over https: everywhere but on the machine itself. `publicUrl` is where
 * browsers reach the gateway.
 */
export function needsHttps(host: string | null | undefined, publicUrl: string): boolean {
  return publicUrl.startsWith("https:") || !LOOPBACK.test(host ?? "");
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;
const COOKIES_LENGTH_MAX = 16_384;
