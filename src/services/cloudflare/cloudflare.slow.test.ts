import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  fakeClock,
  fakeFetch,
  hostService,
  jsonResponse,
  textOf,
  type FakeFetch,
} from "@signalbox/kit/testing";
import { expect, onTestFinished, test } from "vitest";
import {
  contractFetch,
  openapiContract,
  withVendor,
  type OpenapiContract,
} from "../../../test/support/vendor-contracts.ts";
import { z } from "zod";
import { FakeCloudflare, accountId, failed, goodToken, zoneId } from "./fake-cloudflare.ts";
import { cloudflare } from "./index.ts";

type Options = Parameters<typeof hostService<typeof cloudflare.settings.options, never>>[1];

function hosted(
  options: Options = {},
  { limit, contract }: { limit?: number; contract?: OpenapiContract } = {},
) {
  const clock = fakeClock();
  const vendor = new FakeCloudflare({ clock, ...(limit !== undefined && { limit }) });
  const free = fakeFetch(vendor.answer);
  const held = contract === undefined ? undefined : contractFetch(contract, vendor.answer);
  // The schema has neither the analytics by GraphQL nor where a chunk goes, and wants JSON where an upload by tus begins.
  const fetch: FakeFetch["fetch"] = (url, init) =>
    held === undefined ||
    /\/graphql$|\/upload\?/.test(url) ||
    init?.headers?.["upload-length"] !== undefined
      ? free.fetch(url, init)
      : held.fetch(url, init);
  const host = hostService(cloudflare, { api_token: goodToken, ...options }, { fetch, clock });
  onTestFinished(() => host.service.close());
  return { host, vendor, clock, seen: free.seen };
}

/** What later calls take from an answer. */
const asked = z.looseObject({
  id: z.string().default(""),
  uploadUrl: z.string().optional(),
  record: z.looseObject({ id: z.string() }).default({ id: "" }),
});

const www = { zone: "example.com", type: "A", name: "www.example.com", content: "192.0.2.1" };

withVendor("openapi/cloudflare.slice.json")("held to Cloudflare's schema", () => {
  test("every tool asks and understands what the schema has", async () => {
    const contract = await openapiContract("openapi/cloudflare.slice.json", {
      prefix: "/client/v4",
    });
    expect(await everyTool({ contract })).toEqual(toolNames);
  });
});

test("every tool does what it says", async () => {
  expect(await everyTool({})).toEqual(toolNames);
});

const toolNames = cloudflare.tools.map(({ name }) => name).toSorted();

