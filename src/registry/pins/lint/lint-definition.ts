/** Looks into everything a definition says, names of parameters and their defaults included. Pure, and linear in its size. */
import { isPlainObject, type Definition } from "../definition.ts";
import { mixedScripts } from "./look-alikes.ts";
import { hiddenCharacters } from "./hidden-characters.ts";
import { instructions } from "./instructions.ts";
import { payloads } from "./payloads.ts";
import type { Finding } from "./finding.ts";
import { visible } from "./visible.ts";

export interface Linted {
  readonly findings: readonly Finding[];
  /** Words that look like names of tools, which can be those of others. */
  readonly mentions: readonly string[];
}

/** Nobody describes a tool in more; the rest is not read, and that is a finding itself. */
export const LINTED_CHARS_MAX = 65_536;
const TEXTS_MAX = 4_000;
const FINDINGS_MAX = 50;
const MENTIONS_MAX = 100;
const MENTION = /(?<![\w/.$#-])[a-z][a-z0-9]{0,40}(?:[_-][a-z0-9]{1,40}){1,8}(?![\w-]|\.\w)/gi;

/** Everything about a definition that a person should look at, by itself. */
export function lintDefinition(definition: Definition): Linted {
  const { texts, whole } = textsOf(definition);
  const findings: Finding[] = [];
  const mentions = new Set<string>();
  for (const { where, text } of texts) {
    const found = [...hiddenCharacters(text), ...instructions(text), ...payloads(text)];
    for (const finding of found) findings.push({ ...finding, where: visible(where, true) });
    collectMentions(where, text, mentions);
  }
  const name = definition["name"];
  if (typeof name === "string") findings.push(...mixedScripts(name));
  if (!whole) {
    findings.push({
      id: "definition.too_large",
      severity: "medium",
      where: "",
      message: `Only its first ${LINTED_CHARS_MAX} characters were looked into.`,
    });
  }
  return { findings: findings.slice(0, FINDINGS_MAX), mentions: [...mentions] };
}

// Only what is written for the model; a schema's own words are not sentences.
function collectMentions(where: string, text: string, into: Set<string>): void {
  if (!where.endsWith("/description")) return;
  for (const [word] of text.matchAll(MENTION)) {
    if (into.size >= MENTIONS_MAX) return;
    into.add(word);
  }
}

interface Text {
  readonly where: string;
  readonly text: string;
}

function textsOf(definition: Definition): { texts: Text[]; whole: boolean } {
  const texts: Text[] = [];
  let left = LINTED_CHARS_MAX;
  const waiting: { where: string; value: unknown }[] = [{ where: "", value: definition }];
  while (waiting.length > 0 && left > 0 && texts.length < TEXTS_MAX) {
    const { where, value } = waiting.pop() ?? { where: "", value: undefined };
    if (typeof value === "string") left -= take(texts, where, value, left);
    else if (Array.isArray(value)) {
      for (let at = value.length - 1; at >= 0; at--) {
        waiting.push({ where: `${where}/${at}`, value: value[at] });
      }
    } else if (isPlainObject(value)) {
      for (const [name, member] of Object.entries(value).toReversed()) {
        const place = `${where}/${name.slice(0, 80).replaceAll("~", "~0").replaceAll("/", "~1")}`;
        waiting.push({ where: place, value: member });
        if (!KNOWN_NAMES.has(name)) left -= take(texts, place, name, left);
      }
    }
  }
  return { texts, whole: waiting.length === 0 && left >= 0 };
}

function take(texts: Text[], where: string, text: string, left: number): number {
  if (text.length > 1) texts.push({ where, text: text.slice(0, Math.max(0, left)) });
  return text.length;
}

const KNOWN_NAMES = new Set(
  "name title description inputSchema outputSchema annotations type properties required items enum default".split(
    " ",
  ),
);
