import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { ServiceError } from "../service-error.ts";
import { fakeClock } from "../testing/fake-clock.ts";
import { fakeFetch, jsonResponse, type SeenRequest } from "../testing/fake-fetch.ts";
import {
  createRestClient,
  nextLink,
  path,
  takeUpTo,
  type RestClientOptions,
  type RestRequest,
} from "./rest-client.ts";
import { createTokenProvider, staticToken } from "./token-provider.ts";

const { signal } = new AbortController();

function clientOf(
  answer: (request: SeenRequest, index: number) => Response | Promise<Response>,
  options: Partial<RestClientOptions> = {},
) {
  const clock = fakeClock();
  const vendor = fakeFetch(answer);
  const client = createRestClient({
    vendor: "Acme",
    baseUrl: "https://api.acme.example/v2",
    fetch: vendor.fetch,
    clock,
    random: () => 1,
    ...options,
  });
  return { client, clock, seen: vendor.seen };
}

/** Sends a request and lets the time go by that it needs. */
async function settled<T>(work: Promise<T>, clock: { advance(ms: number): Promise<void> }) {
  const outcome = work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  await clock.advance(60_000);
  return await outcome;
}

test("a request goes out below the base URL, with token, query and JSON", async () => {
  const { client, seen } = clientOf(() => jsonResponse({ ok: true }), {
    auth: { tokens: staticToken("secret-token"), header: "x-api-key", prefix: "" },
    headers: { "x-version": "3" },
  });
  const answer = await client.request({
    method: "POST",
    path: path`/things/${"a/b c"}/parts`,
    query: { tag: ["x", "y"], page: 2, none: undefined },
    json: { name: "é" },
    signal,
  });
  expect(answer).toMatchObject({ status: 200, data: { ok: true } });
  expect(seen[0]).toMatchObject({
    method: "POST",
    path: "/v2/things/a%2Fb%20c/parts?tag=x&tag=y&page=2",
    json: { name: "é" },
    headers: { "x-api-key": "secret-token", "x-version": "3", "content-type": "application/json" },
  });
});

test.each(["", ".", ".."])("the name %j cannot leave its place in a path", (name) => {
  expect(() => path`/things/${name}`).toThrow("cannot be a name");
});

test("no name in a path reaches another place", () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      fc.pre(!["", ".", ".."].includes(name) && name.isWellFormed());
      const url = new URL(path`/things/${name}/end`, "https://a.example");
      expect(url.pathname.split("/")).toHaveLength(4);
      expect(decodeURIComponent(url.pathname.split("/")[2] ?? "")).toBe(name);
    }),
  );
});

test.each(["https://evil.example/x", "http://api.acme.example/x"])(
  "the token does not follow %s",
  async (address) => {
    const { client, seen } = clientOf(() => jsonResponse({}));
    await expect(client.request({ path: address, signal })).rejects.toThrow("not its own");
    expect(seen).toEqual([]);
  },
);

test.each(["//evil.example/x", "/../../x", "evil:x", "\\\\evil.example"])(
  "the path %j stays at the vendor",
  async (place) => {
    const { client, seen } = clientOf(() => jsonResponse({}));
    await client.request({ path: place, signal });
    expect(seen.map(({ url }) => url.origin)).toEqual(["https://api.acme.example"]);
  },
);

test.each([
  [400, "non_retryable", 1],
  [401, "non_retryable", 1],
  [404, "non_retryable", 1],
  [429, "throttled", 3],
  [500, "retryable", 3],
  [502, "retryable", 3],
  [504, "timeout", 3],
])("HTTP %i is %s, and a GET is sent %i times", async (status, kind, times) => {
  const { client, clock, seen } = clientOf(() => jsonResponse({ message: "why" }, { status }));
  expect(await settled(client.request({ path: "x", signal }), clock)).toMatchObject({
    error: { kind, status, message: expect.stringContaining("why") },
  });
  expect(seen).toHaveLength(times);
});

