-- Who may ask. Of a key only a hash is here: what hashes to it has 256 random bits, and is not guessed.
CREATE TABLE keys (
    id                  TEXT PRIMARY KEY,
    hash                BLOB NOT NULL UNIQUE,  -- BLAKE3
    team                TEXT NOT NULL,
    scopes              TEXT NOT NULL,         -- names with spaces between
    created_at          INTEGER NOT NULL,
    expires_at          INTEGER,
    revoked_at          INTEGER,
    requests_per_minute INTEGER,               -- NULL: as configured
    tokens_per_minute   INTEGER
) STRICT, WITHOUT ROWID;

-- What a key or a team may spend in each day or month (UTC).
CREATE TABLE budgets (
    subject    TEXT NOT NULL CHECK (subject IN ('key', 'team')),
    name       TEXT NOT NULL,     -- the key's id, or the team
    period     TEXT NOT NULL CHECK (period IN ('day', 'month')),
    limit_pico INTEGER NOT NULL,
    hard       INTEGER NOT NULL,  -- 1: no call may overrun it
    PRIMARY KEY (subject, name, period)
) STRICT, WITHOUT ROWID;

-- What has gone of each budget, kept in step with the attempts by the transactions that write them.
-- An attempt counts in the period in which it was reserved.
CREATE TABLE spending (
    subject       TEXT NOT NULL,
    name          TEXT NOT NULL,
    period        TEXT NOT NULL,
    starts_at     INTEGER NOT NULL,
    spent_pico    INTEGER NOT NULL,  -- settled
    reserved_pico INTEGER NOT NULL,  -- of attempts in flight, unresolved or unpriced
    warned        INTEGER NOT NULL DEFAULT 0,  -- the highest per cent that was told
    warning_until INTEGER NOT NULL DEFAULT 0,  -- somebody is telling it until then
    PRIMARY KEY (subject, name, period, starts_at)
) STRICT, WITHOUT ROWID;
