import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { CliIo } from "./cli-io.ts";
import { CliError, exitCodes, usageError } from "./exit-code.ts";

/** What is read from a file or stdin may be this large. */
const argumentBytesMax = 4 * 1024 * 1024;

/** An argument as it stands; `@file` reads a file, `-` stdin. */
export async function argumentText(given: string, io: CliIo): Promise<string> {
  if (given === "-") return await readAll(io.stdin);
  if (!given.startsWith("@")) return given;
  const file = resolve(io.cwd ?? process.cwd(), given.slice(1));
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new CliError({
      exitCode: exitCodes.usage,
      code: "USAGE",
      message: `${file} cannot be read.`,
      cause,
    });
  }
}

async function readAll(stdin: AsyncIterable<Buffer | string>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > argumentBytesMax) throw usageError("The arguments on stdin are larger than 4 MiB.");
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}
