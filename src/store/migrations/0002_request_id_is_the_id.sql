-- Null where it is the id of the row, as it is for every call that is one request.
ALTER TABLE signalbox.tool_call_logs ALTER COLUMN request_id DROP NOT NULL;
