import { access, constants, stat } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";

/** Where `command` lies, as the system would look for it; rejects with ENOENT or EACCES where it would not start. */
export async function findProgram(
  command: string,
  path: string | undefined,
  cwd: string | undefined,
): Promise<string> {
  const from = cwd ?? process.cwd();
  const places = command.includes("/")
    ? [resolve(from, command)]
    : (path ?? defaultPath).split(delimiter).map((folder) => join(resolve(from, folder), command));
  let failure: Error | undefined;
  for (const place of places) {
    try {
      await access(place, constants.X_OK);
      if ((await stat(place)).isFile()) return place;
    } catch (error) {
      // "Not permitted" says more than "not there", whichever comes first.
      if (!(error instanceof Error)) throw error;
      if (failure === undefined || codeOf(failure) === "ENOENT") failure = error;
    }
  }
  throw failure ?? Object.assign(new Error(`${command} is a folder`), { code: "EACCES" });
}

const defaultPath = "/usr/local/bin:/usr/bin:/bin";

function codeOf(error: Error): unknown {
  return "code" in error ? error.code : undefined;
}
