/** JSON over node:http, for small servers of the tests. */
import type { IncomingMessage, ServerResponse } from "node:http";

const bodyCharactersMax = 1_000_000;

/** The whole body as text; throws where it is too long. */
export async function bodyOf(incoming: IncomingMessage): Promise<string> {
  let text = "";
  incoming.setEncoding("utf8");
  for await (const chunk of incoming) {
    text += String(chunk);
    if (text.length > bodyCharactersMax) throw new Error("the body is too long");
  }
  return text;
}

export function sendJson(outgoing: ServerResponse, value: object): void {
  outgoing.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}
