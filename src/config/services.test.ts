import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig, printConfig, servedAs, type Config } from "../config.ts";
import { builtinServices } from "../services/index.ts";
import { problemTextsOf } from "./problem.ts";
import { servedNames } from "./service-tables.ts";

function load(toml: string, env: Record<string, string> = {}): Config {
  const cwd = mkdtempSync(join(tmpdir(), "config-"));
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  writeFileSync(join(cwd, "signalbox.toml"), toml);
  return loadConfig({ argv: [], env, cwd, terminal: false });
}

function problems(toml: string, env: Record<string, string> = {}): readonly string[] {
  try {
    load(toml, env);
  } catch (error) {
    return problemTextsOf(error);
  }
  return [];
}

test("a variable of which a part is chosen names a database; the file's settings stand beside it", () => {
  const { values, origins } = load(
    `[services.postgres]\nquery_timeout = "5s"\ntimeout = "20s"\n[services.postgres.databases.kids-ascension-db]\nwrites = true\n`,
    {
      POSTGRES_KA_URL: "postgres://ka@db.example/ka",
      POSTGRES_SALES_EU_URL: "postgres://s@db.example/s",
      POSTGRES_EMPTY_URL: "",
      DB_POOL_MAX: "20",
    },
  );
  expect(values.services["postgres"]).toMatchObject({
    databases: {
      "kids-ascension-db": { url: "postgres://ka@db.example/ka", writes: true },
      "sales-eu": { url: "postgres://s@db.example/s" },
    },
    query_timeout: 5_000,
    pool_max: 20,
  });
  expect(values.services["postgres"]).not.toHaveProperty("databases.empty");
  expect(values.database.pool_max).toBe(20);
  expect(servedAs(values.services["postgres"])).toEqual({ timeout: 20_000 });
  expect(origins.get("services.postgres.databases.sales-eu.url")).toBe("env:POSTGRES_SALES_EU_URL");
});

test("secrets are masked where the configuration is printed, references are shown", () => {
  const config = load(
    `[services.postgres.databases]\nplain = { url = "postgres://u:pass-word-1@h/d" }\nvault = { url = "\${secret:pg-url}" }\nvar = { url = "\${env:PG_URL}" }\n`,
    {
      PG_URL: "postgres://u:pass-word-2@h/d",
      POSTGRES_KA_URL: "postgres://u:pass-word-3@h/d",
      POSTGRES_KA_PASSWORD: "pass-word-4",
    },
  );
  const printed = printConfig(config);
  expect(printed).not.toMatch(/pass-word/);
  expect(printed).toContain('services.postgres.databases.plain.url = "***"');
  expect(printed).toContain('services.postgres.databases.vault.url = "${secret:pg-url}"');
  expect(printed).toContain('services.postgres.databases.var.url = "${env:PG_URL}"');
  expect(printed).toContain('services.postgres.query_timeout = "10s"');
  expect(config.values.services["postgres"]).toMatchObject({
    databases: { vault: { url: "${secret:pg-url}" }, var: { url: "postgres://u:pass-word-2@h/d" } },
  });
});

test("mistakes in a service's settings are said with their place and the nearest right name", () => {
  const said = problems(
    `[services.postgres]\npool_maxx = 3\nrows_max = 0\nproject = "nosuch"\n[services.postgress]\n`,
  );
  expect(said).toEqual([
    expect.stringContaining(
      "services.postgres.pool_maxx: is not a setting (did you mean pool_max?)",
    ),
    expect.stringContaining("services.postgres.rows_max: must be at least 1"),
    expect.stringContaining("services.postgress: is not a setting (did you mean postgres?)"),
  ]);
  expect(problems(`[services.postgres]\nproject = "nosuch"\n`)).toEqual([
    expect.stringContaining("services.postgres.project: names no project of this file"),
  ]);
  expect(problems("", { POSTGRES_KA_WRITES: "perhaps" })).toEqual([
    expect.stringContaining("must be true or false"),
  ]);
});

test("a secret of the vault stands only where a service has a secret", () => {
  const said = problems(`[services.postgres]\nquery_timeout = "\${secret:a}"\n`);
  expect(said).toContainEqual(expect.stringContaining("${secret:...} cannot stand here"));
});

test.each(builtinServices.map(({ name, settings }) => [name, settings] as const))(
  "the settings of %s need nothing, are read again as they came out, and leave the frame its names",
  (_name, settings) => {
    const empty = settings.options.parse({});
    expect(settings.options.parse(empty)).toEqual(empty);
    expect(settings.missing(empty).length).toBeGreaterThan(0);
    const shared = Object.keys(settings.options.shape).filter(
      (name) => name !== "timeout" && servedNames.includes(name),
    );
    expect(shared).toEqual([]);
  },
);
