// What must not reach a log, an error or the call log. Two nets: names (a field called `password`) and
// shapes (text that looks like a credential wherever it stands). Both err on the side of hiding.

const MASK = "[redacted]";
const DEPTH_MAX = 12;
const ITEMS_MAX = 1000;
const STRING_MAX = 65_536;

/** A copy fit for logs: secrets masked by the name of their field and by their shape, cycles and excess cut. */
export function redact(value: unknown): unknown {
  return copy(value, { depth: 0, above: [] });
}

/** As `redact`, of a record of fields. */
export function redactFields(fields: Record<string, unknown>): Record<string, unknown> {
  return copyEntries(readableEntries(fields), { depth: 1, above: [fields] });
}

/** The text with everything that looks like a credential masked, and every secret that is known by its value. */
export function redactText(text: string): string {
  const bounded = withoutHidden(text.length > STRING_MAX ? `${text.slice(0, STRING_MAX)}…` : text);
  if (!suspicion.test(bounded)) return bounded;
  let clean = bounded;
  for (const [shape, replacement] of shapes) clean = clean.replaceAll(shape, replacement);
  return clean;
}

/**
 * Has a secret masked wherever it stands from now on, whatever it looks like: a server may repeat what it was given in its
 * errors. Short ones are left, since words and numbers would go with them; of too many the oldest are forgotten.
 */
export function hideSecret(secret: string): void {
  const forms = [
    secret,
    encodeURIComponent(secret.toWellFormed()),
    JSON.stringify(secret).slice(1, -1),
  ];
  for (const form of forms) {
    if (form.length < HIDDEN_LENGTH_MIN) continue;
    hidden.delete(form);
    hidden.add(form);
  }
  for (const oldest of hidden) {
    if (hidden.size <= HIDDEN_MAX) return;
    hidden.delete(oldest);
  }
}

/** True when a field of this name holds a secret: authorization, token, api_key, GITHUB_PAT, X-MCP-Key … */
export function isSecretName(name: string): boolean {
  const known = verdicts.get(name);
  if (known !== undefined) return known;
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const verdict = secretName.test(plain) ? !harmlessName.test(plain) : /(^|[-_])pat$/i.test(name);
  if (verdicts.size < VERDICTS_MAX) verdicts.set(name, verdict);
  return verdict;
}

const HIDDEN_LENGTH_MIN = 8;
const HIDDEN_MAX = 2000;
// Of the process, as the log is.
const hidden = new Set<string>();

function withoutHidden(text: string): string {
  let clean = text;
  for (const secret of hidden) {
    if (clean.includes(secret)) clean = clean.replaceAll(secret, MASK);
  }
  return clean;
}

const secretName =
  /authorization|cookie|passw(or)?d|passphrase|pwd$|secret|token|(api|mcp|admin|access|private|signing|encryption|session|signalbox|service|client|master)key|credential|bearer|jwt|dsn$/;
const harmlessName =
  /^(progresstoken|maxtokens|tokencount|tokenusage|tokentype|inputtokens|outputtokens|totaltokens|secretname|cookiecount)$/;

// Field names come from code and from configuration, so few are distinct; the bound is for those that are not.
const VERDICTS_MAX = 5000;
const verdicts = new Map<string, boolean>();

const named = String.raw`(?:passw(?:or)?d|passphrase|pwd|secret|token|api[-_]?key|access[-_]?key|admin[-_]?key|mcp[-_]?key|private[-_]?key|client[-_]?key|authorization|signature|credential)[\w.-]{0,32}`;

