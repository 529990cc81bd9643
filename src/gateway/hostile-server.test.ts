import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { META, type JsonObject } from "../protocol/index.ts";
import { event, events, fakeHttpServer, json } from "../upstream/transports/fake-http-server.ts";
import {
  LegacyClient,
  inside,
  modern,
  remote,
  runGateway,
  type Answer,
  type RunningGateway,
} from "./running-gateway.ts";

const requestOf = z.looseObject({
  id: z.unknown().optional(),
  method: z.string().default("notifications/none"),
});

type Responding = Parameters<Parameters<typeof fakeHttpServer>[0]>[1];

/** A gateway in front of a server that answers tools/call with `answer`. */
async function before(
  answer: (response: Responding, id: string) => void,
  era: "modern" | "legacy" = "modern",
): Promise<RunningGateway> {
  const capabilities = { tools: {}, resources: {} };
  const upstream = await fakeHttpServer(({ message }, response) => {
    const { id, method } = requestOf.parse(message);
    const result = (body: object): void =>
      json(response, { jsonrpc: "2.0", id, result: { resultType: "complete", ...body } });
    if (method === "server/discover") {
      result({ supportedVersions: ["2026-07-28"], capabilities });
    } else if (method === "initialize") {
      const serverInfo = { name: "bad", version: "1" };
      result({ protocolVersion: "2025-11-25", capabilities, serverInfo });
    } else if (method.startsWith("notifications/")) {
      response.writeHead(202).end();
    } else if (method === "resources/list") result({ resources: [] });
    else if (method === "resources/templates/list") result({ resourceTemplates: [] });
    else if (method === "tools/list") {
      result({ tools: [{ name: "t", inputSchema: { type: "object" } }] });
    } else answer(response, JSON.stringify(id));
  });
  const servers = [remote("bad", upstream.url, { protocol_era: era })];
  const running = await runGateway({ servers }, { limits: { list_timeout: 10_000 } });
  onTestFinished(() => upstream.close());
  onTestFinished(() => running.close());
  return running;
}

async function call(running: RunningGateway, progressToken?: string): Promise<Answer> {
  const params = { name: "bad__t", arguments: {} };
  const meta = progressToken === undefined ? {} : { progressToken };
  return await (await modern(`${running.url}/mcp`, "tools/call", params, { meta })).whole();
}

const deep = "[".repeat(50_000) + "]".repeat(50_000);
const link = '{"type":"resource_link","uri":"file:///a","name":"a"}';

describe("nesting deeper than can be written", () => {
  test("in an answer is garbage", async () => {
    const running = await before((response, id) => {
      json(response, `{"jsonrpc":"2.0","id":${id},"result":{"content":[${link}],"x":${deep}}}`);
    });
    expect((await call(running)).error["data"]).toMatchObject({ code: "SERVER_GARBAGE" });
    expect(running.calls).toMatchObject([{ outcome: "error", errorCode: "SERVER_GARBAGE" }]);
  });

  const good = (response: Responding, id: string): void => {
    event(response, `{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`);
    response.end();
  };

  test("in a notification is not passed on, and the call ends", async () => {
    const running = await before((response, id) => {
      events(response);
      event(
        response,
        `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":${deep}}}`,
      );
      good(response, id);
    });
    const answer = await call(running);
    expect(answer.response).toHaveProperty("id", 1);
    expect(answer.text).not.toContain("[[[");
    expect(running.calls).toHaveLength(1);
  });

  test("in a question is not passed on, and the call ends", async () => {
    const running = await before((response, id) => {
      events(response);
      event(
        response,
        `{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"x":${deep}}}`,
      );
      good(response, id);
    }, "legacy");
    const client = await LegacyClient.open(`${running.url}/mcp`, {
      capabilities: { elicitation: {} },
    });
    const asked = await client.request("tools/call", { name: "bad__t", arguments: {} });
    const answer = await asked.whole();
    expect(answer.response).toHaveProperty("id", 1);
    expect(answer.text).not.toContain("[[[");
  });
});

describe("an answer with a second id", () => {
  const text = "x".repeat(20_000);
  for (const [size, padding] of [
    ["small", ""],
    ["large", text],
  ] as const) {
    for (const key of ['"id"', String.raw`"\u0069d"`, String.raw`"i\u0064"`]) {
      test(`never reaches the client: ${size}, ${key}`, async () => {
        const running = await before((response, id) => {
          const result = `{"content":[],"x":"${padding}"}`;
          json(response, `{"jsonrpc":"2.0","id":${id},"result":${result},${key}:"another"}`);
        });
        const answer = await call(running);
        expect(answer.text).not.toContain("another");
        expect(answer.error["data"]).toMatchObject({ code: "SERVER_GARBAGE" });
      });
    }
  }

  test("is not what a large result with ids in it is", async () => {
    const running = await before((response, id) => {
      const result = `{"content":[],"structuredContent":{"id":1,"list":[{"id":2}],"x":"${text}"}}`;
      json(response, `{"jsonrpc":"2.0","id":${id},"result":${result}}`);
    });
    expect((await call(running)).result).toHaveProperty("structuredContent.id", 1);
  });
});

test("progress reaches the client only under the token of its own call", async () => {
  const running = await before((response, id) => {
    events(response);
    for (const progressToken of ["another", "mine", 5]) {
      const params = { progressToken, progress: 1 };
      event(response, { jsonrpc: "2.0", method: "notifications/progress", params });
    }
    event(response, `{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`);
    response.end();
  });
  const { messages } = await call(running, "mine");
  expect(messages.filter((message) => "method" in message)).toMatchObject([
    { params: { progressToken: "mine" } },
  ]);
});

