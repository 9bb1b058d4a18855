-- The W3C trace context in which each was asked for or received, as a traceparent,
-- so that later work is seen where it belongs; empty where nobody traced.
ALTER TABLE operations ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
