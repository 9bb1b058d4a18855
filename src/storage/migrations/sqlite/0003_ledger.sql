-- What Stripe said of each payment: of all that it said about one subject, the
-- strongest. A payment is what these rows make of it. The body is an encoded
-- message of paylink.v1.
CREATE TABLE facts (
    payment_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    rank INTEGER NOT NULL,
    told_by TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (payment_id, subject)
) STRICT;

INSERT INTO facts (payment_id, subject, rank, told_by, body)
SELECT id, 'session', state, decided_by, payment FROM payments;

-- Which payment was paid with what: payment intents, charges, subscriptions, invoices.
CREATE TABLE payment_keys (
    key TEXT NOT NULL PRIMARY KEY,
    payment_id TEXT NOT NULL
) STRICT;

-- Events that name only such a key, of a payment that is not known yet.
CREATE TABLE waiting (
    key TEXT NOT NULL,
    event_id TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (key, event_id)
) STRICT;

CREATE INDEX waiting_longest ON waiting (since_ms);

-- When a payment can be claimed: from then on, or never where it is null. The
-- claim is the last one that was given.
ALTER TABLE payments ADD COLUMN claimable_at_ms INTEGER;
ALTER TABLE payments ADD COLUMN claim TEXT NOT NULL DEFAULT '';
UPDATE payments SET claimable_at_ms = 0 WHERE state IN (5, 6);

CREATE INDEX payments_claimable ON payments (created_at_ms, id) WHERE claimable_at_ms IS NOT NULL;

-- What was answered to a request that changed something here and not at Stripe:
-- the same request gets the same answer. Encoded messages of paylink.v1.
CREATE TABLE answers (
    request_id TEXT NOT NULL PRIMARY KEY,
    request BLOB NOT NULL,
    answer BLOB NOT NULL,
    answered_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX answers_oldest ON answers (answered_at_ms);

-- Refunds that were asked for: what each takes is gone until Stripe has said no.
CREATE TABLE refund_requests (
    request_id TEXT NOT NULL PRIMARY KEY,
    payment_id TEXT NOT NULL,
    payment_intent TEXT NOT NULL,
    amount INTEGER NOT NULL,
    request BLOB NOT NULL,
    refund_id TEXT NOT NULL,
    asked_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX refund_requests_of_payment ON refund_requests (payment_id);
CREATE INDEX refund_requests_oldest ON refund_requests (asked_at_ms);

-- How far each consumer has handled the feed.
CREATE TABLE consumers (
    name TEXT NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL,
    position TEXT NOT NULL
) STRICT;

-- Events that are not for this installation, for people to look at.
CREATE TABLE quarantine (
    id TEXT NOT NULL PRIMARY KEY,
    type TEXT NOT NULL,
    reason TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- Single numbers that outlive the process, such as how far events were polled.
CREATE TABLE marks (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

CREATE INDEX quarantine_oldest ON quarantine (received_at_ms);

-- Payments that Stripe tells something else of.
CREATE TABLE unexplained (
    payment_id TEXT NOT NULL PRIMARY KEY,
    difference TEXT NOT NULL,
    found_at_ms INTEGER NOT NULL
) STRICT;