test("a modern client is told beside its call what belongs to the call, and what the gateway does not know", async () => {
  const running = await before((response, id) => {
    events(response);
    for (const [method, params] of [
      ["notifications/tools/list_changed", {}],
      ["notifications/resources/list_changed", {}],
      ["notifications/prompts/list_changed", {}],
      ["notifications/resources/updated", { uri: "file:///a" }],
      ["notifications/cancelled", { requestId: 7 }],
      ["notifications/subscriptions/acknowledged", { notifications: {} }],
      ["notifications/future", { x: 1 }],
      ["vendor/told", {}],
    ] as const) {
      event(response, { jsonrpc: "2.0", method, params });
    }
    event(response, `{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`);
    response.end();
  });
  const { messages } = await call(running);
  expect(messages.map(({ method }) => method)).toEqual([
    "notifications/future",
    "vendor/told",
    undefined,
  ]);
});

test("a modern client is told the log messages it asked for", async () => {
  for (const era of ["modern", "legacy"] as const) {
    const running = await before((response, id) => {
      events(response);
      for (const level of ["debug", "notice", "warning", "emergency", "shout"]) {
        const params = { level, data: level };
        event(response, { jsonrpc: "2.0", method: "notifications/message", params });
      }
      event(response, `{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`);
      response.end();
    }, era);
    const told = async (meta: JsonObject): Promise<unknown[]> => {
      const params = { name: "bad__t", arguments: {} };
      const url = `${running.url}/mcp`;
      const { messages } = await (await modern(url, "tools/call", params, { meta })).whole();
      return messages.slice(0, -1).map((message) => inside(message, "params", "level"));
    };
    expect(await told({})).toEqual([]);
    expect(await told({ [META.logLevel]: "warning" })).toEqual(["warning", "emergency"]);
    expect(await told({ [META.logLevel]: "debug" })).toHaveLength(4);
  }
});

test("progress only ever grows", async () => {
  const running = await before((response, id) => {
    events(response);
    for (const progress of ["1", "1", "0.5", "2e0", "1.5", "null", '"9"', "2.5", "2.5"]) {
      event(
        response,
        `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":${progress}}}`,
      );
    }
    event(response, `{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`);
    response.end();
  });
  const { messages } = await call(running, "p");
  const told = messages.map((message) => inside(message, "params", "progress"));
  expect(told).toEqual([1, 2, 2.5, undefined]);
});

test("a message outside any call that cannot be written is left out, and the next one arrives", async () => {
  const log = (data: string): string =>
    `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":${data}}}`;
  const upstream = await fakeHttpServer(({ method, message }, response) => {
    if (method === "GET") {
      events(response);
      event(response, log(deep));
      event(
        response,
        `{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"x":${deep}}}`,
      );
      event(response, log('"after"'));
      return;
    }
    const { id, method: asked } = requestOf.parse(message);
    const serverInfo = { name: "bad", version: "1" };
    const capabilities = { logging: {}, tools: {} };
    if (id === undefined) response.writeHead(202).end();
    else if (asked === "initialize") {
      const result = { protocolVersion: "2025-11-25", capabilities, serverInfo };
      json(response, { jsonrpc: "2.0", id, result }, 200, { "mcp-session-id": "one" });
    } else json(response, { jsonrpc: "2.0", id, result: { tools: [] } });
  });
  const running = await runGateway({
    servers: [remote("bad", upstream.url, { protocol_era: "legacy" })],
  });
  onTestFinished(() => upstream.close());
  onTestFinished(() => running.close());
  const client = await LegacyClient.open(`${running.url}/mcp`, {
    capabilities: { elicitation: {} },
  });
  await (await client.request("tools/list")).whole();
  const stream = await client.stream();
  await stream.until(({ text }) => text.includes("after"));
  expect(stream.closed).toBe(false);
  stream.leave();
});

test("clients cannot make a local server start ever more processes", async () => {
  const program = `
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const { id, method } = JSON.parse(line);
      if (id === undefined) return;
      const result = method === "initialize"
        ? { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "l", version: "1" } }
        : method === "tools/list" ? { tools: [{ name: "t", inputSchema: { type: "object" } }] } : { content: [] };
      console.log(JSON.stringify({ jsonrpc: "2.0", id, result }));
    });`;
  const running = await runGateway(
    {
      servers: [
        {
          name: "local",
          options: { command: process.execPath, args: ["-e", program], protocol_era: "legacy" },
          origin: "config",
        },
      ],
    },
    { limits: { processes_max: 2 } },
  );
  onTestFinished(() => running.close());
  const outcomes: unknown[] = [];
  for (let n = 0; n < 4; n++) {
    const client = await LegacyClient.open(`${running.url}/mcp`, {
      capabilities: { elicitation: {} },
    });
    const answer = await (
      await client.request("tools/call", { name: "local__t", arguments: {} })
    ).whole();
    outcomes.push(answer.error["data"] ?? "answered");
  }
  // One process serves the lists.
  expect(outcomes).toMatchObject([
    "answered",
    { code: "PROCESS_LIMIT" },
    { code: "PROCESS_LIMIT" },
    { code: "PROCESS_LIMIT" },
  ]);
});
