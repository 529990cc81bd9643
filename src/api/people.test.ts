import { describe, expect, test } from "vitest";
import { keyOf, startApi, type Fixture } from "../../test/support/api-over-http.ts";
import { totpCode } from "../access/people/totp.ts";

const PASSWORD = "four random words here";
const OWN_PAGE = { "sec-fetch-site": "same-origin", "x-signalbox-request": "1" };

interface Signed extends Fixture {
  id: string;
  cookie: string;
  /** Asks with the session, as a page of the gateway would. */
  as: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => ReturnType<Fixture["ask"]>;
}

async function signedIn(role = "operator", project = "*"): Promise<Signed> {
  const api = await startApi();
  const person = { name: "ada", role, project, password: PASSWORD };
  const { json } = await api.ask("admin", "POST", "/api/people", person);
  const answer = await api.ask(undefined, "POST", "/api/auth/sign-in", {
    name: "ada",
    password: PASSWORD,
  });
  const cookie = cookieIn(answer.headers);
  const as: Signed["as"] = (method, path, body, headers = OWN_PAGE) =>
    api.ask(undefined, method, path, body, { cookie, ...headers });
  return { ...api, id: json.id, cookie, as };
}

function cookieIn(headers: Headers, at = 0): string {
  return headers.getSetCookie()[at]?.split(";")[0] ?? "";
}

describe("signing in", () => {
  test("sets a cookie that no script reads and no other site sends", async () => {
    const { ask } = await startApi();
    await ask("admin", "POST", "/api/people", { name: "ada", role: "caller", password: PASSWORD });
    const typed = { name: "ada", password: PASSWORD };
    const { json, headers } = await ask(undefined, "POST", "/api/auth/sign-in", typed);
    expect(json).toEqual({ signedIn: true, expiresAt: "2026-11-27T00:00:00.000Z" });
    expect(headers.getSetCookie()).toEqual([
      expect.stringMatching(
        /^signalbox-session=[A-Za-z0-9_-]{43}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax$/,
      ),
    ]);
  });

  test("sets one for https and this host alone where it is reached over https", async () => {
    const { people } = await startApi();
    const overHttps = { ...people, publicUrl: () => "https://mcp.example.com" };
    const { ask } = await startApi({ people: overHttps });
    await people.directory.add({ name: "ada", role: "caller", project: "*", password: PASSWORD });
    const typed = { name: "ada", password: PASSWORD };
    const { headers } = await ask(undefined, "POST", "/api/auth/sign-in", typed);
    expect(headers.getSetCookie()[0]).toMatch(
      /^__Host-signalbox-session=.*; Path=\/; .*; HttpOnly; SameSite=Lax; Secure$/,
    );
    const plain = cookieIn(headers).replace("__Host-", "");
    for (const [cookie, status] of [
      [cookieIn(headers), 200],
      [plain, 401],
    ] as const)
      expect((await ask(undefined, "GET", "/api/auth/me", undefined, { cookie })).status).toBe(
        status,
      );
  });

  test("from another site's page is refused", async () => {
    const { ask } = await startApi();
    const typed = { name: "ada", password: PASSWORD };
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { origin: "http://other.example" },
      { origin: "null" },
    ]) {
      const { json } = await ask(undefined, "POST", "/api/auth/sign-in", typed, headers);
      expect([headers, json.code]).toEqual([headers, "CROSS_SITE_REFUSED"]);
    }
  });

  test("takes a code where one-time codes are on", async () => {
    const { as, ask, people } = await signedIn();
    const { json } = await as("POST", "/api/auth/totp", { password: PASSWORD });
    const code = (): string => totpCode(json.secret, people.clock.now());
    const confirmed = await as("POST", "/api/auth/totp/confirm", { code: code() });
    expect(confirmed.json.recoveryCodes).toHaveLength(10);
    people.clock.advance(30_000);
    const typed = { name: "ada", password: PASSWORD };
    const half = await ask(undefined, "POST", "/api/auth/sign-in", typed);
    expect(half.json).toEqual({ signedIn: false, ticket: expect.any(String) });
    expect(half.headers.getSetCookie()).toEqual([]);
    const { ticket } = half.json;
    const wrong = await ask(undefined, "POST", "/api/auth/sign-in", { ticket, code: "000000" });
    expect([wrong.status, wrong.json.code]).toEqual([401, "SIGN_IN_FAILED"]);
    const whole = await ask(undefined, "POST", "/api/auth/sign-in", { ticket, code: code() });
    expect(whole.json.signedIn).toBe(true);
    const cookie = cookieIn(whole.headers);
    const me = await ask(undefined, "GET", "/api/auth/me", undefined, { cookie });
    expect(me.json.person).toMatchObject({ totp: "on", recoveryCodes: 10 });
  });
});

