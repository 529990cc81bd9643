/**
 * A call to a server that its caller is not connected to yet. The tool stays listed, and the call is answered with a link to
 * the page where a person connects, in the way its client can take it: as a URL elicitation where it says that it shows
 * those, else as text.
 *
 * A client of 2026-07-28 calls again once its user has agreed to open the link; that call waits for a while until the
 * connection is made, so that the two meet.
 */
import { wishOf, type Principal, type Wish } from "../access/index.ts";
import type { SignalboxError } from "../foundation/index.ts";
import {
  RPC,
  errorResponse,
  isJsonObject,
  stringify,
  type Envelope,
  type Era,
  type JsonObject,
  type JsonRpcRequest,
  type RequestId,
} from "../protocol/index.ts";

/** Where connections are made. */
export interface ConsentPort {
  /** Undefined where it is not this caller's to connect. */
  linkFor(principal: Principal, wish: Wish): { readonly url: string } | undefined;
  /** Resolves with false where nobody connected in time; may reject with SignalboxError. */
  connectedWithin(
    principal: Principal,
    server: string,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<boolean>;
}

/** Who asked for what, and what its client can take. */
export interface Asking {
  readonly era: Era;
  readonly principal: Principal;
  readonly message: Pick<JsonRpcRequest, "id" | "method">;
  readonly session:
    | { readonly revision: { readonly id: string }; readonly capabilities: JsonObject }
    | undefined;
  readonly envelope: Pick<Envelope, "capabilities">;
  readonly requestId: string;
}

/** Under this name a client is asked, and answers. */
const ASKED = "signalbox-connect";

/** Takes the client's answer out of a repeated request, which is not the server's business; undefined where there is none. */
export function takeConsentAnswer(
  params: JsonObject | undefined,
): "accept" | "decline" | undefined {
  const responses = params?.["inputResponses"];
  if (params === undefined || !isJsonObject(responses)) return undefined;
  const answer = responses[ASKED];
  if (!isJsonObject(answer)) return undefined;
  const { [ASKED]: _, ...others } = responses;
  if (Object.keys(others).length > 0) params["inputResponses"] = others;
  else delete params["inputResponses"];
  return answer["action"] === "accept" ? "accept" : "decline";
}

/** The whole answer to a call that needs consent; undefined where there is no link to give. */
export function consentAnswer(
  start: Asking,
  error: SignalboxError,
  consent: ConsentPort | undefined,
  mayAsk: boolean,
): string | undefined {
  const wish = wishOf(error);
  const link = wish && consent?.linkFor(start.principal, wish);
  if (wish === undefined || link === undefined) return undefined;
  const { era, message, session, envelope } = start;
  const { url } = link;
  const said = `Server "${wish.server}" needs your consent before it can be used. Open this link, then try again.`;
  if (
    mayAsk &&
    era === "modern" &&
    takesUrls(envelope.capabilities) &&
    MAY_ASK.has(message.method)
  ) {
    const params = { mode: "url", message: said, url };
    const inputRequests = { [ASKED]: { method: "elicitation/create", params } };
    return resultText(message.id, { resultType: "input_required", inputRequests });
  }
  if (session?.revision.id === REVISION_WITH_URLS && takesUrls(session.capabilities)) {
    const elicitation = { mode: "url", elicitationId: start.requestId, url, message: said };
    const data = { elicitations: [elicitation] };
    return stringify(errorResponse(message.id, RPC.urlElicitationRequired, said, data));
  }
  const text = `${said} ${url}`;
  if (message.method === "tools/call") {
    const result: JsonObject = { content: [{ type: "text", text }], isError: true };
    return resultText(
      message.id,
      era === "modern" ? { resultType: "complete", ...result } : result,
    );
  }
  const data = { code: error.code, server: wish.server, url, requestId: start.requestId };
  return stringify(errorResponse(message.id, RPC.internalError, text, data));
}

/** The only revision before today's whose clients can be asked to open a link. */
const REVISION_WITH_URLS = "2025-11-25";
/** What may be answered with a question. */
const MAY_ASK: ReadonlySet<string> = new Set(["tools/call", "prompts/get", "resources/read"]);

function takesUrls(capabilities: JsonObject): boolean {
  const { elicitation } = capabilities;
  return isJsonObject(elicitation) && isJsonObject(elicitation["url"]);
}

function resultText(id: RequestId, result: JsonObject): string {
  return stringify({ jsonrpc: "2.0", id, result });
}
