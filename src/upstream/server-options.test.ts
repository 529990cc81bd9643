import { describe, expect, test } from "vitest";
import { serverName, serverOptions } from "./server-options.ts";

function problems(options: unknown): string[] {
  const read = serverOptions.safeParse(options);
  return read.success
    ? []
    : read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
}

describe("the options of a server", () => {
  test("are taken for a local process and for a remote one", () => {
    expect(
      serverOptions.parse({
        command: "npx",
        args: ["-y", "server"],
        env: { LOG: "1" },
        cwd: "/data",
        env_allow: ["HOME"],
        timeout: "45s",
      }),
    ).toMatchObject({ command: "npx", timeout: 45_000 });
    expect(
      serverOptions.parse({
        url: "https://search.example.com/mcp?tenant=1",
        headers: { Authorization: "Bearer x" },
        endpoints: [{ url: "https://search-2.example.com/mcp", weight: 2 }],
        protocol_era: "auto",
        list_timeout: 1500,
        roots: [{ uri: "file:///srv", name: "srv" }],
        annotations: { query: { readOnlyHint: true } },
        response_bytes_max: 1_000_000,
        enabled: false,
      }),
    ).toMatchObject({ list_timeout: 1500, enabled: false });
  });

  test.each<[unknown, string]>([
    [{ command: "x", oauth: {} }, "oauth: oauth goes with url"],
    [
      { url: "https://a.example/mcp", headers: { authorization: "Bearer x" }, oauth: {} },
      "oauth: give oauth or an Authorization header, not both",
    ],
    [
      { url: "https://a.example/mcp", oauth: { client_id: "c", client_secret: "s" } },
      "oauth.issuer: name the authorization server that the secret or key is for",
    ],
    [
      { url: "https://a.example/mcp", oauth: { grant: "client_credentials" } },
      "oauth.grant: client_credentials needs client_id, and client_secret or private_key",
    ],
    [
      {
        url: "https://a.example/mcp",
        oauth: {
          grant: "client_credentials",
          mode: "principal",
          issuer: "https://l.example",
          client_id: "c",
          client_secret: "s",
        },
      },
      "oauth.mode: client_credentials are the gateway's own: mode can only be gateway",
    ],
    [{}, "command: give command (a local process) or url (a remote server)"],
    [
      { command: "a", url: "https://a.b" },
      "command: give command (a local process) or url, not both",
    ],
    [{ command: "a", headers: {} }, "headers: headers goes with url"],
    [{ url: "https://a.b", env: {} }, "env: env goes with command"],
    [{ endpoints: [] }, "endpoints: name at least one endpoint, or give url"],
    [{ url: "a.b/mcp" }, 'url: "a.b/mcp" is not an absolute URL'],
    [{ url: "ftp://a.b" }, "url: the URL must start with http:// or https://, not ftp:"],
    [
      { url: "https://u:p@a.b" },
      "url: the URL must not carry a user name or password: put them in headers",
    ],
    [{ url: "https://a.b#x" }, 'url: the URL must not have a fragment ("#...")'],
    [
      { url: "https://a.b", headers: { "Content-Length": "1" } },
      "headers.Content-Length: the header Content-Length is set by the gateway itself",
    ],
    [
      { url: "https://a.b", headers: { "X-A": "a\r\nX-B: b" } },
      "headers.X-A: the value of X-A has a character no header may carry",
    ],
    [{ url: "https://a.b", headers: { "a b": "c" } }, 'headers.a b: "a b" is not a header name'],
    [
      { command: "a", env: { "1A": "x" } },
      'env.1A: "1A" is not a variable name: use letters, digits and "_", not starting with a digit',
    ],
    [
      { url: "https://a.b", transport: "websocket" },
      'transport: transport must be "streamable-http" or "http-sse"',
    ],
    [
      { url: "https://a.b", transport: "http-sse", protocol_era: "modern" },
      "protocol_era: http-sse servers are legacy, never modern",
    ],
    [{ url: "https://a.b", enabled: "yes" }, "enabled: enabled must be true or false"],
  ])("%j is refused in one sentence", (options, sentence) => {
    expect(problems(options)).toEqual([sentence]);
  });

  test("name an unknown key", () => {
    expect(problems({ command: "a", comand: "b" })[0]).toContain("comand");
  });
});

describe("a server's name", () => {
  test.each(["a", "files", "my-server_2", "0", "a".repeat(32)])("may be %s", (name) => {
    expect(serverName.safeParse(name).success).toBe(true);
  });

  test.each(["", "A", "-a", "a__b", "a b", "ä", "a".repeat(33)])("may not be %j", (name) => {
    expect(serverName.safeParse(name).success).toBe(false);
  });
});
