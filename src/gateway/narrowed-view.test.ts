// What is listed can be called and what is not listed cannot, whatever the rules, tools and hints.
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { Roles, type Permissions, type Rule } from "../access/index.ts";
import { Metrics, silentLog, systemClock } from "../foundation/index.ts";
import { isJsonObject, type JsonObject } from "../protocol/index.ts";
import { UpstreamServer } from "../upstream/index.ts";
import { discovery, fakeHttpServer, json } from "../upstream/transports/fake-http-server.ts";
import { CallMeters } from "./call-meters.ts";
import { NarrowedViews } from "./narrowed-views.ts";
import { limitOptions } from "./options.ts";
import { bundle } from "./running-gateway.ts";
import { ServerCatalog } from "./server-catalog.ts";
import { MODERN_AUDIENCE, View, type Resolution, type Route } from "./view.ts";

let epoch = 0;

interface Lists {
  tools: JsonObject[];
  prompts: JsonObject[];
  resources: JsonObject[];
  resourceTemplates: JsonObject[];
}

const MEMBERS: Record<string, keyof Lists> = {
  "prompts/list": "prompts",
  "resources/list": "resources",
  "resources/templates/list": "resourceTemplates",
};
const KINDS = ["tools", "prompts", "resources", "templates"] as const;

/** A catalog whose server lists what it is told to. */
async function catalogOf(name: string, project?: string) {
  let lists: Lists = { tools: [], prompts: [], resources: [], resourceTemplates: [] };
  const peer = await fakeHttpServer((request, response) => {
    if (discovery(request, response, { tools: {}, prompts: {}, resources: {} })) return;
    const member = MEMBERS[String(request.message["method"])] ?? "tools";
    const { id } = request.message;
    const result = { resultType: "complete", [member]: lists[member] };
    json(response, { jsonrpc: "2.0", id, result });
  });
  const options = { url: peer.url, protocol_era: "modern" as const, ...(project && { project }) };
  const server = new UpstreamServer(
    { name, options, origin: "config" },
    { log: silentLog, clock: systemClock, options: { clientInfo: {} } },
  );
  onTestFinished(() => peer.close());
  onTestFinished(() => server.close());
  const catalog = new ServerCatalog(server, {
    clock: systemClock,
    log: silentLog,
    limits: limitOptions.parse({}),
    envelope: { clientInfo: {}, capabilities: {} },
    changed: () => epoch++,
  });
  const list = async (next: Lists): Promise<void> => {
    lists = next;
    for (const kind of ["tools", "prompts", "resources"] as const) catalog.invalidate(kind);
    epoch++;
    for (const kind of KINDS) {
      const listing = catalog.listing(kind);
      while (listing.view().items.length !== wanted(next, kind)) await listing.settle();
    }
  };
  return { catalog, list };
}

function wanted(lists: Lists, kind: (typeof KINDS)[number]): number {
  return lists[kind === "templates" ? "resourceTemplates" : kind].length;
}

function viewOver(catalogs: readonly ServerCatalog[], options?: object): View {
  const deps = {
    log: silentLog,
    meters: new CallMeters(new Metrics()),
    pageSize: 3,
    epoch: () => epoch,
  };
  return new View(options === undefined ? undefined : bundle("b", options), catalogs, deps);
}

function permissionsOf(rules: Rule[], more: { own?: Rule[]; project?: string } = {}): Permissions {
  const { own, project = "*" } = more;
  const roles = new Roles(new Map([["r", { scopes: ["call"], rules }]]));
  const who = { id: "k", name: "k", kind: "key", role: "r", bundles: "all", project } as const;
  return roles.principal(own === undefined ? who : { ...who, rules: own }).permissions;
}

const names = ["read", "write", "read_all", "delete"];
const uris = ["file:///a", "file:///b/c", "db://rows/1"];
const templates = ["file:///{path}", "db://rows/{id}"];

const annotations = fc.option(
  fc.record({ readOnlyHint: fc.boolean(), destructiveHint: fc.boolean() }, { requiredKeys: [] }),
  { nil: undefined },
);
const anyLists: fc.Arbitrary<Lists> = fc.record({
  tools: fc.subarray(names).chain((some) =>
    fc.tuple(...some.map(() => annotations)).map((hints) =>
      some.map((name, n) => ({
        name,
        inputSchema: { type: "object" },
        ...(hints[n] && { annotations: hints[n] }),
      })),
    ),
  ),
  prompts: fc.subarray(names).map((some) => some.map((name) => ({ name }))),
  resources: fc.subarray(uris).map((some) => some.map((uri) => ({ uri, name: uri }))),
  resourceTemplates: fc
    .subarray(templates)
    .map((some) => some.map((uriTemplate) => ({ uriTemplate, name: uriTemplate }))),
});

