-- Links as Stripe last showed them: an encoded paylink.v1.PaymentLink. When that
-- was decides which of two pictures is the newer one.
CREATE TABLE links (
    id TEXT NOT NULL PRIMARY KEY,
    created_at_ms INTEGER NOT NULL,
    seen_at_ms INTEGER NOT NULL,
    active INTEGER NOT NULL,
    link BLOB NOT NULL
) STRICT;

CREATE INDEX links_newest ON links (created_at_ms, id);

-- What links can be found by: one row for each order, note and product of a link.
CREATE TABLE link_terms (
    term TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    link_id TEXT NOT NULL,
    PRIMARY KEY (term, created_at_ms, link_id)
) STRICT;

CREATE INDEX link_terms_of_link ON link_terms (link_id);

-- Links that are to be deactivated, and when: a row stays until it is done. Its id
-- names the write, so that the same ending is the same write in every process.
CREATE TABLE endings (
    link_id TEXT NOT NULL,
    reason INTEGER NOT NULL,
    id TEXT NOT NULL,
    due_at_ms INTEGER NOT NULL,
    retry_at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (link_id, reason)
) STRICT;

CREATE INDEX endings_due ON endings (due_at_ms);

-- Orders that are over: which payment took each, or when it was closed.
CREATE TABLE orders (
    account TEXT NOT NULL,
    owner TEXT NOT NULL,
    order_ref TEXT NOT NULL,
    taken_by TEXT NOT NULL,
    taken_at_ms INTEGER,
    closed_at_ms INTEGER,
    close_reason INTEGER NOT NULL,
    PRIMARY KEY (account, owner, order_ref)
) STRICT;

-- The order of a payment, and since when a payment that came too late is to be
-- given back; null where it is not.
ALTER TABLE payments ADD COLUMN order_ref TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN give_back_at_ms INTEGER;

CREATE INDEX payments_of_order ON payments (order_ref) WHERE order_ref <> '';
CREATE INDEX payments_to_give_back ON payments (give_back_at_ms) WHERE give_back_at_ms IS NOT NULL;
