import { fileURLToPath } from "node:url";

/** The folder of this checkout. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

/** A file of this checkout, or of one of its packages, as an absolute path. */
export function inRoot(path: string): string {
  return fileURLToPath(new URL(path, new URL("../../", import.meta.url)));
}
