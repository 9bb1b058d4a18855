-- What Stripe said of each payment: of all that it said about one subject, the
-- strongest. A payment is what these rows make of it. The body is an encoded
-- message of paylink.v1.
CREATE TABLE facts (
    payment_id TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    rank BIGINT NOT NULL,
    told_by TEXT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (payment_id, subject)
);

INSERT INTO facts (payment_id, subject, rank, told_by, body)
SELECT id, 'session', state, decided_by, payment FROM payments;

-- Which payment was paid with what: payment intents, charges, subscriptions, invoices.
CREATE TABLE payment_keys (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    payment_id TEXT COLLATE "C" NOT NULL
);

-- Events that name only such a key, of a payment that is not known yet.
CREATE TABLE waiting (
    key TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (key, event_id)
);

CREATE INDEX waiting_longest ON waiting (since_ms);

-- When a payment can be claimed: from then on, or never where it is null. The
-- claim is the last one that was given.
ALTER TABLE payments ADD COLUMN claimable_at_ms BIGINT;
ALTER TABLE payments ADD COLUMN claim TEXT NOT NULL DEFAULT '';
UPDATE payments SET claimable_at_ms = 0 WHERE state IN (5, 6);

CREATE INDEX payments_claimable ON payments (created_at_ms, id) WHERE claimable_at_ms IS NOT NULL;

-- What was answered to a request that changed something here and not at Stripe:
-- the same request gets the same answer. Encoded messages of paylink.v1.
CREATE TABLE answers (
    request_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    request BYTEA NOT NULL,
    answer BYTEA NOT NULL,
    answered_at_ms BIGINT NOT NULL
);

CREATE INDEX answers_oldest ON answers (answered_at_ms);

-- Refunds that were asked for: what each takes is gone until Stripe has said no.
CREATE TABLE refund_requests (
    request_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    payment_id TEXT COLLATE "C" NOT NULL,
    payment_intent TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL,
    request BYTEA NOT NULL,
    refund_id TEXT NOT NULL,
    asked_at_ms BIGINT NOT NULL
);

CREATE INDEX refund_requests_of_payment ON refund_requests (payment_id);
CREATE INDEX refund_requests_oldest ON refund_requests (asked_at_ms);

-- How far each consumer has handled the feed.
CREATE TABLE consumers (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    position TEXT NOT NULL
);

-- Events that are not for this installation, for people to look at.
CREATE TABLE quarantine (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    type TEXT NOT NULL,
    reason TEXT NOT NULL,
    received_at_ms BIGINT NOT NULL,
    body BYTEA NOT NULL
);

-- Single numbers that outlive the process, such as how far events were polled.
CREATE TABLE marks (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE INDEX quarantine_oldest ON quarantine (received_at_ms);

-- Payments that Stripe tells something else of.
CREATE TABLE unexplained (
    payment_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    difference TEXT NOT NULL,
    found_at_ms BIGINT NOT NULL
);
