-- Links as Stripe last showed them: an encoded paylink.v1.PaymentLink. When that
-- was decides which of two pictures is the newer one.
CREATE TABLE links (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    created_at_ms BIGINT NOT NULL,
    seen_at_ms BIGINT NOT NULL,
    active BIGINT NOT NULL,
    link BYTEA NOT NULL
);

CREATE INDEX links_newest ON links (created_at_ms, id);

-- What links can be found by: one row for each order, note and product of a link.
CREATE TABLE link_terms (
    term TEXT COLLATE "C" NOT NULL,
    created_at_ms BIGINT NOT NULL,
    link_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (term, created_at_ms, link_id)
);

CREATE INDEX link_terms_of_link ON link_terms (link_id);

-- Links that are to be deactivated, and when: a row stays until it is done. Its id
-- names the write, so that the same ending is the same write in every process.
CREATE TABLE endings (
    link_id TEXT COLLATE "C" NOT NULL,
    reason BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    due_at_ms BIGINT NOT NULL,
    retry_at_ms BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (link_id, reason)
);

CREATE INDEX endings_due ON endings (due_at_ms);

-- Orders that are over: which payment took each, or when it was closed.
CREATE TABLE orders (
    account TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    order_ref TEXT COLLATE "C" NOT NULL,
    taken_by TEXT COLLATE "C" NOT NULL,
    taken_at_ms BIGINT,
    closed_at_ms BIGINT,
    close_reason BIGINT NOT NULL,
    PRIMARY KEY (account, owner, order_ref)
);

-- The order of a payment, and since when a payment that came too late is to be
-- given back; null where it is not.
ALTER TABLE payments ADD COLUMN order_ref TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN give_back_at_ms BIGINT;

CREATE INDEX payments_of_order ON payments (order_ref) WHERE order_ref <> '';
CREATE INDEX payments_to_give_back ON payments (give_back_at_ms) WHERE give_back_at_ms IS NOT NULL;
