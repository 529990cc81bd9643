import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { manualClock, systemClock } from "../foundation/index.ts";
import { deliver, upstream } from "./fake-call.ts";
import { RECONNECTS_PER_SECOND, ReconnectRate } from "./reconnect-rate.ts";
import { fakeHttpServer } from "./transports/fake-http-server.ts";

test("never more than so many in any second, and none sooner than it wanted", () => {
  const asked = fc.array(fc.record({ pauseMs: fc.nat(2_000), waitMs: fc.nat(5_000) }), {
    minLength: 1,
    maxLength: 200,
  });
  fc.assert(
    fc.property(asked, fc.integer({ min: 1, max: 50 }), (requests, perSecond) => {
      const clock = manualClock();
      const rate = new ReconnectRate(clock, perSecond);
      const times: number[] = [];
      for (const { pauseMs, waitMs } of requests) {
        clock.advance(pauseMs);
        const delayMs = rate.reserve(waitMs);
        expect(delayMs).toBeGreaterThanOrEqual(waitMs);
        times.push(clock.monotonicMs() + delayMs);
      }
      times.sort((a, b) => a - b);
      const spans = times.slice(perSecond).map((later, index) => later - (times[index] ?? 0));
      // Sums of fractions of a millisecond: a millionth of one is nothing.
      expect(spans.filter((span) => span < 1_000 - 1e-6)).toEqual([]);
    }),
  );
});

test("who comes alone waits no longer than it wanted", () => {
  const clock = manualClock();
  const rate = new ReconnectRate(clock);
  expect(rate.reserve(0)).toBe(0);
  clock.advance(10_000);
  expect(rate.reserve(700)).toBe(700);
});

test("a hundred links that are lost together are opened again within five seconds", () => {
  const rate = new ReconnectRate(manualClock());
  const delays = Array.from({ length: 100 }, () => rate.reserve(0));
  expect(RECONNECTS_PER_SECOND).toBe(20);
  expect(Math.max(...delays)).toBeLessThan(5_000);
});

test("one that waits long does not hold up the others", () => {
  const rate = new ReconnectRate(manualClock());
  expect(rate.reserve(30_000)).toBe(30_000);
  expect(rate.reserve(1_000)).toBeLessThan(2_000);
});

test("calls to many servers that are down open no more links than the rate lets them", async () => {
  const openings: number[] = [];
  const peer = await fakeHttpServer((_request, response) => {
    openings.push(systemClock.monotonicMs());
    response.socket?.resetAndDestroy();
  });
  onTestFinished(() => peer.close());
  const perSecond = 20;
  const reconnects = new ReconnectRate(systemClock, perSecond);
  const servers = Array.from({ length: 15 }, (_, index) =>
    upstream(
      {
        url: peer.url,
        protocol_era: "modern",
        connection_pool: { reconnect_backoff: 1, max_reconnect_backoff: 1 },
      },
      { name: `s${index}`, reconnects },
    ),
  );
  const shared = { key: { kind: "shared" }, timeoutMs: 5_000 } as const;
  await Promise.all(servers.map((server) => deliver(server, shared)));
  const begunMs = Math.min(...openings);
  // Each server is opened once by the first call to it, and from then on in its turn.
  while (openings.length < 2 * servers.length + 10) {
    await Promise.all(servers.map((server) => deliver(server, shared)));
    const elapsedMs = systemClock.monotonicMs() - begunMs;
    expect(openings.length - servers.length).toBeLessThanOrEqual(
      (elapsedMs * perSecond) / 1000 + 1,
    );
  }
});
