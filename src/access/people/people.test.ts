import { expect, test } from "vitest";
import { fakePeople } from "./fake-people.ts";

const ada = { name: "Ada", email: "Ada@Example.com", role: "operator", project: "*" };

test("a person is kept in small letters, with a hash in place of the password", async () => {
  const { directory, store } = fakePeople();
  const view = await directory.add({ ...ada, password: "four random words here" });
  expect(view).toMatchObject({
    id: expect.stringMatching(/^person_/),
    name: "ada",
    email: "ada@example.com",
    hasPassword: true,
    totp: "off",
  });
  expect(JSON.stringify([...store.people.values()])).not.toContain("four random words");
  expect(Object.keys(view)).not.toContain("passwordHash");
});

test.each([
  ["a name with an @", { name: "ada@example.com" }, "NAME_INVALID"],
  ["an empty name", { name: " " }, "NAME_INVALID"],
  ["a weak password", { password: "password" }, "PASSWORD_WEAK"],
  ["a role that is not there", { role: "emperor" }, "ROLE_NOT_FOUND"],
  ["a project that is not there", { project: "atlantis" }, "PROJECT_NOT_FOUND"],
])("%s is refused", async (_, wrong, code) => {
  const { directory, store } = fakePeople();
  await expect(directory.add({ ...ada, ...wrong })).rejects.toMatchObject({ code });
  expect(store.people.size).toBe(0);
});

test("a name and an e-mail address belong to one person", async () => {
  const { directory } = fakePeople();
  await directory.add(ada);
  const bob = await directory.add({ ...ada, name: "bob", email: undefined });
  await expect(directory.add({ ...ada, email: undefined })).rejects.toMatchObject({
    code: "NAME_TAKEN",
  });
  await expect(directory.update(bob.id, { email: "ADA@example.com" })).rejects.toMatchObject({
    code: "NAME_TAKEN",
  });
});

test("what is left out of a change stays, and null takes away", async () => {
  const { directory } = fakePeople();
  const { id } = await directory.add(ada);
  expect(await directory.update(id, { disabled: true })).toMatchObject({
    email: "ada@example.com",
    disabledAt: expect.any(Number),
  });
  const changed = await directory.update(id, { email: null, disabled: false });
  expect(changed).not.toHaveProperty("email");
  expect(changed).not.toHaveProperty("disabledAt");
});

test("who is not there cannot be changed", async () => {
  const { directory } = fakePeople();
  for (const change of [
    directory.get("x"),
    directory.update("x", { disabled: true }),
    directory.remove("x"),
    directory.resetPassword("x", "four random words here"),
    directory.resetTotp("x"),
  ])
    await expect(change).rejects.toMatchObject({ code: "PERSON_NOT_FOUND" });
});

test("who signs in with the identity provider alone has no password to change and no codes", async () => {
  const { directory } = fakePeople();
  const from = { address: undefined, requestId: "req_1", place: "/api" };
  const { id } = await directory.add(ada);
  for (const change of [
    directory.beginTotp(id, "", from),
    directory.changePassword(id, { current: "", next: "four random words" }, { token: "x", from }),
  ])
    await expect(change).rejects.toMatchObject({ code: "CONFLICT" });
});
