import { once } from "node:events";
import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { fetchJson } from "./fetch-json.ts";

async function serving(answers: Record<string, (write: (text: string) => void) => void>): Promise<{
  url: string;
  asked: string[];
}> {
  const asked: string[] = [];
  const server = createServer((req, res) => {
    asked.push(req.url ?? "");
    if (req.url === "/moved") res.writeHead(302, { location: "/elsewhere" }).end();
    else answers[req.url ?? ""]?.((text) => void res.write(text));
    if (req.url !== "/slow") res.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  return { url: `http://127.0.0.1:${port}`, asked };
}

const bounds = { signal: AbortSignal.timeout(10_000), bytesMax: 1_000 };

test("reads JSON from the very address, within bounds", async () => {
  const { url, asked } = await serving({
    "/right": (write) => write('{"a":"ü"}'),
    "/large": (write) => write(`"${"x".repeat(1_001)}"`),
    "/no-json": (write) => write("<html>"),
  });
  expect(await fetchJson(`${url}/right`, bounds)).toEqual({ status: 200, body: { a: "ü" } });
  for (const [path, why] of [
    ["/large", /more than 1000 bytes/],
    ["/no-json", /JSON/],
    ["/moved", /redirect/],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await expect(fetchJson(url + path, bounds)).rejects.toMatchObject({
      code: "AUTH_UNAVAILABLE",
      message: expect.stringMatching(why),
    });
  }
  expect(asked).not.toContain("/elsewhere");
});

test("waits no longer than its signal, and tells no query in its error", async () => {
  const { url } = await serving({ "/slow": (write) => write("{") });
  const signal = AbortSignal.timeout(50);
  const failure = fetchJson(`${url}/slow?secret=1`, { ...bounds, signal });
  await expect(failure).rejects.toMatchObject({ code: "AUTH_UNAVAILABLE" });
  await expect(failure).rejects.not.toThrow(/secret/);
});
