-- Every change that was asked for at Stripe, kept before it is sent.
CREATE TABLE operations (
    -- The idempotency key, without its generation: a hash of what follows.
    key TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    tenant TEXT NOT NULL,
    method TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- Tells another request under the same id from the same one.
    fingerprint BLOB NOT NULL,
    -- What is sent, byte for byte; the form is empty once there is a result.
    path TEXT NOT NULL,
    form BLOB NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('new', 'sent', 'unknown', 'done', 'rejected', 'lost')),
    generation INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    sent_at_ms INTEGER NOT NULL,
    -- When something is to be done about it: of a sent one, when its holder is
    -- presumed dead; of one with a result, when it is erased.
    due_at_ms INTEGER NOT NULL,
    holder TEXT NOT NULL,
    in_doubt INTEGER NOT NULL,
    is_failure_stored INTEGER NOT NULL,
    searches INTEGER NOT NULL,
    searched_at_ms INTEGER NOT NULL,
    -- The id of the resource, once known.
    resource TEXT NOT NULL,
    -- Stripe's answer or refusal, as JSON.
    answer BLOB NOT NULL,
    -- Counts changes, so that none is made to what another has changed since.
    version INTEGER NOT NULL
) STRICT;

CREATE INDEX operations_due ON operations (state, due_at_ms);

-- Partial, since hardly any operation gets a second key.
CREATE INDEX operations_renewed ON operations (created_at_ms) WHERE generation > 0;
