-- Connections to servers by OAuth: whose tokens, sealed by the gateway. The lease is the right to renew them, so that of
-- several gateways one does.
CREATE SEQUENCE signalbox.oauth_versions;

CREATE TABLE signalbox.oauth_tokens (
  server text NOT NULL,
  subject text NOT NULL,
  issuer text NOT NULL,
  scopes text[] NOT NULL,
  sealed text NOT NULL,
  -- Never the same twice, not even for a row that was removed and made anew.
  version bigint NOT NULL DEFAULT nextval('signalbox.oauth_versions'),
  expires_at timestamptz,
  lease_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (server, subject)
);

CREATE INDEX oauth_tokens_of_subject ON signalbox.oauth_tokens (subject);

-- Clients the gateway has registered at authorization servers; never shown to another than their own.
CREATE TABLE signalbox.oauth_clients (
  issuer text NOT NULL,
  redirect_uri text NOT NULL,
  sealed text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (issuer, redirect_uri)
);

-- Consents under way. A row is taken once, and so is the link it was started with.
CREATE TABLE signalbox.oauth_flows (
  state_hash text PRIMARY KEY,
  nonce text NOT NULL UNIQUE,
  sealed text NOT NULL,
  expires_at timestamptz NOT NULL
);

CREATE INDEX oauth_flows_expire ON signalbox.oauth_flows (expires_at);