/** Calls every tool; gives the names of those it called. */
async function everyTool(how: { contract?: OpenapiContract }): Promise<string[]> {
  const dir = await folder();
  const { host, vendor } = hosted({ upload_dirs: [dir] }, how);
  const called = new Set<string>();
  const ask = (name: string, args: object = {}) => {
    called.add(name);
    return host.ask(name, args).then((answer) => asked.parse(answer));
  };

  expect(await ask("verify_token")).toMatchObject({ kind: "token", status: "active" });
  expect(await ask("accounts_list")).toMatchObject({ accounts: [{ id: accountId }], more: false });
  expect(await ask("zones_list")).toMatchObject({
    zones: [
      {
        name: "example.com",
        plan: "Free Website",
        nameServers: [/ada/, /bob/].map((one) => expect.stringMatching(one)),
      },
    ],
    total: 1,
  });
  expect(await ask("zone_get", { zone: "example.com" })).toMatchObject({ id: zoneId });
  expect(await ask("zone_create", { name: "new.example" })).toMatchObject({ status: "pending" });
  expect(await ask("zone_update", { zone: "new.example", paused: true })).toMatchObject({
    paused: true,
  });
  await ask("zone_delete", { zone: "new.example" });
  expect(vendor.zones.size).toBe(1);

  const { record } = await ask("dns_create_record", { ...www, comment: "web" });
  expect(await ask("dns_create_record", www)).toMatchObject({
    created: false,
    record: { id: record.id },
  });
  const srv = { type: "CAA", data: { flags: 0, tag: "issue", value: "ca.example" } };
  await ask("dns_create_record", { zone: zoneId, name: "caa.example.com", ...srv });
  await ask("dns_create_record", {
    zone: zoneId,
    type: "MX",
    name: "@",
    content: "mx.example.com",
    priority: 10,
  });
  expect(await ask("dns_list_records", { zone: "example.com" })).toMatchObject({
    records: [{ comment: "web" }, { type: "CAA" }, { name: "example.com", priority: 10 }],
    total: 3,
    more: false,
  });
  expect(
    await ask("dns_update_record", { zone: zoneId, record: record.id, content: "192.0.2.2" }),
  ).toMatchObject({
    before: { content: "192.0.2.1" },
    record: { content: "192.0.2.2", comment: "web" },
  });
  expect(await ask("dns_delete_record", { zone: zoneId, record: record.id })).toMatchObject({
    deleted: { name: "www.example.com", content: "192.0.2.2" },
  });
  expect(vendor.records.size).toBe(2);

  await ask("purge_cache", { zone: zoneId, files: ["https://example.com/a.css"] });
  await ask("purge_cache", { zone: zoneId, everything: true });
  expect(vendor.purged).toEqual([
    { files: ["https://example.com/a.css"] },
    { purge_everything: true },
  ]);

  expect(
    await ask("analytics_zone", { zone: zoneId, metrics: ["requests", "bytes"] }),
  ).toMatchObject({
    since: "2025-12-31T00:00:00Z",
    until: "2026-01-01T00:00:00Z",
    totals: { requests: 20, bytes: 4096 },
    points: [{ at: "2025-12-31T22:00:00Z", requests: 10, visitors: 2 }, {}],
  });
  expect(
    await ask("analytics_zone", { zone: zoneId, interval: "day", since: "2025-12-30" }),
  ).toMatchObject({ points: [{ at: "2025-12-30" }, { at: "2025-12-31", threats: 1 }] });
  expect(await ask("analytics_top", { zone: zoneId, by: "country" })).toMatchObject({
    top: [{ value: "PT", requests: 40, bytes: 999, visits: 12 }],
  });
  for (const by of ["host", "path", "status", "cache", "method"])
    await ask("analytics_top", { zone: zoneId, by });
  expect(await ask("analytics_dns", { zone: zoneId, dimensions: ["queryType"] })).toMatchObject({
    totals: { queryCount: 7 },
    rows: [{ dimensions: { queryType: "some queryType" }, metrics: { queryCount: 7 } }],
  });

  const copied = await ask("stream_copy_from_url", { url: "https://v.example/a.mp4", name: "A" });
  expect(copied).toMatchObject({ name: "A", state: "downloading", ready: false });
  const { uploadUrl } = await ask("stream_direct_upload", { maxDurationSeconds: 60, name: "B" });
  expect(uploadUrl).toContain("https://upload.videodelivery.net/");
  await writeFile(join(dir, "c.mp4"), "a small video");
  const { id } = await ask("stream_upload", { path: join(dir, "c.mp4") });
  expect(await ask("stream_get", { video: id })).toMatchObject({ state: "queued", bytes: 13 });
  expect(
    await ask("stream_update", { video: copied.id, name: "A2", requireSignedUrls: true }),
  ).toMatchObject({ name: "A2", signedUrlsRequired: true });
  expect(await ask("stream_list", { search: "A2" })).toMatchObject({
    videos: [{ id: copied.id }],
    more: false,
  });
  expect(await ask("stream_list", { limit: 2 })).toMatchObject({ more: true });
  await ask("stream_delete", { video: copied.id });
  expect(await ask("stream_storage")).toMatchObject({ minutes: 12, minutesMax: 1000, videos: 2 });

  return [...called].toSorted();
}

test("a list that has more pages says so", async () => {
  const { host, vendor } = hosted({ zone_id: zoneId });
  for (const n of [1, 2, 3, 4, 5, 6])
    vendor.records.set(`r${n}`, { id: `r${n}`, type: "A", name: `${n}.example.com`, content: "x" });
  expect(await host.ask("dns_list_records", { perPage: 5 })).toMatchObject({
    page: 1,
    total: 6,
    more: true,
  });
  expect(await host.ask("dns_list_records", { perPage: 5, page: 2 })).toMatchObject({
    records: [{ id: "r6" }],
    more: false,
  });
});