describe("a session", () => {
  test("may do what the role and project of its person permit", async () => {
    const { as, id } = await signedIn("caller", "default");
    const { json } = await as("GET", "/api/auth/me");
    expect(json).toMatchObject({
      id,
      kind: "person",
      scopes: ["own", "call"],
      expiresAt: "2026-11-27T00:00:00.000Z",
      person: { name: "ada", totp: "off" },
    });
    expect((await as("GET", "/api/catalog")).status).toBe(200);
    expect((await as("GET", "/api/people")).json.code).toBe("FORBIDDEN");
  });

  test("changes something only by a page of the gateway, whatever is sent", async () => {
    const { as } = await signedIn("admin");
    const add = (headers: Record<string, string>): Promise<{ json: { code?: string } }> =>
      as("POST", "/api/projects", { name: "payments" }, headers);
    for (const headers of [
      {},
      { "x-signalbox-request": "1" },
      { "sec-fetch-site": "same-origin" },
      { ...OWN_PAGE, "sec-fetch-site": "same-site" },
      { ...OWN_PAGE, "sec-fetch-site": "cross-site" },
      { ...OWN_PAGE, "sec-fetch-site": "none" },
      { ...OWN_PAGE, origin: "http://127.0.0.1:9" },
      { ...OWN_PAGE, origin: "null" },
      { ...OWN_PAGE, "x-signalbox-request": "0" },
    ]) {
      expect([headers, (await add(headers)).json.code]).toEqual([headers, "CROSS_SITE_REFUSED"]);
    }
    expect((await add(OWN_PAGE)).json).toMatchObject({ name: "payments" });
  });

  test("is not looked at beside a key, and one that is wrong falls through to nothing", async () => {
    const { ask, cookie } = await signedIn();
    const wrong = { cookie: `signalbox-session=${"x".repeat(43)}` };
    const alone = await ask(undefined, "GET", "/api/auth/me", undefined, wrong);
    expect([alone.status, alone.json.code]).toEqual([401, "SESSION_INVALID"]);
    for (const one of [{ cookie }, wrong]) {
      const both = await ask("admin", "GET", "/api/auth/me", undefined, one);
      expect([both.status, both.json.code]).toEqual([400, "CREDENTIAL_MALFORMED"]);
    }
    expect((await ask("admin", "GET", "/api/auth/me")).json).toMatchObject({ kind: "key" });
  });

  test("ends with the sign-out, and its cookie with it", async () => {
    const { as, audited, id } = await signedIn();
    const { headers } = await as("POST", "/api/auth/sign-out");
    expect(headers.getSetCookie()[0]).toMatch(/^signalbox-session=; .*Max-Age=0;/);
    expect((await as("GET", "/api/auth/me")).json.code).toBe("SESSION_INVALID");
    expect(audited.filter(({ action }) => action === "person.sign_out")).toMatchObject([
      { actor: { id, kind: "person" }, target: `person:${id}`, outcome: "ok" },
    ]);
  });

  test("is needed for what people change of themselves", async () => {
    const { ask } = await startApi();
    for (const [path, body] of [
      ["/api/auth/sign-out", undefined],
      ["/api/auth/password", { current: "x", password: PASSWORD }],
      ["/api/auth/totp", { password: "x" }],
      ["/api/auth/totp/confirm", { code: "123456" }],
      ["/api/auth/totp/disable", { password: "x", code: "123456" }],
      ["/api/auth/recovery-codes", { password: "x" }],
    ] as const) {
      const { json } = await ask("admin", "POST", path, body);
      expect([path, json.code, json.details]).toEqual([path, "FORBIDDEN", { needs: "session" }]);
    }
  });

  test("lets its person change the password, and nothing of it is told", async () => {
    const { as, ask, audited, lines } = await signedIn();
    const next = "four other random words";
    const body = { current: PASSWORD, password: next };
    expect((await as("POST", "/api/auth/password", { ...body, current: "wrong" })).status).toBe(
      401,
    );
    expect((await as("POST", "/api/auth/password", body)).status).toBe(200);
    const typed = { name: "ada", password: next };
    expect((await ask(undefined, "POST", "/api/auth/sign-in", typed)).status).toBe(200);
    const told = JSON.stringify([audited, lines]);
    expect(audited.map(({ action }) => action)).toContain("person.change_password");
    expect(told).not.toContain(next);
    expect(told).not.toContain(PASSWORD);
  });
});

