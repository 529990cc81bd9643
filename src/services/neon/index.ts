import { defineService } from "@signalbox/kit";
import {
  createBranch,
  createDatabase,
  deleteBranch,
  listBranches,
  listDatabases,
} from "./branch-tools.ts";
import { checkDatabase, getConfig, getConnectionString } from "./database-tools.ts";
import { completeMigration, prepareMigration, runMigrations } from "./migration-tools.ts";
import {
  describeProject,
  listOperations,
  listProjects,
  waitForOperation,
} from "./project-tools.ts";
import { connect } from "./runtime.ts";
import { neonSettings } from "./settings.ts";
import { explain, query, runSql, runSqlTransaction } from "./sql-tools.ts";
import { describeTable, insertRows, listTables, selectRows } from "./table-tools.ts";

export const neon = defineService({
  name: "neon",
  title: "Neon",
  version: "1.0.0",
  description:
    "Neon's serverless PostgreSQL: projects, branches and databases, SQL in them, and migrations that are tried on a branch first.",
  settings: neonSettings,
  tools: [
    listProjects,
    describeProject,
    listBranches,
    createBranch,
    deleteBranch,
    listDatabases,
    createDatabase,
    listOperations,
    waitForOperation,
    query,
    runSql,
    runSqlTransaction,
    explain,
    selectRows,
    insertRows,
    listTables,
    describeTable,
    getConnectionString,
    checkDatabase,
    getConfig,
    runMigrations,
    prepareMigration,
    completeMigration,
  ],
  connect,
});
