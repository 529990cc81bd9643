// A defined service with its settings: what a gateway serves. Nothing is connected before the first call; those that come
// meanwhile wait for the same connection. A connection that could not be made is tried anew by the next call.
import type { z } from "zod";
import { orAborted } from "./clock.ts";
import type { ServiceContext, ServiceLog } from "./service-context.ts";
import type {
  PoolStatus,
  RateStatus,
  Service,
  ServiceDefinition,
  ServiceHealth,
  ServiceRuntime,
} from "./service.ts";
import { secretsIn } from "./settings.ts";
import { failureOf, issuesText, type Caller, type Tool, type ToolContext } from "./tool.ts";
import type { ToolResult } from "./tool-result.ts";

/**
 * A service with its settings, ready to be served. Throws TypeError, which names the settings and shows no value, where the
 * options do not fit.
 */
export function openService<Options extends z.ZodObject, Runtime extends ServiceRuntime>(
  definition: ServiceDefinition<Options, Runtime>,
  options: unknown,
  context: Omit<ServiceContext, "signal" | "secrets">,
): OpenService<Runtime> {
  const parsed = definition.settings.options.safeParse(options);
  if (!parsed.success) throw new TypeError(issuesText(parsed.error));
  const secrets = secretsIn(definition.settings.options, parsed.data);
  return new OpenService(definition, (signal) =>
    definition.connect(parsed.data, { ...context, secrets, signal }),
  );
}

export class OpenService<Runtime extends ServiceRuntime = ServiceRuntime> implements Service {
  readonly name: string;
  readonly title?: string;
  readonly version: string;
  readonly description: string;
  readonly tools: readonly Tool[];
  readonly #connect: (signal: AbortSignal) => Runtime | Promise<Runtime>;
  #connection: Connection<Runtime> | undefined;
  #holders = 0;

  constructor(
    about: Pick<Service, "name" | "title" | "version" | "description"> & {
      readonly tools: readonly Tool<Runtime>[];
    },
    connect: (signal: AbortSignal) => Runtime | Promise<Runtime>,
  ) {
    this.name = about.name;
    if (about.title !== undefined) this.title = about.title;
    this.version = about.version;
    this.description = about.description;
    this.#connect = connect;
    this.tools = about.tools.map((tool) => ({
      ...tool,
      run: (args: unknown, context: ToolContext) => this.#run(tool, args, context),
    }));
  }

  /** Whether there is a connection, or one is being made. */
  get connected(): boolean {
    return this.#connection !== undefined;
  }

  /** Asks the vendor how it is; undefined where nothing is connected, or the service cannot tell. Never rejects. */
  async health(signal: AbortSignal): Promise<ServiceHealth | undefined> {
    const runtime = this.#connection?.runtime;
    if (runtime?.health === undefined) return undefined;
    try {
      return await orAborted(runtime.health(signal), signal);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { status: "down", message };
    }
  }

  /** What is left of the vendor's limits; nothing before the first call. */
  rateStatus(): readonly RateStatus[] {
    return this.#connection?.runtime?.rateStatus?.() ?? [];
  }

  /** The connections it keeps; none before the first call. */
  pools(): readonly PoolStatus[] {
    return this.#connection?.runtime?.pools?.() ?? [];
  }

  hold(): AsyncDisposable {
    this.#holders++;
    let held = true;
    return {
      [Symbol.asyncDispose]: async () => {
        if (!held) return;
        held = false;
        if (--this.#holders === 0) await this.close();
      },
    };
  }

  /** Closes what is open; a later call connects anew. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.abort.abort(new Error(`The service "${this.name}" was closed`));
    const runtime = await connection?.opening.catch(() => undefined);
    await runtime?.close?.();
  }

  #run(tool: Tool<Runtime>, args: unknown, context: ToolContext): ToolResult | Promise<ToolResult> {
    const { runtime } = this.#connected();
    if (runtime !== undefined) return tool.run(args, new RuntimeContext(context, runtime));
    return this.#runLater(tool, args, context);
  }

  async #runLater(tool: Tool<Runtime>, args: unknown, context: ToolContext): Promise<ToolResult> {
    let runtime: Runtime;
    try {
      runtime = await orAborted(this.#connected().opening, context.signal);
    } catch (error) {
      return failureOf(error);
    }
    return tool.run(args, new RuntimeContext(context, runtime));
  }

  #connected(): Connection<Runtime> {
    this.#connection ??= this.#open();
    return this.#connection;
  }

  #open(): Connection<Runtime> {
    const abort = new AbortController();
    const opening = (async () => this.#connect(abort.signal))();
    const connection: Connection<Runtime> = { opening, abort, runtime: undefined };
    opening.then(
      (runtime) => {
        connection.runtime = runtime;
        return runtime;
      },
      () => {
        if (this.#connection === connection) this.#connection = undefined;
      },
    );
    return connection;
  }
}

interface Connection<Runtime> {
  readonly opening: Promise<Runtime>;
  readonly abort: AbortController;
  runtime: Runtime | undefined;
}

/** The gateway's context of a call, with what the service works with. What the gateway makes only when asked for stays so. */
class RuntimeContext<Runtime> implements ToolContext<Runtime> {
  readonly runtime: Runtime;
  readonly #of: ToolContext;

  constructor(of: ToolContext, runtime: Runtime) {
    this.#of = of;
    this.runtime = runtime;
  }

  get principal(): Caller {
    return this.#of.principal;
  }

  get signal(): AbortSignal {
    return this.#of.signal;
  }

  get requestId(): string {
    return this.#of.requestId;
  }

  get idempotencyKey(): string {
    return this.#of.idempotencyKey;
  }

  get log(): ServiceLog {
    return this.#of.log;
  }

  // Handlers take it out of the context.
  readonly progress = (done: number, total?: number, message?: string): void => {
    this.#of.progress(done, total, message);
  };
}
