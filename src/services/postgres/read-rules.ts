// What may be read through `query` and `explain`, by what PostgreSQL's own parser makes of a statement. Four walls stand
// behind each other: this one; the volatility of functions, which only the database knows (`functions.ts`); a transaction that is
// READ ONLY; and the rights of the role. The rules are in docs/services/postgres.md.
import { loadModule, parseSync } from "libpg-query";
import { ToolError } from "@signalbox/kit";

/** What a statement calls, for the database to judge. */
export interface Calls {
  readonly functions: readonly FunctionName[];
  readonly operators: readonly string[];
  /** Names behind a dot: `t.f` is a call of f(t) where t has no column f. */
  readonly fields: readonly string[];
}

/** As it is written, in lower case unless it was quoted. */
export interface FunctionName {
  readonly schema?: string;
  readonly name: string;
}

/** The longest statement; the parser takes some 5 kB of memory for each byte of the worst. */
export const sqlLengthMax = 65_536;

/** Loads the parser; once, and before anything is parsed. */
export const loadParser = loadModule;

/** What a statement that only reads calls. Throws ToolError (SQL_REFUSED, SQL_INVALID) for every other text. */
export function readingCalls(sql: string): Calls {
  const statement = onlyStatement(sql);
  const kind = kindOf(statement);
  if (kind !== "SelectStmt" && kind !== "VariableShowStmt")
    throw refused(
      `query only reads, and ${wordsOf(kind)} does not. Use SELECT, VALUES, TABLE or SHOW; execute is for what changes something, and explain for plans.`,
    );
  const calls = collect(statement, (name) => {
    const why = forbiddenNodes[name];
    if (why !== undefined) throw refused(why);
    if (name.endsWith("Stmt") && name !== "SelectStmt" && name !== "VariableShowStmt")
      throw refused(`query only reads, and ${wordsOf(name)} inside of it does not.`);
  });
  refuseCalls(calls);
  return calls;
}

/** The kind of a statement that may change something. Throws ToolError (SQL_REFUSED, SQL_INVALID) for what must not be run. */
export function writingKind(sql: string, options: { readonly allRows: boolean }): string {
  const statement = onlyStatement(sql);
  const kind = kindOf(statement);
  const why = neverRun[kind];
  if (why !== undefined) throw refused(why);
  const node = bodyOf(statement);
  if (kind === "CopyStmt" && Reflect.get(node, "filename") !== undefined)
    throw refused(
      "COPY with a file or a program reaches the database's machine. Use INSERT or SELECT.",
    );
  if (kind === "CopyStmt") throw refused("COPY needs a stream of its own. Use INSERT or SELECT.");
  const everyRow = Reflect.get(node, "whereClause") === undefined;
  if ((kind === "UpdateStmt" || kind === "DeleteStmt") && everyRow && !options.allRows)
    throw refused(
      `This ${kind === "UpdateStmt" ? "UPDATE" : "DELETE"} has no WHERE: it would reach every row. Add one, or say allRows: true.`,
    );
  refuseCalls(collect(statement, () => {}));
  return kind;
}

/** Functions that no statement may call: they reach files, other servers, sessions or settings, wait, or run text as SQL. */
export const forbiddenFunctions: readonly RegExp[] = [
  /^pg_read_(binary_)?file|^pg_ls_|^pg_stat_file$|^pg_file_|^pg_logdir_ls$|^pg_current_logfile$/,
  /^lo_|^lo(read|write)$|^be_lo/,
  /^dblink|^postgres_fdw_|^http(_|$)|^urlencode_|^pg_net_|^curl/,
  /^pg_sleep/,
  /^set_config$|^pg_reload_conf$|^pg_rotate_logfile|^pg_show_all_file_settings$|^pg_hba_file_rules$|^pg_ident_file_mappings$/,
  /^nextval$|^setval$/,
  /^pg_(try_)?advisory_/,
  /^pg_(terminate|cancel)_backend$|^pg_notify$|^pg_log_backend_memory_contexts$/,
  /^query_to_xml|^cursor_to_xml|^table_to_xml|^schema_to_xml|^database_to_xml/,
  /^ts_stat$|^ts_rewrite$|^xpath_table$|^crosstab|^connectby$/,
  /^pg_(start|stop)_backup|^pg_backup_|^pg_switch_(wal|xlog)$|^pg_create_|^pg_drop_|^pg_copy_|^pg_promote$/,
  /^pg_logical_|^pg_replication_|^pg_wal_replay_|^pg_sync_replication_slots$|^pg_export_snapshot$/,
  /^pg_stat_reset|^pg_stat_statements_reset|^pg_stat_clear_snapshot$|^pg_stat_force_next_flush$/,
  /^(txid|pg)_current_(xact_id|id)$|^txid_current$|^pg_import_system_collations$|^pg_extension_config_dump$/,
  /^(brin|gin)_(summarize|desummarize|clean)|^pg_(restore|clear)_(relation|attribute)_stats$/,
];

