import { hash } from "node:crypto";
import { z } from "zod";
import type { TestGateway } from "../support/gateway.ts";
import { legacyRequest, modernRequest, send, type WireAnswer } from "../support/wire.ts";
import type { Ending, History } from "./history.ts";
import type { LoggedCall } from "./invariants.ts";
import { answerText, type LedgerFailure, type LedgerToolName } from "./ledger-tools.ts";

/** What a call asks of its ledger tool beside its id. */
export interface CallWish {
  delayMs?: number;
  fail?: LedgerFailure;
  failTimes?: number;
  answerBytes?: number;
}

const responseSchema = z.looseObject({
  id: z.unknown(),
  result: z.object({ content: z.array(z.object({ text: z.string() })) }).optional(),
  error: z
    .object({
      code: z.number(),
      message: z.string(),
      data: z.looseObject({ code: z.string(), outcome: z.string().optional() }).optional(),
    })
    .optional(),
});

type Response = z.infer<typeof responseSchema>;

/** Calls ledger tools through a gateway and records what comes back; its ids begin with `run`. */
export class LedgerCalls {
  readonly #gateway: TestGateway;
  readonly #history: History;
  readonly #run: string;
  readonly #session: Record<string, string> | undefined;
  #count = 0;

  /** With the headers of a legacy session it calls as that, else as a modern client. */
  constructor(
    gateway: TestGateway,
    history: History,
    run: string,
    session?: Record<string, string>,
  ) {
    this.#gateway = gateway;
    this.#history = history;
    this.#run = run;
    this.#session = session;
  }

  /** How many calls it made. */
  get count(): number {
    return this.#count;
  }

  /** Makes one call and answers how it ended, under which id. */
  async call(server: string, tool: LedgerToolName, wish: CallWish = {}): Promise<Made> {
    const id = `${this.#run}-${(this.#count += 1)}`;
    const args = { id, ...wish };
    this.#history.invoke({ id, server, tool, expectedText: answerText(tool, args) });
    const params = { name: `${server}__${tool}`, arguments: args };
    const request =
      this.#session === undefined
        ? modernRequest(this.#gateway.key, "tools/call", params, id)
        : legacyRequest(this.#session, "tools/call", params, id);
    const headers = { ...request.headers, traceparent: `00-${traceIdOf(id)}-${spanId}-01` };
    const answer = await send(`${this.#gateway.url}/mcp`, { ...request, headers }).catch(
      (error: unknown) => String(error),
    );
    this.#record(id, answer);
    const ending = this.#history.endingOf(id);
    if (ending === undefined) throw new Error(`${id} did not end`);
    return { id, ending };
  }

  #record(id: string, answer: WireAnswer | string): void {
    const responses = typeof answer === "string" ? [] : responsesIn(answer);
    for (const response of responses) this.#recordResponse(id, response);
    if (responses.length > 0) return;
    const reason =
      typeof answer === "string" ? answer : `HTTP ${answer.status} ${answer.text.slice(0, 200)}`;
    this.#history.lost(id, reason);
  }

  #recordResponse(id: string, { id: rpcId, result, error }: Response): void {
    if (error === undefined) {
      this.#history.ok(id, { rpcId, text: result?.content[0]?.text ?? "" });
      return;
    }
    const { code, message, data } = error;
    this.#history.fail(id, {
      rpcId,
      code: data?.code ?? String(code),
      ...(data?.outcome !== undefined && { outcome: data.outcome }),
      message,
      accepted: code === internalError && !message.includes(unroutable),
    });
  }
}

const spanId = "00f067aa0ba902b7";

// By its trace a call is found again in the call log, whose lists show no arguments.
function traceIdOf(id: string): string {
  return hash("sha256", id).slice(0, 32);
}

/** A call that was made. */
export interface Made {
  readonly id: string;
  readonly ending: Ending;
}

const internalError = -32603;
/** How the gateway words that it has no route to a tool because its server is missing. */
const unroutable = "cannot be reached: server";

function responsesIn(answer: WireAnswer): Response[] {
  const type = String(answer.headers["content-type"] ?? "");
  const texts = type.includes("text/event-stream")
    ? answer.text
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice("data:".length).trim())
    : [answer.text];
  return texts.flatMap((text) => responseIn(text) ?? []);
}

// What was broken off is no response, and neither is a notification.
function responseIn(text: string): Response | undefined {
  try {
    const response = responseSchema.parse(JSON.parse(text));
    return response.result === undefined && response.error === undefined ? undefined : response;
  } catch {
    return undefined;
  }
}

const rowSchema = z.looseObject({
  at: z.string(),
  outcome: z.string(),
  traceId: z.string().optional(),
});

const pageSchema = z.object({ calls: z.array(rowSchema), next: z.string().optional() });

const pagesMax = 200;

/** Which of these calls are in the call log, since a time in epoch milliseconds; one for each row. */
export async function loggedCalls(
  gateway: TestGateway,
  since: number,
  ids: readonly string[],
): Promise<LoggedCall[]> {
  const idOf = new Map(ids.map((id) => [traceIdOf(id), id]));
  const found: LoggedCall[] = [];
  let before = "";
  for (let page = 0; page < pagesMax; page++) {
    const { body } = await gateway.api("GET", `/api/calls?limit=500${before}`);
    const { calls, next } = pageSchema.parse(body);
    for (const { at, outcome, traceId = "" } of calls) {
      const id = idOf.get(traceId);
      if (id !== undefined && Date.parse(at) >= since) found.push({ id, outcome });
    }
    const last = calls.at(-1);
    if (next === undefined || last === undefined || Date.parse(last.at) < since) return found;
    before = `&before=${encodeURIComponent(next)}`;
  }
  throw new Error("the call log has too many pages");
}
