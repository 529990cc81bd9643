// A person with an official client at a gateway that takes tokens of an OAuth provider: found through the gateway's refusal
// and its metadata, signed in and consented to in a real browser, renewed, and over once it is revoked.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  startAuthorizationServer,
  type AuthorizationServer,
} from "../support/authorization-server.ts";
import { Chromium, hasChromium, type Person } from "../support/chromium.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { agree, refuse } from "../support/provider-pages.ts";
import { everythingOverStdio } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { SigningIn, type SdkKind } from "./signing-in.ts";
import { startWebApp, type WebApp } from "./web-app.ts";

const asGateway = { client_id: "gateway", client_secret: "the-secret-of-the-gateway" };
const reads = "signalbox__list_servers";
const writes = "everything__test_simple_text";

describe.skipIf(!hasChromium())("a person who signs in to the gateway in a browser", () => {
  const open = new AsyncDisposableStack();
  let authorization: AuthorizationServer;
  let gateway: TestGateway;
  let app: WebApp;
  let chromium: Chromium;

  beforeAll(async () => {
    const noPeople = { redirect_uris: [], response_types: [], grant_types: ["client_credentials"] };
    authorization = open.use(
      await startAuthorizationServer({
        host: "localhost",
        scopes: "mcp:read mcp:call mcp:write",
        clients: [{ ...asGateway, ...noPeople }],
      }),
    );
    app = open.use(await startWebApp());
    chromium = open.use(await Chromium.start());
    gateway = await startGateway({
      servers: { everything: everythingOverStdio() },
      settings: {
        auth: {
          oauth: {
            issuers: {
              here: {
                issuer: authorization.issuer,
                ...asGateway,
                introspect: "opaque",
                introspection_age_max: "300ms",
                default_role: "operator",
              },
            },
          },
        },
      },
    });
    open.defer(() => gateway.stop());
  }, 120_000);

  afterAll(() => open.disposeAsync(), 60_000);

  describe.each<SdkKind>(["client 2.4.0", "sdk 1.32.2"])("with the official %s", (kind) => {
    let person: Person;
    let client: SigningIn;

    beforeAll(async () => {
      person = await chromium.person();
      client = new SigningIn(kind, `${gateway.url}/mcp`, app.redirectUri);
    }, 60_000);

    afterAll(async () => {
      await client.close();
      await person[Symbol.asyncDispose]();
    }, 60_000);

    test("is led by the gateway's refusal to its provider, where the client registers itself", async () => {
      const before = authorization.registered.length;
      expect(await client.connect()).toBe("sign in");
      expect(authorization.registered).toHaveLength(before + 1);
      const address = client.leadsTo;
      expect(address.origin).toBe(authorization.issuer);
      expect(Object.fromEntries(address.searchParams)).toMatchObject({
        resource: `${gateway.url}/mcp`,
        scope: expect.stringMatching(/^mcp:read mcp:call( offline_access)?$/),
        code_challenge_method: "S256",
        redirect_uri: app.redirectUri,
      });
    });

    test("who says no stays out", async () => {
      await person.page.goto(client.leadsTo.href);
      await refuse(person.page);
      const answer = await back();
      expect(answer.get("error")).toBe("access_denied");
      expect(answer.has("code")).toBe(false);
      expect(await client.connect()).toBe("sign in");
    });

    test("signs in and consents with clicks, and calls a tool", async () => {
      await person.page.goto(client.leadsTo.href);
      expect(await person.page.getByRole("heading", { level: 1 }).innerText()).toBe("Sign-in");
      await agree(person.page, "ada");
      await client.finish(await back());
      expect(await client.connect()).toBe("connected");
      expect(await client.call(reads)).toContain("everything");
    });

    test("is asked once more where a tool takes more than was allowed", async () => {
      expect(await client.call(writes)).toBe("sign in");
      const scopes = client.leadsTo.searchParams.get("scope")?.split(" ");
      expect(scopes).toEqual(expect.arrayContaining(["mcp:read", "mcp:call", "mcp:write"]));
      // This provider holds a client to the scopes that it registered with, which were the first it was told of.
      client.registerAnew();
      expect(await client.call(writes)).toBe("sign in");
      authorization.accessTokenSeconds = 2;
      await person.page.goto(client.leadsTo.href);
      expect(await person.page.getByRole("listitem").allInnerTexts()).toContain("mcp:write");
      await agree(person.page, "ada");
      await client.finish(await back());
      expect(await client.call(writes)).toContain("simple text");
    });

    test("notices nothing when the access token runs out", async () => {
      const before = authorization.grants.length;
      const token = client.tokens?.access_token ?? "";
      await until("the token is refused", async () => (await statusWith(token)) === 401);
      authorization.accessTokenSeconds = 3600;
      expect(await client.call(writes)).toContain("simple text");
      expect(new Set(authorization.grants.slice(before))).toEqual(new Set(["refresh_token"]));
      expect(client.tokens?.access_token).not.toBe(token);
    });

    test("is out once the grant is revoked, and has to sign in again", async () => {
      const { access_token: token = "", refresh_token: refreshing = "" } = client.tokens ?? {};
      expect(await statusWith(token)).not.toBe(401);
      await revoke(refreshing);
      await until("the token is refused", async () => (await statusWith(token)) === 401);
      expect(await client.call(reads)).toBe("sign in");
    });

    test("left no token in any address, referrer, page or log", async () => {
      const [asked, shown] = await Promise.all([person.asked(), person.shown()]);
      const everything = [
        ...asked.flatMap(({ url, referrer }) => [url, referrer]),
        ...shown.map(({ html }) => html),
        gateway.child.stdout(),
      ].join("\n");
      expect(authorization.tokens.size).toBeGreaterThan(0);
      expect([...authorization.tokens].filter((token) => everything.includes(token))).toEqual([]);
    });

    /** What the person came back to the app with. */
    async function back(): Promise<URLSearchParams> {
      await person.page.getByRole("heading", { name: "You are back" }).waitFor();
      return app.answers.at(-1) ?? new URLSearchParams();
    }

    // As the application does when the person signs out of it (RFC 7009).
    async function revoke(token: string): Promise<void> {
      const answer = await fetch(`${authorization.issuer}/token/revocation`, {
        method: "POST",
        body: new URLSearchParams({ token, client_id: client.clientId }),
      });
      expect(answer.status).toBe(200);
    }
  });

  async function statusWith(token: string): Promise<number> {
    const answer = await fetch(`${gateway.url}/mcp`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: "{}",
    });
    await answer.body?.cancel();
    return answer.status;
  }
});
