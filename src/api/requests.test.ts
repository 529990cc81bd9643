import { connect } from "node:net";
import { expect, test } from "vitest";
import { keyOf, startApi } from "../../test/support/api-over-http.ts";

test("unknown addresses are answered with the nearest right one, wrong methods with those there are", async () => {
  const { ask } = await startApi();
  const missing = await ask("admin", "GET", "/api/severs");
  expect(missing.status).toBe(404);
  expect(missing.json).toMatchObject({
    code: "NOT_FOUND",
    details: { addresses: "/openapi.json", suggestion: "/api/servers" },
  });
  const wrong = await ask("admin", "PATCH", "/api/servers");
  expect(wrong.status).toBe(405);
  expect(wrong.headers.get("allow")).toBe("GET, POST, HEAD");
  const named = await ask("admin", "PATCH", "/api/servers/fixed");
  expect(named.headers.get("allow")).toBe("GET, PUT, DELETE, HEAD");
  expect((await ask(undefined, "POST", "/health")).status).toBe(405);
  expect((await ask(undefined, "OPTIONS", "/")).status).toBe(405);
  expect((await ask("admin", "HEAD", "/api/servers")).status).toBe(200);
});

test("the caller's request id is kept when it is harmless, else one is made", async () => {
  const { ask } = await startApi();
  const kept = await ask("admin", "GET", "/api/nothing", undefined, {
    "x-request-id": "abc.1_2-3",
  });
  expect(kept.headers.get("x-request-id")).toBe("abc.1_2-3");
  expect(kept.json.requestId).toBe("abc.1_2-3");
  for (const id of ["a".repeat(65), "a b", 'x"y', "<script>"]) {
    const made = await ask("admin", "GET", "/health", undefined, { "x-request-id": id });
    expect(made.headers.get("x-request-id")).toMatch(/^req_[0-9a-f-]{36}$/);
  }
});

test("all mistakes of a body are told at once, unknown names with the nearest right one", async () => {
  const { ask } = await startApi();
  const { status, json } = await ask("admin", "POST", "/api/servers", {
    name: "files",
    comand: "npx",
    url: "https://a.example/mcp",
    heders: {},
    endpoints: [{ url: "https://a.example", wieght: 2 }],
    timeout: "soon",
  });
  expect(status).toBe(400);
  expect(json.code).toBe("BODY_INVALID");
  expect(json.details.problems).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ path: "comand", suggestion: "command" }),
      expect.objectContaining({ path: "heders", suggestion: "headers" }),
      expect.objectContaining({ path: "endpoints.0.wieght", suggestion: "weight" }),
      expect.objectContaining({ path: "timeout" }),
    ]),
  );
  expect(json.message).toContain('did you mean "command"?');
  const query = await ask("admin", "GET", "/api/calls?limti=3&limit=501");
  expect(query.json.details.problems).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ path: "limti", suggestion: "limit" }),
      expect.objectContaining({ path: "limit" }),
    ]),
  );
  expect((await ask("admin", "GET", "/api/calls?limit=3&limit=4")).json.code).toBe("BODY_INVALID");
});

test("bodies of other types, encodings and none are refused", async () => {
  const { ask } = await startApi();
  const post = async (headers: Record<string, string>, body?: string): Promise<unknown[]> => {
    const answer = await ask("admin", "POST", "/api/keys", body ?? '{"name":"k"}', headers);
    return [answer.status, answer.json.code];
  };
  expect(await post({ "content-type": "text/plain" })).toEqual([415, "CONTENT_TYPE"]);
  expect(await post({ "content-type": "application/x-www-form-urlencoded" })).toEqual([
    415,
    "CONTENT_TYPE",
  ]);
  expect(await post({ "content-type": "application/json; charset=utf-16" })).toEqual([
    415,
    "CONTENT_TYPE",
  ]);
  expect(await post({ "content-encoding": "gzip" })).toEqual([415, "CONTENT_TYPE"]);
  expect(await post({ "content-type": "application/json; charset=UTF-8" })).toEqual([
    201,
    undefined,
  ]);
  expect((await ask("admin", "POST", "/api/keys")).json.code).toBe("BODY_INVALID");
});

test("bodies that are no JSON, or JSON that readers take differently, are refused", async () => {
  const { ask, registry } = await startApi();
  for (const body of [
    "{",
    "nothing",
    "[]",
    "null",
    '"text"',
    '{"name":"a","name":"b"}',
    '{"name":"a","\\u006eame":"b"}',
    '{"name":"a","role":"caller","role":"admin"}',
    '{"name":"a","__proto__":{"role":"admin"}}',
    '{"name":"a","constructor":{"prototype":{"role":"admin"}}}',
    '{"name":"a","\\u005f_proto__":{}}',
  ]) {
    const { status, json } = await ask("admin", "POST", "/api/keys", body);
    expect([body, status, json.code]).toEqual([body, 400, "BODY_INVALID"]);
  }
  expect(registry.listKeys()).toHaveLength(7);
  expect(({} as Record<string, unknown>)["role"]).toBeUndefined();
});

