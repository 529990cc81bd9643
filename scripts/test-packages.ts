// What tests need beyond npm packages: the PostgreSQL of the operating system, as an external database, Redis, and Chromium.
import { existsSync, readdirSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { one, runCommand, type Step } from "./steps.ts";

interface SystemPackage {
  name: string;
  isThere(): boolean;
}

const systemPackages: readonly SystemPackage[] = [
  { name: "postgresql", isThere: () => postgresBinaries() !== undefined },
  { name: "redis-server", isThere: () => existsSync("/usr/bin/redis-server") },
  { name: "chromium", isThere: () => existsSync("/usr/bin/chromium") },
];

/** Installs what is missing where that is possible (Debian, as root); without it the tests that need it are skipped. */
export function testPackagesStep(): Step {
  return {
    name: "packages",
    run: async () => {
      let output = "";
      const missing = systemPackages.filter((wanted) => !wanted.isThere());
      if (missing.length > 0 && mayInstall())
        output = await install(missing.map(({ name }) => name));
      const stillMissing = systemPackages.filter((wanted) => !wanted.isThere());
      if (stillMissing.length === 0) return { counts: one("passed"), output };
      const names = stillMissing.map(({ name }) => name).join(", ");
      return {
        counts: one(process.env["CI"] === "true" ? "failed" : "skipped"),
        output: `${output}Not installed: ${names}. The tests that need it are skipped; on Debian: apt-get install ${names}\n`,
      };
    },
  };
}

function postgresBinaries(): string | undefined {
  const base = "/usr/lib/postgresql";
  const versions = existsSync(base) ? readdirSync(base) : [];
  return versions
    .map((version) => `${base}/${version}/bin`)
    .find((bin) => existsSync(`${bin}/initdb`));
}

/** Debian asks this program before it starts a service; 101 says no. */
const startPolicy = "/usr/sbin/policy-rc.d";

function mayInstall(): boolean {
  return existsSync("/usr/bin/apt-get") && process.getuid?.() === 0;
}

const aptInstall = [
  "env",
  "DEBIAN_FRONTEND=noninteractive",
  "apt-get",
  "install",
  "-q",
  "-y",
  "--no-install-recommends",
];

async function install(names: readonly string[]): Promise<string> {
  // Debian would make a database cluster, and start it and Redis; the tests want the programs only.
  const folder = "/etc/postgresql-common/createcluster.d";
  const setting = `${folder}/signalbox-tests.conf`;
  await mkdir(folder, { recursive: true });
  await writeFile(setting, "create_main_cluster = false\n");
  const hasPolicy = existsSync(startPolicy);
  if (!hasPolicy) await writeFile(startPolicy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    const updated = await runCommand(["apt-get", "update", "-q"]);
    let output = updated.output;
    // One by one, so that a package which this distribution does not have costs none of the others.
    for (const name of names) output += (await runCommand([...aptInstall, name])).output;
    return output;
  } finally {
    await rm(setting, { force: true });
    if (!hasPolicy) await rm(startPolicy, { force: true });
  }
}