test("a zone's name is looked up once", async () => {
  const { host, seen } = hosted();
  await host.ask("dns_list_records", { zone: "Example.com." });
  await host.ask("dns_list_records", { zone: "example.com" });
  expect(seen.filter(({ url }) => url.pathname.endsWith("/zones"))).toHaveLength(1);
});

test.each([
  [
    "a zone that is not there",
    "zone_get",
    { zone: "no.example" },
    "zones_list names them. (NOT_FOUND)",
  ],
  ["a call without a zone", "zone_get", {}, "Say which zone"],
  [
    "a record that is not there",
    "dns_delete_record",
    { zone: zoneId, record: "9" },
    "Record does not exist. (81044) (NOT_FOUND)",
  ],
  ["a video that is not there", "stream_get", { video: "9" }, "(NOT_FOUND)"],
  [
    "an MX record without priority",
    "dns_create_record",
    { ...www, type: "MX" },
    "needs a priority",
  ],
  [
    "a record with nothing in it",
    "dns_create_record",
    { ...www, content: undefined },
    "Give content, or data",
  ],
  ["a purge of nothing", "purge_cache", { zone: zoneId }, "Give exactly one"],
  [
    "a range that is too long",
    "analytics_zone",
    { zone: zoneId, since: "2025-01-01" },
    "by 3 days at most",
  ],
  [
    "a zone whose analytics may not be read",
    "analytics_zone",
    { zone: "d".repeat(32) },
    "Analytics Read",
  ],
  ["a zone that is added twice", "zone_create", { name: "example.com" }, "already exists (1061)"],
  [
    "an upload where none is allowed",
    "stream_upload",
    { path: "/etc/hostname" },
    "CLOUDFLARE_UPLOAD_DIRS",
  ],
])("%s is refused with what to do", async (_what, tool, args, sentence) => {
  const { host } = hosted();
  const result = await host.call(tool, args);
  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain(sentence);
});

test("a CNAME beside another record is refused with what to do", async () => {
  const { host } = hosted();
  await host.ask("dns_create_record", www);
  const cname = { ...www, type: "CNAME", content: "other.example" };
  expect(textOf(await host.call("dns_create_record", cname))).toContain(
    "(CLOUDFLARE_RECORD_CONFLICT)",
  );
});

test("the content of a record with parts is not written over them", async () => {
  const { host, vendor } = hosted({ zone_id: zoneId });
  const data = { flags: 0, tag: "issue", value: "ca.example" };
  await host.ask("dns_create_record", { type: "CAA", name: "example.com", data });
  const [record] = vendor.records.keys();
  const said = textOf(await host.call("dns_update_record", { record, content: "x" }));
  expect(said).toContain("give data rather than content");
  const changed = { ...data, value: "other.example" };
  expect(await host.ask("dns_update_record", { record, data: changed })).toMatchObject({
    record: { data: changed },
  });
});

test("an answer of HTTP 200 that says success: false is a failure", async () => {
  const { host, vendor } = hosted();
  const body = { success: false, errors: [{ code: 1234, message: "Not today" }], result: null };
  vendor.instead.push(() => jsonResponse(body));
  expect(textOf(await host.call("zones_list"))).toContain(
    "Cloudflare refused this: Not today (1234)",
  );
});

test("a wrong token is refused with what to check, and not shown", async () => {
  const { host } = hosted({ api_token: "wrong-token-of-tests" });
  const said = textOf(await host.call("zones_list"));
  expect(said).toContain("Authentication error (10000). Check the token and its permissions");
  expect(said).not.toContain("wrong-token");
});

test("an expired token makes the service unwell", async () => {
  const { host, vendor } = hosted();
  await host.ask("zones_list");
  const signal = AbortSignal.timeout(5_000);
  expect(await host.service.health(signal)).toEqual({ status: "ok" });
  vendor.tokenStatus = "expired";
  expect(await host.service.health(signal)).toMatchObject({ status: "down" });
});

