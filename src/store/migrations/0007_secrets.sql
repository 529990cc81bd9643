-- Sealed by the gateway before they get here: the database never sees a secret, and none of its rows is one without the
-- encryption key, which is not in it.
CREATE TABLE signalbox.secrets (
  id text PRIMARY KEY,
  project text NOT NULL,
  owner text, -- a principal; null for the project's own
  name text NOT NULL,
  sealed text NOT NULL CHECK (sealed LIKE 'v1.%'),
  key_id text NOT NULL,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL,
  last_used_at timestamptz
);

CREATE UNIQUE INDEX secrets_name ON signalbox.secrets (project, coalesce(owner, ''), name);
CREATE INDEX secrets_key ON signalbox.secrets (key_id, id);

-- Neither the time of last use nor sealing with another key changes what a secret is.
CREATE TRIGGER secrets_changed
  AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF updated_at ON signalbox.secrets
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.tell_config_change();
