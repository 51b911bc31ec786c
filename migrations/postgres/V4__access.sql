-- Who may ask. Of a key only a hash is here: what hashes to it has 256 random bits, and is not guessed.
CREATE TABLE keys (
    id                  TEXT PRIMARY KEY,
    hash                BYTEA NOT NULL UNIQUE,  -- BLAKE3
    team                TEXT NOT NULL,
    scopes              TEXT NOT NULL,          -- names with spaces between
    created_at          BIGINT NOT NULL,
    expires_at          BIGINT,
    revoked_at          BIGINT,
    requests_per_minute BIGINT,                 -- NULL: as configured
    tokens_per_minute   BIGINT
);

-- What a key or a team may spend in each day or month (UTC).
CREATE TABLE budgets (
    subject    TEXT NOT NULL CHECK (subject IN ('key', 'team')),
    name       TEXT NOT NULL,     -- the key's id, or the team
    period     TEXT NOT NULL CHECK (period IN ('day', 'month')),
    limit_pico BIGINT NOT NULL,
    hard       BOOLEAN NOT NULL,  -- no call may overrun it
    PRIMARY KEY (subject, name, period)
);

-- What has gone of each budget, kept in step with the attempts by the transactions that write them.
-- An attempt counts in the period in which it was reserved.
CREATE TABLE spending (
    subject       TEXT NOT NULL,
    name          TEXT NOT NULL,
    period        TEXT NOT NULL,
    starts_at     BIGINT NOT NULL,
    spent_pico    BIGINT NOT NULL,  -- settled
    reserved_pico BIGINT NOT NULL,  -- of attempts in flight, unresolved or unpriced
    warned        BIGINT NOT NULL DEFAULT 0,  -- the highest per cent that was told
    warning_until BIGINT NOT NULL DEFAULT 0,  -- somebody is telling it until then
    PRIMARY KEY (subject, name, period, starts_at)
);
