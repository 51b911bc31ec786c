-- Times are milliseconds since the epoch, money is picodollars, NULL is "unknown" or "none". What
-- the tables mean is said once, in migrations/sqlite; a version is the same step in both folders.

CREATE TABLE attempts (
    id             UUID PRIMARY KEY,  -- UUIDv7, so that new rows go to the end
    request_id     TEXT NOT NULL,
    reserved_at    BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,   -- still reserved after this: unresolved
    settled_at     BIGINT,
    key_id         TEXT,
    team           TEXT,
    tags           JSONB NOT NULL,    -- an object of strings
    endpoint       TEXT NOT NULL,
    text_bytes     BIGINT NOT NULL,
    provider       TEXT NOT NULL,
    model_asked    TEXT NOT NULL,
    model_served   TEXT,
    tier           TEXT,
    input          BIGINT NOT NULL DEFAULT 0,
    cache_read     BIGINT NOT NULL DEFAULT 0,
    cache_write_5m BIGINT NOT NULL DEFAULT 0,
    cache_write_1h BIGINT NOT NULL DEFAULT 0,
    output         BIGINT NOT NULL DEFAULT 0,
    reasoning      BIGINT NOT NULL DEFAULT 0,  -- part of output
    price_version  TEXT,
    reserved_pico  BIGINT,
    cost_pico      BIGINT,
    state          TEXT NOT NULL CHECK (state IN ('reserved', 'settled', 'unresolved', 'unpriced')),
    error          TEXT,
    latency_ms     BIGINT,
    CHECK ((state = 'settled') = (cost_pico IS NOT NULL)),
    CHECK ((state = 'reserved') = (settled_at IS NULL))
);

CREATE INDEX attempts_by_time ON attempts (reserved_at);

-- What finance still waits for is little, whatever the size of the ledger.
CREATE INDEX attempts_open ON attempts (reserved_at) WHERE state <> 'settled';

-- Texts counted by the minute.
CREATE TABLE rollups (
    id            BYTEA PRIMARY KEY,  -- a hash of all that tells rows apart: tags outgrow an index
    minute        BIGINT NOT NULL,    -- its first millisecond
    team          TEXT,
    key_id        TEXT,
    tags          JSONB NOT NULL,
    endpoint      TEXT NOT NULL,
    route         TEXT NOT NULL CHECK (route IN ('local', 'llm')),
    model         TEXT,
    local         BIGINT NOT NULL,
    cached        BIGINT NOT NULL,
    escalated     BIGINT NOT NULL,
    local_bytes   BIGINT NOT NULL,
    saved_pico    BIGINT NOT NULL,
    saved_unknown BIGINT NOT NULL
);

CREATE INDEX rollups_by_time ON rollups (minute);

CREATE TABLE pulse (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at  BIGINT NOT NULL
);

INSERT INTO pulse VALUES (1, 0);
