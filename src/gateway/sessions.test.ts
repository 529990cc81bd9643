import { afterEach, describe, expect, test } from "vitest";
import { hashKey } from "../access/index.ts";
import { keyRecord, LegacyClient, runGateway, type RunningGateway } from "./running-gateway.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function start(sessionsMax: number): Promise<RunningGateway> {
  const keys = ["ada", "bob"].map((key) => keyRecord(key, hashKey(key)));
  const running = await runGateway(
    { keys },
    { authRequired: true, limits: { sessions_max: sessionsMax } },
  );
  closing.push(() => running.close());
  return running;
}

async function alive(client: LegacyClient): Promise<boolean> {
  return (await (await client.request("ping")).whole()).status === 200;
}

describe("where there are as many sessions as may be", () => {
  test("whoever has most of them gives the one up that was idle longest", async () => {
    const { url } = await start(3);
    const open = (key: string): Promise<LegacyClient> => LegacyClient.open(`${url}/mcp`, { key });
    const first = await open("ada");
    const second = await open("ada");
    const third = await open("ada");
    expect(await alive(first)).toBe(true);
    const other = await open("bob");
    expect(await alive(other)).toBe(true);
    expect(await alive(second)).toBe(false);
    expect(await alive(first)).toBe(true);
    await open("ada");
    expect(await alive(other)).toBe(true);
    expect(await alive(third)).toBe(false);
  });

  test("one with an open stream is not given up", async () => {
    const { url } = await start(1);
    const first = await LegacyClient.open(`${url}/mcp`, { key: "ada" });
    const stream = await first.stream();
    const refused = await LegacyClient.open(`${url}/mcp`, { key: "bob" });
    expect(refused.id).toBe("undefined");
    expect(await alive(first)).toBe(true);
    stream.leave();
  });
});
