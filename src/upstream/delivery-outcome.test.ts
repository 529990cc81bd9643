// What a failed call says of itself after several attempts: it must not claim that nothing was done when something may be.
import { expect, test } from "vitest";
import { deliver, modernServer, resets, upstream, well } from "./fake-call.ts";

const once = { base_delay: 1, max_delay: 5, max_attempts: 2 };

test("an attempt that may have been carried out is not forgotten when the last one was never sent", async () => {
  const peer = await modernServer((response, id, call) => {
    void peer.close();
    resets(response, id, call);
  });
  const server = upstream({ url: peer.url, retry_policy: once });
  const { error } = await deliver(server, { safe: true });
  expect(error).toMatchObject({
    code: "SERVER_UNREACHABLE",
    details: { outcome: "failed", attempts: 2 },
  });
});

test("a call that no attempt has brought to a server was not executed", async () => {
  const peer = await modernServer(resets);
  await peer.close();
  const server = upstream({ url: peer.url, retry_policy: once });
  const { error } = await deliver(server);
  expect(error).toMatchObject({
    code: "SERVER_UNREACHABLE",
    details: { outcome: "not_executed" },
  });
});

test("a single endpoint that drains refuses calls before they are sent, and takes them when it is back", async () => {
  const peer = await modernServer(well);
  const server = upstream({ url: peer.url });
  const [link] = server.links;
  link?.drain();
  const { error } = await deliver(server);
  expect(error).toMatchObject({
    code: "SERVER_DISABLED",
    details: { outcome: "not_executed" },
  });
  expect(error?.message).toContain("draining");
  expect(peer.calls("tools/call")).toHaveLength(0);
  link?.resume();
  expect((await deliver(server)).error).toBeUndefined();
  expect(peer.calls("tools/call")).toHaveLength(1);
});

test("what a draining endpoint runs already may finish", async () => {
  let answer: (() => void) | undefined;
  const peer = await modernServer((response, id) => {
    answer = () => well(response, id, 1);
  });
  const server = upstream({ url: peer.url });
  const running = deliver(server);
  await expect.poll(() => answer).toBeDefined();
  server.links[0]?.drain();
  answer?.();
  expect((await running).body).toContain("ok");
});

test("when all endpoints drain the refusal says so, whatever failed before", async () => {
  const [one, two] = [await modernServer(resets), await modernServer(resets)];
  const server = upstream({
    endpoints: [{ url: one.url }, { url: two.url }],
    retry_policy: { max_attempts: 1 },
  });
  await deliver(server);
  for (const link of server.links) link.drain();
  const { error } = await deliver(server);
  expect(error).toMatchObject({ code: "SERVER_DISABLED", details: { outcome: "not_executed" } });
});
