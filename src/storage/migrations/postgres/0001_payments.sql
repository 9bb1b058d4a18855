-- Times are milliseconds since 1970. Protos are encoded messages of paylink.v1.
-- Ids compare byte by byte, as they do in SQLite, whatever the database's language.

-- One row: the identity of this memory, a part of every feed position, and the
-- ends of its feed: the newest change, and the newest that is no longer kept.
CREATE TABLE installation (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,
    head BIGINT NOT NULL,
    head_hash BYTEA NOT NULL,
    forgotten BIGINT NOT NULL,
    forgotten_hash BYTEA NOT NULL
);

-- What Stripe reported, as received. The primary key is what makes a second
-- delivery harmless. The body is erased after a time, since it names buyers; its
-- hash is kept.
CREATE TABLE events (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    type TEXT NOT NULL,
    api_version TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    created_at_ms BIGINT NOT NULL,
    received_at_ms BIGINT NOT NULL,
    body BYTEA,
    body_hash BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'ignored')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at_ms BIGINT NOT NULL
);

-- By age, for what is forgotten: first bodies, then what is left.
CREATE INDEX events_with_body ON events (received_at_ms) WHERE body IS NOT NULL;
CREATE INDEX events_without_body ON events (received_at_ms) WHERE body IS NULL;

-- Partial, so that its size is the backlog and not the history.
CREATE INDEX events_pending ON events (due_at_ms, id) WHERE state = 'pending';

-- What is known of each payment: a paylink.v1.Payment.
CREATE TABLE payments (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    payment_link TEXT COLLATE "C" NOT NULL,
    state INTEGER NOT NULL,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    decided_by TEXT NOT NULL,
    payment BYTEA NOT NULL
);

CREATE INDEX payments_newest ON payments (created_at_ms, id);
CREATE INDEX payments_newest_of_link ON payments (payment_link, created_at_ms, id);
CREATE INDEX payments_newest_in_state ON payments (state, created_at_ms, id);

-- Every change of a payment, in order: the payment as it was after the change.
-- Sequences start at 1 and have no gaps, and each hash covers the one before it.
CREATE TABLE feed (
    sequence BIGINT NOT NULL PRIMARY KEY,
    payment_id TEXT COLLATE "C" NOT NULL REFERENCES payments (id),
    payment_link TEXT COLLATE "C" NOT NULL,
    previous_state INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    recorded_at_ms BIGINT NOT NULL,
    payment BYTEA NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL
);

CREATE INDEX feed_of_link ON feed (payment_link, sequence);

-- What one replica at a time does for all, who does, and until when.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until_ms BIGINT NOT NULL
);
