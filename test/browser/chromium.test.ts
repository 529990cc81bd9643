// The browser of the tests itself: that it ends, and that it tells what it is watched for.
import { createServer } from "node:http";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Chromium, hasChromium } from "../support/chromium.ts";
import { runNode } from "../support/child.ts";
import { descendantsOf, isAlive } from "../support/processes.ts";
import { until } from "../support/until.ts";

const holdsBrowser = `
import { Chromium } from "./test/support/chromium.ts";
await Chromium.start();
console.log("started");
setInterval(() => {}, 60_000);`;

describe.skipIf(!hasChromium())("the browser of the tests", () => {
  test("ends with the process that started it, however that ends", async () => {
    const folder = await mkdtemp(join(tmpdir(), "signalbox-test-"));
    const env = { TMPDIR: folder };
    const holder = runNode(["--input-type=module", "--eval", holdsBrowser], { env });
    onTestFinished(async () => {
      await holder.kill();
      await rm(folder, { recursive: true, force: true });
    });
    await until("it is started", () => holder.stdout().includes("started"), 60_000);
    const processes = await descendantsOf(holder.pid);
    expect(processes.length).toBeGreaterThan(0);
    await holder.kill();
    await until("all of it is gone", async () => {
      const alive = await Promise.all(processes.map(isAlive));
      return !alive.includes(true);
    });
  });

  test("tells of errors, broken policies, barriers and addresses, and reaches this machine only", async () => {
    const bad = createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.setHeader("content-security-policy", "img-src 'none'");
      response.end('<img src="/x.png"><script>undefinedThing()</script><a href="/y">.</a>');
    });
    bad.listen(0, "127.0.0.1");
    await once(bad, "listening");
    onTestFinished(() => void bad.close());
    const address = bad.address();
    const origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    await using chromium = await Chromium.start();
    await using person = await chromium.person();
    await person.page.goto(origin);
    await until("the console has it", () => person.complaintsAt(origin).length >= 3);
    const complaints = person.complaintsAt(origin).join("\n");
    expect(complaints).toContain("undefinedThing is not defined");
    expect(complaints).toContain("violates its policy: img-src");
    expect((await person.barriers()).join("\n")).toMatch(/image-alt|html-has-lang/);
    await person.page.getByRole("link").click();
    const asked = await person.asked();
    expect(asked.find(({ url }) => url === `${origin}/y`)?.referrer).toBe(`${origin}/`);
    await expect(person.page.goto("http://example.com")).rejects.toThrow("NAME_NOT_RESOLVED");
  });
});
