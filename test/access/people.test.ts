// People of whole gateways: signing in with a real identity provider, and two gateways on one database.
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { totpCode } from "../../src/access/people/totp.ts";
import { openTestDatabase, type TestDatabase } from "../../src/store/test-database.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { SIGN_IN, startProvider, type TestProvider } from "../support/oauth-provider.ts";
import { until } from "../support/until.ts";
import { modernRequest, send } from "../support/wire.ts";

const PASSWORD = "four random words here";
const OWN_PAGE = { "sec-fetch-site": "same-origin", "x-signalbox-request": "1" };
const encryptionKey = randomBytes(32).toString("base64");

/** A browser with its cookies, which follows nothing by itself. */
class Browser {
  readonly cookies = new Map<string, string>();
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async ask(method: string, path: string, body?: unknown): Promise<Response> {
    const answer = await fetch(new URL(path, this.#url), {
      method,
      redirect: "manual",
      headers: {
        cookie: [...this.cookies].map((pair) => pair.join("=")).join("; "),
        ...OWN_PAGE,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [name = "", value = ""] = (line.split(";")[0] ?? "").split("=");
      if (value === "") this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  async json(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    return z
      .record(z.string(), z.unknown())
      .parse(await (await this.ask(method, path, body)).json());
  }
}

const me = z.object({ name: z.string(), role: z.string(), project: z.string() });

describe("with an identity provider", () => {
  const claims = {
    ada: { email: "ada@example.com", email_verified: true, groups: ["staff", "platform"] },
    bob: { email: "bob@example.com", email_verified: true, preferred_username: "bob" },
    unverified: { email: "ada@example.com", email_verified: false, groups: ["platform"] },
    foreign: { email: "eve@other.example", email_verified: true, groups: ["platform"] },
    grace: { email: "grace@example.com", email_verified: true, groups: ["staff"] },
  };
  let provider: TestProvider;
  let gateway: TestGateway;

  beforeAll(async () => {
    provider = await startProvider(() => true, claims);
    gateway = await startGateway({
      settings: {
        auth: {
          oidc: {
            issuer: provider.issuer,
            client_id: SIGN_IN.id,
            client_secret: "${env:OIDC_SECRET}",
            title: "the test's provider",
            scopes: ["openid", "email", "profile", "groups"],
            roles: { platform: "operator", staff: "caller" },
            email_domains: ["example.com"],
            create: true,
          },
        },
      },
      env: { OIDC_SECRET: SIGN_IN.secret },
    });
  }, 120_000);

  afterAll(async () => {
    await gateway?.stop();
    await provider?.close();
  }, 60_000);

  /** From the link of the page to the provider and back; the last answer. */
  async function signIn(browser: Browser, login: string, to = "/health"): Promise<Response> {
    const begun = await browser.ask("GET", `/auth/oidc/start?return_to=${encodeURIComponent(to)}`);
    expect(begun.status).toBe(303);
    const authorization = new URL(begun.headers.get("location") ?? "");
    expect(authorization.searchParams.get("code_challenge_method")).toBe("S256");
    const back = await provider.signIn(authorization, login);
    return await browser.ask("GET", `${back.pathname}${back.search}`);
  }

  test("the page names it, and its link leads there and back", async () => {
    const page = await fetch(`${gateway.url}/sign-in`);
    expect(await page.text()).toContain("Sign in with the test&#39;s provider");
    const browser = new Browser(gateway.url);
    const answer = await signIn(browser, "ada");
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/health"]);
    expect([...browser.cookies.keys()]).toEqual(["signalbox-session"]);
    expect(await browser.json("GET", "/api/auth/me")).toMatchObject({
      kind: "person",
      name: "ada",
      role: "operator",
      project: "default",
      person: { email: "ada@example.com", hasPassword: false, provider: provider.issuer },
    });
    const told = await until("the sign-in is told", async () => {
      const { body } = await gateway.api("GET", "/api/audit?action=person.sign_in");
      const text = JSON.stringify(body);
      return text.includes("person:") && text;
    });
    expect(told).toContain('"method":"oidc"');
    expect(told).not.toContain(SIGN_IN.secret);
  });

  test("somebody who is there already is known by the verified address, and then by the subject", async () => {
    const person = {
      name: "amazing.grace",
      email: "grace@example.com",
      role: "admin",
      project: "*",
    };
    await gateway.api("POST", "/api/people", person);
    const browser = new Browser(gateway.url);
    expect((await signIn(browser, "grace")).status).toBe(303);
    // The provider decides about roles, since it was given a mapping.
    expect(me.parse(await browser.json("GET", "/api/auth/me"))).toEqual({
      name: "amazing.grace",
      role: "caller",
      project: "*",
    });
  });

  test.each([
    ["whose address is not verified", "unverified"],
    ["of another domain", "foreign"],
    ["whose groups give no role", "bob"],
  ])("somebody %s is refused, on a page", async (_, login) => {
    const browser = new Browser(gateway.url);
    const answer = await signIn(browser, login);
    expect(answer.status).toBe(401);
    expect(await answer.text()).toContain("may not sign in here");
    expect(browser.cookies.has("signalbox-session")).toBe(false);
  });

  test("somebody who was disabled is refused", async () => {
    const browser = new Browser(gateway.url);
    await signIn(browser, "ada");
    const { id } = z.object({ id: z.string() }).parse(await browser.json("GET", "/api/auth/me"));
    await gateway.api("PUT", `/api/people/${id}`, { disabled: true });
    expect((await browser.json("GET", "/api/auth/me"))["code"]).toBe("SESSION_INVALID");
    expect((await signIn(browser, "ada")).status).toBe(401);
    await gateway.api("PUT", `/api/people/${id}`, { disabled: false });
  });

  test("an answer is of use once, to the browser that began, with what it began with", async () => {
    const browser = new Browser(gateway.url);
    const begun = await browser.ask("GET", "/auth/oidc/start?return_to=https://other.example/");
    const back = await provider.signIn(new URL(begun.headers.get("location") ?? ""), "ada");
    const path = `${back.pathname}${back.search}`;
    const flow = browser.cookies.get("signalbox-oidc") ?? "";
    const refused = async (asked: Browser, address: string): Promise<void> => {
      const answer = await asked.ask("GET", address);
      expect([address, answer.status >= 400]).toEqual([address, true]);
      expect(asked.cookies.has("signalbox-session")).toBe(false);
    };
    await refused(new Browser(gateway.url), path);
    const other = new Browser(gateway.url);
    await other.ask("GET", "/auth/oidc/start");
    await refused(other, path);
    const altered = async (name: string, value: string): Promise<void> => {
      const url = new URL(back);
      url.searchParams.set(name, value);
      await refused(browser, `${url.pathname}${url.search}`);
    };
    await altered("state", "another");
    await altered("iss", "https://login.other.example");
    const done = await browser.ask("GET", path);
    expect([done.status, done.headers.get("location")]).toEqual([303, "/"]);
    const again = new Browser(gateway.url);
    again.cookies.set("signalbox-oidc", flow);
    await refused(again, path);
  });
});

describe("two gateways on one database", () => {
  let database: TestDatabase;
  let one: TestGateway;
  let other: TestGateway;
  let id: string;
  let env: Record<string, string>;

  beforeAll(async () => {
    database = await openTestDatabase();
    env = {
      DATABASE_URL: database.url,
      MCP_ENCRYPTION_KEY: encryptionKey,
      SIGNALBOX_ADMIN_KEY: `sbx_${randomBytes(32).toString("base64url")}`,
    };
    one = await startGateway({ env });
    other = await startGateway({ env });
    const person = { name: "ada", role: "operator", project: "*", password: PASSWORD };
    const { body } = await one.api("POST", "/api/people", person);
    ({ id } = z.object({ id: z.string() }).parse(body));
  }, 120_000);

  afterAll(async () => {
    await Promise.all([one?.stop(), other?.stop()]);
    await database?.[Symbol.asyncDispose]();
  }, 60_000);

  /** The same browser at both: they differ in their ports, which cookies do not see. */
  async function signedIn(): Promise<{ here: Browser; there: Browser }> {
    const [here, there] = [new Browser(one.url), new Browser(other.url)];
    const step = await here.json("POST", "/api/auth/sign-in", { name: "ada", password: PASSWORD });
    expect(step["signedIn"]).toBe(true);
    for (const [name, value] of here.cookies) there.cookies.set(name, value);
    expect((await there.ask("GET", "/api/auth/me")).status).toBe(200);
    return { here, there };
  }

  /** How long it took until a session was none any more, in milliseconds. */
  async function untilEnded(browser: Browser): Promise<number> {
    const startedAt = performance.now();
    await until("the other gateway has heard", async () => {
      return (await browser.json("GET", "/api/auth/me"))["code"] === "SESSION_INVALID";
    });
    return performance.now() - startedAt;
  }

  test("a session of one is one of the other, until it signs out", async () => {
    const { here, there } = await signedIn();
    await here.ask("POST", "/api/auth/sign-out");
    expect(await untilEnded(there)).toBeLessThan(1_000);
  });

  test("who is disabled at one, or gets another role, is signed out at the other", async () => {
    for (const change of [{ disabled: true }, { role: "caller" }]) {
      await one.api("PUT", `/api/people/${id}`, { disabled: false });
      const { there } = await signedIn();
      await one.api("PUT", `/api/people/${id}`, change);
      expect(await untilEnded(there)).toBeLessThan(1_000);
    }
  });

  test("a code that was used at one is refused at the other, and outlives the key it was sealed with", async () => {
    const { here, there } = await signedIn();
    const begun = await here.json("POST", "/api/auth/totp", { password: PASSWORD });
    const secret = String(begun["secret"]);
    const confirmed = totpCode(secret, Date.now());
    await here.json("POST", "/api/auth/totp/confirm", { code: confirmed });
    const tried = async (browser: Browser, code: string): Promise<unknown> => {
      const half = await browser.json("POST", "/api/auth/sign-in", {
        name: "ada",
        password: PASSWORD,
      });
      const ticket = half["ticket"];
      return await browser.json("POST", "/api/auth/sign-in", { ticket, code });
    };
    const next = totpCode(secret, Date.now() + 30_000);
    expect(await tried(here, confirmed)).toMatchObject({ code: "SIGN_IN_FAILED" });
    expect(await tried(here, next)).toMatchObject({ signedIn: true });
    expect(await tried(there, next)).toMatchObject({ code: "SIGN_IN_FAILED" });
    const later = await startGateway({
      env: {
        ...env,
        MCP_ENCRYPTION_KEY: randomBytes(32).toString("base64"),
        MCP_ENCRYPTION_KEY_PREVIOUS: encryptionKey,
      },
    });
    onTestFinished(() => later.stop());
    let resealed = 0;
    for (let after: string | undefined = ""; after !== undefined;) {
      // oxlint-disable-next-line no-await-in-loop -- one portion says where the next begins
      const { body } = await later.api("POST", "/api/secrets/rotate", { after });
      const portion = z.object({ resealed: z.number(), next: z.string().optional() }).parse(body);
      resealed += portion.resealed;
      after = portion.next;
    }
    expect(resealed).toBe(1);
    await one.api("DELETE", `/api/people/${id}/totp`);
  });

  test("a session opens no MCP endpoint", async () => {
    const { here } = await signedIn();
    const { headers, body } = modernRequest("", "tools/list", {});
    const { authorization: _none, ...plain } = headers;
    const cookie = [...here.cookies].map((pair) => pair.join("=")).join("; ");
    const answer = await send(`${one.url}/mcp`, { headers: { ...plain, cookie }, body });
    expect(answer.status).toBe(401);
  });
});
