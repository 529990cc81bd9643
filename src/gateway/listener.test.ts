import { createServer } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { hashKey } from "../access/index.ts";
import { listen } from "./listener.ts";
import { keyRecord, runGateway, type RunningGateway } from "./running-gateway.ts";

let running: RunningGateway | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

/** The status line of the answer to headers that are sent exactly as they stand. */
async function statusOf(...headers: string[]): Promise<string> {
  const key = keyRecord("right", hashKey("right"));
  running ??= await runGateway({ keys: [key] }, { authRequired: true });
  const socket = connect(Number(new URL(running.url).port), "127.0.0.1");
  const lines = ["GET /sse HTTP/1.1", ...headers, "Connection: close", "", ""];
  socket.end(lines.join("\r\n"));
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  socket.once("data", (chunk: Buffer) => resolve(chunk.toString().slice(9, 12)));
  socket.once("error", reject);
  const status = await promise;
  socket.destroy();
  return status;
}

describe("a header that stands twice", () => {
  test("is no credential, even where one of the two is right", async () => {
    expect(await statusOf("Host: localhost", "Authorization: Bearer right")).toBe("200");
    for (const [one, other] of [
      ["right", "wrong"],
      ["wrong", "right"],
    ]) {
      for (const name of ["Authorization: Bearer", "X-API-Key:", "X-MCP-Key:"]) {
        const status = await statusOf("Host: localhost", `${name} ${one}`, `${name} ${other}`);
        expect([name, one, status]).toEqual([name, one, "401"]);
      }
    }
  });

  test("is no host, even where one of the two is this one", async () => {
    const authorized = "Authorization: Bearer right";
    expect(await statusOf("Host: localhost", "Host: evil.example", authorized)).toBe("403");
    expect(await statusOf("Host: evil.example", "Host: localhost", authorized)).toBe("403");
    expect(
      await statusOf(
        "Host: localhost",
        "Origin: http://localhost",
        "Origin: https://evil.example",
        authorized,
      ),
    ).toBe("403");
  });
});

test("a port that is taken is named, with the variable that chooses another", async () => {
  const first = createServer();
  const port = await listen(first, 0, "127.0.0.1");
  await expect(listen(createServer(), port, "127.0.0.1")).rejects.toMatchObject({
    code: "PORT_IN_USE",
    message: `Port ${port} on 127.0.0.1 is taken; choose another with PORT.`,
  });
  first.close();
});
