import { describe, expect, test } from "vitest";
import { fakePeople, type FakePeople } from "./fake-people.ts";
import type { RequestFrom } from "./person.ts";
import { totpCode } from "./totp.ts";

const PASSWORD = "four random words here";
const from: RequestFrom = { address: "192.0.2.1", requestId: "req_1", place: "/api/auth/sign-in" };
const elsewhere: RequestFrom = { ...from, address: "198.51.100.7" };

async function withAda(
  given: Parameters<typeof fakePeople>[0] = {},
): Promise<FakePeople & { id: string }> {
  const people = fakePeople(given);
  const ada = { name: "ada", email: "ada@example.com", role: "operator", project: "default" };
  const { id } = await people.directory.add({ ...ada, password: PASSWORD });
  return { ...people, id };
}

/** Turns one-time codes on; the secret and the recovery codes. */
async function enrol({ directory, clock, id }: FakePeople & { id: string }): Promise<{
  secret: string;
  recovery: readonly string[];
}> {
  const { secret } = await directory.beginTotp(id, PASSWORD, from);
  const recovery = await directory.confirmTotp(id, totpCode(secret, clock.now()), from);
  clock.advance(30_000);
  return { secret, recovery };
}

async function ticketOf({ signIn }: FakePeople): Promise<string> {
  const step = await signIn.withPassword({ name: "ada", password: PASSWORD }, from);
  if (step.signedIn) throw new Error("no code was asked for");
  return step.ticket;
}

describe("a password", () => {
  test("signs in by the name and by the e-mail address, in whatever case", async () => {
    const { signIn, sessions, audited, id } = await withAda();
    for (const name of ["ada", "ADA ", "Ada@Example.com"]) {
      const step = await signIn.withPassword({ name, password: PASSWORD }, from);
      if (!step.signedIn) throw new Error("a code was asked for");
      expect(step.opened.token).toMatch(/^[A-Za-z0-9_-]{43}$/);
      expect((await sessions.find(step.opened.token))?.principal).toMatchObject({
        id,
        kind: "person",
        role: "operator",
        project: "default",
      });
    }
    expect(audited.at(-1)).toMatchObject({
      action: "person.sign_in",
      actor: { id, name: "ada", kind: "person" },
      address: "192.0.2.1",
      requestId: "req_1",
      outcome: "ok",
    });
    expect(JSON.stringify(audited)).not.toContain(PASSWORD);
  });

  test("that is wrong, of nobody, or of somebody disabled is refused alike, counted and told", async () => {
    const people = await withAda();
    const { signIn, directory, audited, metrics, id } = people;
    const refusals = [];
    for (const typed of [
      { name: "ada", password: "another password" },
      { name: "nobody", password: PASSWORD },
    ])
      refusals.push(await signIn.withPassword(typed, from).catch((error: unknown) => error));
    await directory.update(id, { disabled: true });
    const right = { name: "ada", password: PASSWORD };
    refusals.push(await signIn.withPassword(right, from).catch((error: unknown) => error));
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({
        code: "SIGN_IN_FAILED",
        message: "The name or the password is wrong.",
        details: { reason: "password" },
      });
    }
    expect(audited.find(({ action }) => action === "auth.refuse")).toMatchObject({
      code: "SIGN_IN_FAILED",
      address: "192.0.2.1",
      details: { method: "password", reason: "password", person: id },
    });
    expect(await metrics.render()).toContain(
      'mcp_auth_failures_total{method="password",reason="sign_in_failed_password"} 3',
    );
  });

  test("that is guessed at locks the name for that address alone", async () => {
    const { signIn } = await withAda({ lockOut: { failures: 2 } });
    const guess = (name: string, place = from): Promise<unknown> =>
      signIn.withPassword({ name, password: "a wrong password" }, place).catch((error) => error);
    await guess("ada");
    await guess("ada");
    expect(await guess("ada")).toMatchObject({
      code: "AUTH_LOCKED",
      headers: { "retry-after": "1" },
    });
    expect(await guess("bob")).toMatchObject({ code: "SIGN_IN_FAILED" });
    const owner = await signIn.withPassword({ name: "ada", password: PASSWORD }, elsewhere);
    expect(owner.signedIn).toBe(true);
  });

  test("is not looked at when too many from one address are", async () => {
    const { signIn } = await withAda();
    const all = Array.from({ length: 6 }, () =>
      signIn.withPassword({ name: "ada", password: PASSWORD }, from).then(
        () => "signed in",
        (error: { code: string }) => error.code,
      ),
    );
    const other = signIn.withPassword({ name: "ada", password: PASSWORD }, elsewhere);
    expect((await Promise.all(all)).toSorted()).toEqual([
      "SIGN_IN_BUSY",
      "SIGN_IN_BUSY",
      ...Array.from({ length: 4 }, () => "signed in"),
    ]);
    expect((await other).signedIn).toBe(true);
  });

  test("kept with other parameters is kept anew once it was right", async () => {
    const { signIn, store, id } = await withAda();
    const other =
      "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    await store.update(id, { passwordHash: other }, 0);
    await signIn.withPassword({ name: "ada", password: "password" }, from);
    expect(store.people.get(id)?.passwordHash).toMatch(/m=64,t=1,/);
    expect((await signIn.withPassword({ name: "ada", password: "password" }, from)).signedIn).toBe(
      true,
    );
  });
});

