import { afterEach, describe, expect, test } from "vitest";
import { builtin, modern, runGateway, serviceOf, type RunningGateway } from "./running-gateway.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function start(...options: Parameters<typeof runGateway>): Promise<RunningGateway> {
  const running = await runGateway(...options);
  closing.push(() => running.close());
  return running;
}

describe("a listen", () => {
  test("outlives the time after which slow answers become event streams", async () => {
    const running = await start(
      { servers: [builtin(serviceOf("one", "a"))] },
      { limits: { events_after: 1, keep_alive: 1_000 } },
    );
    const answer = await modern(`${running.url}/mcp`, "subscriptions/listen", {
      notifications: { toolsListChanged: true },
    });
    await answer.until(({ text }) => text.includes("\n:\n"));
    expect(answer.closed).toBe(false);
    expect(answer.messages[0]).toHaveProperty("method", "notifications/subscriptions/acknowledged");
  });
});
