-- Decisions and changes of configuration, each hashed together with the one before it. The rows are never changed, and only
-- retention takes the oldest away; that holds for the product's own database role too, whatever rights it has.
CREATE TABLE signalbox.audit_log (
  seq bigint PRIMARY KEY,
  id text NOT NULL UNIQUE,
  at timestamptz NOT NULL,
  action text NOT NULL,
  actor_id text NOT NULL,
  actor_name text NOT NULL,
  actor_kind text NOT NULL,
  target text,
  project text,
  outcome text NOT NULL,
  code text,
  -- JSON as text: what was hashed is what stands here, byte for byte.
  value_before text,
  value_after text,
  details text,
  address text,
  request_id text,
  hash text NOT NULL
);

CREATE INDEX audit_log_at ON signalbox.audit_log (at DESC, seq DESC);
CREATE INDEX audit_log_of_actor ON signalbox.audit_log (actor_id, seq DESC);
CREATE INDEX audit_log_of_action ON signalbox.audit_log (action, seq DESC);

-- Where the chain begins and ends. Writers lock this row, so that gateways that share a database write one chain.
CREATE TABLE signalbox.audit_head (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  base_seq bigint NOT NULL,
  base_hash text NOT NULL,
  seq bigint NOT NULL,
  hash text NOT NULL
);

INSERT INTO signalbox.audit_head (base_seq, base_hash, seq, hash)
VALUES (0, repeat('0', 64), 0, repeat('0', 64));

CREATE FUNCTION signalbox.audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('signalbox.audit_retention', true) = 'on' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the audit trail only grows' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE ON signalbox.audit_log
  FOR EACH ROW EXECUTE FUNCTION signalbox.audit_only_grows();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON signalbox.audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.audit_only_grows();
