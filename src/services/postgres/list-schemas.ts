import { z } from "zod";
import { databaseName, databaseOf, reads, tool } from "./runtime.ts";

const schemas = z.array(
  z.object({
    name: z.string(),
    owner: z.string(),
    tables: z.int().describe("Tables and views"),
    comment: z.string().nullable(),
  }),
);

export const listSchemas = tool({
  name: "list_schemas",
  title: "Schemas",
  description: "Lists the schemas of a database that may be used, with how many tables each has.",
  input: z.object({ database: databaseName }),
  output: z.object({ database: z.string(), schemas }),
  annotations: reads,
  cost: 100,
  handler: async ({ database: name }, { runtime, principal, signal }) => {
    const database = databaseOf(runtime, name);
    const found = await database.ask(schemasSql, [], { principal, signal });
    return { database: database.name, schemas: schemas.parse(found) };
  },
});

const schemasSql = `
  select n.nspname as name, pg_get_userbyid(n.nspowner) as owner, count(c.oid) as tables,
         obj_description(n.oid, 'pg_namespace') as comment
    from pg_catalog.pg_namespace n
    left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f')
   where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and has_schema_privilege(n.oid, 'usage')
   group by n.oid order by n.nspname`;