const namePatterns = fc.subarray(["read", "one__*", "*__write", "read*", "two__delete", "*"], {
  minLength: 1,
});
const anyRule: fc.Arbitrary<Rule> = fc.record(
  {
    effect: fc.constantFrom("allow" as const, "deny" as const),
    servers: fc.subarray(["one", "two", "t*", "three"], { minLength: 1 }),
    tools: namePatterns,
    prompts: namePatterns,
    resources: fc.subarray(["file:///*", "one__*", "*b/c", "db://rows/1"], { minLength: 1 }),
    actions: fc.subarray(["read", "write", "call", "manage"] as const, { minLength: 1 }),
    read_only: fc.boolean(),
    destructive: fc.boolean(),
  },
  { requiredKeys: ["effect"] },
);
const anyRules = fc.array(anyRule, { minLength: 1, maxLength: 5 });

/** The same rules, read as plainly as the documentation says them. */
function mayUse(rules: Rule[], server: string, kind: string, name: string, item: JsonObject) {
  const hints = isJsonObject(item["annotations"]) ? item["annotations"] : {};
  const reads = kind !== "tools" || hints["readOnlyHint"] === true;
  const destroys = !reads && hints["destructiveHint"] !== false;
  const like = (patterns: string[] | undefined, ...texts: string[]): boolean =>
    (patterns ?? []).some((pattern) => {
      const shape = pattern
        .split("*")
        .map((part) => part.replaceAll(/[^\w]/g, String.raw`\$&`))
        .join(".*");
      return texts.some((text) => new RegExp(`^${shape}$`).test(text));
    });
  const holds = (rule: Rule): boolean => {
    const { actions = ["call"], tools, prompts, resources } = rule;
    if (!actions.includes("call") && !actions.includes(reads ? "read" : "write")) return false;
    if (rule.servers !== undefined && !like(rule.servers, server)) return false;
    if (rule.read_only !== undefined && rule.read_only !== reads) return false;
    if (rule.destructive !== undefined && rule.destructive !== destroys) return false;
    if (tools === undefined && prompts === undefined && resources === undefined) return true;
    const own = kind === "tools" ? tools : kind === "prompts" ? prompts : resources;
    const isPublic = (one: string): boolean => one.includes("__");
    if (kind === "resources" || kind === "templates") return like(own, name, `${server}__${name}`);
    return (
      like(own?.filter(isPublic), `${server}__${name}`) ||
      like(
        own?.filter((one) => !isPublic(one)),
        name,
      )
    );
  };
  return (
    !rules.some((rule) => rule.effect === "deny" && holds(rule)) &&
    rules.some((rule) => rule.effect === "allow" && holds(rule))
  );
}

async function listed(view: View, kind: (typeof KINDS)[number]): Promise<Set<unknown>> {
  const found = new Set<unknown>();
  let cursor: unknown;
  do {
    const page = await view.page(kind, MODERN_AUDIENCE, cursor);
    const result: unknown = JSON.parse(page?.resultText ?? "{}");
    if (!isJsonObject(result)) throw new Error("no page");
    const items = result[kind === "templates" ? "resourceTemplates" : kind];
    for (const item of Array.isArray(items) ? items : []) {
      found.add(item.uri ?? item.uriTemplate ?? item.name);
    }
    cursor = result["nextCursor"];
  } while (cursor !== undefined);
  return found;
}

test("list and call agree under any rules, tools, hints, prompts and resources", async () => {
  const [one, two] = [await catalogOf("one"), await catalogOf("two")];
  const bundles = [undefined, { include: ["*"], exclude: ["two__read"] }, { include: ["one__*"] }];
  const property = fc.asyncProperty(
    anyLists,
    anyLists,
    fc.array(anyRules, { minLength: 6, maxLength: 6 }),
    fc.constantFrom(...bundles),
    async (ofOne, ofTwo, sets, options) => {
      await Promise.all([one.list(ofOne), two.list(ofTwo)]);
      const base = viewOver([one.catalog, two.catalog], options);
      const found = await Promise.all(sets.map((rules) => disagreements(base, rules)));
      expect(found.flat()).toEqual([]);
    },
  );
  await fc.assert(property, { numRuns: 40 });
});

/** Where list and call, or either and the rules, say different things of one thing. */
async function disagreements(base: View, rules: Rule[]): Promise<object[]> {
  const view = base.narrowedTo(permissionsOf(rules));
  const found: object[] = [];
  for (const kind of KINDS) {
    const shown = await listed(view, kind);
    const { routes } = await base.items(kind, MODERN_AUDIENCE);
    for (const route of routes) {
      const { publicName, original, server, item } = route;
      const expected = mayUse(rules, server.name, kind, original, item);
      const ways = [shown.has(publicName), ...(await waysTo(view, route, expected))];
      if (ways.some((way) => way !== expected)) found.push({ rules, publicName, expected, ways });
    }
    const known = new Set<unknown>(routes.map(({ publicName }) => publicName));
    for (const name of shown) if (!known.has(name)) found.push({ rules, name });
  }
  return found;
}

