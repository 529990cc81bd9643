import fc from "fast-check";
import { expect, test } from "vitest";
import { checkHost, hostOptions, hostPolicy } from "./host-policy.ts";

const loopback = hostPolicy({ host: "127.0.0.1" });
const everywhere = hostPolicy({ host: "0.0.0.0" });
const named = hostPolicy({
  host: "0.0.0.0",
  allowedHosts: ["mcp.example.com", "alt.example.com:8443"],
  allowedOrigins: ["https://app.example.com", "vscode-webview://panel"],
});

const verdict = (policy: typeof loopback, host?: string, origin?: string): string => {
  const outcome = checkHost({ host, origin }, policy);
  return outcome.ok ? "ok" : outcome.code;
};

test("loopback names are answered with any port, in any case", () => {
  for (const host of [
    "localhost",
    "LOCALHOST:8100",
    "127.0.0.1",
    "127.0.0.1:1",
    "[::1]",
    "[::1]:8100",
  ])
    expect(verdict(loopback, host)).toBe("ok");
});

test("names that a page can point here are refused", () => {
  for (const host of [
    undefined,
    "",
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "localhost.",
    "localhost:99999",
    "localhost:80:80",
    "user@localhost",
    "localhost/..",
    "localhost, evil.example",
    "[::1",
    "[::1%eth0]",
    "[evil.example]",
    "192.168.1.5",
    "2130706433",
    "0x7f.1",
  ])
    expect([host, verdict(loopback, host)]).toEqual([host, "HOST_REFUSED"]);
});

test("the bound address is answered", () => {
  expect(verdict(hostPolicy({ host: "10.1.2.3" }), "10.1.2.3:8100")).toBe("ok");
  expect(verdict(hostPolicy({ host: "fd00::5" }), "[fd00::5]:8100")).toBe("ok");
  expect(verdict(hostPolicy({ host: "10.1.2.3" }), "10.1.2.4")).toBe("HOST_REFUSED");
});

test("bound to every interface without names, addresses are answered and names are not", () => {
  for (const host of ["203.0.113.9:8100", "[2001:db8::1]", "localhost"])
    expect(verdict(everywhere, host)).toBe("ok");
  expect(verdict(everywhere, "signalbox.internal")).toBe("HOST_REFUSED");
});

test("named hosts are the whole list, with the port where one is given", () => {
  expect(verdict(named, "mcp.example.com:1234")).toBe("ok");
  expect(verdict(named, "alt.example.com:8443")).toBe("ok");
  expect(verdict(named, "alt.example.com")).toBe("HOST_REFUSED");
  expect(verdict(named, "203.0.113.9")).toBe("HOST_REFUSED");
});

test("origins: named ones, the same host, and loopback pages to a loopback host", () => {
  expect(verdict(named, "mcp.example.com", "https://app.example.com")).toBe("ok");
  expect(verdict(named, "mcp.example.com", "HTTPS://APP.EXAMPLE.COM")).toBe("ok");
  expect(verdict(named, "mcp.example.com", "vscode-webview://panel")).toBe("ok");
  expect(verdict(named, "mcp.example.com", "https://mcp.example.com")).toBe("ok");
  expect(verdict(named, "mcp.example.com:443", "https://mcp.example.com")).toBe("ok");
  expect(verdict(loopback, "127.0.0.1:8100", "http://localhost:6274")).toBe("ok");
});

test("other origins are refused, `null` among them", () => {
  for (const origin of [
    "null",
    "",
    "*",
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com.evil.example",
    "https://app.example.com/",
    "file://",
    "http://localhost:6274",
    "https://mcp.example.com:444",
    "http://mcp.example.com:81",
  ])
    expect([origin, verdict(named, "mcp.example.com", origin)]).toEqual([origin, "ORIGIN_REFUSED"]);
  expect(verdict(loopback, "localhost:8100", "https://evil.example")).toBe("ORIGIN_REFUSED");
});

test("no domain name outside the list is ever answered", () => {
  fc.assert(
    fc.property(fc.domain(), fc.option(fc.nat(65_535)), (domain, port) => {
      const host = port === null ? domain : `${domain}:${port}`;
      for (const policy of [loopback, everywhere, named])
        expect(verdict(policy, host)).toBe("HOST_REFUSED");
    }),
  );
});

test("a page on a foreign domain is refused whatever host it names", () => {
  const hosts = fc.constantFrom("localhost:8100", "127.0.0.1", "[::1]:1", "mcp.example.com");
  fc.assert(
    fc.property(hosts, fc.webUrl({ withFragments: true }), fc.string(), (host, url, text) => {
      for (const origin of [new URL(url).origin, url, text]) {
        fc.pre(!origin.includes("localhost") && !origin.includes("127.0.0.1"));
        expect(verdict(named, host, origin)).toBe("ORIGIN_REFUSED");
      }
    }),
  );
});

test("options that cannot be hosts or origins are refused when read", () => {
  expect(hostOptions.safeParse({ allowed_hosts: ["http://x"] }).success).toBe(false);
  expect(hostOptions.safeParse({ allowed_origins: ["*"] }).success).toBe(false);
  expect(hostOptions.safeParse({ allowed_origins: ["https://a.example/path"] }).success).toBe(
    false,
  );
  expect(hostOptions.parse({})).toEqual({ allowed_hosts: [], allowed_origins: [] });
});
