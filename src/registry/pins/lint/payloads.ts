/** Text that is data: encoded blobs, addresses that carry data away, blanks that push text out of sight. */
import { excerptAt } from "./visible.ts";
import type { TextFinding } from "./hidden-characters.ts";
import type { Severity } from "./finding.ts";

interface Pattern {
  readonly id: string;
  readonly severity: Severity;
  readonly message: string;
  readonly pattern: RegExp;
  readonly holds?: (match: string, rest: string) => boolean;
}

const PATTERNS: readonly Pattern[] = [
  {
    id: "payload.base64",
    severity: "medium",
    message: "A long run of what looks like base64.",
    pattern: /[A-Za-z0-9+/_-]{120,}={0,2}/g,
    holds: (run) => /[a-z]/.test(run) && /[A-Z]/.test(run) && /[0-9]/.test(run),
  },
  {
    id: "payload.hex",
    severity: "medium",
    message: "A long run of hexadecimal digits.",
    pattern: /(?:0x)?[0-9A-Fa-f]{96,}/g,
    holds: (run) => /[a-f]/i.test(run) && /[0-9]/.test(run),
  },
  {
    id: "payload.escapes",
    severity: "medium",
    message: "Text spelled in escapes.",
    pattern:
      /(?:\\u\{?[0-9A-Fa-f]{2,6}\}?){6,}|(?:\\x[0-9A-Fa-f]{2}){8,}|(?:%[0-9A-Fa-f]{2}){12,}|(?:&#x?[0-9A-Fa-f]{2,6};){6,}/g,
  },
  {
    id: "payload.url",
    severity: "medium",
    message: "An address with a place for data in its query.",
    pattern:
      /https?:\/\/[^\s?"'<>)\]]{1,200}\?[^\s"'<>)\]]{0,200}=(?:\$?\{[^}\s]{1,60}\}|\[[A-Za-z_ ]{1,40}\]|<[A-Za-z_ ]{1,40}>|[^\s"'<>)\]&]{120,})/g,
  },
  {
    id: "payload.image",
    severity: "medium",
    message: "A picture from elsewhere, whose address tells who looks at it.",
    pattern: /!\[[^\]\n]{0,200}\]\(https?:\/\/[^\s)]{1,300}\?[^\s)]{1,300}\)/g,
  },
  {
    id: "payload.padding",
    severity: "medium",
    message: "Blanks that push what follows out of sight.",
    pattern: /[^\S\n]{120,}|(?:\n[^\S\n]{0,8}){25,}/g,
    holds: (_, rest) => /\S/.test(rest),
  },
];

/** What in a text is data rather than words, each kind once. */
export function payloads(text: string): TextFinding[] {
  if (text.length < PAYLOAD_LENGTH_MIN && !text.includes("://")) return [];
  return PATTERNS.flatMap(({ id, severity, message, pattern, holds }) => {
    for (const match of text.matchAll(pattern)) {
      const [found] = match;
      const rest = text.slice(match.index + found.length, match.index + found.length + REST_MAX);
      if (holds?.(found, rest) === false || isInlineImage(text, match.index)) continue;
      return [{ id, severity, message, excerpt: excerptAt(text, match.index, found.length) }];
    }
    return [];
  });
}

const PAYLOAD_LENGTH_MIN = 25;
const REST_MAX = 10_000;
const IMAGE_PREFIX = /data:image\/[a-z+.-]{1,20};base64,$/;
const IMAGE_PREFIX_MAX = 45;

function isInlineImage(text: string, at: number): boolean {
  return IMAGE_PREFIX.test(text.slice(Math.max(0, at - IMAGE_PREFIX_MAX), at));
}
