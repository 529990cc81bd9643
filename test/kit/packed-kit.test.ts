// The kit as a stranger gets it: packed, installed into an empty project, compiled against, and run.
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { inRoot, root } from "../support/root.ts";

const run = promisify(execFile);
const compiler = inRoot("node_modules/typescript/bin/tsc");

const program = `
import { hostService, fakeFetch, jsonResponse } from "@signalbox/kit/testing";
import { tides } from "./tides/index.ts";

const vendor = fakeFetch(() => jsonResponse({ stations: [{ id: "lisboa", name: "Lisboa" }] }));
const host = hostService(tides, { api_key: "key-of-tests" }, { fetch: vendor.fetch });
console.log(JSON.stringify(await host.ask("list_stations")));
await host.service.close();
`;

const settings = {
  compilerOptions: {
    target: "es2025",
    lib: ["es2025", "dom", "esnext.disposable"],
    module: "nodenext",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    allowImportingTsExtensions: true,
    types: ["node"],
    typeRoots: [inRoot("node_modules/@types")],
  },
  include: ["*.ts", "tides/*.ts"],
};

test("installs into an empty project, which compiles against its types and runs with it", async () => {
  const project = await mkdtemp(join(tmpdir(), "stranger-"));
  onTestFinished(() => rm(project, { recursive: true, force: true }));
  const packed = await run(process.execPath, [inRoot("scripts/pack-kit.ts"), project], {
    cwd: root,
  });
  const [archive = ""] = (await readdir(project)).filter((name) => name.endsWith(".tgz"));
  expect(packed.stdout.trim()).toBe(join(project, archive));
  await writeFile(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  // Its only dependency comes from here, so that no registry is asked.
  const zod = `file:${inRoot("node_modules/zod")}`;
  const install = ["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts"];
  await run("npm", [...install, zod, `./${archive}`], { cwd: project });
  await cp(inRoot("examples/tides"), join(project, "tides"), {
    recursive: true,
    filter: (path) => !path.endsWith(".test.ts"),
  });
  await writeFile(join(project, "program.ts"), program);
  await writeFile(join(project, "tsconfig.json"), JSON.stringify(settings));
  await run(process.execPath, [compiler, "--project", project]);
  const { stdout } = await run(process.execPath, ["program.ts"], { cwd: project });
  expect(JSON.parse(stdout)).toEqual({
    stations: [{ id: "lisboa", name: "Lisboa" }],
    more: false,
  });
});
