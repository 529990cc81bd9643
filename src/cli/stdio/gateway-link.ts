import { setTimeout as sleep } from "node:timers/promises";
import { authorization, unreachable } from "../api-client.ts";
import { CliError, exitCodes } from "../exit-code.ts";
import type { GatewayAddress } from "../gateway-address.ts";
import { neverSent, send } from "../http-send.ts";
import type { HttpAnswer, HttpRequest } from "../http-send.ts";
import { mcpUrl } from "../mcp/modern-request.ts";

export interface LinkRequest {
  method: HttpRequest["method"];
  headers: Readonly<Record<string, string>>;
  body?: string;
  signal: AbortSignal;
}

/** Waits between attempts to reach a gateway that is gone: it may be restarting, on another port. About four seconds. */
const retryDelaysMs = [100, 250, 500, 1000, 2000];

/**
 * The way to the gateway's MCP endpoint. A request that certainly was not sent is tried again, each time at the address
 * the gateway has then; anything else is never sent twice.
 */
export class GatewayLink {
  readonly #find: () => Promise<GatewayAddress>;
  readonly #bundle: string | undefined;
  #address: Promise<GatewayAddress> | undefined;

  constructor(options: { find: () => Promise<GatewayAddress>; bundle: string | undefined }) {
    this.#find = options.find;
    this.#bundle = options.bundle;
  }

  address(): Promise<GatewayAddress> {
    this.#address ??= this.#find();
    return this.#address;
  }

  /** Rejects with CliError when no gateway answers, and with AbortError when the signal is aborted. */
  async send(request: LinkRequest): Promise<HttpAnswer> {
    for (const delayMs of retryDelaysMs) {
      const answer = await this.#attempt(request);
      if (!(answer instanceof CliError)) return answer;
      await sleep(delayMs, undefined, { signal: request.signal });
    }
    const answer = await this.#attempt(request);
    if (answer instanceof CliError) throw answer;
    return answer;
  }

  /** The answer, or the failure when the request never left; throws when it may have. */
  async #attempt(request: LinkRequest): Promise<HttpAnswer | CliError> {
    const found = this.address();
    let address: GatewayAddress;
    try {
      address = await found;
    } catch (error) {
      this.#forget(found);
      if (error instanceof CliError) return error;
      throw error;
    }
    try {
      return await send({
        ...request,
        url: mcpUrl(address, this.#bundle),
        headers: { ...authorization(address.key), ...request.headers },
      });
    } catch (error) {
      if (request.signal.aborted) throw error;
      this.#forget(found);
      if (neverSent(error)) return unreachable(address, error);
      throw new CliError({
        exitCode: exitCodes.unreachable,
        code: "GATEWAY_LOST",
        message:
          "The connection to the gateway broke before it answered; the request may have been carried out.",
        cause: error,
      });
    }
  }

  #forget(found: Promise<GatewayAddress>): void {
    if (this.#address === found) this.#address = undefined;
  }
}
