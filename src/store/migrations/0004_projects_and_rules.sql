-- Roles are no longer a fixed set, and keys belong to a project. Whoever could administer everything still can.
ALTER TABLE signalbox.api_keys DROP CONSTRAINT api_keys_role_check;
ALTER TABLE signalbox.api_keys
  ADD COLUMN project text NOT NULL DEFAULT 'default', -- "*" is every project
  ADD COLUMN rules jsonb; -- an array that narrows the role's rules; null where there are none
UPDATE signalbox.api_keys SET project = '*' WHERE role = 'admin';

DROP TRIGGER api_keys_changed ON signalbox.api_keys;
CREATE TRIGGER api_keys_changed
  AFTER INSERT OR DELETE OR TRUNCATE
  OR UPDATE OF name, role, project, bundles, rules, hash, expires_at, revoked_at ON signalbox.api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.tell_config_change();

CREATE TABLE signalbox.projects (
  name text PRIMARY KEY,
  options jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE signalbox.roles (
  name text PRIMARY KEY,
  options jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TRIGGER projects_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON signalbox.projects
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.tell_config_change();
CREATE TRIGGER roles_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON signalbox.roles
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox.tell_config_change();

ALTER TABLE signalbox.tool_call_logs ADD COLUMN project text NOT NULL DEFAULT 'default';
CREATE INDEX tool_call_logs_of_project ON signalbox.tool_call_logs (project, at DESC, id DESC) WHERE project <> 'default';
