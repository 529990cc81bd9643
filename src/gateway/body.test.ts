import { createServer } from "node:http";
import { connect } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { readBody } from "./body.ts";
import { sendRequest, until } from "./running-gateway.ts";

/** A listener that answers with what it read, or with the code of the refusal. */
async function reading(bytesMax: number): Promise<{ port: number; told: string[] }> {
  const told: string[] = [];
  const server = createServer((req, res) => {
    readBody(
      req,
      bytesMax,
      (body) => {
        told.push(body.toString());
        res.end(body);
      },
      (error) => {
        told.push(error.code);
        res.end(error.code);
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return { port: typeof address === "object" ? (address?.port ?? 0) : 0, told };
}

async function post(port: number, type: string, body: string): Promise<string> {
  const headers: Record<string, string> = type === "" ? {} : { "content-type": type };
  const answer = await sendRequest(`http://127.0.0.1:${port}/`, { headers, body });
  return (await answer.whole()).text;
}

describe("a body", () => {
  test("is read whole, in one piece or many", async () => {
    const { port } = await reading(1_000_000);
    for (const body of ["", "{}", "ü".repeat(200_000)]) {
      expect(await post(port, "application/json", body)).toBe(body);
    }
  });

  test("must be JSON by its type", async () => {
    const { port } = await reading(100);
    for (const type of [
      "application/json",
      "Application/JSON; charset=utf-8",
      " application/json ;x",
    ]) {
      expect(await post(port, type, "{}")).toBe("{}");
    }
    for (const type of [
      "",
      "text/plain",
      "application/jsonp",
      "application/json-patch",
      "text/json",
    ]) {
      expect(await post(port, type, "{}")).toBe("CONTENT_TYPE");
    }
  });

  test("is refused once when it is too large, whether it says so or not", async () => {
    const { port, told } = await reading(10);
    expect(await post(port, "application/json", "x".repeat(10))).toBe("x".repeat(10));
    expect(await post(port, "application/json", "x".repeat(11))).toBe("BODY_TOO_LARGE");
    const socket = connect(port, "127.0.0.1");
    socket.write(
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    for (let count = 0; count < 5; count++) socket.write("8\r\n12345678\r\n");
    socket.write("0\r\n\r\n");
    await until("the refusal", () => told.length === 3);
    socket.destroy();
    expect(told.slice(1)).toEqual(["BODY_TOO_LARGE", "BODY_TOO_LARGE"]);
  });

  test("that breaks off is nobody's", async () => {
    const { port, told } = await reading(100);
    const socket = connect(port, "127.0.0.1");
    socket.write(
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{",
    );
    socket.resume();
    socket.end();
    await new Promise((resolve) => socket.once("close", resolve));
    expect(told).toEqual([]);
  });
});
