import type { Command } from "commander";
import { z } from "zod";
import { exitCodes } from "../exit-code.ts";
import { addGlobalOptions, handle } from "../invocation.ts";
import type { RunState } from "../invocation.ts";

/** `signalbox cache show|clear`. */
export function addCacheCommands(program: Command, state: RunState): void {
  const cache = program.command("cache").description("the answers that are kept and given again");
  addGlobalOptions(cache, true);
  addShow(cache, state);
  addClear(cache, state);
}

const statistics = z.looseObject({
  enabled: z.boolean(),
  keys: z.number(),
  bytes: z.number(),
  hits: z.number(),
  misses: z.number(),
  hitRate: z.number().optional(),
});

function addShow(cache: Command, state: RunState): void {
  const command = cache
    .command("show", { isDefault: true })
    .description("what it holds and how often it helps");
  handle(command, state, async ({ api, out }) => {
    const shown = await (await api()).get("/api/cache", statistics);
    const { enabled, keys, bytes, hits, misses, hitRate } = shown;
    out.result(shown, () =>
      enabled
        ? [
            `${counted(keys, "answer")}, ${counted(bytes, "byte")}`,
            `${counted(hits, "hit")}, ${counted(misses, "miss", "misses")}${hitRate === undefined ? "" : `, ${(100 * hitRate).toFixed(1)} % hits`}`,
          ]
        : ["The cache is switched off."],
    );
    return exitCodes.ok;
  });
}

function addClear(cache: Command, state: RunState): void {
  const command = cache
    .command("clear")
    .description("forget all answers, or those of one server, tool or resource")
    .option("--server <name>", "only those of this server")
    .option("--tool <tool>", "only those of this tool of the server")
    .option("--uri <uri>", "only those of this resource of the server");
  handle(command, state, async ({ options, api, out }) => {
    const body = z
      .object({
        server: z.string().optional(),
        tool: z.string().optional(),
        uri: z.string().optional(),
      })
      .parse(options);
    const answer = z.looseObject({ cleared: z.number() });
    const result = await (await api()).post("/api/cache/clear", body, answer);
    out.result(result, () => [`${counted(result.cleared, "answer")} forgotten.`]);
    return exitCodes.ok;
  });
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
