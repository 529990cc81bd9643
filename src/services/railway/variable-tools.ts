// Names of variables only: their values are never asked for, so that none can come to a caller or into a log.
import { z } from "zod";
import { connectionOf, upTo } from "./connection.ts";
import { documents } from "./documents.ts";
import { environmentId, projectId } from "./project-tools.ts";
import { environmentOf, projectOf, tool } from "./runtime.ts";

const serviceId = z.string().min(1).optional().describe("Default those shared by all services");

export const variableList = tool({
  name: "variable_list",
  title: "Variables",
  description:
    "Lists the names of an environment's variables. Values are masked: they are not read from Railway at all.",
  input: z.object({
    projectId,
    environmentId,
    serviceId: z.string().min(1).optional().describe("Only those of one service; default all"),
    search: z.string().min(1).optional().describe("Part of the name"),
    limit: z.int().min(1).max(1000).default(200).describe("How many at most"),
  }),
  output: z.object({
    variables: z.array(
      z.object({
        name: z.string(),
        value: z.literal("***"),
        serviceId: z.string().nullable().describe("null where it is shared by all services"),
        sealed: z.boolean().describe("Whether nobody can read its value"),
        updatedAt: z.string(),
      }),
    ),
    more: z.boolean(),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { search: "MCP" } }],
  cost: 800,
  handler: async (input, { runtime, signal }) => {
    const { items, more } = await upTo(
      runtime,
      {
        document: documents.variables,
        variables: {
          id: await environmentOf(input.environmentId, runtime, signal),
          projectId: await projectOf(input.projectId, runtime, signal),
        },
        limit: variablesMax,
        signal,
      },
      connectionOf(variable),
      ["environment", "variables"],
    );
    const search = input.search?.toLowerCase() ?? "";
    const found = items.filter(
      (one) =>
        (input.serviceId === undefined || one.serviceId === input.serviceId) &&
        one.name.toLowerCase().includes(search),
    );
    const variables = found
      .slice(0, input.limit)
      .map(({ name, serviceId: of, isSealed, updatedAt }) => ({
        name,
        value: "***" as const,
        serviceId: of ?? null,
        sealed: isSealed,
        updatedAt,
      }));
    return { variables, more: more || found.length > input.limit };
  },
});

const variablesMax = 5_000;

const variable = z.object({
  name: z.string(),
  isSealed: z.boolean(),
  serviceId: z.string().nullish(),
  updatedAt: z.string(),
});

const name = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be a variable's name");

export const variableSet = tool({
  name: "variable_set",
  title: "Set variables",
  description:
    "Sets variables of a service or of a whole environment, and leaves the others. It deploys anew unless skipDeploys is true.",
  input: z.object({
    projectId,
    environmentId,
    serviceId,
    variables: z
      .record(name, z.string().max(32_768))
      .refine((all) => Object.keys(all).length > 0, "must have at least one"),
    skipDeploys: z.boolean().default(false).describe("true takes effect with the next deployment"),
  }),
  output: z.object({ set: z.array(z.string()).describe("Names"), deploys: z.boolean() }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 60,
  handler: async ({ serviceId: of, variables, skipDeploys, ...place }, { runtime, signal }) => {
    const input = {
      projectId: await projectOf(place.projectId, runtime, signal),
      environmentId: await environmentOf(place.environmentId, runtime, signal),
      serviceId: of,
      variables,
      skipDeploys,
      replace: false,
    };
    const form = z.object({ variableCollectionUpsert: z.literal(true) });
    await runtime.ask(documents.setVariables, { input }, form, signal);
    return { set: Object.keys(variables), deploys: !skipDeploys };
  },
});

export const variableDelete = tool({
  name: "variable_delete",
  title: "Delete a variable",
  description: "Deletes a variable of a service or of a whole environment.",
  input: z.object({ projectId, environmentId, serviceId, name }),
  output: z.object({ deleted: z.string() }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 40,
  handler: async ({ serviceId: of, name: gone, ...place }, { runtime, signal }) => {
    const input = {
      projectId: await projectOf(place.projectId, runtime, signal),
      environmentId: await environmentOf(place.environmentId, runtime, signal),
      serviceId: of,
      name: gone,
    };
    const form = z.object({ variableDelete: z.literal(true) });
    await runtime.ask(documents.deleteVariable, { input }, form, signal);
    return { deleted: gone };
  },
});
