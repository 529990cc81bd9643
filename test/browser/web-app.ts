import { createServer } from "node:http";
import { once } from "node:events";

/** An application on this machine that people come back to after they signed in. */
export interface WebApp extends AsyncDisposable {
  readonly redirectUri: string;
  /** What came with those who came back, the last at the end. */
  readonly answers: readonly URLSearchParams[];
}

/** Starts one on an ephemeral port of 127.0.0.1. */
export async function startWebApp(): Promise<WebApp> {
  const answers: URLSearchParams[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    if (url.pathname === "/callback") answers.push(url.searchParams);
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end('<!doctype html><html lang="en"><title>App</title><h1>You are back</h1></html>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the app has no port");
  return {
    redirectUri: `http://127.0.0.1:${address.port}/callback`,
    answers,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
