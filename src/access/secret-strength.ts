// What a secret must not be. Values copied from examples have been the way into other gateways (hard-coded defaults with
// advisories of their own among them), and a secret made of words is guessed offline.

/** Why this cannot be a secret: it stands in examples. Undefined where it does not. */
export function placeholderProblem(secret: string): string | undefined {
  return placeholders.some((shape) => shape.test(secret.trim()))
    ? "is a placeholder from an example"
    : undefined;
}

/** Why this is no good secret: a placeholder, too short, or too easy to guess. Undefined where it is good. */
export function weakness(secret: string, bytesMin: number): string | undefined {
  const placeholder = placeholderProblem(secret);
  if (placeholder !== undefined) return placeholder;
  const bytes = Buffer.byteLength(secret);
  if (bytes < bytesMin) return `has ${bytes} bytes and needs at least ${bytesMin}`;
  if (isMonotonous(secret)) return "repeats itself";
  return looksLikeWords(secret) ? "is made of words, which are guessed" : undefined;
}

const placeholders = [
  /change[-_ ]?(me|this|it)\b/i,
  /change[-_]?me/i,
  /^(ghp_|gho_|github_pat_|sk[-_]|mcp_live_|sbx_|xox[a-z]-)?your[-_ ]/i,
  /[-_ ]here$/i,
  /^<.*>$/,
  /^\{.*\}$/,
  /^\[.*\]$/,
  /^minimum[-_]\d+[-_]char/i,
  /^(default|example|placeholder|insecure|dummy|sample|replace|insert|todo|fixme)([-_ ]|$)/i,
  /^(secret-api-key|default-insecure-seed|mcp_live_abc123xyz456)$/i,
  /^(x{3,}|\.{3,}|\*{3,})$/i,
];

// Few different characters, the same piece again and again, or one that counts up: "0123456789abcdef" twice is a favourite.
function isMonotonous(secret: string): boolean {
  if (new Set(secret).size < DISTINCT_MIN && secret.length >= 2 * DISTINCT_MIN) return true;
  if (new Set(secret).size < 4) return true;
  if (`${secret}${secret}`.indexOf(secret, 1) < secret.length) return true;
  let steps = 0;
  for (let at = 1; at < secret.length; at++) {
    if (Math.abs(secret.charCodeAt(at) - secret.charCodeAt(at - 1)) <= 1) steps++;
  }
  return steps > secret.length / 2;
}

// Letters of one case in a row, most of whose pairs are those that English is made of. What comes out of a generator, in
// base64, hex or letters and digits, has either few such rows or few such pairs.
function looksLikeWords(secret: string): boolean {
  const rows = secret.match(/[A-Z]?[a-z]{3,}|[A-Z]{4,}/g) ?? [];
  const inRows = rows.reduce((sum, row) => sum + row.length, 0);
  if (inRows < ROWS_SHARE * secret.replaceAll(/[-_ .]/g, "").length) return false;
  const pairs = rows.flatMap((row) =>
    Array.from({ length: row.length - 1 }, (_, at) => row.slice(at, at + 2).toLowerCase()),
  );
  return pairs.filter((pair) => commonPairs.has(pair)).length >= PAIRS_SHARE * pairs.length;
}

const DISTINCT_MIN = 6;
const ROWS_SHARE = 0.6;
const PAIRS_SHARE = 0.45;

/** The sixty commonest pairs of letters in English text, which hold more than half of its pairs. */
const commonPairs: ReadonlySet<string> = new Set(
  "th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et ng of al de se le sa si ar ve ra ld ur ro ic me li ri io ne co ma be no ce la ho ch us ec el ll tr so".split(
    " ",
  ),
);
