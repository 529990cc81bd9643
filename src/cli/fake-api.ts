// For tests: the gateway's HTTP API as the command line needs it, answering what it is told to.
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";

export interface ApiRequest {
  method: string;
  path: string;
  authorization: string | undefined;
  body: unknown;
}

export type Answer = readonly [status: number, body?: unknown];
export type Answers = Readonly<Record<string, Answer | ((request: ApiRequest) => Answer)>>;

export class FakeApi implements AsyncDisposable {
  readonly requests: ApiRequest[] = [];
  readonly #server: Server;
  #answers: Answers;
  #port = 0;

  constructor(answers: Answers) {
    this.#answers = answers;
    this.#server = createServer((request, response) => {
      void this.#handle(request).then(([status, body]) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(body === undefined ? undefined : JSON.stringify(body));
        return undefined;
      });
    });
  }

  /** `answers` by method and path, as in `"GET /api/servers"`; anything else is a 404. */
  static async start(answers: Answers = {}): Promise<FakeApi> {
    const api = new FakeApi(answers);
    api.#server.listen(0, "127.0.0.1");
    await once(api.#server, "listening");
    const address = api.#server.address();
    if (address !== null && typeof address === "object") api.#port = address.port;
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.#port)}`;
  }

  answer(answers: Answers): void {
    this.#answers = { ...this.#answers, ...answers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #handle(request: IncomingMessage): Promise<Answer> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const { method = "", url = "", headers } = request;
    const seen: ApiRequest = {
      method,
      path: url,
      authorization: headers.authorization,
      body: text === "" ? undefined : (JSON.parse(text) as unknown),
    };
    this.requests.push(seen);
    const answer = this.#answers[`${method} ${url}`];
    if (answer === undefined)
      return [404, { code: "NOT_FOUND", message: "Nothing is there.", requestId: "req_1" }];
    return typeof answer === "function" ? answer(seen) : answer;
  }
}
