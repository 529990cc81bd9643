import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { FakeApi } from "../fake-api.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import { runCli } from "../run-cli.ts";

const record = (seq: number, more: object = {}): object => ({
  seq,
  at: "2026-11-20T08:00:00.000Z",
  action: "server.update",
  actorName: "Ada",
  target: "server:files",
  outcome: "ok",
  ...more,
});

let api: FakeApi;
beforeAll(async () => {
  api = await FakeApi.start();
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
});
beforeEach(() => {
  api.requests.length = 0;
});

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

async function run(argv: readonly string[], url = api.url): Promise<Ran> {
  const terminal = fakeTerminal({ env: { SIGNALBOX_URL: url, SIGNALBOX_KEY: "sbx_test" } });
  const code = await runCli(["audit", ...argv], terminal.io);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

test("list shows who did what on what, and where older ones begin", async () => {
  const refused = record(4, { outcome: "denied", code: "FORBIDDEN" });
  api.answer({
    "GET /api/audit?limit=50": [200, { records: [record(5), refused], next: 4 }],
  });
  const { code, stdout, stderr } = await run(["list"]);
  expect([code, stdout]).toEqual([
    0,
    "PLACE  AT                   WHO  ACTION         ON            OUTCOME\n" +
      "5      2026-11-20 08:00:00  Ada  server.update  server:files  ok\n" +
      "4      2026-11-20 08:00:00  Ada  server.update  server:files  denied (FORBIDDEN)\n",
  ]);
  expect(stderr).toContain("--before 4");
});

test("list asks for what is wanted, times also as how long ago", async () => {
  await run([
    "list",
    "--action",
    "key.create",
    "--actor",
    "k",
    "--target",
    "key:1",
    "--limit",
    "5",
  ]);
  await run(["list", "--outcome", "denied", "--project", "p", "--before", "7", "--since", "1h"]);
  await run(["list", "--until", "2026-11-20"]);
  const [first, second, third] = api.requests.map(
    ({ path }) => new URL(path, api.url).searchParams,
  );
  expect(Object.fromEntries(first ?? [])).toEqual({
    action: "key.create",
    actor: "k",
    target: "key:1",
    limit: "5",
  });
  expect(Object.fromEntries(second ?? [])).toMatchObject({ outcome: "denied", before: "7" });
  const ago = Date.now() - Date.parse(second?.get("from") ?? "");
  expect(Math.round(ago / 60_000)).toBe(60);
  expect(third?.get("to")).toBe("2026-11-20T00:00:00.000Z");
  expect((await run(["list", "--since", "yesterday"])).code).toBe(2);
});

test("tail shows the last records and then new ones, each once, until it is interrupted", async () => {
  let asked = 0;
  const stop = new AbortController();
  api.answer({
    "GET /api/audit?limit=2": [200, { records: [record(2), record(1)] }],
    "GET /api/audit?limit=1000": () => {
      asked++;
      if (asked === 2) setImmediate(() => stop.abort());
      return [200, { records: [record(2 + asked), record(2), record(1)] }];
    },
  });
  const terminal = fakeTerminal({ env: { SIGNALBOX_URL: api.url, SIGNALBOX_KEY: "sbx_test" } });
  const argv = ["audit", "tail", "--lines", "2", "--json"];
  expect(await runCli(argv, { ...terminal.io, signal: stop.signal })).toBe(130);
  const seqs = terminal
    .stdout()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).seq);
  expect(seqs.slice(0, 3)).toEqual([1, 2, 3]);
  expect(new Set(seqs).size).toBe(seqs.length);
});

describe("verify", () => {
  const whole = { valid: true, checked: 4, first: 2, head: { seq: 5, hash: "ab12" }, faults: [] };

  test("says that all is well, and the hash to keep", async () => {
    api.answer({ "POST /api/audit/verify": [200, whole] });
    const { code, stdout, stderr } = await run(["verify"]);
    expect([code, stdout]).toEqual([0, "whole  4 records, 2 to 5\nhead   ab12\n"]);
    expect(stderr).toContain("Keep the head's hash elsewhere");
  });

  test("says what is wrong and where, and fails", async () => {
    const faults = [{ seq: 3, kind: "edited", sentence: "record 3 was changed" }];
    api.answer({ "POST /api/audit/verify": [200, { ...whole, valid: false, faults }] });
    const { code, stdout } = await run(["verify", "--head", "cd"]);
    expect(code).toBe(1);
    expect(stdout).toContain("tampered with  4 records read");
    expect(stdout).toContain("  edited: record 3 was changed\n");
    expect(api.requests[0]?.body).toEqual({ head: "cd" });
    expect(JSON.parse((await run(["verify", "--json"])).stdout)).toMatchObject({ faults });
  });
});

describe("export", () => {
  const text = '{"seq":1}\n{"seq":2}\n';

  /** A gateway that answers in its own way. */
  async function gateway(answer: (res: ServerResponse, url: string) => void): Promise<string> {
    const server = createServer((req, res) => answer(res, req.url ?? ""));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    return `http://127.0.0.1:${String(typeof address === "object" ? address?.port : 0)}`;
  }

  async function folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), "audit-export-"));
    onTestFinished(() => rm(path, { recursive: true }));
    return path;
  }

  test("goes to standard output as it comes", async () => {
    const asked: string[] = [];
    const url = await gateway((res, path) => {
      asked.push(path);
      res.end(text);
    });
    const { code, stdout } = await run(["export", "--after", "7", "--action", "a"], url);
    expect([code, stdout]).toEqual([0, text]);
    expect(asked).toEqual(["/api/audit/export?action=a&format=ndjson&after=7"]);
  });

  test("goes to a file that its owner alone may read, in place of the one before", async () => {
    const url = await gateway((res) => void res.end(text));
    const path = join(await folder(), "audit.ndjson");
    for (const _ of [1, 2]) expect((await run(["export", "--output", path], url)).code).toBe(0);
    expect(await readFile(path, "utf8")).toBe(text);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("leaves no file behind where it breaks off or is refused", async () => {
    const broken = await gateway((res) => {
      res.write(text);
      setImmediate(() => res.destroy());
    });
    const where = await folder();
    const path = join(where, "audit.ndjson");
    const cut = await run(["export", "--output", path], broken);
    expect([cut.code, cut.stderr]).toEqual([1, expect.stringContaining("ANSWER_INCOMPLETE")]);
    const refusing = await gateway((res) => {
      res.writeHead(403, { "content-type": "application/json" });
      res.end('{"code":"FORBIDDEN","message":"No."}');
    });
    expect((await run(["export", "--output", path], refusing)).code).toBe(4);
    expect(await readdir(where)).toEqual([]);
    const nowhere = join(where, "none", "audit.ndjson");
    const well = await gateway((res) => void res.end(text));
    expect((await run(["export", "--output", nowhere], well)).code).toBe(2);
  });
});
