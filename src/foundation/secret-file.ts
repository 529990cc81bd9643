import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { sep } from "node:path";

/** The text of a file, or why it is not read; that never says anything of what is in it. */
export type SecretFile = { readonly text: string } | { readonly problem: string };

const BYTES_MAX = 64 * 1024;
/** Where files are no files: `/proc/self/environ` is a plain one by its mode. */
const systemFolders = ["/proc", "/sys", "/dev"];

/**
 * Reads a file that holds a secret, less the line end at its end. It has to be a plain file of at most 64 KiB, of this user or of
 * root, that others can neither read nor write; and none below a folder of `closed`.
 */
export function readSecretFile(path: string, closed: readonly string[] = []): SecretFile {
  let file: number | undefined;
  try {
    const real = realpathSync(path);
    const folders = [...systemFolders, ...closed.map(realOf)];
    if (folders.some((folder) => real === folder || real.startsWith(folder + sep)))
      return { problem: "may not be read from there" };
    // Without waiting, where somebody has put a pipe in the file's place meanwhile.
    file = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    return read(file);
  } catch (error) {
    return { problem: reasonOf(error) };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function read(file: number): SecretFile {
  const { mode, uid, size } = fstatSync(file);
  if ((mode & constants.S_IFMT) !== constants.S_IFREG) return { problem: "is not a plain file" };
  if (process.platform !== "win32") {
    const own = process.geteuid?.();
    if (uid !== own && uid !== 0) return { problem: "belongs to another user" };
    if ((mode & 0o004) !== 0)
      return { problem: "can be read by everyone; take that right away with `chmod o=`" };
    if ((mode & 0o022) !== 0)
      return { problem: "can be written by others; take that right away with `chmod go-w`" };
  }
  if (size > BYTES_MAX) return { problem: `is larger than ${BYTES_MAX} bytes` };
  const buffer = Buffer.alloc(BYTES_MAX + 1);
  const length = readSync(file, buffer, 0, buffer.length, 0);
  if (length > BYTES_MAX) return { problem: `is larger than ${BYTES_MAX} bytes` };
  const text = buffer.toString("utf8", 0, length).replace(/\r?\n$/, "");
  return text === "" ? { problem: "is empty" } : { text };
}

function realOf(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

function reasonOf(error: unknown): string {
  const code: unknown = Reflect.get(Object(error), "code");
  if (code === "ENOENT" || code === "ENOTDIR") return "does not exist";
  if (code === "EACCES" || code === "EPERM") return "may not be read by the gateway";
  return `cannot be read (${typeof code === "string" ? code : "unknown"})`;
}
