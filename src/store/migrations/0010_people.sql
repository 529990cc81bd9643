-- People who sign in. Of a password and of recovery codes there are hashes; the secret of the one-time codes is sealed by the
-- gateway before it gets here.
CREATE TABLE signalbox.people (
  id text PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name = lower(name)),
  email text UNIQUE CHECK (email = lower(email)),
  role text NOT NULL,
  project text NOT NULL, -- "*" is every project
  password_hash text CHECK (password_hash LIKE '$argon2id$%'), -- null: signs in with the identity provider alone
  totp_sealed text CHECK (totp_sealed LIKE 'v1.%'),
  totp_key_id text,
  totp_confirmed boolean NOT NULL DEFAULT false,
  totp_step bigint, -- the newest whose code was used
  recovery_hashes text[] NOT NULL DEFAULT '{}',
  oidc_issuer text,
  oidc_subject text,
  disabled_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  last_sign_in_at timestamptz,
  UNIQUE (oidc_issuer, oidc_subject)
);

CREATE INDEX people_totp_key ON signalbox.people (totp_key_id, id) WHERE totp_sealed IS NOT NULL;

CREATE TABLE signalbox.sessions (
  hash text PRIMARY KEY CHECK (hash ~ '^[0-9a-f]{64}$'), -- SHA-256 of the token in the cookie
  person_id text NOT NULL REFERENCES signalbox.people (id) ON DELETE CASCADE,
  method text NOT NULL CHECK (method IN ('password', 'oidc')),
  created_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz
);

CREATE INDEX sessions_of_person ON signalbox.sessions (person_id, created_at);
CREATE INDEX sessions_expire ON signalbox.sessions (expires_at);

-- What takes something from somebody who is signed in. A sign-in does not, and neither does the time of last use.
CREATE TRIGGER people_changed
  AFTER DELETE OR TRUNCATE OR UPDATE OF name, role, project, disabled_at ON signalbox.people
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.tell_config_change();
CREATE TRIGGER sessions_ended
  AFTER UPDATE OF ended_at ON signalbox.sessions
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.tell_config_change();
