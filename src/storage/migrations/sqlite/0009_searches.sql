-- By which a worker finds what it is to ship. Null where an earlier release has written
-- the row: then only the payment itself has it.
ALTER TABLE payments ADD COLUMN client_reference_id TEXT;

CREATE INDEX payments_claimable_of_link
ON payments (account, payment_link, created_at_ms, id)
WHERE claimable_at_ms IS NOT NULL;
CREATE INDEX payments_claimable_of_reference
ON payments (account, client_reference_id, created_at_ms, id)
WHERE claimable_at_ms IS NOT NULL;

-- Whose each consumer is, and when it was used last; null where an earlier release has
-- written the row.
ALTER TABLE consumers ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE consumers ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE consumers ADD COLUMN used_at_ms INTEGER;

CREATE INDEX consumers_of_owner ON consumers (account, owner);

-- The Stripe account that tells something else of a payment, which need not be known here.
ALTER TABLE unexplained ADD COLUMN account TEXT NOT NULL DEFAULT '';
