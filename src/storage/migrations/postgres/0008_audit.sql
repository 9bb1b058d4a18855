-- What calls have changed, or tried to: one row a call, never changed, in a chain. Each
-- hash covers the row and the hash before it.
CREATE TABLE audit (
    sequence BIGINT NOT NULL PRIMARY KEY,
    recorded_at_ms BIGINT NOT NULL,
    caller TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    object TEXT COLLATE "C" NOT NULL,
    made TEXT COLLATE "C" NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    stripe_request_id TEXT COLLATE "C" NOT NULL,
    traceparent TEXT COLLATE "C" NOT NULL,
    validate_only BIGINT NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL
);