test("bodies too deep or too large are refused, announced or not, and others are served meanwhile", async () => {
  const { ask, url } = await startApi();
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  expect((await ask("admin", "POST", "/api/keys", deep)).status).toBe(413);
  const large = JSON.stringify({ name: "x".repeat(1024 * 1024) });
  expect((await ask("admin", "POST", "/api/keys", large)).json.code).toBe("BODY_TOO_LARGE");
  const chunk = new Uint8Array(64 * 1024).fill(32);
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += chunk.length;
      if (sent > 64 * 1024 * 1024) controller.close();
      else controller.enqueue(chunk);
    },
  });
  const streamed = await fetch(`${url}/api/keys`, {
    method: "POST",
    headers: { authorization: `Bearer ${keyOf("admin")}`, "content-type": "application/json" },
    body: endless,
    duplex: "half",
  }).then(
    (response) => response.status,
    () => "cut off",
  );
  expect([413, "cut off"]).toContain(streamed);
  expect(sent).toBeLessThan(64 * 1024 * 1024);
  expect((await ask("admin", "GET", "/api/keys")).status).toBe(200);
});

test("requests that are no HTTP of ours harm nobody", async () => {
  const { ask, url } = await startApi();
  const { port } = new URL(url);
  const send = async (text: string): Promise<string> => {
    const socket = connect(Number(port), "127.0.0.1");
    socket.end(text);
    socket.setEncoding("utf8");
    let answer = "";
    for await (const part of socket) answer += String(part);
    return answer.split("\r\n")[0] ?? "";
  };
  const host = `Host: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`;
  expect(await send(`TRACE / HTTP/1.1\r\n${host}`)).toMatch(/ (400|405) /);
  expect(await send(`GET http://[ HTTP/1.1\r\n${host}`)).toMatch(/ 40[04] /);
  expect(await send(`GET /%zz HTTP/1.1\r\n${host}`)).toMatch(/ 404 /);
  expect(await send(`GET /api/servers/%ff%00 HTTP/1.1\r\n${host}`)).toMatch(/ 401 /);
  expect(await send(`GET //evil.example/ HTTP/1.1\r\n${host}`)).toMatch(/ 404 /);
  expect(await send("NONSENSE\r\n\r\n")).toMatch(/ 400 /);
  expect((await ask(undefined, "GET", "/health")).status).toBe(200);
});

test("every answer carries the security headers, errors and the page included", async () => {
  const { ask } = await startApi();
  for (const path of ["/", "/health", "/api/servers", "/nothing"]) {
    const { headers } = await ask(undefined, "GET", path);
    expect([path, headers.get("x-content-type-options")]).toEqual([path, "nosniff"]);
    expect(headers.get("content-security-policy")).toMatch(
      /^default-src 'none';.*frame-ancestors 'none'/,
    );
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("x-powered-by")).toBeNull();
  }
});

test("each request leaves one log line and is counted under its route, never under its path", async () => {
  const { ask, lines, metrics } = await startApi();
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await ask("admin", "GET", "/api/servers/fixed?x=secret", undefined, { traceparent });
  await ask("admin", "GET", "/random-1");
  await ask("admin", "GET", "/random-2");
  const line = lines.find((one) => one["path"] === "/api/servers/fixed");
  expect(line).toMatchObject({
    level: "info",
    service: "mcp-gateway",
    method: "GET",
    path: "/api/servers/fixed",
    statusCode: 200,
    duration: expect.any(Number),
    ip: "127.0.0.1",
    requestId: expect.stringMatching(/^req_/),
    traceId: "0af7651916cd43dd8448eb211c80319c",
    principal: "admin of the test",
  });
  expect(JSON.stringify(lines)).not.toContain(keyOf("admin"));
  const text = await metrics.render();
  expect(text).toContain(
    'http_request_duration_seconds_count{method="GET",route="/api/servers/{name}",status="200"} 1',
  );
  expect(text).toContain(
    'mcp_orch_requests_total{method="GET",endpoint="_unmatched",status="404"} 2',
  );
  expect(text).not.toContain("random-1");
});

test("a fault of our own is told without its cause, which is in the log", async () => {
  const { ask, lines } = await startApi({
    calls: () => Promise.reject(new Error("password=hunter2 at 10.0.0.7")),
  });
  const { status, json, text } = await ask("admin", "GET", "/api/calls");
  expect(status).toBe(500);
  expect(json.code).toBe("INTERNAL");
  expect(text).not.toContain("10.0.0.7");
  const line = lines.find((one) => one["requestId"] === json.requestId && one["level"] === "error");
  expect(JSON.stringify(line)).toContain("10.0.0.7");
  expect(JSON.stringify(line)).not.toContain("hunter2");
});