// Each pattern is linear in the text: what it may scan before it fails is bounded.
const shapes: readonly (readonly [RegExp, string])[] = [
  [
    /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]{0,32}PRIVATE KEY-----|$)/g,
    MASK,
  ],
  [/\b(Bearer|Basic|Digest)(\s{1,8}|%20|\+)[^\s"',;]+/gi, `$1$2${MASK}`],
  // A port is no password: `https://host:8080/a@b` stays.
  [
    /(\b[a-z][a-z0-9+.-]{0,32}:\/\/[^\s/?#@:"']{0,256}):(?!\d{1,5}[/?#])[^\s"'<>]{0,1024}@/gi,
    `$1:${MASK}@`,
  ],
  [/\bsbx_[A-Za-z0-9_-]{16,}/g, `sbx_${MASK}`],
  [/\b(?:gh[oprsu]_|github_pat_|glpat-|npm_|pypi-)[A-Za-z0-9_-]{16,}/g, MASK],
  [/\b(?:sk|rk|pk)[-_][A-Za-z0-9_-]{16,}/g, MASK],
  [/\bxox[a-z]-[A-Za-z0-9-]{10,}/g, MASK],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g, MASK],
  [/\bAIza[A-Za-z0-9_-]{30,}/g, MASK],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?/g, MASK],
  [/([?&;](?:key|code|sig|auth|sas|pat)=)[^&#\s"']+/gi, `$1${MASK}`],
  // "token": "…", and \"token\":\"…\" as in JSON inside text
  [new RegExp(String.raw`(${named}["']\s{0,8}:\s{0,8}["'])(?:[^"'\\]|\\.)+`, "gis"), `$1${MASK}`],
  [new RegExp(String.raw`(${named}\\+["']\s{0,8}:\s{0,8}\\+["'])[^"']+`, "gi"), `$1${MASK}`],
  // password=…, --api-key=…, ?access_token=…; quoted values may hold spaces
  [
    new RegExp(String.raw`(${named}\s{0,8}=\s{0,8})("[^"]+"?|'[^']+'?|[^\s&#"',;]+)`, "gi"),
    `$1${MASK}`,
  ],
  [/(--[\w-]{0,32}(?:password|token|secret|key)\s{1,8})[^\s"']+/gi, `$1${MASK}`],
  [
    /\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-mcp-key)(\s{0,8}:\s{0,8})[^\r\n"]+/gi,
    `$1$2${MASK}`,
  ],
];

// Most text is innocent; one pass over it with this decides whether the shapes are worth trying.
const suspicion = new RegExp(
  String.raw`-----BEGIN|(?:bearer|basic|digest)[\s%+]|:\/\/|sbx_|gh[oprsu]_|github_pat_|glpat-|npm_|pypi-|[srp]k[-_]|xox|AKIA|ASIA|AIza|eyJ|[?&;]\w|--\w|cookie\s{0,8}:|${named}\\*["']?\s{0,8}[=:]`,
  "i",
);

interface Place {
  readonly depth: number;
  readonly above: readonly object[];
}

function copy(value: unknown, place: Place): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "function" || typeof value === "symbol") return `[${typeof value}]`;
  if (typeof value !== "object" || value === null) return value;
  if (place.above.includes(value)) return "[circular]";
  if (place.depth >= DEPTH_MAX) return "[too deep]";
  return copyObject(value, { depth: place.depth + 1, above: [...place.above, value] });
}

function copyObject(value: object, place: Place): unknown {
  if (value instanceof Error) return copyError(value, place);
  // A number that a double cannot hold, kept as it was written.
  if (JSON.isRawJSON(value)) return value;
  if (Array.isArray(value)) return copyArray(value, place);
  if (value instanceof Map) return copyEntries([...value].map(textKey), place);
  if (value instanceof Set) return copyArray([...value], place);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  const replaced = ownJson(value);
  if (replaced !== undefined) return copy(replaced.value, place);
  return copyEntries(readableEntries(value), place);
}

function copyError(error: Error, place: Place): unknown {
  const { message, stack, name, cause } = error;
  const extra = readableEntries(error).filter(
    ([key]) => !["name", "message", "stack"].includes(key),
  );
  return copyEntries(
    [
      ["type", name],
      ["message", message],
      ["stack", stack],
      ...(cause === undefined ? [] : [["cause", cause] as const]),
      ...extra,
    ],
    place,
  );
}

// `["--token", "abc"]` and `["x-api-key", "abc"]`: the name and its secret are neighbours.
function copyArray(items: readonly unknown[], place: Place): unknown[] {
  const copies = items.slice(0, ITEMS_MAX).map((item, index) => {
    const before = items[index - 1];
    const secret = typeof before === "string" && before.length <= 64 && isSecretName(before);
    return secret ? mask(before, item, place) : copy(item, place);
  });
  if (items.length > ITEMS_MAX) copies.push(`[${items.length - ITEMS_MAX} more]`);
  return copies;
}

function copyEntries(
  entries: readonly (readonly [string, unknown])[],
  place: Place,
): Record<string, unknown> {
  const copies = entries
    .slice(0, ITEMS_MAX)
    .map(([key, item]) => [
      redactText(key),
      isSecretName(key) ? mask(key, item, place) : copy(item, place),
    ]);
  if (entries.length > ITEMS_MAX) copies.push(["…", `${entries.length - ITEMS_MAX} more`]);
  return Object.fromEntries(copies);
}

// Whether a secret is set is no secret, and neither is how many tokens a model used.
function mask(name: string, value: unknown, place: Place): unknown {
  if (value === undefined || value === null || typeof value === "boolean") return value;
  if (typeof value === "number" && /tokens?$/i.test(name)) return copy(value, place);
  return MASK;
}

function ownJson(value: object): { value: unknown } | undefined {
  const toJSON: unknown = Reflect.get(value, "toJSON");
  if (typeof toJSON !== "function") return undefined;
  try {
    const result: unknown = Reflect.apply(toJSON, value, []);
    return { value: result };
  } catch {
    return { value: "[unreadable]" };
  }
}

function readableEntries(value: object): [string, unknown][] {
  return Object.keys(value).map((key) => {
    try {
      return [key, Reflect.get(value, key)];
    } catch {
      return [key, "[unreadable]"];
    }
  });
}

function textKey([key, value]: [unknown, unknown]): [string, unknown] {
  return [typeof key === "string" ? key : (JSON.stringify(redact(key)) ?? "undefined"), value];
}
