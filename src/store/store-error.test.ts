import { expect, test } from "vitest";
import { storeError } from "./store-error.ts";

test.each([
  ["28P01", 'password authentication failed for user "sb"', "refuses the connection"],
  ["3D000", 'database "sb" does not exist', "refuses the connection"],
  ["57P03", "the database system is starting up", "does not answer"],
  ["ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:5432", "does not answer"],
])("%s: the database is away, and how", (code, message, how) => {
  expect(storeError(Object.assign(new Error(message), { code }))).toMatchObject({
    code: "STORE_UNAVAILABLE",
    message: `The database ${how}: ${message}`,
  });
});
