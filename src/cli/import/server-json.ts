// server.json, the registry's format (schema 2025-12-11): packages become a command, remotes an address. Every argument
// stays one argument: nothing is joined into a line for a shell.
import { z } from "zod";
import type { ServerOptionsSent } from "../server-definition.ts";
import type { FoundEntry, InputQuestion } from "./found-server.ts";

const inputShape = z.looseObject({
  value: z.string().optional(),
  default: z.string().optional(),
  description: z.string().optional(),
  placeholder: z.string().optional(),
  choices: z.array(z.string()).nullish(),
  isRequired: z.boolean().optional(),
  isSecret: z.boolean().optional(),
});
const variablesShape = z.record(z.string(), inputShape);
const namedInput = inputShape.extend({ name: z.string(), variables: variablesShape.optional() });
const argumentShape = inputShape.extend({
  type: z.string().optional(),
  name: z.string().optional(),
  valueHint: z.string().optional(),
  variables: variablesShape.optional(),
});
type Argument = z.infer<typeof argumentShape>;

const packageShape = z.looseObject({
  registryType: z.string(),
  identifier: z.string(),
  version: z.string().optional(),
  runtimeHint: z.string().optional(),
  runtimeArguments: z.array(argumentShape).default([]),
  packageArguments: z.array(argumentShape).default([]),
  environmentVariables: z.array(namedInput).default([]),
  transport: z.looseObject({ type: z.string() }).optional(),
});
type Package = z.infer<typeof packageShape>;

const remoteShape = z.looseObject({
  type: z.string(),
  url: z.string(),
  headers: z.array(namedInput).default([]),
  variables: variablesShape.optional(),
});

const serverShape = z.looseObject({
  name: z.string(),
  packages: z.array(packageShape).default([]),
  remotes: z.array(remoteShape).default([]),
});

/** The one server a server.json describes, or each way it cannot be run; undefined when the file is something else. */
export function serversInServerJson(content: unknown, folder: string): FoundEntry[] | undefined {
  const wrapped = z.looseObject({ server: serverShape }).safeParse(content);
  const parsed = serverShape.safeParse(wrapped.success ? wrapped.data.server : content);
  if (!parsed.success || parsed.data.packages.length + parsed.data.remotes.length === 0)
    return undefined;
  const { name, packages, remotes } = parsed.data;
  const originalName = name.split("/").at(-1) ?? name;
  const ways: Way[] = [...packages.map(wayOfPackage), ...remotes.map(wayOfRemote)];
  const usable = ways.find((way) => "options" in way);
  if (usable === undefined) {
    const reason = ways.map((way) => ("reason" in way ? way.reason : "")).join(" ");
    return [{ kind: "unsupported", originalName, reason }];
  }
  const others = ways.length - 1;
  return [
    {
      kind: "server",
      originalName,
      folder,
      options: usable.options,
      inputs: usable.inputs,
      notes:
        others === 0
          ? []
          : [
              `The file offers ${String(others)} other ${others === 1 ? "way" : "ways"} to run it; this is the first that can be.`,
            ],
    },
  ];
}

type Way = { options: ServerOptionsSent; inputs: Map<string, InputQuestion> } | { reason: string };

const runtimes: Readonly<Record<string, string>> = {
  npm: "npx",
  pypi: "uvx",
  oci: "docker",
  nuget: "dnx",
};

function wayOfPackage(pack: Package): Way {
  const runtime = runtimes[pack.registryType];
  if (runtime === undefined) {
    return {
      reason: `Packages of type "${pack.registryType}" are not something the gateway can start.`,
    };
  }
  if ((pack.transport?.type ?? "stdio") !== "stdio") {
    return {
      reason: `Its ${pack.registryType} package serves ${pack.transport?.type ?? "?"}: start it yourself and add its address.`,
    };
  }
  const inputs = new Map<string, InputQuestion>();
  const variables = pack.environmentVariables.filter((variable) => isWanted(variable));
  const env = Object.fromEntries(
    variables.map((variable) => [variable.name, valueOf(variable, variable.name, inputs)]),
  );
  const [command, args] = commandOf(
    pack,
    runtime,
    variables.map(({ name }) => name),
    inputs,
  );
  return {
    options: { command, args, ...(variables.length === 0 ? {} : { env }) },
    inputs,
  };
}

