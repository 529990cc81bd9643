// The tables as TypeScript sees them; the SQL files under migrations make them. They have a schema of their own,
// so that an external database may hold other things of the same names, schema_migrations above all.
import {
  bigint,
  doublePrecision,
  json,
  jsonb,
  pgSchema,
  text,
  timestamp,
} from "drizzle-orm/pg-core";

const signalbox = pgSchema("signalbox");

const time = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

export const servers = signalbox.table("servers", {
  name: text().primaryKey(),
  options: jsonb().notNull(),
  createdAt: time("created_at").notNull().defaultNow(),
  updatedAt: time("updated_at").notNull().defaultNow(),
});

export const bundles = signalbox.table("bundles", {
  name: text().primaryKey(),
  options: jsonb().notNull(),
  createdAt: time("created_at").notNull().defaultNow(),
  updatedAt: time("updated_at").notNull().defaultNow(),
});

export const projects = signalbox.table("projects", {
  name: text().primaryKey(),
  options: jsonb().notNull(),
  createdAt: time("created_at").notNull().defaultNow(),
  updatedAt: time("updated_at").notNull().defaultNow(),
});

export const roles = signalbox.table("roles", {
  name: text().primaryKey(),
  options: jsonb().notNull(),
  createdAt: time("created_at").notNull().defaultNow(),
  updatedAt: time("updated_at").notNull().defaultNow(),
});

export const apiKeys = signalbox.table("api_keys", {
  id: text().primaryKey(),
  name: text().notNull(),
  role: text().notNull(),
  project: text().notNull(),
  bundles: jsonb().notNull(),
  rules: jsonb(),
  hash: text().notNull().unique(),
  prefix: text().notNull(),
  createdAt: time("created_at").notNull(),
  expiresAt: time("expires_at"),
  revokedAt: time("revoked_at"),
  lastUsedAt: time("last_used_at"),
});

export const secrets = signalbox.table("secrets", {
  id: text().primaryKey(),
  project: text().notNull(),
  owner: text(),
  name: text().notNull(),
  sealed: text().notNull(),
  keyId: text("key_id").notNull(),
  createdAt: time("created_at").notNull(),
  createdBy: text("created_by").notNull(),
  updatedAt: time("updated_at").notNull(),
  updatedBy: text("updated_by").notNull(),
  lastUsedAt: time("last_used_at"),
});

export const settings = signalbox.table("settings", {
  name: text().primaryKey(),
  value: jsonb().notNull(),
  updatedAt: time("updated_at").notNull().defaultNow(),
});

export const toolCallLogs = signalbox.table("tool_call_logs", {
  id: text().primaryKey(),
  at: time("at").notNull(),
  principalId: text("principal_id").notNull(),
  principalName: text("principal_name").notNull(),
  project: text().notNull(),
  method: text().notNull(),
  server: text(),
  tool: text(),
  publicName: text("public_name"),
  bundle: text(),
  outcome: text({
    enum: ["ok", "tool_error", "error", "timeout", "unknown", "cancelled", "refused"],
  }).notNull(),
  errorCode: text("error_code"),
  durationMs: doublePrecision("duration_ms").notNull(),
  upstreamMs: doublePrecision("upstream_ms").notNull(),
  ownMs: doublePrecision("own_ms").notNull(),
  requestBytes: bigint("request_bytes", { mode: "number" }).notNull(),
  responseBytes: bigint("response_bytes", { mode: "number" }).notNull(),
  /** Null where it is the id. */
  requestId: text("request_id"),
  traceId: text("trace_id"),
  era: text({ enum: ["modern", "legacy"] }).notNull(),
  arguments: json(),
});

export const linkTransitions = signalbox.table("link_transitions", {
  id: bigint({ mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  at: time("at").notNull(),
  server: text().notNull(),
  endpoint: text().notNull(),
  fromState: text("from_state").notNull(),
  toState: text("to_state").notNull(),
  reason: text().notNull(),
  code: text(),
});

export const quotaUsage = signalbox.table("quota_usage", {
  subject: text().notNull(),
  period: text({ enum: ["day", "month"] }).notNull(),
  startsAt: time("starts_at").notNull(),
  used: bigint({ mode: "number" }).notNull(),
  granted: bigint({ mode: "number" }).notNull(),
});

export const keyLimits = signalbox.table("key_limits", {
  keyId: text("key_id").primaryKey(),
  limits: jsonb().notNull(),
  updatedAt: time("updated_at").notNull().defaultNow(),
});
