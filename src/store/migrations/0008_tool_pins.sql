-- What is known of each tool and prompt of each server, and of its instructions: the hashes of the definitions that are approved, and what waits for
-- a decision. Definitions are canonical JSON kept as text: their hash is that of the text, and jsonb cannot hold U+0000.
CREATE TABLE signalbox.tool_pins (
  server text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('tools', 'prompts', 'instructions')),
  name text NOT NULL,
  state text NOT NULL CHECK (state IN ('approved', 'pending', 'rejected')),
  approved_hashes text[] NOT NULL, -- the newest first
  definition text, -- of the newest that is approved
  pending_hash text,
  pending_definition text,
  first_seen timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  decided_by text,
  decided_at timestamptz,
  PRIMARY KEY (server, kind, name)
);

CREATE TRIGGER tool_pins_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON signalbox.tool_pins
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.tell_config_change();
