import { jsonResponse, textOf } from "@signalbox/kit/testing";
import { expect, test } from "vitest";
import { hostedGithub } from "./hosted-github.ts";

test("a secondary limit is waited for as long as GitHub asks", async () => {
  const { host, vendor, clock, seen } = hostedGithub();
  await host.ask("get_repo");
  vendor.answerInstead(
    /issues$/,
    jsonResponse(
      { message: "You have exceeded a secondary rate limit." },
      { status: 403, headers: { "retry-after": "5" } },
    ),
  );
  const made = host.ask("create_issue", { title: "Later" });
  await clock.advance(4_900);
  expect(seen).toHaveLength(3);
  await clock.advance(200);
  expect(await made).toMatchObject({ number: 1 });
});

test("a secondary limit that names no time is left alone for a minute, then for longer", async () => {
  const { host, vendor, clock } = hostedGithub();
  const refused = async (): Promise<unknown> => {
    vendor.answerInstead(
      /acme.site$/,
      jsonResponse({ message: "You have triggered an abuse detection mechanism" }, { status: 429 }),
    );
    const { _meta } = await host.call("get_repo");
    return _meta?.["signalbox/error"];
  };
  expect(await refused()).toMatchObject({ code: "VENDOR_THROTTLED", retryAfterMs: 60_000 });
  await clock.advance(60_000);
  expect(await refused()).toMatchObject({ retryAfterMs: 120_000 });
});

test("when the hour is used up, callers are told when it is over and GitHub is not asked", async () => {
  const { host, vendor, clock, seen } = hostedGithub();
  await host.ask("get_repo");
  vendor.leave("core", 0);
  const first = await host.call("get_repo");
  expect(first._meta?.["signalbox/error"]).toMatchObject({ retryAfterMs: 3_600_000 });
  expect(textOf(first)).toContain("API rate limit exceeded");
  const asked = seen.length;
  expect(textOf(await host.call("get_repo"))).toContain("VENDOR_THROTTLED");
  expect(seen).toHaveLength(asked);
  await clock.advance(3_600_000);
  expect(await host.ask("get_repo")).toMatchObject({ name: "acme/site" });
});

test("searches have a limit of their own", async () => {
  const { host, vendor } = hostedGithub();
  await host.ask("search_issues", { query: "repo:acme/site is:issue" });
  vendor.leave("search", 0);
  const refused = await host.call("search_issues", { query: "login" });
  expect(refused._meta?.["signalbox/error"]).toMatchObject({ code: "VENDOR_THROTTLED" });
  expect(await host.ask("search_code", { query: "site" })).toMatchObject({
    results: [{ repository: "acme/site", path: "README.md" }],
  });
  expect(await host.ask("get_repo")).toMatchObject({ name: "acme/site" });
  const { limits } = Object(await host.ask("rate_limit"));
  expect(limits).toContainEqual(
    expect.objectContaining({ resource: "search", limit: 30, remaining: 0 }),
  );
});

test("writes are held back before GitHub would refuse them", async () => {
  const { host, clock } = hostedGithub();
  await host.ask("create_issue", { title: "Busy" });
  const comment = (_: unknown, index: number): Promise<unknown> =>
    host.ask("add_comment", { number: 1, body: `Comment ${index}` });
  const first = Promise.all(Array.from({ length: 70 }, comment));
  await clock.advance(52_000);
  const second = Promise.all(Array.from({ length: 30 }, comment));
  await clock.advance(32_000);
  expect([...(await first), ...(await second)]).toHaveLength(100);
});

test("a read is repeated after a failure, a write is not", async () => {
  const { host, vendor, clock, seen } = hostedGithub();
  await host.ask("create_issue", { title: "One" });
  vendor.answerInstead(/issues.1$/, jsonResponse({ message: "Server Error" }, { status: 502 }));
  const read = host.ask("get_issue", { number: 1 });
  await clock.advance(1_000);
  expect(await read).toMatchObject({ title: "One" });
  vendor.answerInstead(/comments$/, jsonResponse({ message: "Server Error" }, { status: 502 }));
  const before = seen.length;
  const written = await host.call("add_comment", { number: 1, body: "Once" });
  expect(textOf(written)).toContain("VENDOR_UNAVAILABLE");
  expect(seen).toHaveLength(before + 1);
});

test("what a lost answer may have made is looked for rather than made again", async () => {
  const { host, vendor, seen } = hostedGithub();
  vendor.loseAnswerTo(/POST .*refs$/);
  expect(await host.ask("create_branch", { name: "fix" })).toMatchObject({ name: "fix" });
  await host.ask("put_file", { path: "a.md", content: "A", branch: "fix" });
  vendor.loseAnswerTo(/POST .*pulls$/);
  expect(await host.ask("create_pull_request", { title: "Fix", head: "fix" })).toMatchObject({
    number: 1,
  });
  vendor.loseAnswerTo(/PUT .*merge$/);
  expect(await host.ask("merge_pull_request", { number: 1 })).toMatchObject({ merged: true });
  vendor.loseAnswerTo(/POST .*issues$/);
  expect(await host.ask("create_issue", { title: "Once" })).toMatchObject({ number: 2 });
  expect(seen.filter(({ method }) => method === "POST").map(({ url }) => url.pathname)).toEqual([
    "/app/installations/77/access_tokens",
    "/repos/acme/site/git/refs",
    "/repos/acme/site/pulls",
    "/repos/acme/site/issues",
  ]);
});

test("an answer that was lost before anything was made stays a failure", async () => {
  const { host, vendor } = hostedGithub();
  vendor.answerInstead(/POST .*issues$/, jsonResponse({ message: "Oops" }, { status: 500 }));
  expect(textOf(await host.call("create_issue", { title: "Never" }))).toContain("Oops");
  expect(await host.ask("list_issues")).toEqual({ issues: [] });
});
