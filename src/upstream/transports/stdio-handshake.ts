// The two ways to open a conversation over stdio, each as one question with a plain answer.
import { messageOf, type SignalboxError } from "../../foundation/index.ts";
import {
  LEGACY_REVISIONS,
  META,
  MODERN_REVISION,
  RPC,
  isJsonObject,
  parseJson,
  type Era,
  type JsonObject,
  type JsonRpcRequest,
} from "../../protocol/index.ts";
import type { ExchangeSink, LaneContext } from "../lane.ts";
import type { StdioChannel } from "./stdio-channel.ts";
import { serverWords } from "../server-words.ts";

/** What was agreed with the server. */
export interface Agreement {
  era: Era;
  revision: string;
  capabilities: JsonObject;
  serverInfo: JsonObject;
  instructions?: string;
}

/** How a server took the opening question. */
export type Opening =
  | { kind: "agreed"; agreement: Agreement }
  /** It answered, but not with what was asked for. */
  | { kind: "refused"; reason: string; code?: number }
  | { kind: "silent"; error: SignalboxError }
  /** The process or the conversation is over. */
  | { kind: "ended"; error: SignalboxError };

/** Asks with `server/discover`, the modern way. */
export async function discover(
  channel: StdioChannel,
  context: LaneContext,
  timeoutMs: number,
): Promise<Opening> {
  const reply = await ask(channel, discovery(context), timeoutMs);
  return reply.kind === "result" ? readDiscovery(reply.result) : reply;
}

/** Asks with `initialize`, the legacy way, and confirms with `notifications/initialized`. */
export async function initialize(
  channel: StdioChannel,
  context: LaneContext,
  timeoutMs: number,
): Promise<Opening> {
  const params = {
    protocolVersion: legacyRevision(context.revision),
    capabilities: context.capabilities,
    clientInfo: context.clientInfo,
  };
  const reply = await ask(channel, request("initialize", params), timeoutMs);
  if (reply.kind !== "result") return reply;
  const opening = readInitialization(reply.result);
  if (opening.kind === "agreed")
    channel.notify({ jsonrpc: "2.0", method: "notifications/initialized" });
  return opening;
}

/** What every server of this era answers at once, if it answers at all. */
export function aliveQuestion(era: Era, context: LaneContext): JsonRpcRequest {
  return era === "modern" ? discovery(context) : request("ping");
}

/** Whether an error can only come from a server that knows the modern protocol. */
export function soundsModern(opening: Opening): boolean {
  return (
    opening.kind === "refused" &&
    (opening.code === RPC.unsupportedProtocolVersion ||
      opening.code === RPC.missingClientCapability)
  );
}

function discovery(context: LaneContext): JsonRpcRequest {
  return request("server/discover", {
    _meta: {
      [META.protocolVersion]: MODERN_REVISION,
      [META.clientInfo]: context.clientInfo,
      [META.clientCapabilities]: context.capabilities,
    },
  });
}

function request(method: string, params?: JsonObject): JsonRpcRequest {
  return { jsonrpc: "2.0", id: method, method, ...(params && { params }) };
}

function legacyRevision(wanted: string | undefined): string {
  const newest = LEGACY_REVISIONS[0] ?? "";
  return wanted !== undefined && LEGACY_REVISIONS.includes(wanted) ? wanted : newest;
}

function readDiscovery(result: JsonObject): Opening {
  const versions = result["supportedVersions"];
  if (!Array.isArray(versions))
    return { kind: "refused", reason: "its answer to server/discover lists no versions" };
  if (!versions.includes(MODERN_REVISION)) {
    const spoken = serverWords(versions.slice(0, 10).map(String).join(", "));
    return { kind: "refused", reason: `it speaks ${spoken}, not ${MODERN_REVISION}` };
  }
  const meta = objectOf(result["_meta"]);
  const serverInfo = objectOf(meta[META.serverInfo] ?? result["serverInfo"]);
  return agreed("modern", MODERN_REVISION, result, serverInfo);
}

function readInitialization(result: JsonObject): Opening {
  const revision = result["protocolVersion"];
  if (typeof revision !== "string")
    return { kind: "refused", reason: "its answer to initialize names no protocol version" };
  const oldest = LEGACY_REVISIONS.at(-1) ?? "";
  if (!LEGACY_REVISIONS.includes(revision) && revision >= oldest)
    return {
      kind: "refused",
      reason: `it wants the unknown protocol version ${serverWords(revision, 40)}`,
    };
  return agreed("legacy", revision, result, objectOf(result["serverInfo"]));
}

function agreed(era: Era, revision: string, result: JsonObject, serverInfo: JsonObject): Opening {
  const agreement: Agreement = {
    era,
    revision,
    capabilities: objectOf(result["capabilities"]),
    serverInfo,
  };
  if (typeof result["instructions"] === "string") agreement.instructions = result["instructions"];
  return { kind: "agreed", agreement };
}

function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

type Reply = { kind: "result"; result: JsonObject } | Exclude<Opening, { kind: "agreed" }>;

function ask(channel: StdioChannel, message: JsonRpcRequest, timeoutMs: number): Promise<Reply> {
  const { promise, resolve } = Promise.withResolvers<Reply>();
  channel.send({ message, timeoutMs, timeoutMaxMs: timeoutMs }, new HandshakeSink(resolve));
  return promise;
}

class HandshakeSink implements ExchangeSink {
  readonly #resolve: (reply: Reply) => void;

  constructor(resolve: (reply: Reply) => void) {
    this.#resolve = resolve;
  }

  answer(body: Buffer): void {
    this.#resolve(readReply(body));
  }

  fail(error: SignalboxError): void {
    this.#resolve({ kind: error.code === "SERVER_TIMEOUT" ? "silent" : "ended", error });
  }

  message(): void {}
  begin(): void {}
  chunk(): boolean {
    return true;
  }
  end(): void {}
}

function readReply(body: Buffer): Reply {
  let answer: unknown;
  try {
    answer = parseJson(body.toString());
  } catch (error) {
    return { kind: "refused", reason: `its answer is not JSON: ${serverWords(messageOf(error))}` };
  }
  if (!isJsonObject(answer)) return { kind: "refused", reason: "its answer is not an object" };
  if (isJsonObject(answer["result"])) return { kind: "result", result: answer["result"] };
  const error = objectOf(answer["error"]);
  const code = error["code"];
  return {
    kind: "refused",
    reason: `it answered with error ${String(code)}: ${serverWords(String(error["message"]), 300)}`,
    ...(typeof code === "number" ? { code } : {}),
  };
}
