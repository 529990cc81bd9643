// A real browser: the operating system's Chromium, without a window, watched for what no page of ours may do.
// It speaks to this process over a pipe and ends when that closes, so that it outlives no test, however that ends. It reaches
// this machine only: what pages fetch from elsewhere is not found.
import { existsSync } from "node:fs";
import axe from "axe-core";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { z } from "zod";

const path = "/usr/bin/chromium";

/** Whether there is a Chromium; where there is none that is said aloud. */
export function hasChromium(): boolean {
  if (existsSync(path)) return true;
  process.stderr.write(
    "\n*** Chromium is not installed: the tests in a browser are SKIPPED. On Debian: apt-get install chromium ***\n\n",
  );
  return false;
}

const startWithinMs = 60_000;
/** For whatever a person waits: a page that opens, a button that appears. */
const waitMs = 20_000;

/** A running Chromium; each person in it has a profile of their own. */
export class Chromium implements AsyncDisposable {
  readonly #browser: Browser;

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<Chromium> {
    const browser = await chromium.launch({
      executablePath: path,
      timeout: startWithinMs,
      args: [
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        // Chromium's sandbox refuses to work for root.
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      ],
    });
    return new Chromium(browser);
  }

  /** A person with an empty profile. */
  async person(): Promise<Person> {
    const context = await this.#browser.newContext();
    context.setDefaultTimeout(waitMs);
    await context.addInitScript({ content: tellViolations });
    const page = await context.newPage();
    return new Person(context, page);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

// Inside of pages, where a violation of the page's policy is an event.
const tellViolations = `addEventListener("securitypolicyviolation", (event) =>
  console.error("violates its policy:", event.effectiveDirective, event.blockedURI))`;

/** A request that a person's browser made. */
export interface Asked {
  readonly url: string;
  /** "" where it told none. */
  readonly referrer: string;
  /** "" where it told none. */
  readonly origin: string;
}

/** A page as it stood when it had come. */
export interface Shown {
  readonly url: string;
  readonly html: string;
}

/** Somebody at the browser: one page, and all that it asked for, showed and complained of. */
export class Person implements AsyncDisposable {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #complaints: { readonly at: string; readonly text: string }[] = [];
  readonly #asked: Promise<Asked>[] = [];
  readonly #shown: Promise<Shown>[] = [];

  constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    context.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning")
        this.#complaints.push({ at: message.location().url || page.url(), text: message.text() });
    });
    context.on("weberror", (error) => {
      this.#complaints.push({ at: page.url(), text: String(error.error()) });
    });
    context.on("request", (request) => {
      const asked = async (): Promise<Asked> => {
        const { referer = "", origin = "" } = await request.allHeaders();
        return { url: request.url(), referrer: referer, origin };
      };
      this.#asked.push(asked());
    });
    page.on("domcontentloaded", () => {
      const url = page.url();
      // A page that is left at once shows nothing.
      const html = page.content().catch(() => "");
      this.#shown.push(html.then((read) => ({ url, html: read })));
    });
  }

  /**
   * The errors and warnings in the console at pages of an origin, violations of their policy included. That a page came with
   * a status of failure, which Chromium tells as well, is none.
   */
  complaintsAt(origin: string): string[] {
    return this.#complaints
      .filter(({ at, text }) => at.startsWith(origin) && !failureStatus.test(text))
      .map(({ at, text }) => `${new URL(at).pathname}: ${text}`);
  }

  /** Everything that the browser has asked for so far. */
  async asked(): Promise<readonly Asked[]> {
    return await Promise.all(this.#asked);
  }

  /** The pages that were shown so far. */
  async shown(): Promise<readonly Shown[]> {
    return await Promise.all(this.#shown);
  }

  /** What axe finds wrong with the page as it stands, for people who cannot see, point or tell colours, in light and in dark. */
  async barriers(): Promise<string[]> {
    const found: string[] = [];
    for (const colorScheme of ["light", "dark"] as const) {
      await this.page.emulateMedia({ colorScheme });
      await this.page.evaluate(axe.source);
      const { violations } = axeAnswer.parse(await this.page.evaluate("axe.run(document)"));
      for (const { id, help, nodes } of violations)
        found.push(`${colorScheme}: ${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
    }
    await this.page.emulateMedia({ colorScheme: null });
    return found;
  }

  /** Presses Tab until an element with this name has the focus; throws when there is none to get to. */
  async tabTo(name: string): Promise<void> {
    for (let presses = 0; presses < tabsMax; presses++) {
      await this.page.keyboard.press("Tab");
      if ((await this.page.evaluate(nameOfFocused)) === name) return;
    }
    throw new Error(`Tab does not get to "${name}" on ${this.page.url()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
  }
}

const failureStatus = /^Failed to load resource: the server responded with a status of [45]\d\d/;
const axeAnswer = z.object({
  violations: z.array(
    z.object({
      id: z.string(),
      help: z.string(),
      nodes: z.array(z.object({ html: z.string() })),
    }),
  ),
});
const tabsMax = 40;
const nameOfFocused = `document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent`;
