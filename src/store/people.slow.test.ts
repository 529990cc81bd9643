import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { PersonRow, SessionRow } from "./people.ts";
import { openTestDatabase, openTestStore } from "./test-database.ts";

const HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
const AT = Date.UTC(2026, 10, 20);
const HOUR = 3_600_000;

const ada: PersonRow = {
  id: "person_ada",
  name: "ada",
  email: "ada@example.com",
  role: "operator",
  project: "*",
  passwordHash: HASH,
  recoveryHashes: [],
  createdAt: AT,
  updatedAt: AT,
};
const bob: PersonRow = {
  id: "person_bob",
  name: "bob",
  role: "caller",
  project: "default",
  recoveryHashes: [],
  oidc: { issuer: "https://login.example", subject: "b" },
  createdAt: AT,
  updatedAt: AT,
};

function session(personId: string, more: Partial<SessionRow> = {}): SessionRow {
  const hash = randomBytes(32).toString("hex");
  const times = { createdAt: AT, seenAt: AT, expiresAt: AT + HOUR };
  return { hash, personId, method: "password", ...times, ...more };
}

test("people are kept as they are, and found by name, address, id and subject", async () => {
  await using store = await openTestStore();
  const { people } = store;
  await people.insert(ada);
  await people.insert(bob);
  expect(await people.list()).toEqual([ada, bob]);
  expect(await people.get("person_bob")).toEqual(bob);
  expect(await people.called("ada")).toEqual(ada);
  expect(await people.called("ada@example.com")).toEqual(ada);
  expect(await people.called("Ada")).toBeUndefined();
  expect(await people.ofSubject("https://login.example", "b")).toEqual(bob);
  expect(await people.ofSubject("https://other.example", "b")).toBeUndefined();
});

test("a name, an address and a subject belong to one person", async () => {
  await using store = await openTestStore();
  const { people } = store;
  await people.insert(ada);
  await people.insert(bob);
  const { oidc, ...other } = bob;
  const eve: PersonRow = { ...other, id: "person_eve", name: "eve" };
  for (const row of [
    { ...eve, name: "ada" },
    { ...eve, email: "ada@example.com" },
    { ...eve, ...(oidc && { oidc }) },
  ])
    await expect(people.insert(row)).rejects.toMatchObject({ code: "CONFLICT" });
  await expect(people.update("person_bob", { name: "ada" }, AT)).rejects.toMatchObject({
    code: "CONFLICT",
  });
  expect(await people.get("person_bob")).toEqual(bob);
});

test("a change leaves what it does not name, and null takes away", async () => {
  await using store = await openTestStore();
  const { people } = store;
  await people.insert(ada);
  const changed = await people.update("person_ada", { email: null, disabledAt: AT }, AT + 1);
  const { email: _gone, ...rest } = ada;
  expect(changed).toEqual({ ...rest, disabledAt: AT, updatedAt: AT + 1 });
  expect(await people.get("person_ada")).toEqual(changed);
  const { disabledAt: _enabled, ...enabled } = changed ?? ada;
  expect(await people.update("person_ada", { disabledAt: null }, AT + 1)).toEqual(enabled);
  expect(await people.update("person_nobody", { role: "admin" }, AT)).toBeUndefined();
});

test("of two gateways one takes a step of the one-time codes, and one a recovery code", async () => {
  await using database = await openTestDatabase();
  await using one = await openTestStore(database);
  await using other = await openTestStore(database);
  await one.people.insert(ada);
  await one.people.update(ada.id, { totp: { sealed: "v1.k.n.t", keyId: "k" } }, AT);
  expect(await one.people.useStep(ada.id, 7)).toBe(false);
  expect(await one.people.confirmTotp(ada.id, 7, ["a", "b"])).toBe(true);
  expect(await one.people.confirmTotp(ada.id, 7, ["c"])).toBe(false);
  const raced = async (ask: (store: typeof one) => Promise<boolean>): Promise<boolean[]> =>
    (await Promise.all([ask(one), ask(other)])).toSorted((a, b) => Number(a) - Number(b));
  expect(await raced(({ people }) => people.useStep(ada.id, 8))).toEqual([false, true]);
  expect(await one.people.useStep(ada.id, 7)).toBe(false);
  expect(await raced(({ people }) => people.useRecoveryCode(ada.id, "a"))).toEqual([false, true]);
  expect((await one.people.get(ada.id))?.recoveryHashes).toEqual(["b"]);
  expect(await one.people.update(ada.id, { totp: null }, AT)).toMatchObject({ recoveryHashes: [] });
});