describe("the page to sign in", () => {
  async function page(
    { ask }: Fixture,
    query = "",
  ): Promise<{ cookie: string; token: string; text: string; headers: Headers }> {
    const { text, headers } = await ask(undefined, "GET", `/sign-in${query}`);
    return { text, headers, cookie: cookieIn(headers), token: tokenIn(text) };
  }
  const tokenIn = (text: string): string =>
    /name="form_token" value="([^"]*)"/.exec(text)?.[1] ?? "";
  const post = (
    { ask }: Fixture,
    path: string,
    fields: Record<string, string>,
    headers: Record<string, string>,
  ): ReturnType<Fixture["ask"]> =>
    ask(undefined, "POST", path, new URLSearchParams(fields).toString(), {
      "content-type": "application/x-www-form-urlencoded",
      ...headers,
    });

  test("works as a plain form: password, code, start page, sign-out", async () => {
    const api = await signedIn();
    const { people } = api;
    const { json } = await api.as("POST", "/api/auth/totp", { password: PASSWORD });
    await api.as("POST", "/api/auth/totp/confirm", {
      code: totpCode(json.secret, people.clock.now()),
    });
    people.clock.advance(30_000);
    const { token, cookie, headers, text } = await page(api, "?return_to=/health");
    expect(headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-/,
    );
    expect(headers.get("content-security-policy")).toContain("form-action 'self'");
    expect(headers.get("referrer-policy")).toBe("same-origin");
    expect(text).not.toContain("<script");
    const site = { cookie, origin: api.url };
    const fields = { form_token: token, return_to: "/health", name: "ada", password: PASSWORD };
    const second = await post(api, "/sign-in", fields, site);
    expect(second.status).toBe(200);
    const ticket = /name="ticket" value="([^"]+)"/.exec(second.text)?.[1] ?? "";
    const withCode = { form_token: token, return_to: "/health", ticket };
    const wrong = await post(api, "/sign-in", { ...withCode, code: "000000" }, site);
    expect(wrong.status).toBe(401);
    expect(wrong.text).toContain('role="alert"');
    expect(wrong.text).toContain('name="code"');
    const code = totpCode(json.secret, people.clock.now());
    const done = await post(api, "/sign-in", { ...withCode, code }, site);
    expect([done.status, done.headers.get("location")]).toEqual([303, "/health"]);
    const session = { cookie: cookieIn(done.headers) };
    const start = await api.ask(undefined, "GET", "/", undefined, session);
    expect(start.text).toContain("Signed in as <b>ada</b> (operator)");
    const out = { form_token: tokenIn(start.text) };
    expect(
      (await post(api, "/sign-out", { form_token: "x" }, { ...session, origin: api.url })).status,
    ).toBe(403);
    const left = await post(api, "/sign-out", out, { ...session, origin: api.url });
    expect([left.status, left.headers.get("location")]).toEqual([303, "/"]);
    expect((await api.ask(undefined, "GET", "/", undefined, session)).text).toContain(
      'href="/sign-in"',
    );
    expect(api.audited.at(-1)).toMatchObject({ action: "person.sign_out" });
  });

  test("says what was wrong, and shows the name again as text", async () => {
    const api = await startApi();
    const { token, cookie } = await page(api);
    const name = '"><script>alert(1)</script>';
    const fields = { form_token: token, name, password: "wrong" };
    const { status, text } = await post(api, "/sign-in", fields, { cookie, origin: api.url });
    expect(status).toBe(401);
    expect(text).toContain("The name or the password is wrong.");
    expect(text).not.toContain("<script");
    expect(text).not.toContain("wrong&quot;");
  });

  test("takes its form from itself alone, in the browser that was shown it", async () => {
    const api = await signedIn();
    const { token, cookie } = await page(api);
    const fields = { form_token: token, name: "ada", password: PASSWORD };
    const other = await page(api);
    for (const headers of [
      { cookie },
      { cookie, origin: "http://other.example" },
      { cookie, origin: "null" },
      { cookie, origin: api.url, "sec-fetch-site": "cross-site" },
      { origin: api.url },
      { cookie: other.cookie, origin: api.url },
    ]) {
      const { status, text } = await post(api, "/sign-in", fields, headers);
      expect([headers, status]).toEqual([headers, 403]);
      expect(text).toContain("may come from another site");
    }
    const right = await post(api, "/sign-in", fields, { cookie, "sec-fetch-site": "same-origin" });
    expect([right.status, right.headers.get("location")]).toEqual([303, "/"]);
  });

  test("never leads to another site", async () => {
    const api = await signedIn();
    const { token, cookie } = await page(api);
    for (const to of [
      "//other.example",
      "https://other.example",
      "/\\other.example",
      "/..//other.example",
    ]) {
      const fields = { form_token: token, return_to: to, name: "ada", password: PASSWORD };
      const { headers } = await post(api, "/sign-in", fields, { cookie, origin: api.url });
      expect([to, headers.get("location")]).toEqual([to, "/"]);
    }
  });
});

