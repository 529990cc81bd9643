/** A browser as far as a consent needs one: it keeps cookies, follows redirects and links, and sends forms. */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();

  /** The page at the end of all redirects. */
  async open(url: string, form?: Record<string, string>): Promise<Page> {
    let address = new URL(url);
    let body = form && new URLSearchParams(form).toString();
    for (let hop = 0; hop < 20; hop++) {
      const response = await fetch(address, {
        method: body === undefined ? "GET" : "POST",
        redirect: "manual",
        headers: {
          cookie: this.#header(address),
          ...(body !== undefined && { "content-type": "application/x-www-form-urlencoded" }),
        },
        ...(body !== undefined && { body }),
      });
      this.#keep(address, response.headers.getSetCookie());
      const location = response.headers.get("location");
      const text = await response.text();
      if (response.status < 300 || response.status >= 400 || location === null)
        return { url: address, status: response.status, headers: response.headers, text };
      address = new URL(location, address);
      body = undefined;
    }
    throw new Error(`${url} redirects without end`);
  }

  #header(url: URL): string {
    return [...(this.#cookies.get(url.host) ?? [])].map((pair) => pair.join("=")).join("; ");
  }

  #keep(url: URL, lines: readonly string[]): void {
    const jar = this.#cookies.get(url.host) ?? new Map<string, string>();
    for (const line of lines) {
      const [pair = ""] = line.split(";");
      const at = pair.indexOf("=");
      if (/expires=Thu, 01 Jan 1970|max-age=0/i.test(line)) jar.delete(pair.slice(0, at));
      else jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    this.#cookies.set(url.host, jar);
  }
}

export interface Page {
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Opens a link of the gateway, starts with the first server on its page, logs in as `account` and consents. */
export async function consent(browser: Browser, link: string, account: string): Promise<Page> {
  const page = await browser.open(link);
  const start = /class="go" href="([^"]+)"/.exec(page.text)?.[1];
  if (page.status !== 200 || start === undefined) throw new Error(`no start link: ${page.text}`);
  return agree(browser, await browser.open(new URL(unescaped(start), page.url).href), account);
}

/** Fills in the authorization server's forms until it sends the browser back. */
export async function agree(browser: Browser, first: Page, account: string): Promise<Page> {
  let page = first;
  for (let form = 0; form < 5; form++) {
    const action = /<form[^>]* action="([^"]+)"/.exec(page.text)?.[1];
    if (action === undefined || !page.text.includes('name="prompt"')) return page;
    const login = page.text.includes('name="login"');
    page = await browser.open(new URL(unescaped(action), page.url).href, {
      prompt: login ? "login" : "consent",
      ...(login && { login: account, password: "any" }),
    });
  }
  throw new Error("the authorization server asks without end");
}

function unescaped(text: string): string {
  return text.replaceAll("&amp;", "&").replaceAll("&#38;", "&");
}
