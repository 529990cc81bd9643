import type { CliIo } from "./cli-io.ts";
import { usageError } from "./exit-code.ts";
import { Prompter } from "./prompter.ts";

/**
 * What nobody may see: asked of a person, who does not see it either, or read from standard input, less the line end at its
 * end. Throws a usage error where it is empty or too long, or where `again` is asked and differs.
 */
export async function readHidden(
  io: CliIo,
  wanted: {
    readonly question: string;
    /** "secret", for sentences. */
    readonly what: string;
    readonly bytesMax: number;
    /** Asked a second time, of a person. */
    readonly again?: string;
  },
): Promise<string> {
  using prompter = new Prompter(io);
  const value = prompter.available
    ? await prompter.askHidden(wanted.question)
    : (await readInput(io, wanted)).replace(/\r?\n$/, "");
  if (value === "") throw usageError(`The ${wanted.what} is empty, so nothing was stored.`);
  if (prompter.available && wanted.again !== undefined) {
    if ((await prompter.askHidden(wanted.again)) !== value)
      throw usageError("The two are not the same, so nothing was stored.");
  }
  return value;
}

/** A value on the command line is refused, and not in commander's words, which repeat what was given. */
export function refuseValueInArguments(args: readonly string[]): void {
  if (args.length <= 1) return;
  throw usageError(
    "A value is never taken from the command line, where other users and the shell's history can see it.",
    "Type it when asked, or pipe it in. If it was the secret, take it for known and replace it.",
  );
}

async function readInput(
  { stdin }: CliIo,
  { what, bytesMax }: { readonly what: string; readonly bytesMax: number },
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    const piece = Buffer.from(chunk);
    bytes += piece.length;
    if (bytes > bytesMax) throw usageError(`A ${what} has at most ${String(bytesMax)} bytes.`);
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString("utf8");
}
