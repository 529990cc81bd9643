import { expect, test } from "vitest";
import { fakePeople, type FakePeople } from "./fake-people.ts";
import type { RequestFrom } from "./person.ts";

const PASSWORD = "four random words here";
const HOUR = 3_600_000;
const from: RequestFrom = { address: "192.0.2.1", requestId: "req_1", place: "/api" };

async function signedIn(): Promise<
  FakePeople & { id: string; token: string; again: () => Promise<string> }
> {
  const people = fakePeople();
  const { id } = await people.directory.add({
    name: "ada",
    role: "operator",
    project: "default",
    password: PASSWORD,
  });
  const again = async (): Promise<string> => {
    const step = await people.signIn.withPassword({ name: "ada", password: PASSWORD }, from);
    if (!step.signedIn) throw new Error("a code was asked for");
    return step.opened.token;
  };
  return { ...people, id, again, token: await again() };
}

test("a session is its hash: what is kept does not sign in", async () => {
  const { store, sessions, token } = await signedIn();
  const [hash = ""] = store.sessions.keys();
  expect(JSON.stringify([...store.sessions])).not.toContain(token);
  expect(await sessions.find(hash)).toBeUndefined();
  expect(await sessions.find(token)).toBeDefined();
});

test("what has not the form of a token is not looked up", async () => {
  const { store, sessions } = await signedIn();
  for (const token of ["", "x", "x".repeat(44), `${"x".repeat(42)}'`])
    expect(await sessions.find(token)).toBeUndefined();
  expect(store.reads).toBe(0);
});

test("a session ends when it was idle too long, however young it is", async () => {
  const { sessions, clock, token, metrics, audited } = await signedIn();
  clock.advance(7 * HOUR);
  expect((await sessions.authenticate(token, from)).ok).toBe(true);
  clock.advance(7 * HOUR);
  expect((await sessions.authenticate(token, from)).ok).toBe(true);
  clock.advance(8 * HOUR);
  expect(await sessions.authenticate(token, from)).toMatchObject({
    ok: false,
    code: "SESSION_INVALID",
    reason: "expired",
  });
  expect(await metrics.render()).toContain(
    'mcp_auth_failures_total{method="session",reason="session_invalid_expired"} 1',
  );
  expect(audited.at(-1)).toMatchObject({ action: "auth.refuse", requestId: "req_1" });
});

test("a session ends after a week, however much it is used", async () => {
  const { sessions, clock, token } = await signedIn();
  for (let hours = 0; hours < 7 * 24 - 6; hours += 6) {
    clock.advance(6 * HOUR);
    expect(await sessions.find(token)).toBeDefined();
  }
  clock.advance(6 * HOUR);
  expect(await sessions.find(token)).toBeUndefined();
});

test("a session that was signed out, or whose person was removed, is none any more", async () => {
  const { sessions, directory, id, token, again } = await signedIn();
  const other = await again();
  expect(await sessions.find(token)).toBeDefined();
  expect(await sessions.end(token)).toBe(true);
  expect(await sessions.end(token)).toBe(false);
  expect(await sessions.authenticate(token, from)).toMatchObject({ reason: "unknown" });
  expect(await sessions.find(other)).toBeDefined();
  await directory.remove(id);
  expect(await sessions.find(other)).toBeUndefined();
});

test.each([
  ["disabling", { disabled: true }],
  ["another role", { role: "caller" }],
  ["another project", { project: "elsewhere" }],
])("%s ends the sessions of a person", async (_, change) => {
  const { sessions, directory, id, token } = await signedIn();
  expect(await sessions.find(token)).toBeDefined();
  await directory.update(id, change);
  expect(await sessions.find(token)).toBeUndefined();
});

test("another name ends none, nor does the same role again", async () => {
  const { sessions, directory, id, token } = await signedIn();
  await directory.update(id, { name: "ada.l", role: "operator" });
  expect((await sessions.find(token))?.principal.name).toBe("ada.l");
});

test("a changed password ends the other sessions, a reset one all of them", async () => {
  const { sessions, directory, id, token, again } = await signedIn();
  const other = await again();
  const typed = { current: PASSWORD, next: "four other random words" };
  const wrong = { ...typed, current: "not the password" };
  const own = { token, from };
  await expect(directory.changePassword(id, wrong, own)).rejects.toMatchObject({
    code: "SIGN_IN_FAILED",
  });
  await expect(
    directory.changePassword(id, { ...typed, next: "short" }, own),
  ).rejects.toMatchObject({ code: "PASSWORD_WEAK" });
  await directory.changePassword(id, typed, own);
  expect(await sessions.find(other)).toBeUndefined();
  expect(await sessions.find(token)).toBeDefined();
  await directory.resetPassword(id, "and four more random words");
  expect(await sessions.find(token)).toBeUndefined();
});

test("what was looked up is remembered for seconds, and forgotten when something was changed elsewhere", async () => {
  const { sessions, store, clock, token } = await signedIn();
  await sessions.find(token);
  await sessions.find(token);
  expect(store.reads).toBe(1);
  store.sessions.clear();
  expect(await sessions.find(token)).toBeDefined();
  sessions.forget();
  expect(await sessions.find(token)).toBeUndefined();
  expect(store.reads).toBe(2);
  clock.advance(1);
});

test("a session that ended elsewhere without a word of it goes on for five seconds at the most", async () => {
  const { sessions, store, clock, token } = await signedIn();
  await sessions.find(token);
  store.sessions.clear();
  clock.advance(5_001);
  expect(await sessions.find(token)).toBeUndefined();
});

test("a look-up that was under way when something changed is not remembered", async () => {
  const { sessions, store, token } = await signedIn();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const { session } = store;
  store.session = async (hash) => {
    const found = await session(hash);
    await held;
    return found;
  };
  const underWay = sessions.find(token);
  store.session = session;
  store.sessions.clear();
  sessions.forget();
  release();
  await underWay;
  expect(await sessions.find(token)).toBeUndefined();
});