test("a token of an account is checked there", async () => {
  const { host, vendor } = hosted({ account_id: accountId });
  vendor.tokenOfAccount = true;
  expect(await host.ask("verify_token")).toMatchObject({ kind: "token", status: "active" });
  const { host: without, vendor: other } = hosted();
  other.tokenOfAccount = true;
  expect(textOf(await without.call("verify_token"))).toContain("Invalid API Token");
});

test("the global key goes with its e-mail address", async () => {
  const { host, seen } = hosted({
    api_token: undefined,
    email: "a@b.example",
    api_key: "global-key-of-tests",
  });
  expect(await host.ask("verify_token")).toEqual({ kind: "global_key", status: "active" });
  expect(seen[0]?.headers).not.toHaveProperty("authorization");
});

test("several accounts have to be told apart", async () => {
  const { host, vendor } = hosted();
  vendor.accounts = [...vendor.accounts, { id: "e".repeat(32), name: "Other" }];
  expect(textOf(await host.call("stream_storage"))).toContain("Set CLOUDFLARE_ACCOUNT_ID");
  const { host: set, seen } = hosted({ account_id: accountId });
  await set.ask("stream_storage");
  expect(seen).toHaveLength(1);
});

test("who is beyond the limit waits as long as Cloudflare says, and is told what is left", async () => {
  const { host, clock, seen } = hosted({ timeout: 400_000 }, { limit: 2 });
  await host.ask("zones_list");
  await host.ask("zones_list");
  expect(host.service.rateStatus()[0]).toMatchObject({ name: "default", limit: 2, remaining: 0 });
  const third = host.ask("zones_list");
  await clock.advance(299_000);
  expect(seen).toHaveLength(2);
  await clock.advance(2_000);
  expect(await third).toMatchObject({ total: 1 });
});

test("a refusal for too many requests without a time means five minutes", async () => {
  const { host, vendor } = hosted();
  vendor.instead.push(() => failed(429, 10_429, "Too many"));
  const result = await host.call("zones_list");
  expect(textOf(result)).toContain("asks for fewer requests: Too many (VENDOR_THROTTLED)");
  expect(textOf(await host.call("zones_list"))).toContain("in about 300 s");
});

test("a record is created once, although the first answer was lost", async () => {
  const { host, vendor, clock } = hosted();
  vendor.instead.push((request) => (request.method === "POST" ? vendor.lose(request) : undefined));
  const created = host.ask("dns_create_record", { ...www, zone: zoneId });
  await clock.advance(2_000);
  expect(await created).toMatchObject({ created: false, record: { content: "192.0.2.1" } });
  expect(vendor.records.size).toBe(1);
});

test("a depleted budget of the analytics is told, and kept to", async () => {
  const { host, vendor, seen } = hosted({ zone_id: zoneId });
  const errors = [{ message: "rate limiter budget depleted, please try again later" }];
  vendor.instead.push(() => jsonResponse({ data: null, errors }));
  const said = textOf(await host.call("analytics_zone"));
  expect(said).toContain("ask for fewer queries");
  expect(textOf(await host.call("analytics_zone"))).toContain("VENDOR_THROTTLED");
  expect(seen).toHaveLength(1);
});

test("what the analytics refuse is told in their words", async () => {
  const { host, vendor } = hosted({ zone_id: zoneId });
  const errors = [{ message: "zone does not have access to the path" }];
  vendor.instead.push(() => jsonResponse({ data: null, errors }));
  expect(textOf(await host.call("analytics_zone"))).toContain("does not have access to the path");
});

test("settings without credentials name the variables that set them", () => {
  const { settings } = cloudflare;
  const needs = (given: object) => settings.missing(settings.options.parse(given));
  expect(needs({})).toEqual(["CLOUDFLARE_API_TOKEN, or CLOUDFLARE_EMAIL with CLOUDFLARE_API_KEY"]);
  expect(needs({ email: "a@b.example", api_key: "k" })).toEqual([]);
  const once = settings.options.parse({ api_token: "t" });
  expect(settings.options.parse(once)).toEqual(once);
});

const chunk = 5_242_880;

