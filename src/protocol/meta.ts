/** The reserved `_meta` keys of 2026-07-28 (basic, "_meta") and our own. */
export const META = {
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  logLevel: "io.modelcontextprotocol/logLevel",
  serverInfo: "io.modelcontextprotocol/serverInfo",
  subscriptionId: "io.modelcontextprotocol/subscriptionId",
  /** Lists name here the servers whose part is missing or old, and why. */
  missing: "signalbox/missing",
  /** How long the caller waits for the answer, in milliseconds; what is left of it goes on to the server. */
  timeoutMs: "signalbox/timeoutMs",
} as const;