function commandOf(
  pack: Package,
  runtime: string,
  variables: readonly string[],
  inputs: Map<string, InputQuestion>,
): [string, string[]] {
  const before = pack.runtimeArguments.flatMap((argument) => wordsOf(argument, inputs));
  const after = pack.packageArguments.flatMap((argument) => wordsOf(argument, inputs));
  const { identifier, version, runtimeHint } = pack;
  const command = runtimeHint ?? runtime;
  if (runtime === "docker") {
    const image =
      version === undefined || /[:@][^/]*$/.test(identifier)
        ? identifier
        : `${identifier}:${version}`;
    const passed = variables.filter(
      (name) => !before.some((word) => word === name || word.startsWith(`${name}=`)),
    );
    const flags = ["-i", "--rm"].filter((flag) => !before.includes(flag));
    const run = before[0] === "run" ? before.slice(1) : before;
    return [
      command,
      ["run", ...flags, ...passed.flatMap((name) => ["-e", name]), ...run, image, ...after],
    ];
  }
  const joined =
    version === undefined ? identifier : `${identifier}${command === "uvx" ? "==" : "@"}${version}`;
  const yes =
    command === "npx" && !before.some((word) => word === "-y" || word === "--yes") ? ["-y"] : [];
  const consent = command === "dnx" && !before.includes("--yes") ? ["--yes"] : [];
  return [command, [...yes, ...before, joined, ...consent, ...after]];
}

function wordsOf(argument: Argument, inputs: Map<string, InputQuestion>): string[] {
  const named =
    argument.type === "named" || (argument.type === undefined && argument.name !== undefined);
  const hasValue =
    argument.value !== undefined || argument.default !== undefined || argument.isRequired === true;
  if (named && argument.name !== undefined) {
    if (hasValue) return [argument.name, valueOf(argument, argument.name, inputs)];
    return argument.valueHint === undefined && argument.isRequired !== false ? [argument.name] : [];
  }
  return hasValue
    ? [valueOf(argument, argument.valueHint ?? argument.name ?? "argument", inputs)]
    : [];
}

function wayOfRemote(remote: z.infer<typeof remoteShape>): Way {
  if (!["streamable-http", "sse"].includes(remote.type))
    return { reason: `Its remote speaks "${remote.type}".` };
  const inputs = new Map<string, InputQuestion>();
  const url = substitute(remote.url, remote.variables ?? {}, inputs);
  const wanted = remote.headers.filter((header) => isWanted(header));
  const headers = Object.fromEntries(
    wanted.map((header) => [header.name, valueOf(header, header.name, inputs)]),
  );
  return {
    options: {
      url,
      transport: remote.type === "sse" ? "http-sse" : "streamable-http",
      ...(wanted.length === 0 ? {} : { headers }),
    },
    inputs,
  };
}

type Input = z.infer<typeof inputShape> & {
  variables?: z.infer<typeof variablesShape> | undefined;
};

/** What is optional and has no value is left out rather than asked for. */
function isWanted(input: Input): boolean {
  return input.value !== undefined || input.default !== undefined || input.isRequired === true;
}

/** The value, with what must be asked for as `${input:name}`. */
function valueOf(input: Input, name: string, inputs: Map<string, InputQuestion>): string {
  if (input.value !== undefined) return substitute(input.value, input.variables ?? {}, inputs);
  if (input.default !== undefined && input.isRequired !== true) return input.default;
  return ask(name, input, inputs);
}

/** `{curly}` names that the file defines; others are left as they stand. */
function substitute(
  text: string,
  variables: z.infer<typeof variablesShape>,
  inputs: Map<string, InputQuestion>,
): string {
  return text.replaceAll(/\{([^{}]+)\}/g, (whole, name: string) => {
    const variable = Object.hasOwn(variables, name) ? variables[name] : undefined;
    return variable === undefined ? whole : valueOf(variable, name, inputs);
  });
}

function ask(name: string, input: Input, inputs: Map<string, InputQuestion>): string {
  const standing = input.default ?? (input.choices?.length === 1 ? input.choices[0] : undefined);
  inputs.set(`input:${name}`, {
    description: input.description ?? input.placeholder ?? name,
    secret: input.isSecret === true,
    ...(standing === undefined ? {} : { default: standing }),
    ...(input.choices ? { choices: input.choices } : {}),
  });
  return `\${input:${name}}`;
}
