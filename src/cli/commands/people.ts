import type { Command } from "commander";
import { z } from "zod";
import type { ApiClient } from "../api-client.ts";
import { listOf, personView } from "../api-shapes.ts";
import type { PersonView } from "../api-shapes.ts";
import type { CliIo } from "../cli-io.ts";
import { CliError, exitCodes, usageError } from "../exit-code.ts";
import { readHidden, refuseValueInArguments } from "../hidden-input.ts";
import { addGlobalOptions, handle } from "../invocation.ts";
import type { Invocation, RunState } from "../invocation.ts";
import { Prompter } from "../prompter.ts";
import { table } from "../table.ts";

/** `signalbox people add|list|disable|enable|reset-password|reset-totp|remove`. */
export function addPeopleCommands(program: Command, state: RunState): void {
  const people = program.command("people").description("who may sign in, and as what");
  addGlobalOptions(people, true);
  people.addHelpText(
    "after",
    `
A password is asked for, or read from standard input, and never taken from the command line.

Examples:
  $ signalbox people add ada --role admin --project '*'
  $ signalbox people add bob --role operator --email bob@example.com --no-password
  $ pass show signalbox/ada | signalbox people reset-password ada
  $ signalbox people disable bob`,
  );
  addAdd(people, state);
  addList(people, state);
  addChange(people, state, {
    name: "disable",
    description: "sign a person out everywhere, and let it in no more",
    done: "disabled",
    change: (client, path) => client.put(path, { disabled: true }, personView),
  });
  addChange(people, state, {
    name: "enable",
    description: "let a person in again",
    done: "enabled",
    change: (client, path) => client.put(path, { disabled: false }, personView),
  });
  addResetPassword(people, state);
  addChange(people, state, {
    name: "reset-totp",
    description: "turn one-time codes off for who has lost the device and the recovery codes",
    question: (name) => `Let ${name} in with the password alone?`,
    done: "turned one-time codes off for",
    change: (client, path) => client.remove(`${path}/totp`, personView),
  });
  addRemove(people, state);
}

const addOptions = z.object({
  role: z.string(),
  email: z.string().optional(),
  project: z.string().optional(),
  password: z.boolean().default(true),
});

function addAdd(people: Command, state: RunState): void {
  const command = people
    .command("add")
    .description("add a person; the password is asked for, or read from standard input")
    .argument("<name>", "what it signs in with")
    .requiredOption("--role <role>", "caller, developer, operator, auditor, admin or an own one")
    .option("--email <address>", "by which the identity provider knows it")
    .option("--project <project>", "whose servers it sees; '*' for all")
    .option("--no-password", "let it in by the identity provider alone")
    .allowExcessArguments()
    .hook("preAction", (_, { args }) => refuseValueInArguments(args));
  handle(command, state, async ({ io, args, options, api, out }) => {
    const [name = ""] = args;
    const { password: wanted, ...given } = addOptions.parse(options);
    const client = await api();
    const password = wanted ? await newPassword(io, name) : undefined;
    const added = await client.post("/api/people", { name, ...given, password }, personView);
    out.result(added, () => `${out.paint.green("added")} ${added.name}`);
    return exitCodes.ok;
  });
}

function addList(people: Command, state: RunState): void {
  const command = people.command("list", { isDefault: true }).description("everyone");
  handle(command, state, async ({ api, out }) => {
    const list = await allPeople(await api());
    out.result({ people: list }, () =>
      list.length === 0
        ? ["Nobody."]
        : table(
            ["NAME", "E-MAIL", "ROLE", "PROJECT", "SIGNS IN WITH", "LAST SIGN-IN", "STATE"],
            list.map(row),
          ),
    );
    return exitCodes.ok;
  });
}

function row(person: PersonView): string[] {
  return [
    person.name,
    person.email ?? "",
    person.role,
    person.project ?? "",
    waysOf(person),
    day(person.lastSignInAt) || "never",
    person.disabledAt === undefined ? "enabled" : `disabled ${day(person.disabledAt)}`,
  ];
}

