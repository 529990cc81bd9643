// A person connects to servers behind the gateway: the link that a call was answered with, the gateway's page, the
// authorization server's own pages, and back, all in a real browser. To the browser the authorization server is another site.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { UrlElicitationRequiredError } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import {
  startAuthorizationServer,
  startProtectedServer,
  type AuthorizationServer,
} from "../support/authorization-server.ts";
import { Chromium, hasChromium, type Person } from "../support/chromium.ts";
import { connect, type ConnectedClient } from "../support/client.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { agree, leaving, refuse } from "../support/provider-pages.ts";
import { until } from "../support/until.ts";

describe.skipIf(!hasChromium())("a person who connects to servers in a browser", () => {
  const open = new AsyncDisposableStack();
  let authorization: AuthorizationServer;
  let gateway: TestGateway;
  let chromium: Chromium;
  const persons: Person[] = [];

  beforeAll(async () => {
    authorization = open.use(await startAuthorizationServer({ host: "localhost" }));
    const calendar = open.use(await startProtectedServer(authorization));
    const notes = open.use(await startProtectedServer(authorization));
    chromium = open.use(await Chromium.start());
    gateway = await startGateway({
      settings: { outbound: { allow: ["127.0.0.1:*", "localhost:*"] } },
      servers: {
        calendar: { url: calendar.url, oauth: {} },
        notes: { url: notes.url, oauth: {} },
        wiki: { url: calendar.url, oauth: { mode: "gateway" } },
      },
    });
    open.defer(() => gateway.stop());
  }, 120_000);

  afterAll(() => open.disposeAsync(), 60_000);

  afterEach(async () => {
    await Promise.all(persons.splice(0).map(leave));
  });

  // What holds for every page that anybody was shown here, whatever the test was about.
  async function leave(person: Person): Promise<void> {
    expect(person.complaintsAt(gateway.url)).toEqual([]);
    const [asked, shown] = await Promise.all([person.asked(), person.shown()]);
    const everything = [
      ...asked.flatMap(({ url, referrer }) => [url, referrer]),
      ...shown.map(({ html }) => html),
      gateway.child.stdout(),
    ].join("\n");
    expect([...authorization.tokens].filter((token) => everything.includes(token))).toEqual([]);
    expect(everything).not.toContain(gateway.key);
    expect(shown.filter(({ url }) => /[?&](code|error)=/.test(url))).toEqual([]);
    // Links of the gateway are good for ten minutes: nobody else is told them.
    const elsewhere = asked.filter(({ url }) => !url.startsWith(gateway.url));
    expect(elsewhere.filter(({ referrer }) => referrer.startsWith(gateway.url))).toEqual([]);
    await person[Symbol.asyncDispose]();
  }

  async function somebody(): Promise<Person> {
    const person = await chromium.person();
    persons.push(person);
    return person;
  }

  async function newKey(name: string): Promise<string> {
    const { body } = await gateway.api("POST", "/api/keys", { name });
    return z.object({ key: z.string() }).parse(body).key;
  }

  async function called(key: string, name: string): Promise<string> {
    const client = await connect("client 2.4.0, modern", { url: `${gateway.url}/mcp`, key });
    try {
      return await textOf(client, name);
    } finally {
      await client.close();
    }
  }

  /** Opens the link that a call is answered with. */
  async function shownPage(key: string): Promise<Person> {
    const person = await somebody();
    await person.page.goto(linkIn(await called(key, "calendar__whoami")));
    return person;
  }

  async function connected(key: string, account: string): Promise<Person> {
    const person = await shownPage(key);
    await follow(person, "Connect calendar", account);
    expect(await statusOf(person)).toContain("Connected to calendar.");
    return person;
  }

  test("is shown for which key, and to which servers, before anything is asked elsewhere", async () => {
    const key = await newKey("laptop of ada");
    const { page } = await shownPage(key);
    await page.getByRole("heading", { level: 1, name: "Connect servers" }).waitFor();
    expect(await page.getByText("laptop of ada").count()).toBeGreaterThan(0);
    expect(await page.getByRole("listitem").allInnerTexts()).toEqual([
      expect.stringMatching(/^calendar\s+not connected/),
      expect.stringMatching(/^notes\s+not connected/),
    ]);
    // The connection to the wiki is all callers' and not for this key to make.
    expect(await page.getByText("wiki").count()).toBe(0);
    expect(new URL(page.url()).origin).toBe(gateway.url);
    expect(authorization.grants).toEqual([]);
  });

  test("gets there with the keyboard alone, and the call then works", async () => {
    const key = await newKey("keyboard");
    const person = await shownPage(key);
    const { page } = person;
    await person.tabTo("Connect calendar");
    await leaving(page, () => page.keyboard.press("Enter"));
    // The authorization server's pages put the focus where one begins.
    await page.locator("input:focus").waitFor();
    await page.keyboard.type("kim");
    await page.keyboard.press("Tab");
    await page.keyboard.type("any");
    await leaving(page, () => page.keyboard.press("Enter"));
    await page.locator("button:focus").waitFor();
    await leaving(page, () => page.keyboard.press("Enter"));
    expect(await statusOf(person)).toContain("Connected to calendar.");
    expect(await called(key, "calendar__whoami")).toBe("You are kim");
    expect(authorization.tokens.size).toBeGreaterThan(0);
  });

  test("connects the next server from the page where the last one left off", async () => {
    const key = await newKey("two servers");
    const person = await connected(key, "lou");
    await follow(person, "Connect notes", "lou");
    expect(await statusOf(person)).toContain("Connected to notes.");
    expect(await called(key, "calendar__whoami")).toBe("You are lou");
    expect(await called(key, "notes__whoami")).toBe("You are lou");
    await person.page.reload();
    expect(await statusOf(person)).toContain("Connected to notes.");
  });

  test("is asked by the official client, whose call goes on once the browser is back", async () => {
    const key = await newKey("elicited");
    const person = await somebody();
    const consenting: Promise<void>[] = [];
    const client = new Client(
      { name: "elicits", version: "1" },
      {
        capabilities: { elicitation: { url: {} } },
        versionNegotiation: { mode: { pin: "2026-07-28" } },
      },
    );
    client.setRequestHandler("elicitation/create", ({ params }) => {
      if (!("url" in params)) throw new Error("asked for something else than to open a link");
      consenting.push(openAndConnect(person, params.url, "max"));
      return { action: "accept" as const };
    });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), {
        requestInit: { headers: { authorization: `Bearer ${key}` } },
      }),
    );
    const result = await client.callTool({ name: "calendar__whoami", arguments: {} });
    expect(consenting).toHaveLength(1);
    await Promise.all(consenting);
    expect(result.content).toEqual([{ type: "text", text: "You are max" }]);
    await client.close();
  });

  test("is asked by SDK 1.32.2 through the error of its revision", async () => {
    const key = await newKey("elicited by the old SDK");
    const person = await somebody();
    const client = new OldClient(
      { name: "elicits", version: "1" },
      { capabilities: { elicitation: { url: {} } } },
    );
    await client.connect(
      new OldTransport(new URL(`${gateway.url}/mcp`), {
        requestInit: { headers: { authorization: `Bearer ${key}` } },
      }),
    );
    const whoami = { name: "calendar__whoami", arguments: {} };
    const refusal: unknown = await client.callTool(whoami).catch((error: unknown) => error);
    if (!(refusal instanceof UrlElicitationRequiredError)) throw refusal;
    await openAndConnect(person, refusal.elicitations[0]?.url ?? "", "noa");
    const { content } = await client.callTool(whoami);
    expect(content).toEqual([{ type: "text", text: "You are noa" }]);
    await client.close();
  });

  test("consents once more where a tool takes more, and sees what is allowed then", async () => {
    const key = await newKey("more scopes");
    const person = await connected(key, "oda");
    await person.page.goto(linkIn(await called(key, "calendar__write")));
    await follow(person, "Connect anew: calendar", "oda");
    expect(await called(key, "calendar__write")).toBe("oda wrote");
    const item = await person.page.getByRole("listitem").first().innerText();
    expect(item).toMatch(/mcp:read, mcp:write|mcp:write, mcp:read/);
  });

  test("is not asked again when the token runs out, nor does a call notice", async () => {
    const key = await newKey("renewed");
    authorization.accessTokenSeconds = 4;
    await connected(key, "pam");
    const before = authorization.grants.length;
    const client = await connect("client 2.4.0, modern", { url: `${gateway.url}/mcp`, key });
    await until("the token is renewed", async () => {
      expect(await textOf(client, "calendar__whoami")).toBe("You are pam");
      return authorization.grants.slice(before).includes("refresh_token");
    });
    expect(await textOf(client, "calendar__whoami")).toBe("You are pam");
    authorization.accessTokenSeconds = 3600;
    await client.close();
  });

  test("disconnects on the page: the tokens are revoked, and the next call asks again", async () => {
    const key = await newKey("disconnects");
    const person = await connected(key, "quy");
    expect(await called(key, "calendar__whoami")).toBe("You are quy");
    const before = authorization.revoked.length;
    await person.tabTo("Disconnect calendar");
    await leaving(person.page, () => person.page.keyboard.press("Enter"));
    expect(await statusOf(person)).toContain("Disconnected from calendar.");
    expect(authorization.revoked.slice(before)).toContain("refresh_token");
    expect(linkIn(await called(key, "calendar__whoami"))).toContain(`${gateway.url}/connect?`);
    await follow(person, "Connect calendar", "quy");
    expect(await called(key, "calendar__whoami")).toBe("You are quy");
  });

  test("who says no is told so on the page, and may still say yes", async () => {
    const key = await newKey("refuses");
    const person = await shownPage(key);
    await leaving(person.page, () =>
      person.page.getByRole("link", { name: "Connect calendar" }).click(),
    );
    await refuse(person.page);
    expect(await statusOf(person)).toContain("Not connected to calendar");
    expect(await person.page.getByRole("listitem").first().innerText()).toContain("not connected");
    expect(await person.barriers()).toEqual([]);
    expect(linkIn(await called(key, "calendar__whoami"))).toContain("/connect?");
    await follow(person, "Connect calendar", "rex");
    expect(await called(key, "calendar__whoami")).toBe("You are rex");
  });

  test("can neither begin nor end anything with the links of a page elsewhere than on it", async () => {
    const key = await newKey("shown to another");
    const owner = await connected(key, "sue");
    const stranger = await somebody();
    const start = await owner.page
      .getByRole("link", { name: "Connect anew: calendar" })
      .getAttribute("href");
    await stranger.page.goto(new URL(start ?? "", gateway.url).href);
    await stranger.page.getByRole("alert").waitFor();
    expect(await stranger.barriers()).toEqual([]);
    const action = await owner.page
      .locator("form", { has: owner.page.getByRole("button", { name: "Disconnect calendar" }) })
      .getAttribute("action");
    // The very form of the page, sent in its own browser from a page of another site.
    const forged = `<form method="post" action="${gateway.url}${action}"><button>Win</button></form>`;
    await owner.page.route("http://localhost/forged", (route) =>
      route.fulfill({ contentType: "text/html", body: forged }),
    );
    await owner.page.goto("http://localhost/forged");
    await leaving(owner.page, () => owner.page.getByRole("button").click());
    expect(await owner.page.getByRole("alert").innerText()).toContain("another browser");
    expect(await called(key, "calendar__whoami")).toBe("You are sue");
  });

  test("has no barriers on any page, connected or not, in light and in dark", async () => {
    const person = await somebody();
    await person.page.goto(gateway.url);
    expect(await person.barriers()).toEqual([]);
    const key = await newKey("barriers");
    await person.page.goto(linkIn(await called(key, "calendar__whoami")));
    expect(await person.barriers()).toEqual([]);
    await follow(person, "Connect calendar", "tom");
    expect(await person.barriers()).toEqual([]);
    for (const broken of ["/connect?ticket=broken", "/connect", "/connect/callback"]) {
      await person.page.goto(gateway.url + broken);
      expect(await person.page.getByRole("heading", { level: 1 }).innerText()).toBe(
        "Not connected",
      );
      expect(await person.barriers()).toEqual([]);
    }
  });
});

async function openAndConnect(person: Person, link: string, account: string): Promise<void> {
  await person.page.goto(link);
  await follow(person, "Connect calendar", account);
}

async function follow(person: Person, name: string, account: string): Promise<void> {
  const { page } = person;
  await leaving(page, () => page.getByRole("link", { name, exact: true }).click());
  await agree(page, account);
}

async function statusOf({ page }: Person): Promise<string> {
  return await page.getByRole("status").innerText();
}

async function textOf(client: ConnectedClient, name: string): Promise<string> {
  const { content } = await client.call(name);
  return String(content[0]?.text);
}

function linkIn(answer: string): string {
  return /https?:\/\/\S+/.exec(answer)?.[0] ?? `no link in: ${answer}`;
}
