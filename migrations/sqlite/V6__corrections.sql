-- What closed attempts that had stayed open: a person's word, a price that came late, or the provider's
-- own figures. The attempt's row stays as it was, and an attempt is corrected once.
CREATE TABLE corrections (
    attempt       TEXT PRIMARY KEY REFERENCES attempts (id),
    made_at       INTEGER NOT NULL,  -- the money counts from this moment on
    kind          TEXT NOT NULL CHECK (kind IN ('resolve', 'reprice', 'reconcile')),
    cost_pico     INTEGER NOT NULL,
    price_version TEXT,
    note          TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX corrections_by_time ON corrections (made_at);

-- When it was; NULL: never. Kept with the attempt, so that sums over open ones need no second table.
ALTER TABLE attempts ADD COLUMN corrected_at INTEGER;
