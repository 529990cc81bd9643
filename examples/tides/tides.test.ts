import { fakeClock, fakeFetch, hostService, jsonResponse, textOf } from "@signalbox/kit/testing";
import type { SeenRequest } from "@signalbox/kit/testing";
import { expect, onTestFinished, test } from "vitest";
import { tides } from "./index.ts";

function hosted(answer: (request: SeenRequest, index: number) => Response) {
  const vendor = fakeFetch(answer);
  const clock = fakeClock();
  const host = hostService(tides, { api_key: "key-of-tests" }, { fetch: vendor.fetch, clock });
  onTestFinished(() => host.service.close());
  return { host, clock, seen: vendor.seen };
}

test("get_tides asks the vendor with the key, and answers in the form it promises", async () => {
  const body = {
    station: "lisboa",
    tides: [{ at: "2026-12-01T03:12:00Z", kind: "high", metres: 3.4 }],
    source: "hydrographic office",
  };
  const { host, seen } = hosted(() => jsonResponse(body));
  const { source: _source, ...told } = body;
  expect(await host.ask("get_tides", { station: "lisboa", date: "2026-12-01" })).toEqual(told);
  expect(seen[0]).toMatchObject({
    path: "/v1/stations/lisboa/tides?date=2026-12-01",
    headers: { authorization: "Bearer key-of-tests" },
  });
});

test("get_tides says what to do about a station that is not there", async () => {
  const { host } = hosted(() => jsonResponse({ message: "unknown" }, { status: 404 }));
  const result = await host.call("get_tides", { station: "atlantis", date: "2026-12-01" });
  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("list_stations names them. (NOT_FOUND)");
});

test("list_stations reads no more pages than it needs, and says whether there is more", async () => {
  const { host, seen } = hosted((_request, index) =>
    jsonResponse({
      stations: [1, 2].map((n) => ({ id: `s${index}${n}`, name: `Station ${index} ${n}` })),
      next: `c${index}`,
    }),
  );
  const found = await host.ask("list_stations", { limit: 3 });
  expect(found).toMatchObject({
    stations: [{ id: "s01" }, { id: "s02" }, { id: "s11" }],
    more: true,
  });
  expect(seen.map(({ path }) => path)).toEqual(["/v1/stations", "/v1/stations?cursor=c0"]);
});

test("report_level is repeated after a failure, with the same key", async () => {
  const { host, clock, seen } = hosted((_request, index) =>
    index === 0 ? jsonResponse({}, { status: 502 }) : jsonResponse({ id: "l1" }),
  );
  const reported = host.ask("report_level", { station: "lisboa", metres: 2.5 });
  await clock.advance(1_000);
  expect(await reported).toEqual({ id: "l1" });
  expect(seen.map(({ headers }) => headers["idempotency-key"])).toEqual(["test-key", "test-key"]);
});

test("a vendor that asks for fewer requests is waited for", async () => {
  const { host, clock, seen } = hosted((_request, index) =>
    index === 0
      ? jsonResponse({}, { status: 429, headers: { "retry-after": "4" } })
      : jsonResponse({ stations: [] }),
  );
  const asked = host.ask("list_stations");
  await clock.advance(3_900);
  expect(seen).toHaveLength(1);
  await clock.advance(200);
  expect(await asked).toEqual({ stations: [], more: false });
});

test("settings without a key name the variable that sets it", () => {
  const { settings } = tides;
  expect(settings.missing(settings.options.parse({}))).toEqual(["TIDES_API_KEY"]);
  expect(settings.missing(settings.options.parse({ api_key: "k" }))).toEqual([]);
});
