-- What gateways that share this database have admitted lately, in slices of each limit's window. It is of no use after a
-- crash, and written often: it does without the write-ahead log.
CREATE UNLOGGED TABLE signalbox.rate_counts (
  name text NOT NULL,
  slice bigint NOT NULL,
  admitted bigint NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (name, slice)
);
CREATE INDEX rate_counts_expired ON signalbox.rate_counts (expires_at);

-- The gateways that count together, each with the last time it was heard of.
CREATE UNLOGGED TABLE signalbox.rate_gateways (
  id text PRIMARY KEY,
  seen_at timestamptz NOT NULL
);

-- Calls of a day or a month of UTC, those that a gateway has reserved and not yet made included.
CREATE TABLE signalbox.quota_usage (
  subject text NOT NULL, -- principal:<id>, project:<name>, server:<name>
  period text NOT NULL CHECK (period IN ('day', 'month')),
  starts_at timestamptz NOT NULL,
  used bigint NOT NULL,
  granted bigint NOT NULL, -- by the last reservation, for its answer
  PRIMARY KEY (subject, period, starts_at)
);
CREATE INDEX quota_usage_of_period ON signalbox.quota_usage (period, starts_at);

-- Limits of single keys; what is not in here is as configured for all.
CREATE TABLE signalbox.key_limits (
  key_id text PRIMARY KEY REFERENCES signalbox.api_keys (id) ON DELETE CASCADE,
  limits jsonb NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER key_limits_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON signalbox.key_limits
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.tell_config_change();
