-- Every change of state of every link, which uptime is counted from.
CREATE TABLE signalbox.link_transitions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  server text NOT NULL,
  endpoint text NOT NULL,
  from_state text NOT NULL,
  to_state text NOT NULL,
  reason text NOT NULL,
  code text
);

CREATE INDEX link_transitions_of_server ON signalbox.link_transitions (server, at DESC, id DESC);
CREATE INDEX link_transitions_at ON signalbox.link_transitions (at);
