/**
 * Characters that a model reads and a person does not see. What scripts and emoji need is let pass: joiners between letters
 * of Arabic or Indic scripts and inside emoji, one variation selector after a symbol, the tags of a flag.
 */
import { excerptAt } from "./visible.ts";
import type { Severity } from "./finding.ts";

export interface TextFinding {
  readonly id: string;
  readonly severity: Severity;
  readonly message: string;
  readonly excerpt: string;
}

interface Kind {
  readonly id: string;
  readonly severity: Severity;
  readonly message: string;
  readonly pattern: RegExp;
}

const FLAG = /\u{1F3F4}[\u{E0020}-\u{E007E}]{1,6}\u{E007F}/gu;
const JOINER_OF_SCRIPTS =
  /(?<=[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Mongolian}\p{M}])[\u200C\u200D]/gu;
const JOINER_OF_EMOJI =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F])\u200D(?=\p{Extended_Pictographic})/gu;
const SELECTOR_OF_SYMBOL = /(?<=[\p{Emoji}\p{S}])[\uFE0E\uFE0F](?![\uFE00-\uFE0F])/gu;
const SELECTOR_OF_MONGOLIAN = /(?<=\p{Script=Mongolian})[\p{VS}\u180E]/gu;
const SELECTOR_OF_IDEOGRAPH = /(?<=\p{Script=Han})[\u{E0100}-\u{E01EF}](?![\u{E0100}-\u{E01EF}])/gu;

const KINDS: readonly Kind[] = [
  {
    id: "hidden.tags",
    severity: "high",
    message: "Tag characters, which spell text that nobody sees.",
    pattern: /[\u{E0000}-\u{E007F}]+/gu,
  },
  {
    id: "hidden.selectors",
    severity: "high",
    message: "Variation selectors where they select nothing, which can carry hidden bytes.",
    pattern: /\p{VS}+/gu,
  },
  {
    id: "hidden.bidi",
    severity: "high",
    message: "Bidirectional controls, which show text in another order than it is read in.",
    pattern: /[\u202A-\u202E\u2066-\u2069]+/gu,
  },
  {
    id: "hidden.escape",
    severity: "high",
    message: "An escape character, which drives a terminal.",
    // eslint-disable-next-line no-control-regex
    pattern: /[\u001B\u009B]+/gu,
  },
  {
    id: "hidden.zero_width",
    severity: "medium",
    message: "Characters without width.",
    pattern: /[[\p{DI}\u2800\u180E]--[\p{VS}\u{E0000}-\u{E0FFF}\u202A-\u202E\u2066-\u2069]]+/gv,
  },
  {
    id: "hidden.private_use",
    severity: "medium",
    message: "Characters of private use, which mean what their writer wants.",
    pattern: /\p{Co}+/gu,
  },
  {
    id: "hidden.control",
    severity: "medium",
    message: "Control characters.",
    pattern:
      // eslint-disable-next-line no-control-regex
      /[\u0000-\u0008\u000B\u000C\u000E-\u001A\u001C-\u001F\u007F-\u009A\u009C-\u009F\uFFF9-\uFFFB]+/gu,
  },
];

/** A run of so many without width is no slip of an editor. */
const RUN_SUSPECT = 8;
const ONLY_ASCII = /^[\t\n\r\x20-\x7E]*$/;

/** What is hidden in a text, each kind once. */
export function hiddenCharacters(text: string): TextFinding[] {
  if (ONLY_ASCII.test(text)) return [];
  const left = text
    .replaceAll(FLAG, blanks)
    .replaceAll(JOINER_OF_SCRIPTS, blanks)
    .replaceAll(JOINER_OF_EMOJI, blanks)
    .replaceAll(SELECTOR_OF_SYMBOL, blanks)
    .replaceAll(SELECTOR_OF_IDEOGRAPH, blanks)
    .replaceAll(SELECTOR_OF_MONGOLIAN, blanks);
  const findings: TextFinding[] = [];
  for (const { id, severity, message, pattern } of KINDS) {
    const matches = [...left.matchAll(pattern)];
    const [first] = matches;
    if (first === undefined || isByteOrderMark(first, matches.length)) continue;
    const count = matches.reduce((sum, [run]) => sum + Array.from(run).length, 0);
    findings.push({
      id,
      severity: severity === "medium" && count >= RUN_SUSPECT ? "high" : severity,
      message: `${message} ${count} of them.`,
      excerpt: excerptAt(text, first.index, first[0].length),
    });
  }
  return findings;
}

// As long as what it stands for, so that places stay where they are.
function blanks(match: string): string {
  return " ".repeat(match.length);
}

// One at the very beginning comes from a file that was saved so.
function isByteOrderMark(match: RegExpExecArray, matches: number): boolean {
  return matches === 1 && match.index === 0 && match[0] === "\uFEFF";
}
