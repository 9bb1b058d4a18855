-- The Stripe account that each was told by, by its name in the configuration; empty
-- for that of [stripe] itself.
ALTER TABLE events ADD COLUMN account TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN account TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN account TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN account TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE endings ADD COLUMN account TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Every question is about the payments of one account, so that is what each index
-- begins with.
DROP INDEX payments_newest;
DROP INDEX payments_newest_of_link;
DROP INDEX payments_newest_in_state;
DROP INDEX payments_newest_of_owner;
DROP INDEX payments_claimable;
DROP INDEX payments_claimable_of_owner;
CREATE INDEX payments_newest ON payments (account, created_at_ms, id);
CREATE INDEX payments_newest_of_link ON payments (account, payment_link, created_at_ms, id);
CREATE INDEX payments_newest_in_state ON payments (account, state, created_at_ms, id);
CREATE INDEX payments_newest_of_owner ON payments (account, owner, created_at_ms, id);
CREATE INDEX payments_claimable ON payments (account, created_at_ms, id)
WHERE claimable_at_ms IS NOT NULL;
CREATE INDEX payments_claimable_of_owner ON payments (account, owner, created_at_ms, id)
WHERE claimable_at_ms IS NOT NULL;

DROP INDEX links_newest;
CREATE INDEX links_newest ON links (account, created_at_ms, id);
