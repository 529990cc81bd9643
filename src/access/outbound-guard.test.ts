import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OutboundGuard, isPublic, outboundOptions } from "./outbound-guard.ts";

const strict = new OutboundGuard({ allow: [], deny: [] });
const url = (text: string): URL => new URL(text);

describe("an address", () => {
  test.each([
    ["127.0.0.1", "loopback"],
    ["127.255.255.254", "loopback"],
    ["0.0.0.0", "this network"],
    ["10.0.0.1", "private"],
    ["172.16.0.1", "private"],
    ["172.31.255.255", "private"],
    ["192.168.1.1", "private"],
    ["169.254.169.254", "cloud metadata"],
    ["169.254.0.1", "link-local"],
    ["100.64.0.1", "carrier NAT"],
    ["100.100.100.200", "cloud metadata"],
    ["168.63.129.16", "cloud platform"],
    ["192.0.0.8", "protocol assignments"],
    ["192.0.2.1", "documentation"],
    ["192.88.99.1", "6to4 relay"],
    ["198.18.0.1", "benchmarks"],
    ["224.0.0.1", "multicast"],
    ["240.0.0.1", "reserved"],
    ["255.255.255.255", "broadcast"],
    ["::", "unspecified"],
    ["::1", "loopback"],
    ["::ffff:127.0.0.1", "IPv4-mapped"],
    ["::ffff:8.8.8.8", "IPv4-mapped"],
    ["::127.0.0.1", "IPv4-compatible"],
    ["64:ff9b::7f00:1", "NAT64"],
    ["64:ff9b::808:808", "NAT64"],
    ["64:ff9b:1::1", "local NAT64"],
    ["2002:7f00:1::", "6to4"],
    ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"],
    ["2001:db8::1", "documentation"],
    ["3fff::1", "documentation"],
    ["100::1", "discard"],
    ["fc00::1", "unique local"],
    ["fd00:ec2::254", "cloud metadata"],
    ["fe80::1", "link-local"],
    ["fe80::1%eth0", "link-local"],
    ["fec0::1", "site-local"],
    ["ff02::1", "multicast"],
    ["5f00::1", "segment routing"],
    ["4000::1", "not assigned"],
    ["nonsense", "no address"],
  ])("%s (%s) is not public", (address) => {
    expect(isPublic(address)).toBe(false);
    expect(strict.problemOfAddress(url("https://name.example/"), address)).toBeDefined();
  });

  test.each(["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"])(
    "%s is public",
    (address) => {
      expect(isPublic(address)).toBe(true);
      expect(strict.problemOfAddress(url("https://name.example/"), address)).toBeUndefined();
    },
  );

  test("that carries a private one inside is never public, whatever the private one is", () => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(byte, byte, byte, byte, (a, b, c, d) => {
        const hex = [a * 256 + b, c * 256 + d].map((word) => word.toString(16)).join(":");
        for (const form of [`::ffff:${a}.${b}.${c}.${d}`, `64:ff9b::${hex}`, `2002:${hex}::1`])
          expect(isPublic(form)).toBe(false);
      }),
    );
  });

  test("outside of global unicast is never public", () => {
    const word = fc.integer({ min: 0, max: 0xffff });
    const eight = fc.array(word, { minLength: 8, maxLength: 8 });
    const outside = fc.property(eight, (words) => {
      const [first = 0] = words;
      const address = words.map((one) => one.toString(16)).join(":");
      return (first >= 0x2000 && first <= 0x3fff) || !isPublic(address);
    });
    expect(fc.check(outside).failed).toBe(false);
  });
});

describe("a URL", () => {
  test.each([
    "ftp://name.example/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://user@name.example/",
    "https://user:pass@name.example/",
    `https://name.example/${"a".repeat(2100)}`,
  ])("%s is refused before its name is looked up", (text) => {
    expect(strict.problemOfUrl(url(text))).toBeDefined();
  });

  test("may be plain http only on this machine, and only where that is allowed", () => {
    const guard = new OutboundGuard({ allow: ["127.0.0.1:*", "10.0.0.0/8", "8.8.8.8"], deny: [] });
    expect(guard.problemOfAddress(url("http://localhost:1/"), "127.0.0.1")).toBeUndefined();
    expect(guard.problemOfAddress(url("http://a.example/"), "10.0.0.1")).toContain("https");
    expect(guard.problemOfAddress(url("http://a.example/"), "8.8.8.8")).toContain("https");
    expect(strict.problemOfAddress(url("http://localhost:1/"), "127.0.0.1")).toContain("https");
  });

  // URL turns each of these into 127.0.0.1 or ::1.
  test.each(["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[0:0::1]"])(
    "whose host is written %s leads to this machine, and is refused",
    (host) => {
      const { hostname } = url(`https://${host}/`);
      const address = hostname.replace(/^\[(.*)\]$/, "$1");
      expect(strict.problemOfAddress(url(`https://${host}/`), address)).toBeDefined();
    },
  );
});

describe("an exception", () => {
  test("may be an address, a range or a name, for one port or for all", () => {
    const guard = new OutboundGuard({
      allow: ["10.1.0.0/16", "192.168.0.5:8443", "[fd00::5]:*", "fd11::/16", "login.internal:443"],
      deny: [],
    });
    const judge = (text: string, address: string): boolean =>
      guard.problemOfAddress(url(text), address) === undefined;
    expect(judge("https://a.example/", "10.1.2.3")).toBe(true);
    expect(judge("https://a.example/", "10.2.2.3")).toBe(false);
    expect(judge("https://a.example:8443/", "192.168.0.5")).toBe(true);
    expect(judge("https://a.example/", "192.168.0.5")).toBe(false);
    expect(judge("https://a.example:99/", "fd00::5")).toBe(true);
    expect(judge("https://a.example/", "fd11::1")).toBe(true);
    expect(judge("https://login.internal/", "172.16.0.1")).toBe(true);
    expect(judge("https://login.internal:8443/", "172.16.0.1")).toBe(false);
    expect(judge("https://evil.login.internal/", "172.16.0.1")).toBe(false);
  });

  test("is outweighed by what is denied", () => {
    const guard = new OutboundGuard({ allow: ["10.0.0.0/8"], deny: ["10.9.0.0/16", "8.8.4.0/24"] });
    expect(guard.problemOfAddress(url("https://a.example/"), "10.9.0.1")).toContain("deny");
    expect(guard.problemOfAddress(url("https://a.example/"), "8.8.4.4")).toContain("deny");
    expect(guard.problemOfAddress(url("https://a.example/"), "10.8.0.1")).toBeUndefined();
  });

  test.each(["10.0.0.0/33", "::/129", "name/8", "1.2.3.4:99999", "a b", "", "http://x", "[::1"])(
    "%j is not one",
    (entry) => {
      expect(outboundOptions.safeParse({ allow: [entry] }).success).toBe(false);
    },
  );
});
