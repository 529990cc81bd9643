/**
 * Words that speak to the model instead of describing the tool. The patterns are narrow on purpose: honest descriptions are
 * full of "always", "before" and "you must". Every gap in a pattern is bounded, so a text of any kind is read in linear time.
 */
import { excerptAt } from "./visible.ts";
import type { TextFinding } from "./hidden-characters.ts";
import type { Severity } from "./finding.ts";

interface Pattern {
  readonly id: string;
  readonly severity: Severity;
  readonly message: string;
  readonly pattern: RegExp;
}

const PATTERNS: readonly Pattern[] = [
  {
    id: "instructions.override",
    severity: "high",
    message: "Tells the model to ignore what it was told.",
    pattern:
      /\b(?:ignore|disregard|forget|override|bypass) (?:(?:all|any|every|the|your|my|of|these|those|other) ){0,3}(?:previous|prior|above|earlier|preceding|foregoing|existing|system|original) (?:\w{1,20} )?(?:instructions?|prompts?|messages?|context|directions|directives|rules|guidelines|guardrails)\b/,
  },
  {
    id: "instructions.secrecy",
    severity: "high",
    message: "Tells the model to keep something from the user.",
    pattern:
      /\b(?:do not|don['’]?t|never|must not|should not|without|avoid) (?:tell|telling|inform|informing|mention|mentioning|notify|notifying|reveal|revealing|disclose|disclosing|alert|alerting|show|showing|let|letting|explain|explaining)\b[^.!?]{0,40}\b(?:to )?(?:the |any |your )?(?:users?|humans?|customers?|operators?|persons?)\b/,
  },
  {
    id: "instructions.precondition",
    severity: "high",
    message: "Asks for files or secrets before the tool is used.",
    pattern:
      /\b(?:before|prior to|when|whenever|in order to) (?:using|calling|invoking|running|executing|you use|you call|use|call)\b[^!?]{0,80}\b(?:read|open|cat|fetch|collect|include|pass|attach|send)\b[^!?]{0,60}(?:~\/|\.ssh\b|id_rsa|\.env\b|mcp\.json|\.cursor\b|\.aws\b|\/etc\/|credentials\b|private keys?\b|api keys?\b|passwords?\b|conversation\b|chat history\b|system prompt\b)/,
  },
  {
    id: "instructions.markup",
    severity: "high",
    message: "Markup that makes a description look like a message of the system.",
    pattern:
      /<\/?(?:important|system|secret|hidden|admin|assistant|sys|override|critical)(?:[ _-][^>]{0,40})?>|<\|[a-z_]{2,30}\|>|\[\/?inst\]|<<\/?sys>>|\[system\]|#{2,} ?(?:system|new) (?:prompt|instructions?)\b/,
  },
  {
    id: "instructions.role",
    severity: "medium",
    message: "Gives the model another role or new instructions.",
    pattern:
      /\byou are now (?:a|an|in|the)\b|\bnew (?:system )?instructions?:|\bfrom now on,? you\b|(?:^|\n) ?(?:system|assistant) ?: ?\S/,
  },
  {
    id: "instructions.secrets",
    severity: "medium",
    message: "Names a place where secrets are kept.",
    pattern:
      /~\/\.ssh\b|\bid_(?:rsa|ed25519)\b|\/etc\/(?:passwd|shadow)\b|\.aws\/credentials|~\/\.(?:cursor|netrc|npmrc|env|kube)\b|\bmcp\.json\b/,
  },
  {
    id: "instructions.exfiltration",
    severity: "high",
    message: "Tells the model to send what it knows elsewhere.",
    pattern:
      /\b(?:send|forward|post|upload|exfiltrate|leak|bcc|copy|transmit|append|include)\b[^.!?]{0,60}\b(?:conversation|chat history|messages so far|system prompt|credentials|secrets|passwords?|api keys?|tokens?|file contents?)\b[^!?]{0,60}\b(?:to|into|as|in) (?:https?:\/\/|[\w.+-]{1,40}@[\w-]{1,40}\.|['"`]?(?:sidenote|side_note|notes?|context|metadata|feedback)\b)/,
  },
  {
    id: "instructions.priority",
    severity: "low",
    message: "Puts itself before other tools.",
    pattern:
      /\b(?:must|always|should) (?:be )?(?:use|used|call|called|run|invoke|invoked) (?:this (?:tool )?)?(?:before|instead of|first,? before) (?:any|all|every|using any)\b|\binstead of (?:any|all) other tools?\b/,
  },
];

/** Words in a text that speak to the model, each kind once. */
export function instructions(text: string): TextFinding[] {
  if (text.length < SENTENCE_LENGTH_MIN || !MAY_SPEAK.test(text)) return [];
  const plain = normalized(text);
  return PATTERNS.flatMap(({ id, severity, message, pattern }) => {
    const match = pattern.exec(plain);
    if (match === null) return [];
    return [{ id, severity, message, excerpt: excerptAt(plain, match.index, match[0].length) }];
  });
}

const SENTENCE_LENGTH_MIN = 8;
// A single word says nothing.
const MAY_SPEAK = /[\s<[~/.]/;
const ONLY_ASCII = /^[\t\n\r\x20-\x7E]*$/;
const IGNORABLE = /[\p{Cf}\p{DI}]/gu;

// So that neither another alphabet's letters, nor what is hidden between letters, nor line breaks hide the words.
function normalized(text: string): string {
  const shown = ONLY_ASCII.test(text) ? text : text.replaceAll(IGNORABLE, "").normalize("NFKC");
  return shown
    .toLowerCase()
    .replaceAll(/[*_`]{1,3}(?=\w)|(?<=\w)[*`]{1,3}/g, "")
    .replaceAll(/[^\S\n]+/g, " ")
    .replaceAll(/ ?\n[ \n]*/g, "\n")
    .replaceAll(/(?<=[a-z,])\n(?=[a-z])/g, " ");
}