function waysOf({ hasPassword, totp, provider, email }: PersonView): string {
  const ways = [
    ...(hasPassword === true ? [totp === "on" ? "password + code" : "password"] : []),
    ...(provider !== undefined || email !== undefined ? ["provider"] : []),
  ];
  return ways.join(", ") || "nothing";
}

function day(at: string | undefined): string {
  return at === undefined ? "" : at.slice(0, 16).replace("T", " ");
}

function addResetPassword(people: Command, state: RunState): void {
  const command = people
    .command("reset-password")
    .description("give a person another password and sign it out everywhere")
    .argument("<name>", "its name, e-mail address or id")
    .allowExcessArguments()
    .hook("preAction", (_, { args }) => refuseValueInArguments(args));
  handle(command, state, async ({ io, args, api, out }) => {
    const [wanted = ""] = args;
    const client = await api();
    const { id, name } = pick(await allPeople(client), wanted);
    const password = await newPassword(io, name);
    const person = await client.post(`${pathOf(id)}/password`, { password }, personView);
    out.result(person, () => `${out.paint.green("changed")} the password of ${name}`);
    return exitCodes.ok;
  });
}

interface Change {
  readonly name: string;
  readonly description: string;
  readonly question?: (name: string) => string;
  readonly done: string;
  readonly change: (client: ApiClient, path: string) => Promise<PersonView>;
}

function addChange(people: Command, state: RunState, given: Change): void {
  const { name: verb, description, question, done, change } = given;
  const command = people
    .command(verb)
    .description(description)
    .argument("<name>", "its name, e-mail address or id");
  if (question !== undefined) command.option("-y, --yes", "do not ask");
  handle(command, state, async (invocation) => {
    const { args, api, out } = invocation;
    const [wanted = ""] = args;
    const client = await api();
    const { id, name } = pick(await allPeople(client), wanted);
    if (question !== undefined) await requireYes(invocation, question(name));
    const person = await change(client, pathOf(id));
    out.result(person, () => `${out.paint.green(done)} ${name}`);
    return exitCodes.ok;
  });
}

function addRemove(people: Command, state: RunState): void {
  const command = people
    .command("remove")
    .alias("rm")
    .description("remove a person, who is signed out everywhere")
    .argument("<name>", "its name, e-mail address or id")
    .option("-y, --yes", "do not ask");
  handle(command, state, async (invocation) => {
    const { args, api, out } = invocation;
    const [wanted = ""] = args;
    const client = await api();
    const { id, name } = pick(await allPeople(client), wanted);
    await requireYes(invocation, `Remove ${name}?`);
    await client.delete(pathOf(id));
    out.result({ id, name, removed: true }, () => `${out.paint.green("removed")} ${name}`);
    return exitCodes.ok;
  });
}

async function requireYes({ io, options, out }: Invocation, question: string): Promise<void> {
  using prompter = new Prompter(io);
  if (options["yes"] === true || !prompter.available || out.json) return;
  if (!(await prompter.confirm(question))) throw usageError("Nothing was changed.");
}

const PASSWORD_BYTES_MAX = 1024;

async function newPassword(io: CliIo, name: string): Promise<string> {
  return await readHidden(io, {
    question: `Password of ${name}: `,
    again: "The same again: ",
    what: "password",
    bytesMax: PASSWORD_BYTES_MAX,
  });
}

function pick(list: readonly PersonView[], wanted: string): PersonView {
  const plain = wanted.toLowerCase();
  const person = list.find(({ id, name, email }) => [id, name, email].includes(plain));
  if (person !== undefined) return person;
  throw new CliError({
    exitCode: exitCodes.notFound,
    code: "PERSON_NOT_FOUND",
    message: `There is no person "${wanted}".`,
  });
}

function pathOf(id: string): string {
  return `/api/people/${encodeURIComponent(id)}`;
}

function allPeople(api: ApiClient): Promise<PersonView[]> {
  return api.get("/api/people", listOf("people", personView));
}
