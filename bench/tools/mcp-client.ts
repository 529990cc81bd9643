/** One user of an MCP endpoint for load: a connection, and what its era puts into every request. */
import {
  HttpConnection,
  headerOf,
  requestBytes,
  type Answer,
  type Done,
} from "./http-connection.ts";

export type Era = "modern" | "legacy";

/** An endpoint to call: its address, the era to speak, and the headers it wants besides (its key). */
export interface Endpoint {
  readonly url: string;
  readonly era: Era;
  readonly headers?: Readonly<Record<string, string>>;
}

const MODERN = "2026-07-28";
const LEGACY = "2025-11-25";
const CLIENT = { name: "bench", version: "1" };
const ENVELOPE = JSON.stringify({
  "io.modelcontextprotocol/protocolVersion": MODERN,
  "io.modelcontextprotocol/clientInfo": CLIENT,
  "io.modelcontextprotocol/clientCapabilities": {},
});

export class McpClient {
  readonly #endpoint: Endpoint;
  readonly #url: URL;
  readonly #connection: HttpConnection;
  #session: string | undefined;
  #head = "";
  #lastId = 0;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#url = new URL(endpoint.url);
    this.#connection = new HttpConnection(this.#url);
  }

  get connection(): HttpConnection {
    return this.#connection;
  }

  /** Opens a session where the era has one. */
  async open(): Promise<this> {
    if (this.#endpoint.era === "modern") return this;
    const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: CLIENT };
    const hello = { jsonrpc: "2.0", id: 0, method: "initialize", params };
    const answer = await this.#connection.ask(this.#post({}, JSON.stringify(hello)));
    if (answer.status !== 200) throw new Error(`initialize was answered ${describe(answer)}`);
    this.#session = headerOf(answer.head, "mcp-session-id");
    const ready = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
    await this.#connection.ask(this.#post(this.#sessionHeaders(), ready));
    return this;
  }

  /** Prepares `call`: everything in front of the length and the body, which alone change from call to call. */
  prepare(method: string, tool: string | undefined): void {
    const all = { ...BASE, ...this.#endpoint.headers, ...this.#callHeaders(method, tool) };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    const { pathname, search, host } = this.#url;
    this.#head = `POST ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\n${lines.join("")}content-length: `;
  }

  /** Sends a call as prepared, with the members of its params (ASCII, without the envelope); returns its id. */
  call(method: string, members: string, done: Done): number {
    const id = ++this.#lastId;
    const meta = this.#endpoint.era === "modern" ? `"_meta":${ENVELOPE}` : "";
    const params = [members, meta].filter((part) => part !== "").join(",");
    const body = `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{${params}}}`;
    const bytes = Buffer.from(`${this.#head}${body.length}\r\n\r\n${body}`, "latin1");
    this.#connection.send(bytes, done);
    return id;
  }

  /** One call outside of any measurement; its result, or an error with what came instead. */
  async ask(method: string, tool: string | undefined, members: string): Promise<unknown> {
    this.prepare(method, tool);
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.call(method, members, (error, got) => {
        if (error === undefined) resolve(got);
        else reject(error);
      });
    });
    const message = messageIn(answer);
    const result = memberOf(message, "result");
    if (result === undefined) throw new Error(`${method} was answered ${describe(answer)}`);
    return result;
  }

  /** Opens the session's GET stream on this very connection; its HTTP status. */
  stream(): Promise<number> {
    const headers = { ...BASE, ...this.#endpoint.headers, ...this.#sessionHeaders() };
    return this.#connection.stream(
      requestBytes("GET", this.#url, { ...headers, accept: "text/event-stream" }),
    );
  }

  /** Ends the session, as a client that behaves does. */
  async close(): Promise<void> {
    if (this.#session !== undefined) {
      const headers = { ...this.#endpoint.headers, ...this.#sessionHeaders() };
      const bytes = requestBytes("DELETE", this.#url, headers);
      await this.#connection.ask(bytes).catch(() => undefined);
    }
    this.#connection.close();
  }

  #post(headers: Record<string, string>, body: string): Buffer {
    return requestBytes(
      "POST",
      this.#url,
      { ...BASE, ...this.#endpoint.headers, ...headers },
      body,
    );
  }

  #callHeaders(method: string, tool: string | undefined): Record<string, string> {
    if (this.#endpoint.era === "legacy") return this.#sessionHeaders();
    return {
      "mcp-protocol-version": MODERN,
      "mcp-method": method,
      ...(tool === undefined ? {} : { "mcp-name": tool }),
    };
  }

  #sessionHeaders(): Record<string, string> {
    return {
      "mcp-protocol-version": LEGACY,
      ...(this.#session === undefined ? {} : { "mcp-session-id": this.#session }),
    };
  }
}

const BASE = {
  accept: "application/json, text/event-stream",
  "content-type": "application/json",
};

/** The JSON-RPC response in an answer, be it JSON or an event stream; undefined where there is none. */
export function messageIn(answer: Answer): unknown {
  const text = answer.body.toString("utf8");
  try {
    if (!isEvents(answer)) return JSON.parse(text);
    for (const event of text.split("\n\n")) {
      if (!event.startsWith("data:") && !event.includes("\ndata:")) continue;
      const data = event.slice(event.indexOf("data:") + 5);
      if (data.trim() === "") continue;
      const message: unknown = JSON.parse(data);
      if (memberOf(message, "id") !== undefined) return message;
    }
  } catch {
    return undefined;
  }
  return undefined;
}

/** A member of something that may be an object. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** The status and the beginning of the body, for an error. */
export function describe(answer: Answer): string {
  return `${answer.status} ${answer.body.toString("utf8", 0, 200)}`;
}

function isEvents(answer: Answer): boolean {
  return headerOf(answer.head, "content-type")?.startsWith("text/event-stream") === true;
}
