import {
  callTool,
  fakeClock,
  fakeFetch,
  jsonResponse,
  testContext,
  textOf,
} from "@signalbox/kit/testing";
import { expect, test } from "vitest";
import { tides } from "../../examples/tides/index.ts";
import type { BuiltinService } from "./service-list.ts";
import { ServiceShelf } from "./service-shelf.ts";

const log = testContext().log;

function shelf(status = 200) {
  const loads: string[] = [];
  const given: { places: readonly string[]; secrets: readonly string[] }[] = [];
  const vendor = fakeFetch(() => jsonResponse({ stations: [] }, { status }));
  const service: BuiltinService = {
    name: "tides",
    title: "Tides",
    settings: tides.settings,
    load: async () => {
      loads.push("tides");
      return tides;
    },
  };
  const made = new ServiceShelf({
    services: [service],
    now: () => 7_000,
    contextOf: (_name, settings) => {
      given.push(settings);
      return { fetch: vendor.fetch, clock: fakeClock(), log };
    },
  });
  return { shelf: made, loads, given, vendor };
}

test("a service that lacks something is told with what it needs, and not loaded", async () => {
  const { shelf: made, loads } = shelf();
  expect(await made.configure({})).toMatchObject([{ name: "tides", needs: ["TIDES_API_KEY"] }]);
  expect(loads).toEqual([]);
  expect(made.facts("tides")).toBeUndefined();
});

test("what can be said of any server is no setting of the service", async () => {
  const { shelf: made } = shelf();
  const [service] = await made.configure({
    tides: { api_key: "k", timeout: 5_000, enabled: true },
  });
  expect(service?.settings?.values).toEqual({ api_key: "k", timeout: 5_000 });
});

test("a service is the same one for the same settings, and another for others", async () => {
  const { shelf: made, given } = shelf();
  const table = { api_key: "first-key", url: "http://127.0.0.1:8090/api" };
  const open = async (values: Record<string, unknown>) => {
    const [service] = await made.configure({ tides: values });
    return service?.settings?.open(values);
  };
  const first = await open(table);
  expect(await open({ ...table })).toBe(first);
  expect(await open({ ...table, api_key: "other-key" })).not.toBe(first);
  expect(given).toEqual([
    { places: ["http://127.0.0.1:8090"], secrets: ["first-key"] },
    { places: ["http://127.0.0.1:8090"], secrets: ["other-key"] },
  ]);
});

test("settings that do not fit are refused by their names", async () => {
  const { shelf: made } = shelf();
  const [service] = await made.configure({ tides: { api_key: "k" } });
  expect(() => service?.settings?.open({ api_key: "" })).toThrow("api_key: ");
});

test("a service tells how it is and what is left of its limits once it was used", async () => {
  const { shelf: made, vendor } = shelf(401);
  const { signal } = new AbortController();
  const [configured] = await made.configure({ tides: { api_key: "k" } });
  const service = configured?.settings?.open({ api_key: "k" });
  if (service === undefined) throw new Error("not opened");
  await made.checkHealth(signal);
  expect(made.facts("tides")).toEqual({ connected: false, rates: [] });
  expect(made.unwell()).toEqual([]);
  expect(vendor.seen).toEqual([]);
  expect(textOf(await callTool(service, "list_stations", {}))).toContain("VENDOR_REFUSED");
  await made.checkHealth(signal);
  expect(made.facts("tides")).toMatchObject({
    connected: true,
    health: { status: "down", message: "Tides refused this (HTTP 401)", at: 7_000 },
    rates: [{ name: "minute", limit: 60 }],
  });
  expect(made.unwell()).toMatchObject([{ name: "tides", health: { status: "down" } }]);
});
