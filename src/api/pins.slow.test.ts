import { expect, onTestFinished, test } from "vitest";
import { Metrics, silentLog, systemClock, type AuditEvent } from "../foundation/index.ts";
import { pinOptions } from "../gateway/index.ts";
import { Pins } from "../registry/index.ts";
import { openTestStore } from "../store/test-database.ts";
import { startApi, type Fixture } from "../../test/support/api-over-http.ts";

const server = {
  name: "files",
  options: { url: "http://127.0.0.1:1/" },
  origin: "config",
} as const;

interface Started extends Fixture {
  pins: Pins;
  events: AuditEvent[];
  lists: (...tools: [name: string, description: string][]) => Promise<void>;
}

async function started(): Promise<Started> {
  const store = await openTestStore();
  const events: AuditEvent[] = [];
  const pins = new Pins({
    options: pinOptions.parse({ policy: "block" }),
    clock: systemClock,
    log: silentLog,
    metrics: new Metrics(),
    audit: (event) => events.push(event),
    changed: () => undefined,
  });
  await pins.attachStore(store);
  onTestFinished(async () => {
    await pins.stop();
    await store.close();
  });
  const lists: Started["lists"] = async (...tools) => {
    const items = tools.map(([name, description]) => ({ name, description }));
    const sight = { server, kind: "tools", items, shared: true } as const;
    await pins.examine(sight);
    pins.admit({ ...sight, fresh: true });
  };
  const api = await startApi({ pins });
  await api.ask("admin", "POST", "/api/servers", { name: "files", url: server.options.url });
  return { ...api, pins, events, lists };
}

test("what waits is listed, shown with its diff, and approved or rejected by who may", async () => {
  const { ask, lists, events } = await started();
  await lists(["read", "Reads a file."], ["a/b", "Odd."], ["c", "C."]);
  await lists(["read", "Reads any file."], ["a/b", "Even."], ["c", "C!"]);
  const list = await ask("operator", "GET", "/api/pins?state=pending&limit=2");
  expect(list.json).toMatchObject({
    total: 3,
    pins: [{ name: "a/b" }, { name: "c", held: true, firstSeen: expect.stringMatching(/Z$/) }],
    counts: { approved: 0, pending: 3, rejected: 0, held: 3 },
  });
  const shown = await ask("operator", "GET", "/api/pins/files/read");
  expect(shown.json).toMatchObject({
    definition: { description: "Reads a file." },
    pendingDefinition: { description: "Reads any file." },
    diff: [
      {
        where: "/description",
        parts: expect.arrayContaining([{ part: "added", text: "any" }]),
      },
    ],
  });
  const { pending } = shown.json;
  const path = "/api/pins/files/read/approve";
  expect((await ask("operator", "POST", path)).status).toBe(403);
  expect((await ask("admin", "POST", path, { hash: "0".repeat(64) })).json.code).toBe("CONFLICT");
  expect((await ask("admin", "POST", path, { hash: "x" })).json.code).toBe("BODY_INVALID");
  expect((await ask("admin", "POST", path, { hash: pending })).json).toMatchObject({
    state: "approved",
    decidedBy: "admin of the test (admin)",
  });
  const rejected = await ask("operator", "POST", "/api/pins/files/a%2Fb/reject", {});
  expect([rejected.status, rejected.json.state]).toEqual([200, "rejected"]);
  const all = await ask("admin", "POST", "/api/pins/files/approve-all");
  expect(all.json.approved.map(({ name }: { name: string }) => name)).toEqual(["c"]);
  expect(events.map(({ action }) => action)).toEqual([
    "pin.trust",
    "pin.change",
    "pin.change",
    "pin.change",
    "pin.approve",
    "pin.reject",
    "pin.approve",
  ]);
  expect(events[4]?.actor).toEqual({ id: "admin", name: "admin of the test", kind: "key" });
  const origin = { address: "127.0.0.1", requestId: expect.stringMatching(/^req_/) };
  for (const event of events.slice(4)) expect(event).toMatchObject(origin);
  // What the gateway has seen by itself came of no request.
  for (const event of events.slice(0, 4)) expect(event.requestId).toBeUndefined();
  expect((await ask("admin", "POST", "/api/pins/files/forget")).json).toEqual({ forgotten: 3 });
  expect(events.at(-1)).toMatchObject({ action: "pin.forget", ...origin });
});

test("what was never seen is not found, of either kind", async () => {
  const { ask, lists } = await started();
  await lists(["read", "Reads."]);
  const missing = [
    ["GET", "/api/pins/files/write"],
    ["GET", "/api/pins/files/read?kind=prompts"],
    ["POST", "/api/pins/files/write/approve"],
  ] as const;
  for (const [method, path] of missing) {
    const answer = await ask("admin", method, path);
    expect([path, answer.status, answer.json.code]).toEqual([path, 404, "PIN_NOT_FOUND"]);
  }
  const elsewhere = await ask("admin", "POST", "/api/pins/none/read/reject");
  expect([elsewhere.status, elsewhere.json.code]).toEqual([404, "SERVER_NOT_FOUND"]);
  expect((await ask("admin", "GET", "/api/pins?kind=resources")).json.code).toBe("BODY_INVALID");
  expect((await ask("caller", "GET", "/api/pins")).status).toBe(403);
  expect((await ask(undefined, "GET", "/api/pins")).status).toBe(401);
});

test("findings are shown with what is hidden in them made visible", async () => {
  const { ask, lists } = await started();
  await lists(["read", "Reads.\u202E"], ["c", "C."]);
  const { json } = await ask("operator", "GET", "/api/pins?findings=true");
  expect(json.pins).toMatchObject([
    { name: "read", findings: [{ id: "hidden.bidi", excerpt: String.raw`Reads.\u{202E}` }] },
  ]);
});

test("without a database the list is there, and the rest says what is missing", async () => {
  const { ask } = await startApi();
  expect((await ask("operator", "GET", "/api/pins")).json).toMatchObject({ pins: [], total: 0 });
  const [name, url] = ["a", server.options.url];
  await ask("admin", "POST", "/api/servers", { name, url });
  for (const path of ["/api/pins/a/b", "/api/pins/a/b?kind=prompts"])
    expect((await ask("operator", "GET", path)).json.code).toBe("STORE_UNAVAILABLE");
});
