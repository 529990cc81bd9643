// The rules of who is let in, with a provider whose answers are real and signed; the whole way is in test/access/people.test.ts.
import { SignJWT, exportJWK, generateKeyPair } from "jose";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { fakePeople, type FakePeople } from "./fake-people.ts";
import { OidcSignIn } from "./oidc-sign-in.ts";
import { oidcOptions } from "./people-options.ts";
import type { RequestFrom } from "./person.ts";
import { textSealer } from "../sealer.ts";

const ISSUER = "https://login.example";
const from: RequestFrom = {
  address: "192.0.2.1",
  requestId: "req_1",
  place: "/auth/oidc/callback",
};

let keys: Awaited<ReturnType<typeof generateKeyPair>>;
let strangers: typeof keys;
beforeAll(async () => {
  [keys, strangers] = await Promise.all([
    generateKeyPair("RS256", { extractable: true }),
    generateKeyPair("RS256", { extractable: true }),
  ]);
});

interface Way extends FakePeople {
  /** Signs in with these claims; `alter` changes what the provider says, or how it signs. */
  come: (claims: object, alter?: { token?: object; signedBy?: typeof keys }) => Promise<unknown>;
  asked: string[];
}

function setUp(options: object = {}): Way {
  const people = fakePeople();
  const asked: string[] = [];
  let answer = "";
  const fetch = async (url: string): Promise<Response> => {
    asked.push(url);
    const json = (body: unknown): Response =>
      Response.json(body, { headers: { "content-type": "application/json" } });
    if (url.endsWith("/.well-known/openid-configuration"))
      return json({
        issuer: ISSUER,
        authorization_endpoint: `${ISSUER}/authorize`,
        token_endpoint: `${ISSUER}/token`,
        jwks_uri: `${ISSUER}/keys`,
      });
    if (url.endsWith("/keys"))
      return json({ keys: [{ ...(await exportJWK(keys.publicKey)), alg: "RS256", use: "sig" }] });
    return json({ access_token: "a", token_type: "bearer", id_token: answer });
  };
  const oidc = new OidcSignIn({
    ...people,
    options: oidcOptions.parse({ issuer: ISSUER, client_id: "gateway", ...options }),
    http: { fetch },
    sealer: textSealer(people.vault, "oidc-sign-in"),
    audit: (event) => void people.audited.push(event),
    requireRole: () => undefined,
    publicUrl: () => "https://gateway.example.com",
  });
  return {
    ...people,
    asked,
    come: async (claims, { token = {}, signedBy = keys } = {}) => {
      const { url, cookie } = await oidc.begin("/after");
      const { searchParams } = new URL(url);
      expect(searchParams.get("redirect_uri")).toBe(
        "https://gateway.example.com/auth/oidc/callback",
      );
      const seconds = Math.floor(Date.now() / 1000);
      const plain = { iss: ISSUER, aud: "gateway", sub: "s1", iat: seconds, exp: seconds + 60 };
      const nonce = searchParams.get("nonce");
      answer = await new SignJWT({ ...plain, nonce, ...claims, ...token })
        .setProtectedHeader({ alg: "RS256" })
        .sign(signedBy.privateKey);
      const back = new URLSearchParams({ code: "c", state: searchParams.get("state") ?? "" });
      return await oidc.finish(back, cookie, from).catch((error: unknown) => error);
    },
  };
}

const ada = { email: "Ada@Example.com", email_verified: true };

test("a known person is let in by the verified address, linked, and known by the subject from then on", async () => {
  const { come, directory, store } = setUp();
  const person = { name: "ada", email: "ada@example.com", role: "operator", project: "default" };
  const { id } = await directory.add(person);
  expect(await come(ada)).toMatchObject({ returnTo: "/after", opened: { person: { id } } });
  expect(store.people.get(id)?.oidc).toEqual({ issuer: ISSUER, subject: "s1" });
  expect(await come({ email: "new@example.com", email_verified: true })).toMatchObject({
    opened: { person: { id, role: "operator" } },
  });
});

test("an address does not lead to a person who is somebody else at the provider", async () => {
  const { come, directory } = setUp();
  await directory.add({ name: "ada", email: "ada@example.com", role: "admin", project: "*" });
  await come(ada);
  expect(await come({ ...ada, sub: "s2" })).toMatchObject({ details: { reason: "not_permitted" } });
});