test("a session is open until it is ended, and of one person only the newest are kept", async () => {
  await using store = await openTestStore();
  const { people } = store;
  await people.insert(ada);
  const opened = [0, 1, 2, 3].map((n) => session(ada.id, { createdAt: AT + n }));
  for (const one of opened) await people.openSession(one, 3);
  const open = await Promise.all(opened.map(({ hash }) => people.session(hash)));
  expect(open.map((found) => found?.session)).toEqual([undefined, ...opened.slice(1)]);
  expect(open[3]?.person.lastSignInAt).toBe(AT + 3);
  const hash = opened[3]?.hash ?? "";
  await people.seen(hash, AT + 60_000);
  await people.seen(hash, AT + 1);
  expect((await people.session(hash))?.session.seenAt).toBe(AT + 60_000);
  expect(await people.endSession(hash, AT)).toBe(true);
  expect(await people.endSession(hash, AT)).toBe(false);
  expect(await people.session(hash)).toBeUndefined();
});

test("a change of a person can end its sessions, all but one, and those of nobody else", async () => {
  await using store = await openTestStore();
  const { people } = store;
  await people.insert(ada);
  await people.insert(bob);
  const [own, second, other] = [session(ada.id), session(ada.id), session(bob.id)];
  for (const one of [own, second, other]) await people.openSession(one, 10);
  const open = async (): Promise<boolean[]> =>
    await Promise.all(
      [own, second, other].map(async ({ hash }) => (await people.session(hash)) !== undefined),
    );
  await people.update(ada.id, { passwordHash: HASH }, AT, { except: own.hash });
  expect(await open()).toEqual([true, false, true]);
  await people.update(ada.id, { role: "caller" }, AT, {});
  expect(await open()).toEqual([false, false, true]);
  expect(await people.remove(bob.id)).toBe(true);
  expect(await open()).toEqual([false, false, false]);
  expect(await people.remove(bob.id)).toBe(false);
});

test("sessions that have expired are forgotten with the next sign-in", async () => {
  await using store = await openTestStore();
  const { people } = store;
  await people.insert(ada);
  const old = session(ada.id);
  await people.openSession(old, 10);
  await people.openSession(
    session(ada.id, { createdAt: AT + 2 * HOUR, expiresAt: AT + 3 * HOUR }),
    10,
  );
  expect(await people.session(old.hash)).toBeUndefined();
});

test("other gateways hear when something is taken from somebody, and not of sign-ins", async () => {
  await using database = await openTestDatabase();
  await using one = await openTestStore(database);
  await using other = await openTestStore(database);
  await one.people.insert(ada);
  let heard = 0;
  let wake: (() => void) | undefined;
  other.onChange(() => {
    heard += 1;
    wake?.();
  });
  const told = async (change: () => Promise<unknown>): Promise<void> => {
    const hears = new Promise<void>((resolve) => (wake = resolve));
    await change();
    await hears;
  };
  const open = session(ada.id);
  await one.people.openSession(open, 10);
  await one.people.seen(open.hash, AT + 1);
  await told(() => one.people.endSession(open.hash, AT));
  expect(heard).toBe(1);
  await told(() => one.people.update(ada.id, { disabledAt: AT }, AT, {}));
  await told(() => one.people.remove(ada.id));
});
