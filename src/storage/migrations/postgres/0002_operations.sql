-- Every change that was asked for at Stripe, kept before it is sent.
CREATE TABLE operations (
    -- The idempotency key, without its generation: a hash of what follows.
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    tenant TEXT NOT NULL,
    method TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- Tells another request under the same id from the same one.
    fingerprint BYTEA NOT NULL,
    -- What is sent, byte for byte; the form is empty once there is a result.
    path TEXT NOT NULL,
    form BYTEA NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('new', 'sent', 'unknown', 'done', 'rejected', 'lost')),
    generation BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    sent_at_ms BIGINT NOT NULL,
    -- When something is to be done about it: of a sent one, when its holder is
    -- presumed dead; of one with a result, when it is erased.
    due_at_ms BIGINT NOT NULL,
    holder TEXT NOT NULL,
    in_doubt BIGINT NOT NULL,
    is_failure_stored BIGINT NOT NULL,
    searches BIGINT NOT NULL,
    searched_at_ms BIGINT NOT NULL,
    -- The id of the resource, once known.
    resource TEXT NOT NULL,
    -- Stripe's answer or refusal, as JSON.
    answer BYTEA NOT NULL,
    -- Counts changes, so that none is made to what another has changed since.
    version BIGINT NOT NULL
);

CREATE INDEX operations_due ON operations (state, due_at_ms);

-- Partial, since hardly any operation gets a second key.
CREATE INDEX operations_renewed ON operations (created_at_ms) WHERE generation > 0;