describe("a one-time code", () => {
  test("is asked for once it was confirmed, and not before", async () => {
    const people = await withAda();
    const { directory, signIn, clock, id } = people;
    const { secret, uri } = await directory.beginTotp(id, PASSWORD, from);
    expect(uri).toContain(secret);
    const typed = { name: "ada", password: PASSWORD };
    expect((await signIn.withPassword(typed, from)).signedIn).toBe(true);
    await expect(directory.confirmTotp(id, "000000", from)).rejects.toMatchObject({
      code: "SIGN_IN_FAILED",
    });
    const codes = await directory.confirmTotp(id, totpCode(secret, clock.now()), from);
    expect(codes).toHaveLength(10);
    expect((await signIn.withPassword(typed, from)).signedIn).toBe(false);
    await expect(directory.beginTotp(id, PASSWORD, from)).rejects.toMatchObject({
      code: "CONFLICT",
    });
  });

  test("signs in once: neither it nor an older one counts again", async () => {
    const people = await withAda();
    const { secret } = await enrol(people);
    const code = totpCode(secret, people.clock.now());
    const older = totpCode(secret, people.clock.now() - 30_000);
    const opened = await people.signIn.withCode({ ticket: await ticketOf(people), code }, from);
    expect(await people.sessions.find(opened.token)).toBeDefined();
    for (const used of [code, older]) {
      await expect(
        people.signIn.withCode({ ticket: await ticketOf(people), code: used }, from),
      ).rejects.toMatchObject({ code: "SIGN_IN_FAILED", details: { reason: "code" } });
    }
  });

  test("is kept sealed, for this person alone", async () => {
    const people = await withAda();
    const { secret } = await enrol(people);
    const sealed = people.store.people.get(people.id)?.totp?.sealed ?? "";
    expect(sealed).toMatch(/^v1\./);
    expect(JSON.stringify([...people.store.people.values()])).not.toContain(secret);
    expect(() => people.vault.for("totp").open(sealed, "people somebody_else")).toThrow(/altered/);
    expect(() => people.vault.for("secrets").open(sealed, `people ${people.id}`)).toThrow(
      /altered/,
    );
  });

  test("cannot be guessed from many addresses", async () => {
    const people = await withAda({ lockOut: { failures: 3 } });
    const { recovery } = await enrol(people);
    const ticket = await ticketOf(people);
    const codes = [];
    for (let n = 0; n < 5; n++) {
      const place = { ...from, address: `198.51.100.${n}` };
      codes.push(
        await people.signIn
          .withCode({ ticket, code: "000000" }, place)
          .catch((error: { code: string }) => error.code),
      );
    }
    expect(codes).toEqual([
      "SIGN_IN_FAILED",
      "SIGN_IN_FAILED",
      "SIGN_IN_FAILED",
      "AUTH_LOCKED",
      "AUTH_LOCKED",
    ]);
    people.clock.advance(1_001);
    const [code = ""] = recovery;
    await expect(people.signIn.withCode({ ticket, code }, from)).resolves.toHaveProperty("token");
  });

  test("is replaced by a recovery code, each of which works once", async () => {
    const people = await withAda();
    const { recovery } = await enrol(people);
    const [first = "", second = ""] = recovery;
    const use = async (code: string): Promise<unknown> =>
      people.signIn.withCode({ ticket: await ticketOf(people), code }, from);
    await expect(use(first)).resolves.toHaveProperty("token");
    await expect(use(first)).rejects.toMatchObject({ details: { reason: "code" } });
    await expect(use(second.toLowerCase().replaceAll("-", " "))).resolves.toHaveProperty("token");
    expect((await people.directory.get(people.id)).recoveryCodes).toBe(8);
    expect(people.audited.at(-1)).toMatchObject({ details: { secondFactor: "recovery_code" } });
    const renewed = await people.directory.renewRecoveryCodes(people.id, PASSWORD, from);
    await expect(use(recovery[3] ?? "")).rejects.toMatchObject({ code: "SIGN_IN_FAILED" });
    await expect(use(renewed[0] ?? "")).resolves.toHaveProperty("token");
  });

  test("is turned off with the password and a code, and by an administrator", async () => {
    const people = await withAda();
    const { directory, clock, id } = people;
    const { secret } = await enrol(people);
    const wrong = { password: PASSWORD, code: "000000" };
    await expect(directory.disableTotp(id, wrong, from)).rejects.toMatchObject({
      code: "SIGN_IN_FAILED",
    });
    const right = { password: PASSWORD, code: totpCode(secret, clock.now()) };
    expect(await directory.disableTotp(id, right, from)).toMatchObject({
      totp: "off",
      recoveryCodes: 0,
    });
    await enrol(people);
    expect((await directory.resetTotp(id)).totp).toBe("off");
  });
});

describe("a ticket between password and code", () => {
  test("holds for five minutes, for this gateway, and until the password changes", async () => {
    const people = await withAda();
    const { secret } = await enrol(people);
    const bring = (ticket: string): Promise<unknown> =>
      people.signIn.withCode({ ticket, code: totpCode(secret, people.clock.now()) }, from);
    const late = await ticketOf(people);
    people.clock.advance(300_000);
    await expect(bring(late)).rejects.toMatchObject({ details: { reason: "ticket" } });
    await expect(bring("v1.made.up.text")).rejects.toMatchObject({ details: { reason: "ticket" } });
    const before = await ticketOf(people);
    await people.directory.resetPassword(people.id, "four other random words");
    await expect(bring(before)).rejects.toMatchObject({ details: { reason: "ticket" } });
  });
});