/** Whether each way that leads to a thing is open; what is closed is unknown here and known to others. */
async function waysTo(view: View, route: Route, expected: boolean): Promise<unknown[]> {
  const { kind, publicName, original, server } = route;
  if (kind === "tools" || kind === "prompts") {
    const resolution = await view.resolve(kind, publicName, MODERN_AUDIENCE);
    return [isOpen(resolution), expected || !view.hides(kind, publicName)];
  }
  const resolution = await view.resolveUri(publicName, MODERN_AUDIENCE);
  return [
    isOpen(resolution),
    view.ownerOf(publicName) !== undefined,
    view.offersUri(server.name, original),
    expected || !view.hidesUri(publicName),
  ];
}

function isOpen(resolution: Resolution): unknown {
  return resolution.ok || (resolution.reason === "unknown" ? false : resolution.reason);
}

const plain: Lists = {
  tools: [{ name: "read", inputSchema: { type: "object" }, annotations: { readOnlyHint: true } }],
  prompts: [],
  resources: [],
  resourceTemplates: [],
};

test("whoever is refused nothing shares everybody's view, and others one of their own", async () => {
  const one = await catalogOf("one");
  await one.list(plain);
  const [base, views] = [viewOver([one.catalog]), new NarrowedViews()];
  expect(views.of(base, permissionsOf([{ effect: "allow" }]))).toBe(base);
  expect(views.of(base, permissionsOf([{ effect: "allow", actions: ["call"] }]))).toBe(base);
  expect(views.of(base, permissionsOf([{ effect: "allow" }], { project: "default" }))).toBe(base);
  const reading = permissionsOf([{ effect: "allow", actions: ["read"] }]);
  expect(views.of(base, reading)).not.toBe(base);
  expect(views.of(base, reading)).toBe(views.of(base, reading));
});

test("narrowed views are bounded in number, and made anew when they are needed again", async () => {
  const one = await catalogOf("one");
  await one.list(plain);
  const [base, views] = [viewOver([one.catalog]), new NarrowedViews(2)];
  const [a, b, c] = [1, 2, 3].map(() => permissionsOf([{ effect: "allow", actions: ["read"] }]));
  if (a === undefined || b === undefined || c === undefined) throw new Error("three are made");
  const first = views.of(base, a);
  views.of(base, b);
  expect(views.of(base, a)).toBe(first);
  views.of(base, c);
  const again = views.of(base, a);
  expect(again).not.toBe(first);
  expect(await listed(again, "tools")).toEqual(new Set(["one__read"]));
});

test("a view narrowed to a project has its servers alone, and a bundle takes of its own project's", async () => {
  const [one, two] = [await catalogOf("one"), await catalogOf("two", "payments")];
  await Promise.all([one.list(plain), two.list(plain)]);
  const base = viewOver([one.catalog, two.catalog]);
  const tools = async (view: View): Promise<unknown[]> => [...(await listed(view, "tools"))];
  const of = (project: string): View =>
    base.narrowedTo(permissionsOf([{ effect: "allow" }], { project }));
  expect(await tools(of("default"))).toEqual(["one__read"]);
  expect(await tools(of("payments"))).toEqual(["two__read"]);
  expect(await tools(of("*"))).toEqual(["one__read", "two__read"]);
  expect(await tools(viewOver([one.catalog, two.catalog], { project: "payments" }))).toEqual([
    "two__read",
  ]);
  expect(await tools(viewOver([one.catalog, two.catalog], {}))).toEqual(["one__read"]);
});

test("hints are those the client sees: the bundle's over the server's own", async () => {
  const one = await catalogOf("one");
  await one.list(plain);
  const overlay = { tools: { one__read: { annotations: { readOnlyHint: false } } } };
  const reading = permissionsOf([{ effect: "allow", actions: ["read"] }]);
  const shown = (options?: object): Promise<Set<unknown>> =>
    listed(viewOver([one.catalog], options).narrowedTo(reading), "tools");
  expect(await shown()).toEqual(new Set(["one__read"]));
  expect(await shown(overlay)).toEqual(new Set());
});

test("a tool renamed by a bundle is known to rules by its own names alone", async () => {
  const one = await catalogOf("one");
  await one.list(plain);
  const base = viewOver([one.catalog], { tools: { one__read: { name: "harmless" } } });
  const shown = async (tools: string[]): Promise<unknown[]> => [
    ...(await listed(base.narrowedTo(permissionsOf([{ effect: "allow", tools }])), "tools")),
  ];
  expect(await shown(["harmless"])).toEqual([]);
  expect(await shown(["one__read"])).toEqual(["harmless"]);
  expect(await shown(["read"])).toEqual(["harmless"]);
});