describe("people", () => {
  test("are added, changed and removed by administrators, and each change is told", async () => {
    const { ask, audited } = await startApi();
    const person = { name: "bob", email: "bob@example.com", role: "caller", password: PASSWORD };
    const { status, json } = await ask("admin", "POST", "/api/people", person);
    expect([status, json.project]).toEqual([201, "default"]);
    const path = `/api/people/${json.id}`;
    expect((await ask("admin", "GET", path)).json).toEqual(json);
    await ask("admin", "PUT", path, { role: "auditor" });
    await ask("admin", "POST", `${path}/password`, { password: "four other random words" });
    await ask("admin", "DELETE", `${path}/totp`);
    expect((await ask("admin", "DELETE", path)).status).toBe(200);
    expect((await ask("admin", "GET", path)).json.code).toBe("PERSON_NOT_FOUND");
    const told = audited.filter(({ action }) => action.startsWith("person."));
    expect(told).toMatchObject([
      { action: "person.create", after: { name: "bob" } },
      { action: "person.update", before: { role: "caller" }, after: { role: "auditor" } },
      { action: "person.reset_password", outcome: "ok" },
      { action: "person.reset_totp" },
      { action: "person.delete", before: { name: "bob" } },
    ]);
    for (const event of told) expect(event.target).toBe(`person:${json.id}`);
    expect(JSON.stringify(told)).not.toMatch(/argon2|random words/);
  });

  test("of another project are as if they were not there", async () => {
    const { ask, id } = await signedIn("operator", "default");
    expect((await ask("neighbour", "GET", "/api/people")).json.people).toEqual([]);
    for (const [method, path, body] of [
      ["GET", `/api/people/${id}`, undefined],
      ["PUT", `/api/people/${id}`, { disabled: true }],
      ["DELETE", `/api/people/${id}`, undefined],
      ["POST", `/api/people/${id}/password`, { password: PASSWORD }],
      ["DELETE", `/api/people/${id}/totp`, undefined],
    ] as const) {
      const { json } = await ask("neighbour", method, path, body);
      expect([method, path, json.code]).toEqual([method, path, "PERSON_NOT_FOUND"]);
    }
    const own = { name: "eve", role: "admin", project: "*", password: PASSWORD };
    expect((await ask("neighbour", "POST", "/api/people", own)).json.code).toBe(
      "PROJECT_NOT_FOUND",
    );
    const theirs = await ask("neighbour", "POST", "/api/people", { name: "eve", role: "admin" });
    expect(theirs.json.project).toBe("elsewhere");
    const moved = await ask("neighbour", "PUT", `/api/people/${theirs.json.id}`, { project: "*" });
    expect(moved.json.code).toBe("PROJECT_NOT_FOUND");
  });

  test("are not changed by a key that is limited by rules", async () => {
    const { ask, url } = await startApi();
    const limited = {
      name: "l",
      role: "admin",
      project: "*",
      rules: [{ effect: "deny", servers: ["x"] }],
    };
    const { key } = (await ask("admin", "POST", "/api/keys", limited)).json;
    expect(key).not.toBe(keyOf("admin"));
    const answer = await fetch(`${url}/api/people`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "eve", role: "admin", password: PASSWORD }),
    });
    expect(await answer.json()).toMatchObject({ code: "FORBIDDEN" });
  });
});
