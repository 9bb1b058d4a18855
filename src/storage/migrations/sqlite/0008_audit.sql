-- What calls have changed, or tried to: one row a call, never changed, in a chain. Each
-- hash covers the row and the hash before it.
CREATE TABLE audit (
    sequence INTEGER NOT NULL PRIMARY KEY,
    recorded_at_ms INTEGER NOT NULL,
    caller TEXT NOT NULL,
    owner TEXT NOT NULL,
    account TEXT NOT NULL,
    method TEXT NOT NULL,
    object TEXT NOT NULL,
    made TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    request_id TEXT NOT NULL,
    stripe_request_id TEXT NOT NULL,
    traceparent TEXT NOT NULL,
    validate_only INTEGER NOT NULL,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
