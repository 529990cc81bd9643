import { defineService } from "@signalbox/kit";
import { describeTable } from "./describe-table.ts";
import { execute } from "./execute.ts";
import { explain } from "./explain.ts";
import { healthTool } from "./health.ts";
import { listDatabases } from "./list-databases.ts";
import { listSchemas } from "./list-schemas.ts";
import { listTables } from "./list-tables.ts";
import { poolStats } from "./pool-stats.ts";
import { query } from "./query.ts";
import { connect } from "./runtime.ts";
import { postgresSettings } from "./settings.ts";
import { transaction } from "./transaction.ts";

export const postgres = defineService({
  name: "postgres",
  title: "PostgreSQL",
  version: "1.0.0",
  description:
    "PostgreSQL databases: what is in them, queries that only read, and, where an operator allows it, statements that write. list_databases names the databases; list_tables and describe_table tell what they hold.",
  settings: postgresSettings,
  tools: [
    listDatabases,
    listSchemas,
    listTables,
    describeTable,
    query,
    explain,
    execute,
    transaction,
    poolStats,
    healthTool,
  ],
  connect,
});
