-- Whose each payment is; nobody's where it is empty.
ALTER TABLE payments ADD COLUMN owner TEXT NOT NULL DEFAULT '';

CREATE INDEX payments_newest_of_owner ON payments (owner, created_at_ms, id);
CREATE INDEX payments_claimable_of_owner ON payments (owner, created_at_ms, id)
WHERE claimable_at_ms IS NOT NULL;
