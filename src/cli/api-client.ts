import { z } from "zod";
import { CliError, exitCodeOfStatus, exitCodes, interruptedError } from "./exit-code.ts";
import type { GatewayAddress } from "./gateway-address.ts";
import { readText, send } from "./http-send.ts";
import type { HttpAnswer, HttpRequest } from "./http-send.ts";
import { remedyOf } from "./remedy.ts";

/** An answer of the API larger than this is refused. */
const answerBytesMax = 64 * 1024 * 1024;

/** Speaks to the gateway's HTTP API; every failure is a CliError that says which exit code it ends with. */
export class ApiClient {
  readonly address: GatewayAddress;
  readonly #signal: AbortSignal;
  readonly #timeoutMs: number;

  constructor(address: GatewayAddress, signal: AbortSignal, timeoutMs = 30_000) {
    this.address = address;
    this.#signal = signal;
    this.#timeoutMs = timeoutMs;
  }

  get<T>(path: string, shape: z.ZodType<T>): Promise<T> {
    return this.#request({ method: "GET", path }, shape);
  }

  post<T>(path: string, body: unknown, shape: z.ZodType<T>, timeoutMs?: number): Promise<T> {
    return this.#request(
      { method: "POST", path, body, ...(timeoutMs ? { timeoutMs } : {}) },
      shape,
    );
  }

  put<T>(path: string, body: unknown, shape: z.ZodType<T>): Promise<T> {
    return this.#request({ method: "PUT", path, body }, shape);
  }

  async delete(path: string): Promise<void> {
    await this.#request({ method: "DELETE", path }, z.unknown());
  }

  /** As `delete`, where the answer says something. */
  remove<T>(path: string, shape: z.ZodType<T>): Promise<T> {
    return this.#request({ method: "DELETE", path }, shape);
  }

  /** An answer piece by piece, as it comes, for what may be too large to hold; it may take as long as it takes. */
  async stream(path: string): Promise<AsyncIterable<Uint8Array>> {
    const begun = new AbortController();
    const deadline = setTimeout(() => begun.abort(), this.#timeoutMs);
    try {
      const signal = AbortSignal.any([this.#signal, begun.signal]);
      const answer = await this.#send({ method: "GET", path }, signal);
      if (answer.status < 400) return this.#pieces(answer);
      throw refusal(this.address, answer, await readText(answer.body, answerBytesMax));
    } catch (error) {
      throw this.#failure(error, begun.signal);
    } finally {
      clearTimeout(deadline);
    }
  }

  async *#pieces({ body }: HttpAnswer): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of body as AsyncIterable<Buffer>) yield piece;
    } catch (cause) {
      if (this.#signal.aborted) throw interruptedError();
      throw new CliError({
        exitCode: exitCodes.failed,
        code: "ANSWER_INCOMPLETE",
        message: `The answer of ${this.address.url} broke off before its end.`,
        cause,
      });
    }
  }

  async #request<T>(request: Asking & { timeoutMs?: number }, shape: z.ZodType<T>): Promise<T> {
    const deadline = AbortSignal.timeout(request.timeoutMs ?? this.#timeoutMs);
    const signal = AbortSignal.any([this.#signal, deadline]);
    try {
      return await this.#read(await this.#send(request, signal), shape);
    } catch (error) {
      throw this.#failure(error, deadline);
    }
  }

  async #send({ method, path, body }: Asking, signal: AbortSignal): Promise<HttpAnswer> {
    return await send({
      method,
      url: `${this.address.url}${path}`,
      headers: {
        accept: "application/json",
        ...authorization(this.address.key),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    });
  }

  #failure(error: unknown, deadline: AbortSignal): CliError {
    if (error instanceof CliError) return error;
    if (this.#signal.aborted) return interruptedError();
    return unreachable(this.address, error, deadline.aborted);
  }

  async #read<T>(answer: HttpAnswer, shape: z.ZodType<T>): Promise<T> {
    const text = await readText(answer.body, answerBytesMax);
    if (answer.status >= 400) throw refusal(this.address, answer, text);
    const parsed = shape.safeParse(text === "" ? undefined : parseAnswer(text));
    if (parsed.success) return parsed.data;
    throw new CliError({
      exitCode: exitCodes.failed,
      code: "ANSWER_INVALID",
      message: `${this.address.url} answered something this command does not understand; is it a Signalbox gateway of the same version?`,
      details: z.prettifyError(parsed.error),
    });
  }
}

interface Asking {
  method: HttpRequest["method"];
  path: string;
  body?: unknown;
}

/** The header that carries the key, or nothing. */
export function authorization(key: string | undefined): Record<string, string> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

/** The sentence for a gateway that does not answer: exit code 3. */
export function unreachable(address: GatewayAddress, cause: unknown, timedOut = false): CliError {
  const what = timedOut ? "did not answer in time" : "does not answer";
  return new CliError({
    exitCode: exitCodes.unreachable,
    code: "GATEWAY_UNREACHABLE",
    message:
      address.home === undefined
        ? `The gateway at ${address.url} ${what}.`
        : `The gateway for ${address.home} (${address.url}) ${what}: start it with \`npm start\`.`,
    ...(address.home === undefined && {
      remedy: "Check --url or SIGNALBOX_URL, and that the gateway runs there.",
    }),
    cause,
  });
}

const errorBody = z.looseObject({
  code: z.string(),
  message: z.string(),
  details: z.unknown().optional(),
  requestId: z.string().optional(),
});

/** The error an HTTP answer of the gateway stands for, with its code, sentence and exit code. */
export function refusal(
  address: GatewayAddress,
  answer: { status: number },
  text: string,
): CliError {
  const parsed = errorBody.safeParse(parseAnswer(text));
  const exitCode = exitCodeOfStatus(answer.status);
  if (!parsed.success) {
    return new CliError({
      exitCode,
      code: `HTTP_${String(answer.status)}`,
      message: `${address.url} answered with HTTP status ${String(answer.status)}.`,
    });
  }
  const { code, message, details, requestId } = parsed.data;
  const remedy = code === "KEY_MISSING" ? address.keyHint : remedyOf(code);
  return new CliError({
    exitCode,
    code,
    message,
    details,
    ...(requestId === undefined ? {} : { requestId }),
    ...(remedy === undefined ? {} : { remedy }),
  });
}

function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
