import { chosenName } from "@signalbox/kit";
import { expect, test } from "vitest";
import { postgresSettings } from "./settings.ts";

function pathOf(variable: string): readonly string[] | undefined {
  for (const setting of postgresSettings.env) {
    const chosen = chosenName(setting, variable);
    if (chosen === undefined) continue;
    return typeof setting.path === "function" ? setting.path(chosen) : setting.path;
  }
  return undefined;
}

test.each([
  ["POSTGRES_KA_URL", ["databases", "kids-ascension-db", "url"]],
  ["POSTGRES_OL_PASSWORD", ["databases", "ozean-licht-db", "password"]],
  ["POSTGRES_SALES_EU_URL", ["databases", "sales-eu", "url"]],
  ["POSTGRES_SALES_WRITES", ["databases", "sales", "writes"]],
  ["DB_POOL_MAX", ["pool_max"]],
  ["POSTGRES_URL", undefined],
])("%s sets %j", (variable, path) => {
  expect(pathOf(variable)).toEqual(path);
});

test("a password alone makes no database", () => {
  const { options } = postgresSettings;
  const stray = options.parse({ databases: { a: { password: "p" } } });
  expect(postgresSettings.missing(stray)).toEqual(["POSTGRES_<NAME>_URL"]);
  const whole = options.parse({ databases: { a: { url: "postgres://u@h/d" } } });
  expect(postgresSettings.missing(whole)).toEqual([]);
});

test("settings are read again as they came out", () => {
  const { options } = postgresSettings;
  const once = options.parse({
    databases: { a: { url: "postgres://u@h/d" } },
    query_timeout: "5s",
  });
  expect(once).toMatchObject({
    pool_min: 2,
    pool_max: 10,
    idle_timeout: 10_000,
    query_timeout: 5_000,
  });
  expect(options.parse(once)).toEqual(once);
});
