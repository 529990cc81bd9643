/**
 * `npm run pack:kit [folder]`: makes the package `@signalbox/kit` as strangers install it, and prints its path. The workspace runs
 * from the TypeScript sources; Node does not strip types below node_modules, so what is packed is JavaScript with declarations.
 */
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");

const manifest = z.looseObject({
  dependencies: z.object({ zod: z.string() }),
  exports: z.record(z.string(), z.string()),
  private: z.boolean().optional(),
});

const into = resolve(process.argv[2] ?? ".");
console.log(await packKit(into));

async function packKit(folder: string): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), "pack-kit-"));
  try {
    await compile(join(work, "dist"));
    const {
      private: _private,
      dependencies: { zod },
      exports,
      ...rest
    } = manifest.parse(JSON.parse(await readFile(join(root, "kit/package.json"), "utf8")));
    const packed = {
      ...rest,
      exports: Object.fromEntries(
        Object.entries(exports).map(([name, file]) => [name, built(file)]),
      ),
      // Schemas of another copy of zod would be none to the kit.
      peerDependencies: { zod: `^${zod}` },
      files: ["dist"],
      engines: { node: ">=24" },
    };
    await writeFile(join(work, "package.json"), `${JSON.stringify(packed, null, 2)}\n`);
    await copyFile(join(root, "kit/README.md"), join(work, "README.md"));
    await copyFile(join(root, "LICENSE"), join(work, "LICENSE"));
    await mkdir(folder, { recursive: true });
    const { stdout } = await run("npm", ["pack", "--silent", "--pack-destination", folder], {
      cwd: work,
    });
    return join(folder, stdout.trim());
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function compile(outDir: string): Promise<void> {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  await run(process.execPath, [
    compiler,
    "--project",
    join(root, "kit/tsconfig.build.json"),
    "--outDir",
    outDir,
  ]);
}

function built(source: string): { types: string; default: string } {
  const file = source.replace("./src/", "./dist/").replace(/\.ts$/, "");
  return { types: `${file}.d.ts`, default: `${file}.js` };
}
