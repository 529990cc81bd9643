import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeApi } from "../fake-api.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import { runCli } from "../run-cli.ts";

let api: FakeApi;

beforeEach(async () => {
  api = await FakeApi.start();
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
});

async function run(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { SIGNALBOX_URL: api.url, SIGNALBOX_KEY: "sbx_key" };
  const terminal = fakeTerminal({ env });
  const code = await runCli(argv, terminal.io);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

const pin = {
  server: "files",
  kind: "tools",
  name: "read",
  state: "pending",
  listed: true,
  held: true,
  approved: ["1".repeat(64)],
  pending: "2".repeat(64),
  firstSeen: "2026-11-30T08:00:00.000Z",
  changedAt: "2026-11-30T09:00:00.000Z",
  findings: [
    {
      id: "hidden.bidi",
      severity: "high",
      where: "/description",
      message: "Turned round.",
      excerpt: String.raw`a\u{202E}b`,
    },
  ],
};
const detail = {
  ...pin,
  definition: { name: "read", description: "Reads a file." },
  pendingDefinition: { name: "read", description: "Reads any file." },
  diff: [
    {
      where: "/description",
      change: "changed",
      before: "Reads a file.",
      after: "Reads any file.",
      parts: [
        { part: "same", text: "Reads " },
        { part: "removed", text: "a" },
        { part: "added", text: "any" },
        { part: "same", text: " file.\nYes." },
      ],
    },
    { where: "/inputSchema/type", change: "changed", before: "1", after: "2" },
    { where: "/title", change: "added", after: "R\u001B[31m" },
  ],
};

test("list shows what there is, or only what waits", async () => {
  const approved = { ...pin, name: "p", kind: "prompts", state: "approved", held: false };
  api.answer({
    "GET /api/pins": [200, { pins: [pin, { ...approved, findings: [] }], total: 5 }],
    "GET /api/pins?state=pending&server=a%20b": [200, { pins: [], total: 0 }],
  });
  expect((await run("pins")).stdout).toBe(
    [
      "SERVER  NAME        STATE     SERVED     CHANGED                   FINDINGS",
      "files   read        pending   held back  2026-11-30T09:00:00.000Z  1 high",
      "files   p (prompt)  approved  yes        2026-11-30T09:00:00.000Z",
      "and 3 more; give --server",
      "",
    ].join("\n"),
  );
  const none = await run("pins", "list", "--state", "pending", "--server", "a b");
  expect(none.stdout).toBe("Nothing of that kind.\n");
});

test("diff shows what was taken out and put in, and drives no terminal", async () => {
  api.answer({ "GET /api/pins/files/read": [200, detail] });
  expect((await run("pins", "diff", "files", "read")).stdout).toBe(
    [
      "files read: pending, held back",
      "changed /description",
      "    Reads [-a-]{+any+} file.",
      "    Yes.",
      "changed /inputSchema/type",
      "  - 1",
      "  + 2",
      "added /title",
      "  + R\uFFFD[31m",
      "  high hidden.bidi at /description: Turned round.",
      String.raw`    a\u{202E}b`,
      "",
    ].join("\n"),
  );
  expect(JSON.parse((await run("pins", "diff", "files", "read", "--json")).stdout)).toEqual(detail);
});

test("on a terminal the diff is coloured", async () => {
  api.answer({ "GET /api/pins/files/read": [200, detail] });
  const env = { SIGNALBOX_URL: api.url, SIGNALBOX_KEY: "sbx_key" };
  const terminal = fakeTerminal({ env, tty: true });
  await runCli(["pins", "diff", "files", "read"], terminal.io);
  expect(terminal.stdout()).toContain("\u001B[31m[-a-]\u001B[39m\u001B[32m{+any+}\u001B[39m");
});

test("show tells the decision and the definition; of a prompt where it is asked for", async () => {
  const decided = { ...detail, decidedBy: "ann (key_1)", decidedAt: "2026-11-30T10:00:00.000Z" };
  api.answer({ "GET /api/pins/files/a%2Fb?kind=prompts": [200, decided] });
  const { stdout } = await run("pins", "show", "files", "a/b", "--kind", "prompts");
  expect(stdout).toContain("decided by ann (key_1) at 2026-11-30T10:00:00.000Z\n");
  expect(stdout).toContain('  "description": "Reads a file."\n');
});

test("approve and reject decide about what they showed, and nothing that came since", async () => {
  api.answer({
    "GET /api/pins/files/read": [200, detail],
    "POST /api/pins/files/read/approve": [200, { ...pin, state: "approved" }],
    "POST /api/pins/files/read/reject": [409, { code: "CONFLICT", message: "Another one waits." }],
  });
  const approved = await run("pins", "approve", "files", "read");
  expect(approved.stdout).toBe("read of files is approved.\n");
  expect(approved.stderr).toContain("[-a-]{+any+}");
  const rejected = await run("pins", "reject", "files", "read", "--hash", "3".repeat(64));
  expect([rejected.code, rejected.stdout]).toEqual([6, ""]);
  expect(rejected.stderr).toContain("Another one waits.");
  const bodies = api.requests.filter(({ method }) => method === "POST").map(({ body }) => body);
  expect(bodies).toEqual([{ hash: pin.pending }, { hash: "3".repeat(64) }]);
});

test("diff says where nothing waits, and shows all of what is new", async () => {
  const { pending: _, pendingDefinition: __, ...approved } = detail;
  api.answer({
    "GET /api/pins/files/read": [200, { ...approved, state: "approved", diff: [] }],
    "GET /api/pins/files/new": [
      200,
      { ...detail, pendingDefinition: { name: "re\u200Bad" }, approved: [], diff: [] },
    ],
  });
  expect((await run("pins", "diff", "files", "read")).stdout).toContain("Nothing waits.\n");
  expect((await run("pins", "diff", "files", "new")).stdout).toContain(
    String.raw`+   "name": "re\u{200B}ad"`,
  );
});

test("lint shows findings, approve-all and forget what they did", async () => {
  api.answer({
    "GET /api/pins?server=files&findings=true": [200, { pins: [pin], total: 1 }],
    "GET /api/pins?findings=true": [200, { pins: [], total: 0 }],
    "POST /api/pins/files/approve-all": [200, { approved: [pin] }],
    "POST /api/pins/files/forget": [200, { forgotten: 12 }],
  });
  expect((await run("pins", "lint", "--server", "files")).stdout).toContain("high hidden.bidi");
  expect((await run("pins", "lint")).stdout).toBe("Nothing to look at.\n");
  expect((await run("pins", "approve-all", "files")).stdout).toBe("read\n1 approved.\n");
  expect((await run("pins", "forget", "files")).stdout).toBe("12 forgotten.\n");
});

test("what was never seen ends with 5", async () => {
  api.answer({
    "GET /api/pins/files/none": [404, { code: "PIN_NOT_FOUND", message: "No tool." }],
  });
  expect((await run("pins", "show", "files", "none")).code).toBe(5);
});
