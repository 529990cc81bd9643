import { textOf } from "@signalbox/kit/testing";
import { expect, test } from "vitest";
import { appSettings, hostedGithub, keys } from "./hosted-github.ts";
import { githubSettings } from "./settings.ts";

test("calls that come together get one token, and the next one before it ends", async () => {
  const { host, vendor, clock } = hostedGithub();
  await Promise.all([1, 2, 3].map(() => host.ask("get_repo")));
  expect(vendor.tokensMade).toBe(1);
  await clock.advance(56 * 60_000);
  await host.ask("get_repo");
  await clock.advance(0);
  await host.ask("get_repo");
  expect(vendor.tokensMade).toBe(2);
  await clock.advance(58 * 60_000);
  await host.ask("get_repo");
});

test("a token that was revoked is renewed, and the call goes on", async () => {
  const { host, vendor } = hostedGithub();
  await host.ask("get_repo");
  vendor.revokeTokens();
  expect(await host.ask("create_issue", { title: "Still here" })).toMatchObject({ number: 1 });
  expect(vendor.tokensMade).toBe(2);
});

test("a key may be written with \\n for line breaks", async () => {
  const { host } = hostedGithub({
    ...appSettings,
    app_id: 1234,
    private_key: keys.privateKey.replaceAll("\n", String.raw`\n`),
  });
  // A number in TOML, text in a JWT.
  expect(await host.ask("get_repo")).toMatchObject({ name: "acme/site" });
});

test("a key that is none, an App that is another and an installation that is not there are told apart", async () => {
  const answers = await Promise.all(
    [{ private_key: "sk-no-key" }, { app_id: "9" }, { installation_id: "9" }].map(async (wrong) =>
      textOf(await hostedGithub({ ...appSettings, ...wrong }).host.call("get_repo")),
    ),
  );
  expect(answers).toEqual([
    expect.stringContaining("GITHUB_KEY_INVALID"),
    expect.stringContaining("GITHUB_APP_ID and GITHUB_PRIVATE_KEY belong to the same App"),
    expect.stringContaining("GITHUB_INSTALLATION_ID is an installation of this App"),
  ]);
  expect(answers.join()).not.toContain("sk-no-key");
});

test("a personal access token works alone, is not preferred to an App, and is spoken of in the log", async () => {
  const person = hostedGithub({ pat: "ghp_mona" });
  expect(await person.host.ask("list_repos")).toMatchObject({
    repositories: [{ name: "acme/site" }],
  });
  expect(person.seen[0]).toMatchObject({
    path: "/user/repos?per_page=30&page=1",
    headers: { authorization: "Bearer ghp_mona" },
  });
  expect(person.host.logged).toMatchObject([{ level: "warn" }]);
  const both = hostedGithub({ ...appSettings, pat: "ghp_mona" });
  await both.host.ask("get_repo");
  expect(both.vendor.tokensMade).toBe(1);
  const wrong = await hostedGithub({ pat: "ghp_nobody" }).host.call("get_repo", {
    repo: "acme/site",
  });
  expect(textOf(wrong)).toContain("Bad credentials. Set GITHUB_PAT anew");
});

test("settings that are not complete name what sets the rest", () => {
  const missing = (given: unknown): readonly string[] =>
    githubSettings.missing(githubSettings.options.parse(given));
  expect(missing({})).toEqual([
    "GITHUB_PAT, or GITHUB_APP_ID with GITHUB_INSTALLATION_ID and GITHUB_PRIVATE_KEY",
  ]);
  expect(missing({ app_id: "1" })).toEqual(["GITHUB_INSTALLATION_ID", "GITHUB_PRIVATE_KEY"]);
  expect(missing({ app_id: "1", pat: "p" })).toEqual([]);
  expect(missing(appSettings)).toEqual([]);
});

test("health asks what is not counted", async () => {
  const { host, seen } = hostedGithub();
  await host.ask("rate_limit");
  expect(await host.service.health(new AbortController().signal)).toEqual({ status: "ok" });
  expect(seen.at(-1)?.path).toBe("/rate_limit");
  expect(host.service.rateStatus().map(({ key, name }) => `${key} ${name}`)).toContain(
    "core window",
  );
});

test("signing is by RS256 with the App as issuer, for nine minutes, from a minute ago", async () => {
  const { host, seen, clock } = hostedGithub();
  await host.ask("get_repo");
  const [head = "", claims = ""] = (seen[0]?.headers["authorization"] ?? "").slice(7).split(".");
  const read = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString());
  const now = Math.floor(clock.now() / 1000);
  expect(read(head)).toEqual({ alg: "RS256", typ: "JWT" });
  expect(read(claims)).toEqual({ iat: now - 60, exp: now + 540, iss: "1234" });
});