test.each<[string, Partial<RestRequest>, Partial<RestClientOptions>, number]>([
  ["a POST", { method: "POST" }, {}, 1],
  ["a PATCH", { method: "PATCH" }, {}, 1],
  ["a PUT", { method: "PUT" }, {}, 3],
  ["a DELETE", { method: "DELETE" }, {}, 3],
  ["a POST that may be done twice", { method: "POST", safe: true }, {}, 3],
  ["a GET that may not", { safe: false }, {}, 1],
  [
    "a POST with a key that the vendor knows",
    { method: "POST", idempotencyKey: "k" },
    { idempotencyHeader: "idempotency-key" },
    3,
  ],
  ["a POST with a key that it does not know", { method: "POST", idempotencyKey: "k" }, {}, 1],
])("after a failure that may have done it, %s", async (_what, request, options, times) => {
  const { client, clock, seen } = clientOf(() => jsonResponse({}, { status: 500 }), options);
  await settled(client.request({ path: "x", signal, ...request }), clock);
  expect(seen).toHaveLength(times);
});

test("what was never sent is sent again, whatever it is", async () => {
  const { client, clock, seen } = clientOf((_request, index) => {
    if (index === 0)
      throw new TypeError("fetch failed", {
        cause: Object.assign(new Error("connect ECONNREFUSED 10.0.0.1:443"), {
          code: "ECONNREFUSED",
        }),
      });
    if (index === 1) throw new TypeError("terminated");
    return jsonResponse({});
  });
  const outcome = await settled(client.request({ method: "POST", path: "x", signal }), clock);
  expect(outcome).toMatchObject({ error: { kind: "network", delivered: "maybe" } });
  expect(seen).toHaveLength(2);
});

test("the gateway's refusal to go somewhere is told as such and not tried again", async () => {
  const { client, seen } = clientOf(() => {
    throw new TypeError("fetch failed", {
      cause: Object.assign(new Error("10.0.0.1 is not a public address"), {
        code: "OUTBOUND_REFUSED",
      }),
    });
  });
  await expect(client.request({ path: "x", signal })).rejects.toMatchObject({
    code: "OUTBOUND_REFUSED",
    message: "10.0.0.1 is not a public address",
  });
  expect(seen).toHaveLength(1);
});

test("a refused token is renewed once, for a POST too", async () => {
  let made = 0;
  const clock = fakeClock();
  const tokens = createTokenProvider({
    clock,
    fetchToken: async () => ({ value: `t${++made}`, expiresAt: Infinity }),
  });
  const { client, seen } = clientOf(
    ({ headers }) =>
      headers["authorization"] === "Bearer t1"
        ? jsonResponse({}, { status: 401 })
        : jsonResponse({ ok: true }),
    { auth: { tokens }, clock },
  );
  const outcome = await settled(client.request({ method: "POST", path: "x", signal }), clock);
  expect(outcome).toMatchObject({ value: { data: { ok: true } } });
  expect(seen).toHaveLength(2);
});

test("a wrong token is not renewed again and again", async () => {
  const { client, clock, seen } = clientOf(() => jsonResponse({}, { status: 401 }), {
    auth: { tokens: staticToken("wrong-token") },
  });
  await settled(client.request({ path: "x", signal }), clock);
  expect(seen).toHaveLength(2);
});

test("the vendor's wait is kept, for everybody of that key", async () => {
  const { client, clock, seen } = clientOf((_request, index) =>
    index === 0
      ? jsonResponse({}, { status: 429, headers: { "retry-after": "20" } })
      : jsonResponse({}),
  );
  const both = [1, 2].map(() => client.request({ path: "x", signal }));
  await clock.advance(19_000);
  expect(seen).toHaveLength(2);
  await clock.advance(2_000);
  await Promise.all(both);
});

test("a vendor who asks for more patience than there is time is not waited for", async () => {
  const { client, clock, seen } = clientOf(() =>
    jsonResponse({}, { status: 429, headers: { "retry-after": "3600" } }),
  );
  const outcome = await settled(client.request({ path: "x", signal }), clock);
  expect(outcome).toMatchObject({ error: { kind: "throttled", retryAfterMs: 3_600_000 } });
  expect(seen).toHaveLength(1);
});

test("a request ends with its deadline, its repeats included", async () => {
  const { client, clock } = clientOf(() => new Promise<Response>(() => {}), { timeoutMs: 5_000 });
  const asked = client.request({ path: "x", signal });
  const outcome = settled(asked, clock);
  expect(await outcome).toMatchObject({
    error: { kind: "timeout", message: "Acme did not answer within 5000 ms." },
  });
  expect(clock.waiting).toBe(0);
});

