// What may stand for a value in a server's configuration, so that no secret has to:
//
//   ${secret:name}    a secret of the vault
//   ${env:NAME}       a variable of the gateway's environment
//   ${file:/path}     the content of a file
//   $${...            is the text ${... itself
//
// They are put in place when the configuration is handed to the data plane, never before: what is stored, shown and compared
// has the references.

import { isSecretName } from "../foundation/index.ts";

export type ReferenceKind = "secret" | "env" | "file";

export interface Reference {
  readonly kind: ReferenceKind;
  /** The secret, the variable, or the path. */
  readonly name: string;
  /** As it is written. */
  readonly text: string;
}

/** A name of a secret: it stands in references, in addresses and on the command line. */
export const secretNameShape = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** The references in a text, in order. What is malformed is none: see `referenceProblem`. */
export function referencesIn(text: string): Reference[] {
  const found: Reference[] = [];
  replaceReferences(text, (reference) => {
    found.push(reference);
    return "";
  });
  return found;
}

/** The text with every reference replaced, and `$${` as `${`. */
export function replaceReferences(
  text: string,
  replacement: (reference: Reference) => string,
): string {
  if (!text.includes("${")) return text;
  return text.replaceAll(
    expression,
    (whole: string, escaped?: string, kind?: string, name = "", end?: string) => {
      if (escaped !== undefined) return "${";
      return isKind(kind) && end === "}" ? replacement({ kind, name, text: whole }) : whole;
    },
  );
}

/**
 * Where a text stands. In the value of a variable or header of a server every `${` is taken for a reference; what a program
 * reads itself, such as `${HOME}` in a shell's arguments, stays as it is; and a setting of the gateway may be its own secret.
 */
export type ReferencePlace = "value" | "program" | "setting";

/** What is wrong with the references in a text; undefined where nothing is. */
export function referenceProblem(text: string, place: ReferencePlace): string | undefined {
  for (const [whole, escaped, kind, name = "", end] of text.matchAll(expression)) {
    if (escaped !== undefined) continue;
    if (isKind(kind)) {
      const problem =
        end === "}" ? problemOf[kind](name, place) : `${shortened(whole)} is not closed`;
      if (problem !== undefined) return problem;
    } else if (place !== "program" || looksMeant.test(whole)) {
      return `${shortened(whole)} is no reference: there are \${secret:name}, \${env:NAME} and \${file:/path}; $\${ stands for the text itself`;
    }
  }
  return undefined;
}

/** Whether a variable holds a secret of the gateway itself: no server may be given one. */
export function isOwnSecret(variable: string): boolean {
  const upper = variable.toUpperCase();
  if (upper.startsWith("SIGNALBOX_") && isSecretName(upper)) return true;
  return ownSecrets.has(upper) || upper.startsWith("MCP_ENCRYPTION_KEY");
}

/** A text whose references may be shown, since what stands around them is no secret; undefined for any other. */
export function openlyReferring(text: string): string | undefined {
  if (referencesIn(text).length === 0 || referenceProblem(text, "value") !== undefined)
    return undefined;
  const literal = text.replaceAll(expression, "").trim();
  return /^(|Bearer|Basic|Token)$/i.test(literal) ? text : undefined;
}

const expression = /\$(\$\{)|\$\{(?:([A-Za-z]*):)?([^}]*)(\}?)/g;
/** One of our words, spelt wrongly, and not the `:-` and `:=` of a shell. */
const looksMeant = /^\$\{[A-Za-z]+:(?![-=?+])/;
const pathLengthMax = 4096;

const ownSecrets: ReadonlySet<string> = new Set([
  "DATABASE_URL",
  "REDIS_URL",
  "JWT_SECRET",
  "PGPASSWORD",
  "PGPASSFILE",
]);

const problemOf: Record<
  ReferenceKind,
  (name: string, place: ReferencePlace) => string | undefined
> = {
  secret: (name) =>
    secretNameShape.test(name)
      ? undefined
      : "${secret:...} needs the name of a secret: 1 to 64 letters, digits, and . _ - after the first",
  env: (name, place) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return "${env:...} needs the name of a variable";
    return place !== "setting" && isOwnSecret(name)
      ? `\${env:${name}} is refused: it holds a secret of the gateway itself`
      : undefined;
  },
  file: (name) =>
    name.startsWith("/") && name.length <= pathLengthMax && !name.includes("\0")
      ? undefined
      : "${file:...} needs an absolute path",
};

function isKind(kind: string | undefined): kind is ReferenceKind {
  return kind === "secret" || kind === "env" || kind === "file";
}

function shortened(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}
