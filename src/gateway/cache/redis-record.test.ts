import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeRecord, encodeRecord } from "./redis-record.ts";

const record = fc.record({
  body: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  stamp: fc.string({ maxLength: 100 }),
  told: fc.boolean(),
});

test("a record is read as it was written", () => {
  fc.assert(
    fc.property(record, (written) => {
      expect(decodeRecord(encodeRecord(written))).toEqual(written);
    }),
  );
});

test("a record that is cut or lengthened is no record", () => {
  fc.assert(
    fc.property(record, fc.nat(), (written, at) => {
      const bytes = encodeRecord(written);
      expect(decodeRecord(bytes.subarray(0, at % bytes.length))).toBeUndefined();
      expect(decodeRecord(Buffer.concat([bytes, Buffer.from("x")]))).toBeUndefined();
    }),
  );
});

test("other bytes are no record", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(decodeRecord(Buffer.from(bytes))).toBeUndefined();
    }),
  );
  expect(decodeRecord(Buffer.from('{"stamp":1}\n'))).toBeUndefined();
});
