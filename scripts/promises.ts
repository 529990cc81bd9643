// docs/promises.md from docs/promises.json: what the product sets out to do, and what shows that it does it.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const root = join(import.meta.dirname, "..");

const promise = z.strictObject({
  id: z.string().regex(/^(MF|SM|GW|OR|AF)-\d{2,3}[a-z]?$/),
  group: z.string(),
  promise: z.string(),
  state: z.enum(["planned", "partly", "done"]),
  /** Test files, or `npm run …` commands, that show it; needed unless it is planned. */
  shownBy: z.array(z.string()).optional(),
});

type KeptPromise = z.output<typeof promise>;

const areas = {
  MF: "Integration: client library, security, database, workflows",
  SM: "Monitoring: dashboard, alerts, synchronisation, links",
  GW: "Gateway: services, commands, access, observability",
  OR: "Operations: health, logs, metrics, scripts, recovery",
  AF: "Production hardening: pool, retry, balancing, profiles",
};

/** The page; fails when an id repeats, or when what is said to show a promise does not exist. */
export function promisesPage(
  text: string = readFileSync(join(root, "docs/promises.json"), "utf8"),
): Map<string, string> {
  const promises = z.array(promise).parse(JSON.parse(text));
  const problems = [...repeated(promises), ...promises.flatMap(unproven)];
  if (problems.length > 0) throw new Error(`docs/promises.json: ${problems.join("; ")}`);
  return new Map([["docs/promises.md", page(promises)]]);
}

function repeated(promises: readonly KeptPromise[]): string[] {
  const ids = promises.map(({ id }) => id);
  return ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `${id} stands there twice`);
}

function unproven({ id, state, shownBy = [] }: KeptPromise): string[] {
  if (state === "planned") return shownBy.length > 0 ? [`${id} is planned and yet shown`] : [];
  if (shownBy.length === 0) return [`${id} is ${state} and nothing shows it`];
  return shownBy
    .filter((proof) => !(isCommand(proof) ? isScript(proof) : existsSync(join(root, proof))))
    .map((proof) => `${id} is shown by ${proof}, which does not exist`);
}

function isCommand(proof: string): boolean {
  return proof.startsWith("npm ");
}

function isScript(proof: string): boolean {
  const scripts = z.object({ scripts: z.record(z.string(), z.string()) });
  const text = readFileSync(join(root, "package.json"), "utf8");
  const name = proof.split(" ").findLast((word) => word !== "run") ?? "";
  return name in scripts.parse(JSON.parse(text)).scripts;
}

function page(promises: readonly KeptPromise[]): string {
  const count = (state: string): number => promises.filter((one) => one.state === state).length;
  const tables = Object.entries(areas).map(([prefix, title]) => {
    const rows = promises.filter(({ id }) => id.startsWith(`${prefix}-`)).map(row);
    return `## ${title}\n\n| id | promise | state | shown by |\n| --- | --- | --- | --- |\n${rows.join("\n")}\n`;
  });
  return `# What Signalbox promises

Every promise has an id that stays. It is **done** when a test or a command shows it, **partly** when that covers a part
of it, and **planned** until then. Made from [promises.json](promises.json) by \`npm run docs\`.

${promises.length} promises: ${count("done")} done, ${count("partly")} partly, ${count("planned")} planned.

${tables.join("\n")}`;
}

function row({ id, promise: text, state, shownBy = [] }: KeptPromise): string {
  const proofs = shownBy.map((proof) =>
    isCommand(proof) ? `\`${proof}\`` : `[${proof}](../${proof})`,
  );
  return `| ${id} | ${text.replaceAll("|", "\\|")} | ${state} | ${proofs.join(", ")} |`;
}
