import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answersCors } from "./cors.ts";

const server = createServer((req, res) => {
  if (!answersCors(req, res)) res.end("answered");
});
let url = "";

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  url = `http://127.0.0.1:${port}/mcp`;
});
afterAll(() => server.close());

const origin = "https://app.example.com";

describe("pages of an admitted origin", () => {
  test("may read the answer and the session it starts", async () => {
    const answer = await fetch(url, { headers: { origin } });
    expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
    expect(answer.headers.get("access-control-expose-headers")).toContain("Mcp-Session-Id");
    expect(answer.headers.get("vary")).toBe("Origin");
    expect(await answer.text()).toBe("answered");
  });

  test("have their preflight answered with the headers they ask for", async () => {
    const answer = await fetch(url, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, mcp-method",
      },
    });
    expect(answer.status).toBe(204);
    expect(answer.headers.get("access-control-allow-headers")).toBe("authorization, mcp-method");
    expect(answer.headers.get("access-control-allow-methods")).toContain("DELETE");
  });
});

test("callers that are no pages get no such headers", async () => {
  const answer = await fetch(url);
  expect(answer.headers.has("access-control-allow-origin")).toBe(false);
});
