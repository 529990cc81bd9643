import { z } from "zod";
import { duration } from "../foundation/index.ts";

const count = z.int("must be a whole number");

const fields = {
  /** Connections to a remote endpoint that are kept open although nothing needs them. */
  min_connections: count.min(0).max(1_000),
  /** Connections to a remote endpoint at once; further calls wait for one until their deadline. */
  max_connections: count.min(1).max(10_000),
  /** An unused connection is closed after this. Many servers close theirs after 5 s and then break a call that is just being sent. */
  max_idle_time: duration,
  /** Connections are replaced after this, between two calls; 0 keeps them for ever. */
  max_connection_age: duration,
  /** A link over which no call went for so long is asked whether it lives. */
  health_check_interval: duration,
  /** The first wait before a lost connection is opened again; it doubles each time. */
  reconnect_backoff: duration,
  /** The longest of these waits. */
  max_reconnect_backoff: duration,
  /** How long a connection, its greeting included, may take to open. */
  connection_timeout: duration,
};

/** Connections to servers, for all of them: `[connection_pool]`. */
export const connectionPoolOptions = z.strictObject({
  min_connections: fields.min_connections.default(0),
  max_connections: fields.max_connections.default(512),
  max_idle_time: fields.max_idle_time.default(4_000),
  max_connection_age: fields.max_connection_age.default(3_600_000),
  health_check_interval: fields.health_check_interval.default(30_000),
  reconnect_backoff: fields.reconnect_backoff.default(1_000),
  max_reconnect_backoff: fields.max_reconnect_backoff.default(30_000),
  connection_timeout: fields.connection_timeout.default(10_000),
});

export type ConnectionPoolOptions = z.output<typeof connectionPoolOptions>;

/** The same for one server, whose settings go before those for all. */
export const serverConnectionPoolOptions = z.strictObject(fields).partial();
