import { createServer, type RequestListener } from "node:http";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { isSignalboxError } from "../foundation/index.ts";
import type { AuditEvent, AuditSink } from "../foundation/index.ts";
import { OutboundFetch } from "./outbound-fetch.ts";
import { OutboundGuard } from "./outbound-guard.ts";

interface Served {
  readonly port: number;
  readonly paths: string[];
}

async function serve(host: string, listener: RequestListener, port = 0): Promise<Served> {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(`${request.headers.host} ${request.url}`);
    listener(request, response);
  });
  server.listen(port, host);
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return { port: typeof address === "object" ? (address?.port ?? 0) : 0, paths };
}

interface Setup {
  readonly allow?: string[];
  readonly lookup?: (name: string) => Promise<readonly string[]>;
  readonly timeoutMs?: number;
  readonly bytesMax?: number;
  readonly audit?: AuditSink;
}

function fetcher({
  allow = [],
  lookup,
  timeoutMs = 5000,
  bytesMax = 1000,
  audit,
}: Setup): OutboundFetch {
  return new OutboundFetch({
    guard: new OutboundGuard({ allow, deny: [] }),
    timeoutMs,
    responseBytesMax: bytesMax,
    ...(lookup && { lookup }),
    ...(audit && { audit }),
  });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return isSignalboxError(error) ? error.code : String(error);
  }
}

test("the connection is made to the address that was judged, though the name leads elsewhere a moment later", async () => {
  const good = await serve("127.0.0.2", (_, response) => void response.end("good"));
  const secret = await serve("127.0.0.1", (_, response) => void response.end("secret"), good.port);
  let lookups = 0;
  const heard: AuditEvent[] = [];
  const http = fetcher({
    allow: ["127.0.0.2:*"],
    audit: (event) => void heard.push(event),
    lookup: async () => (lookups++ === 0 ? ["127.0.0.2"] : ["127.0.0.1"]),
  });
  const address = `http://rebinds.example:${good.port}/metadata`;
  expect(await (await http.fetch(address)).text()).toBe("good");
  expect(lookups).toBe(1);
  expect(good.paths).toEqual([`rebinds.example:${good.port} /metadata`]);
  expect(await codeOf(http.fetch(address))).toBe("OUTBOUND_REFUSED");
  expect(secret.paths).toEqual([]);
  expect(heard).toMatchObject([
    {
      action: "outbound.refuse",
      outcome: "denied",
      code: "OUTBOUND_REFUSED",
      target: expect.stringContaining("rebinds.example"),
    },
  ]);
});

test("a redirect back to the name it came from is looked up and judged anew, and its refusal is told", async () => {
  const good = await serve("127.0.0.2", (request, response) => {
    response.writeHead(302, { location: `http://${request.headers.host}/again` }).end();
  });
  const secret = await serve("127.0.0.1", (_, response) => void response.end("secret"), good.port);
  let lookups = 0;
  const heard: AuditEvent[] = [];
  const http = fetcher({
    allow: ["127.0.0.2:*"],
    audit: (event) => void heard.push(event),
    lookup: async () => (lookups++ === 0 ? ["127.0.0.2"] : ["127.0.0.1"]),
  });
  const fetched = http.fetch(`http://rebinds.example:${good.port}/`, { redirectsMax: 3 });
  expect(await codeOf(fetched)).toBe("OUTBOUND_REFUSED");
  expect(secret.paths).toEqual([]);
  expect(heard).toMatchObject([{ action: "outbound.refuse", code: "OUTBOUND_REFUSED" }]);
});

test("a name is refused where one of its addresses is private", async () => {
  const http = fetcher({ lookup: async () => ["8.8.8.8", "10.0.0.1"] });
  expect(await codeOf(http.fetch("https://two.example/"))).toBe("OUTBOUND_REFUSED");
});

test.each([
  "http://169.254.169.254/latest/meta-data",
  "https://169.254.169.254/",
  "http://[fd00:ec2::254]/",
])("a redirect to %s is refused, and whoever watches hears of it", async (location) => {
  const server = await serve("127.0.0.1", (_, response) => {
    response.writeHead(302, { location }).end();
  });
  const heard: AuditEvent[] = [];
  const http = fetcher({ allow: ["127.0.0.1:*"], audit: (event) => void heard.push(event) });
  const fetched = http.fetch(`http://127.0.0.1:${server.port}/`, { redirectsMax: 3 });
  expect(await codeOf(fetched)).toBe("OUTBOUND_REFUSED");
  expect(heard).toMatchObject([{ action: "outbound.refuse", outcome: "denied" }]);
});

test("redirects are followed so often and no more, and not at all unless that is asked for", async () => {
  const server = await serve("127.0.0.1", (request, response) => {
    const n = Number(request.url?.slice(1));
    if (n === 0) response.end("there");
    else response.writeHead(302, { location: `/${n - 1}` }).end();
  });
  const http = fetcher({ allow: ["127.0.0.1:*"] });
  const base = `http://127.0.0.1:${server.port}`;
  expect(await (await http.fetch(`${base}/3`, { redirectsMax: 3 })).text()).toBe("there");
  expect(await codeOf(http.fetch(`${base}/4`, { redirectsMax: 3 }))).toBe("OUTBOUND_REFUSED");
  expect((await http.fetch(`${base}/1`)).status).toBe(302);
});

test("a trusted origin may be reached, and where it redirects to is judged", async () => {
  const server = await serve("127.0.0.1", (request, response) => {
    if (request.url === "/away") response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
    else response.end("own");
  });
  const http = fetcher({});
  const trustedOrigin = `http://127.0.0.1:${server.port}`;
  const init = { trustedOrigin, redirectsMax: 3 };
  expect(await (await http.fetch(`${trustedOrigin}/x`, init)).text()).toBe("own");
  expect(await codeOf(http.fetch(`${trustedOrigin}/away`, init))).toBe("OUTBOUND_REFUSED");
  expect(await codeOf(http.fetch(`${trustedOrigin}/x`))).toBe("OUTBOUND_REFUSED");
});

test("answers that are too large or too slow fail, and so does what cannot be reached", async () => {
  const large = await serve("127.0.0.1", (_, response) => void response.end("x".repeat(2000)));
  const silent = await serve("127.0.0.1", () => undefined);
  const allow = ["127.0.0.1:*"];
  const at = ({ port }: Served): string => `http://127.0.0.1:${port}/`;
  expect(await codeOf(fetcher({ allow }).fetch(at(large)))).toBe("OUTBOUND_FAILED");
  expect(await codeOf(fetcher({ allow, timeoutMs: 50 }).fetch(at(silent)))).toBe("OUTBOUND_FAILED");
  const slowLookup = fetcher({ timeoutMs: 50, lookup: () => new Promise(() => undefined) });
  expect(await codeOf(slowLookup.fetch("https://slow.example/"))).toBe("OUTBOUND_FAILED");
  const unknown = fetcher({ lookup: () => Promise.reject(new Error("ENOTFOUND")) });
  expect(await codeOf(unknown.fetch("https://none.example/"))).toBe("OUTBOUND_FAILED");
});

test("no failure shows the query of an address", async () => {
  const http = fetcher({ lookup: async () => ["10.0.0.1"] });
  const failed = http.fetch("https://name.example/path?token=hunter2");
  await expect(failed).rejects.toThrow(/^(?!.*hunter2).*name\.example\/path/);
});
