CREATE TABLE signalbox.servers (
  name text PRIMARY KEY,
  options jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE signalbox.bundles (
  name text PRIMARY KEY,
  options jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE signalbox.api_keys (
  id text PRIMARY KEY,
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('admin', 'operator', 'caller')),
  bundles jsonb NOT NULL, -- "all", or an array of names
  hash text NOT NULL UNIQUE CHECK (hash ~ '^[0-9a-f]{64}$'),
  prefix text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);

CREATE TABLE signalbox.settings (
  name text PRIMARY KEY,
  value jsonb NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE signalbox.tool_call_logs (
  id text PRIMARY KEY,
  at timestamptz NOT NULL,
  principal_id text NOT NULL,
  principal_name text NOT NULL,
  method text NOT NULL,
  server text,
  tool text,
  public_name text,
  bundle text,
  outcome text NOT NULL,
  error_code text,
  duration_ms double precision NOT NULL,
  upstream_ms double precision NOT NULL,
  own_ms double precision NOT NULL,
  request_bytes bigint NOT NULL,
  response_bytes bigint NOT NULL,
  request_id text NOT NULL,
  trace_id text,
  era text NOT NULL,
  arguments json -- json, not jsonb: it must hold whatever a client sent, U+0000 and numbers of any size included
);

CREATE INDEX tool_call_logs_recent ON signalbox.tool_call_logs (at DESC, id DESC);
CREATE INDEX tool_call_logs_not_ok ON signalbox.tool_call_logs (outcome, at DESC, id DESC) WHERE outcome <> 'ok';

-- One row. Who cannot listen compares the number with the one it saw last.
CREATE TABLE signalbox.config_version (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version bigint NOT NULL
);
INSERT INTO signalbox.config_version (version) VALUES (0);

CREATE FUNCTION signalbox.tell_config_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  new_version bigint;
BEGIN
  UPDATE signalbox.config_version SET version = version + 1 RETURNING version INTO new_version;
  PERFORM pg_notify(
    'signalbox_config',
    json_build_object('version', new_version, 'by', current_setting('application_name'), 'table', TG_TABLE_NAME)::text
  );
  RETURN NULL;
END
$$;

CREATE TRIGGER servers_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON signalbox.servers
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.tell_config_change();
CREATE TRIGGER bundles_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON signalbox.bundles
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.tell_config_change();
-- The time of last use is no change of configuration.
CREATE TRIGGER api_keys_changed
  AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF name, role, bundles, hash, expires_at, revoked_at ON signalbox.api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.tell_config_change();
