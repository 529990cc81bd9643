import { expect, test } from "vitest";
import { exportAudit, lineOf, type AuditFormat, type ExportedRecord } from "./audit-export.ts";

function record(seq: number, more: Record<string, unknown> = {}): ExportedRecord {
  return {
    seq,
    id: `aud_${seq}`,
    at: 1_800_000_000_000,
    action: "server.update",
    actorName: "Ada",
    before: null,
    after: '{"a":[1,"x"]}',
    details: null,
    hash: "ff",
    ...more,
  };
}

async function textOf(format: AuditFormat, records: ExportedRecord[], max = 1e6): Promise<string> {
  const page = (afterSeq: number, limit: number): Promise<ExportedRecord[]> =>
    Promise.resolve(records.filter(({ seq }) => seq > afterSeq).slice(0, limit));
  let text = "";
  for await (const piece of exportAudit({ format, afterSeq: 0, max, page })) text += piece;
  return text;
}

test("as NDJSON each record is a line, its values as what they are", async () => {
  const lines = (await textOf("ndjson", [record(1), record(2)])).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { seq: 1, at: "2027-01-15T08:00:00.000Z", after: { a: [1, "x"] }, before: null },
    { seq: 2 },
  ]);
});

test("as CSV there is a heading, and quotes, commas and breaks are kept", async () => {
  const text = await textOf("csv", [record(1, { actorName: 'A "d",\na' })]);
  const [heading, ...rows] = text.split("\r\n");
  expect(heading).toMatch(/^seq,id,at,action,/);
  expect(rows[0]).toContain('"A ""d"",\na"');
  expect(rows[0]).toContain('"{""a"":[1,""x""]}"');
});

test.each(["=1+1", "+1", "-1", "@x", "\tx", "\rx"])(
  "a text that a spreadsheet would take for a formula is none: %j",
  (actorName) => {
    expect(lineOf(record(1, { actorName }), "csv")).toMatch(/,"?'/);
  },
);

test("all pages are read, and no more than asked for", async () => {
  const many = Array.from({ length: 1_234 }, (_, index) => record(index + 1));
  expect((await textOf("ndjson", many)).split("\n")).toHaveLength(1_235);
  expect((await textOf("ndjson", many, 700)).split("\n")).toHaveLength(701);
});
