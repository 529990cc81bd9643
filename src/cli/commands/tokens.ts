import type { Command } from "commander";
import { z } from "zod";
import { exitCodes } from "../exit-code.ts";
import { addGlobalOptions, handle, repeatable } from "../invocation.ts";
import type { RunState } from "../invocation.ts";

const createOptions = z.object({
  name: z.string().optional(),
  role: z.string(),
  bundle: z.array(z.string()).optional(),
  expiresIn: z.string().optional(),
});

const createdToken = z.looseObject({ token: z.string(), expiresAt: z.string() });

/** `signalbox tokens create`. */
export function addTokensCommands(program: Command, state: RunState): void {
  const tokens = program
    .command("tokens")
    .description("make tokens signed with JWT_SECRET, which end by themselves");
  addGlobalOptions(tokens, true);
  const command = tokens
    .command("create")
    .description("make a token; it is shown once and cannot be revoked")
    .argument("<subject>", "who it is for")
    .option("--name <name>", "as logs show it")
    .option("--role <role>", "caller or operator", "caller")
    .option("--bundle <bundle>", "allow only this bundle (repeatable)", repeatable)
    .option("--expires-in <duration>", "such as 8h; default and most: JWT_EXPIRES_IN");
  handle(command, state, async ({ args, options, api, out }) => {
    const [subject = ""] = args;
    const { name, role, bundle, expiresIn } = createOptions.parse(options);
    const client = await api();
    const body = { subject, role, bundles: bundle ?? "all", name, expiresIn };
    const created = await client.post("/api/tokens", body, createdToken);
    out.note(`This token is shown once. It ends ${created.expiresAt}:`);
    out.result(created, () => created.token);
    return exitCodes.ok;
  });
}