/** A file of two chunks, the last one short. */
async function video(dir: string): Promise<{ path: string; text: string }> {
  const text = "0123456789abcdef".repeat(chunk / 16) + "the end";
  const path = join(dir, "long.mp4");
  await writeFile(path, text);
  return { path, text };
}

test("an upload goes in chunks, each where the one before ended", async () => {
  const dir = await folder();
  const { path, text } = await video(dir);
  const { host, vendor, seen } = hosted({ upload_dirs: [dir], upload_chunk_bytes: chunk });
  const told: number[] = [];
  const options = { name: "Tour", requireSignedUrls: true, maxDurationSeconds: 60 };
  const uploaded = await host.ask(
    "stream_upload",
    { path, ...options },
    { progress: (done) => told.push(done) },
  );
  const [upload] = vendor.uploads.values();
  expect(uploaded).toEqual({ id: upload?.uid, bytes: text.length });
  expect(upload?.text === text).toBe(true);
  expect(upload?.metadata).toBe("name VG91cg==,maxDurationSeconds NjA=,requiresignedurls");
  expect(told).toEqual([chunk, text.length]);
  const chunks = seen.filter(({ method }) => method === "PATCH");
  expect(chunks.map(({ headers }) => headers["upload-offset"])).toEqual(["0", `${chunk}`]);
});

test("a chunk that was lost, or only half taken, goes on where Cloudflare is", async () => {
  const dir = await folder();
  const { path, text } = await video(dir);
  const { host, vendor, clock } = hosted({ upload_dirs: [dir], upload_chunk_bytes: chunk });
  vendor.instead.push((request) => {
    if (request.headers["upload-offset"] !== "0") return undefined;
    const [id = ""] = vendor.uploads.keys();
    vendor.take(id, request.text.slice(0, 1_000));
    return "broken";
  });
  const uploaded = host.ask("stream_upload", { path });
  expect(await settled(uploaded, clock)).toMatchObject({ bytes: text.length });
  expect(vendor.uploads.values().next().value?.text === text).toBe(true);
});

test("an upload that was given up goes on at the next call, and begins anew where Cloudflare forgot it", async () => {
  const dir = await folder();
  const { path, text } = await video(dir);
  const { host, vendor } = hosted({ upload_dirs: [dir], upload_chunk_bytes: chunk });
  const refused = (request: { headers: Readonly<Record<string, string>> }) =>
    request.headers["upload-offset"] === `${chunk}` ? failed(403, 10_000, "No") : undefined;
  vendor.instead.push(refused);
  const result = await host.call("stream_upload", { path });
  expect(textOf(result)).toContain("it goes on where it stopped. (CLOUDFLARE_UPLOAD_STOPPED)");
  expect(await host.ask("stream_upload", { path })).toMatchObject({ resumedAt: chunk });
  expect(vendor.uploads.size).toBe(1);

  vendor.instead.push(refused);
  await host.call("stream_upload", { path });
  const [, second = ""] = vendor.uploads.keys();
  vendor.uploads.delete(second);
  expect(await host.ask("stream_upload", { path })).toEqual({
    id: expect.any(String),
    bytes: text.length,
  });
});

test("a last chunk whose answer was lost is not sent again", async () => {
  const dir = await folder();
  await writeFile(join(dir, "a.mp4"), "video");
  const { host, vendor, clock, seen } = hosted({ upload_dirs: [dir] });
  vendor.instead.push((request) => (request.method === "PATCH" ? vendor.lose(request) : undefined));
  const uploaded = host.ask("stream_upload", { path: join(dir, "a.mp4") });
  expect(await settled(uploaded, clock)).toMatchObject({ bytes: 5 });
  expect(seen.map(({ method }) => method)).toEqual(["GET", "POST", "PATCH", "HEAD"]);
});

test("an upload that cannot go on after several tries is given up", async () => {
  const dir = await folder();
  await writeFile(join(dir, "a.mp4"), "video");
  const { host, vendor, clock } = hosted({ upload_dirs: [dir] });
  for (let n = 0; n < 20; n++)
    vendor.instead.push(({ method }) => (method === "PATCH" ? "broken" : undefined));
  const called = host.call("stream_upload", { path: join(dir, "a.mp4") });
  const result = await settled(called, clock);
  expect(result).toMatchObject({ isError: true });
  expect(JSON.stringify(result)).toContain("CLOUDFLARE_UPLOAD_STOPPED");
});

