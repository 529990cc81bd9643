// `npm run docs`: writes what is made from the code, docs/errors, docs/promises.md and openapi.json. With `--check` it
// only says what is out of date.
import { staleGeneratedFiles, writeGeneratedFiles } from "./generated-files.ts";

const checksOnly = process.argv.includes("--check");
const stale = await (checksOnly ? staleGeneratedFiles() : writeGeneratedFiles());
for (const path of stale) console.log(`${checksOnly ? "out of date" : "written"}  ${path}`);
if (checksOnly && stale.length > 0) {
  console.log("Run `npm run docs` and commit what it writes.");
  process.exitCode = 1;
}