test.each([
  ["who is not known", ada],
  ["whose address is not verified", { ...ada, email_verified: false, sub: "s9" }],
  ["whose address is verified in words alone", { ...ada, email_verified: "true" }],
])("somebody %s is refused, counted and told", async (_, claims) => {
  const { come, audited, metrics, directory, store } = setUp();
  if (claims.email_verified !== true)
    await directory.add({ name: "ada", email: "ada@example.com", role: "admin", project: "*" });
  expect(await come(claims)).toMatchObject({
    code: "SIGN_IN_FAILED",
    details: { reason: "not_permitted" },
  });
  expect(store.sessions.size).toBe(0);
  expect(audited.at(-1)).toMatchObject({ action: "auth.refuse", details: { method: "oidc" } });
  expect(await metrics.render()).toContain(
    'mcp_auth_failures_total{method="oidc",reason="sign_in_failed_not_permitted"} 1',
  );
});

test("people are created where that is wanted, with a role and a name of their own", async () => {
  const { come, store, directory, audited } = setUp({ create: true, default_role: "caller" });
  await directory.add({ name: "ada", role: "admin", project: "*" });
  await come({ ...ada, preferred_username: "Ada" });
  const [, created] = [...store.people.values()];
  expect(created).toMatchObject({ email: "ada@example.com", role: "caller", project: "default" });
  expect(created?.name).toMatch(/^ada-[0-9a-f]{8}$/);
  expect(created).not.toHaveProperty("passwordHash");
  expect(audited.find(({ action }) => action === "person.create")).toMatchObject({
    actor: { kind: "gateway" },
    details: { by: "oidc" },
  });
});

test("a mapping decides about the role at each sign-in, and a role taken away ends other sessions", async () => {
  const options = { roles: { boss: "admin", staff: "caller" }, create: true };
  const { come, sessions } = setUp(options);
  const first = await come({ ...ada, groups: ["staff", "boss"] });
  expect(first).toMatchObject({ opened: { person: { role: "admin" } } });
  const { token } = z.object({ opened: z.object({ token: z.string() }) }).parse(first).opened;
  expect(await sessions.find(token)).toBeDefined();
  expect(await come({ ...ada, groups: "staff" })).toMatchObject({
    opened: { person: { role: "caller" } },
  });
  expect(await sessions.find(token)).toBeUndefined();
  expect(await come({ ...ada, groups: ["guests"] })).toMatchObject({
    details: { reason: "not_permitted" },
  });
});

test("only people of the domains come in, whoever they are", async () => {
  const { come } = setUp({ create: true, default_role: "caller", email_domains: ["example.com"] });
  expect(await come(ada)).toHaveProperty("opened");
  for (const email of ["ada@example.com.other.example", "ada@sub.example.com", "ada"])
    expect(await come({ ...ada, email, sub: "s2" })).toMatchObject({ code: "SIGN_IN_FAILED" });
  expect(await come({ sub: "s1" })).toMatchObject({ code: "SIGN_IN_FAILED" });
});

test.each([
  ["for another client", { token: { aud: "another" } }],
  ["of another issuer", { token: { iss: "https://other.example" } }],
  ["for another sign-in", { token: { nonce: "another" } }],
  ["that has expired", { token: { exp: 1 } }],
])("an ID token %s is refused", async (_, alter) => {
  const { come, store } = setUp({ create: true, default_role: "caller" });
  expect(await come(ada, alter)).toMatchObject({ code: "OIDC_FAILED" });
  expect(store.people.size).toBe(0);
});

test("an ID token that somebody else has signed is refused", async () => {
  const { come, store } = setUp({ create: true, default_role: "caller" });
  expect(await come(ada, { signedBy: strangers })).toMatchObject({ code: "OIDC_FAILED" });
  expect(store.people.size).toBe(0);
});

test("the provider's metadata is asked once in ten minutes", async () => {
  const { come, asked, clock } = setUp();
  await come(ada);
  await come(ada);
  const discoveries = (): number => asked.filter((url) => url.includes(".well-known")).length;
  expect(discoveries()).toBe(1);
  clock.advance(601_000);
  await come(ada);
  expect(discoveries()).toBe(2);
});
