import { expect, test } from "vitest";
import { settingsThatWait } from "./changed-settings.ts";
import { configSchema } from "./schema.ts";

test("settings that changed are named, and servers, bundles, projects, roles and what is equal are not", () => {
  const before = configSchema.parse({ limits: { drain: "1s" }, allowed_hosts: ["a"] });
  const after = configSchema.parse({
    port: 9000,
    limits: { drain: 1000, call_timeout: "5s" },
    allowed_hosts: ["a", "b"],
    database: { url: "postgres://u:secret@h/d" },
    servers: { a: { command: "tool" } },
    bundles: { b: {} },
    projects: { p: {} },
    roles: { r: {} },
  });
  const names = ["port", "allowed_hosts", "database.url", "limits.call_timeout"];
  expect(settingsThatWait(before, after).toSorted()).toEqual(names.toSorted());
  expect(settingsThatWait(after, before)).toHaveLength(4);
  expect(settingsThatWait(after, after)).toEqual([]);
});