test("a caller who gives up ends it with the caller's own reason", async () => {
  const { client } = clientOf(() => new Promise<Response>(() => {}));
  const abort = new AbortController();
  const asked = client.request({ path: "x", signal: abort.signal });
  abort.abort(new Error("the user left"));
  await expect(asked).rejects.toThrow("the user left");
});

test("an answer larger than permitted is not read to its end", async () => {
  let sent = 0;
  const endless = (): Response =>
    new Response(
      new ReadableStream({
        pull(controller) {
          sent++;
          controller.enqueue(new Uint8Array(1_000));
        },
      }),
    );
  const { client } = clientOf(endless, { bodyBytesMax: 10_000 });
  await expect(client.request({ path: "x", signal })).rejects.toMatchObject({
    code: "VENDOR_ANSWER",
  });
  expect(sent).toBeLessThan(30);
});

test("secrets that a vendor repeats are masked", async () => {
  const { client } = clientOf(
    () => jsonResponse({ error: { message: "bad key sk-12345678" } }, { status: 403 }),
    {
      secrets: ["sk-12345678"],
      redact: ["Password"],
    },
  );
  await expect(client.request({ path: "x", signal })).rejects.toThrow(
    "Acme refused this (HTTP 403): bad key [redacted]",
  );
  expect(client.withoutSecrets({ users: [{ name: "a", password: "p" }] })).toEqual({
    users: [{ name: "a", password: "[redacted]" }],
  });
});

test("the vendor's own meaning of a failure goes before its status", async () => {
  const { client, clock, seen } = clientOf(() => jsonResponse({ busy: true }, { status: 423 }), {
    classify: ({ status }) =>
      status === 423 ? { kind: "retryable", delivered: "no", message: "busy" } : undefined,
  });
  const outcome = await settled(client.request({ method: "POST", path: "x", signal }), clock);
  expect(outcome).toMatchObject({
    error: { kind: "retryable", message: "Acme failed (HTTP 423): busy" },
  });
  expect(seen).toHaveLength(3);
});

test("an answer that does not fit its schema is a failure of the vendor's", async () => {
  const { client } = clientOf(() => jsonResponse({ id: 7 }));
  await expect(client.ask({ path: "x", signal }, z.object({ id: z.string() }))).rejects.toThrow(
    "Acme answered in a form that is not known here: id: expected string, received number.",
  );
});

test("pages are fetched as they are needed, up to the items and pages that are asked for", async () => {
  const { client, seen } = clientOf((_request, index) =>
    jsonResponse([index * 2, index * 2 + 1], {
      headers: { link: `<https://api.acme.example/v2/x?page=${index + 2}>; rel="next"` },
    }),
  );
  const pages = (itemsMax: number, pagesMax?: number) =>
    client.pages<number>(
      { path: "x", signal },
      {
        items: (data) => z.array(z.number()).parse(data),
        next: ({ headers }, request) => {
          const link = nextLink(headers);
          return link === undefined ? undefined : { ...request, path: link };
        },
        itemsMax,
        ...(pagesMax !== undefined && { pagesMax }),
      },
    );
  expect(await takeUpTo(pages(4), 3)).toEqual({ items: [0, 1, 2], more: true });
  expect(seen.map(({ path: asked }) => asked)).toEqual(["/v2/x", "/v2/x?page=2"]);
  expect((await takeUpTo(pages(100, 2), 100)).items).toHaveLength(4);
});

test("rateStatus tells what is left, corrected by the vendor", async () => {
  const { client } = clientOf(
    () =>
      jsonResponse({}, { headers: { "x-ratelimit-limit": "50", "x-ratelimit-remaining": "7" } }),
    { plans: [{ limit: 100, windowMs: 60_000 }] },
  );
  await client.request({ path: "x", signal });
  expect(client.rateStatus()).toMatchObject([
    { key: "default", limit: 50, remaining: 7, inFlight: 0, waiting: 0 },
  ]);
});

test("a failure becomes an answer with code, kind and wait", () => {
  const failure = new ServiceError("Acme asks for fewer requests", {
    kind: "throttled",
    status: 429,
    retryAfterMs: 2_000,
  });
  expect(failure.answer).toMatchObject({
    isError: true,
    content: [{ type: "text", text: "Acme asks for fewer requests (VENDOR_THROTTLED)" }],
    _meta: {
      "signalbox/error": {
        code: "VENDOR_THROTTLED",
        kind: "throttled",
        status: 429,
        retryAfterMs: 2_000,
      },
    },
  });
});