/** The one statement of a text, and whether it is one at all. */
function onlyStatement(sql: string): object {
  if (sql.length > sqlLengthMax)
    throw refused(`The statement is longer than ${sqlLengthMax} characters.`);
  // The protocol ends a text at a NUL, and so does the parser: what comes after it would be seen by neither or by one.
  if (sql.includes("\0")) throw refused("The statement has a NUL character in it.");
  if (sql.trim() === "") throw refused("There is no statement in this.");
  let statements: readonly { stmt?: unknown }[];
  try {
    statements = parseSync(sql).stmts ?? [];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new ToolError(`This is no SQL that PostgreSQL understands: ${message}.`, {
      code: "SQL_INVALID",
      cause: error,
    });
  }
  const [first, ...more] = statements;
  if (typeof first?.stmt !== "object" || first.stmt === null)
    throw refused("There is no statement in this.");
  if (more.length > 0)
    throw refused(
      `This is ${more.length + 1} statements; one is taken at a time. transaction takes several that change something.`,
    );
  return first.stmt;
}

const forbiddenNodes: Readonly<Record<string, string>> = {
  intoClause: "SELECT INTO makes a table. Leave INTO out.",
  lockingClause: "FOR UPDATE and FOR SHARE lock rows for others. Leave them out.",
  CurrentOfExpr: "CURRENT OF needs a cursor.",
};

const neverRun: Readonly<Record<string, string>> = {
  TransactionStmt: "Each statement has a transaction of its own; transaction runs several in one.",
  VariableSetStmt: "A setting would stay behind in a connection that others use.",
  DiscardStmt: "DISCARD would reset a connection that others use.",
  PrepareStmt: "A prepared statement would stay behind in a connection that others use.",
  ExecuteStmt: "There are no prepared statements here. Send the statement itself, with params.",
  DeallocateStmt: "There are no prepared statements here.",
  ListenStmt: "Nobody would hear what is notified.",
  UnlistenStmt: "Nobody listens here.",
  LoadStmt: "LOAD runs a library of the database's machine.",
  AlterSystemStmt: "ALTER SYSTEM changes the database server for everybody.",
  DoStmt: "DO runs a program that cannot be looked through. Send its statements to transaction.",
  DeclareCursorStmt: "Cursors are made by themselves.",
  FetchStmt: "There are no cursors here.",
  ClosePortalStmt: "There are no cursors here.",
  LockStmt: "LOCK holds up others until the transaction ends, which is at once.",
  CheckPointStmt: "CHECKPOINT is for whoever runs the server.",
};

// Without recursion: a statement may be nested deeper than the stack is.
function collect(statement: object, visit: (name: string) => void): Calls {
  const functions: FunctionName[] = [];
  const operators = new Set<string>();
  const fields = new Set<string>();
  const open: unknown[] = [statement];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (typeof node !== "object" || node === null) continue;
    for (const [kind, value] of Object.entries(node)) {
      open.push(value);
      if (Array.isArray(node)) continue;
      visit(kind);
      if (kind === "funcname") functions.push(functionName(textsIn(value)));
      else if (operatorNames.has(kind)) operators.add(textsIn(value).at(-1) ?? "");
      else if (kind === "A_Expr") operators.add(textsIn(field(value, "name")).at(-1) ?? "");
      else if (kind === "ColumnRef") addIfSome(fields, textsIn(field(value, "fields")).slice(1));
      else if (kind === "A_Indirection") addIfSome(fields, textsIn(field(value, "indirection")));
    }
  }
  operators.delete("");
  return { functions, operators: [...operators], fields: [...fields] };
}

const operatorNames: ReadonlySet<string> = new Set(["operName", "useOp"]);

function addIfSome(names: Set<string>, parts: readonly string[]): void {
  for (const part of parts) names.add(part);
}

function functionName(parts: readonly string[]): FunctionName {
  const name = parts.at(-1) ?? "";
  const schema = parts.at(-2);
  return { name, ...(schema !== undefined && { schema }) };
}

function textsIn(parts: unknown): string[] {
  if (!Array.isArray(parts)) return [];
  return parts.flatMap((part) => {
    const text = field(field(part, "String"), "sval");
    return typeof text === "string" ? [text] : [];
  });
}

function field(node: unknown, name: string): unknown {
  return typeof node === "object" && node !== null ? Reflect.get(node, name) : undefined;
}

function refuseCalls({ functions }: Calls): void {
  for (const { name } of functions) {
    if (forbiddenFunctions.some((shape) => shape.test(name.toLowerCase())))
      throw refused(
        `The function ${name} has effects beyond the statement, so it cannot be called here.`,
      );
  }
}

function kindOf(statement: object): string {
  return Object.keys(statement)[0] ?? "";
}

function bodyOf(statement: object): object {
  const body: unknown = Object.values(statement)[0];
  return typeof body === "object" && body !== null ? body : {};
}

function wordsOf(kind: string): string {
  return kind
    .replace(/Stmt$/, "")
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ")
    .toUpperCase();
}

function refused(sentence: string): ToolError {
  return new ToolError(sentence, { code: "SQL_REFUSED" });
}
