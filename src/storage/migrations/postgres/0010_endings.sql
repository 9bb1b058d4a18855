-- Links of orders that were paid or closed (reasons 4 and 5) end before all others.
CREATE INDEX endings_due_of_orders ON endings (due_at_ms) WHERE reason IN (4, 5);
