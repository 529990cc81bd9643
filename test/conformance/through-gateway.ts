// The client command of the suites, with a gateway in between: the scenario's server becomes the only member of a bundle
// of the running gateway at SIGNALBOX_URL, and the everything client is pointed at that bundle.
//
//   SIGNALBOX_URL=… SIGNALBOX_KEY=… node test/conformance/through-gateway.ts <scenario's server>
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { inRoot } from "../support/root.ts";

async function main(): Promise<void> {
  const name = `s${randomBytes(6).toString("hex")}`;
  const url = process.argv.at(-1) ?? "";
  await api("POST", "/api/servers", { name, url });
  try {
    await api("POST", "/api/bundles", { name, include: [`${name}__*`], names: "bare" });
    process.exitCode = await play(`${required("SIGNALBOX_URL")}/mcp/${name}`);
  } finally {
    await api("DELETE", `/api/bundles/${name}`);
    await api("DELETE", `/api/servers/${name}`);
  }
}

async function play(url: string): Promise<number> {
  const client = spawn(process.execPath, [inRoot("test/everything-client/client.ts"), url], {
    stdio: "inherit",
    env: { ...process.env, EVERYTHING_CLIENT_KEY: required("SIGNALBOX_KEY") },
  });
  const [code] = await once(client, "close");
  return typeof code === "number" ? code : 1;
}

async function api(method: string, path: string, body?: unknown): Promise<void> {
  const answer = await fetch(required("SIGNALBOX_URL") + path, {
    method,
    headers: {
      authorization: `Bearer ${required("SIGNALBOX_KEY")}`,
      "content-type": "application/json",
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

await main();
