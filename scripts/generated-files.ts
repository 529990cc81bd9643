// The files of this repository that are made from its code: by `npm run docs`, and compared with it in `npm test`.
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorPages } from "./error-pages.ts";
import { openapiFile } from "./openapi.ts";
import { promisesPage } from "./promises.ts";
import { servicesPage } from "./services-page.ts";

const root = join(import.meta.dirname, "..");

/** Folders whose files are all made here: what is there beyond that is left over. */
const ownFolders = ["docs/errors"];

/** Writes every generated file that differs, removes left-overs, and returns the paths it touched. */
export async function writeGeneratedFiles(): Promise<string[]> {
  const files = await generatedFiles();
  const stale = await staleFiles(files);
  for (const path of stale) {
    const text = files.get(path);
    if (text === undefined) await rm(join(root, path));
    else await write(path, text);
  }
  return stale;
}

/** The generated files that differ from what the code says now. */
export async function staleGeneratedFiles(): Promise<string[]> {
  return staleFiles(await generatedFiles());
}

async function generatedFiles(): Promise<Map<string, string>> {
  return new Map([...errorPages(), ...promisesPage(), ...openapiFile(), ...(await servicesPage())]);
}

async function staleFiles(files: Map<string, string>): Promise<string[]> {
  const stale: string[] = [];
  for (const [path, text] of files) if ((await read(path)) !== text) stale.push(path);
  for (const folder of ownFolders) {
    const names = await readdir(join(root, folder)).catch(() => []);
    stale.push(...names.map((name) => `${folder}/${name}`).filter((path) => !files.has(path)));
  }
  return stale.toSorted();
}

async function read(path: string): Promise<string | undefined> {
  return readFile(join(root, path), "utf8").catch(() => undefined);
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}
