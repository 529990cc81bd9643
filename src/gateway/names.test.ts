import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { serverName } from "../upstream/index.ts";
import { ownerOfUri, publicName, publicUri, serverOfName } from "./names.ts";

// A name that ends in "_" would make "a_" + "b" and "a" + "_b" the same.
const servers = fc
  .stringMatching(/^[a-z0-9][a-z0-9_-]{0,31}$/)
  .filter((name) => serverName.safeParse(name).success && !name.endsWith("_"));
const tools = fc.oneof(
  fc.string({ minLength: 1, maxLength: 200, unit: "grapheme" }),
  fc.stringMatching(/^[A-Za-z0-9_./-]{1,120}$/),
);

describe("a public name", () => {
  test("has at most 64 characters of A-Z, a-z, 0-9, _ and -, whatever the server calls its tool", () => {
    fc.assert(
      fc.property(servers, tools, (server, tool) => {
        expect(publicName(server, tool)).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
        expect(serverOfName(publicName(server, tool))).toBe(server);
      }),
    );
  });

  test("is {server}__{tool} where that fits, and never changes", () => {
    expect(publicName("files", "read_file")).toBe("files__read_file");
    expect(publicName("a", "x".repeat(61))).toBe(`a__${"x".repeat(61)}`);
    expect(publicName("a", "x".repeat(62))).toBe(`a__${"x".repeat(52)}_963534d8`);
    expect(publicName("files", "fs.read")).toBe("files__fs_read_3d06ec0f");
  });

  test("differs for different tools", () => {
    fc.assert(
      fc.property(servers, tools, servers, tools, (server, tool, other, otherTool) => {
        fc.pre(server !== other || tool !== otherTool);
        expect(publicName(server, tool)).not.toBe(publicName(other, otherTool));
      }),
    );
  });

  test("differs where only what cannot be shown differs", () => {
    const names = ["a.b", "a/b", "a b", "a_b", "a__b", "é", "è", "x".repeat(70), "x".repeat(71)];
    expect(new Set(names.map((name) => publicName("s", name))).size).toBe(names.length);
  });
});

test("a name without a separator belongs to no server", () => {
  for (const name of ["", "read", "_read", "__read"]) expect(serverOfName(name)).toBeUndefined();
});

describe("a public URI", () => {
  test("leads back to its server and the server's own URI", () => {
    const uris = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.webUrl(),
      fc.string().map((s) => `ui://${s}`),
    );
    fc.assert(
      fc.property(servers, uris, (server, uri) => {
        expect(ownerOfUri(publicUri(server, uri))).toEqual({ server, uri });
      }),
    );
  });

  test("leads back also when it is made public twice", () => {
    const once = publicUri("inner", "file:///a");
    expect(ownerOfUri(publicUri("outer", once))).toEqual({ server: "outer", uri: once });
    const app = publicUri("inner", "ui://app/main");
    expect(ownerOfUri(publicUri("outer", app))).toEqual({ server: "outer", uri: app });
  });

  test("keeps the scheme by which hosts know an app, and templates as they are", () => {
    expect(publicUri("s", "ui://app/main")).toBe("ui://s/app/main");
    expect(publicUri("s", "file:///{+path}")).toBe("signalbox://s/file:///{+path}");
  });

  test("of another form has no owner", () => {
    for (const uri of [
      "file:///a",
      "",
      "signalbox://",
      "signalbox:///x",
      "ui://app",
      "signalbox://a",
    ]) {
      expect(ownerOfUri(uri)).toBeUndefined();
    }
  });
});