test("a file is not uploaded twice at once", async () => {
  const dir = await folder();
  await writeFile(join(dir, "a.mp4"), "video");
  const { host } = hosted({ upload_dirs: [dir] });
  const path = join(dir, "a.mp4");
  const results = await Promise.all([1, 2].map(() => host.call("stream_upload", { path })));
  const refused = results.filter((result) => result.isError === true);
  expect(refused.map(textOf)).toEqual([expect.stringContaining("CLOUDFLARE_UPLOAD_UNDER_WAY")]);
});

test("an offset that cannot be is not followed", async () => {
  const dir = await folder();
  await writeFile(join(dir, "a.mp4"), "video");
  const { host, vendor } = hosted({ upload_dirs: [dir] });
  vendor.instead.push(({ method }) =>
    method === "PATCH"
      ? new Response(null, { status: 204, headers: { "upload-offset": "99" } })
      : undefined,
  );
  const said = textOf(await host.call("stream_upload", { path: join(dir, "a.mp4") }));
  expect(said).toContain("it has 99 bytes, where 1 to 5 are possible");
});

test("an upload is not sent to a stranger", async () => {
  const dir = await folder();
  await writeFile(join(dir, "a.mp4"), "video");
  const { host, vendor, seen } = hosted({ upload_dirs: [dir], account_id: accountId });
  const headers = { location: "https://cloudflare.com.example/x", "stream-media-id": "m" };
  vendor.instead.push(() => new Response(null, { status: 201, headers }));
  const said = textOf(await host.call("stream_upload", { path: join(dir, "a.mp4") }));
  expect(said).toContain("cloudflare.com.example, which is not its own");
  expect(seen).toHaveLength(1);
});

test("a host of Cloudflare's that takes uploads without credentials gets none", async () => {
  const dir = await folder();
  await writeFile(join(dir, "a.mp4"), "video");
  const { host, vendor, seen } = hosted({ upload_dirs: [dir], account_id: accountId });
  const location = "https://upload.cloudflarestream.com/tus/m";
  const to = (status: number, more: Record<string, string>) => () =>
    new Response(null, { status, headers: more });
  vendor.instead.push(
    to(201, { location, "stream-media-id": "m" }),
    to(204, { "upload-offset": "5" }),
  );
  expect(await host.ask("stream_upload", { path: join(dir, "a.mp4") })).toEqual({
    id: "m",
    bytes: 5,
  });
  expect(seen[1]?.url.href).toBe(location);
  expect(seen[1]?.headers).not.toHaveProperty("authorization");
});

test("only files of the named folders are read, links followed", async () => {
  const dir = await folder();
  const other = await folder();
  await writeFile(join(other, "secret.mp4"), "secret");
  await symlink(join(other, "secret.mp4"), join(dir, "link.mp4"));
  await writeFile(join(dir, "empty.mp4"), "");
  const { host, seen } = hosted({ upload_dirs: [dir] });
  const paths = [join(other, "secret.mp4"), join(dir, "link.mp4"), join(dir, "..", "x"), dir];
  for (const path of paths)
    expect(textOf(await host.call("stream_upload", { path }))).toContain(
      "CLOUDFLARE_UPLOAD_NOT_ALLOWED",
    );
  const empty = textOf(await host.call("stream_upload", { path: join(dir, "empty.mp4") }));
  expect(empty).toContain("CLOUDFLARE_NOT_A_VIDEO");
  expect(seen).toHaveLength(0);
});

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "signalbox-cloudflare-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

/** What comes of work that waits, the clock going on until then. */
async function settled(
  work: Promise<unknown>,
  clock: { advance(ms: number): Promise<void> },
): Promise<unknown> {
  const state = { over: false };
  const done = work.finally(() => {
    state.over = true;
  });
  while (!state.over) await clock.advance(100);
  return await done;
}
