-- Times are milliseconds since the epoch, money is picodollars, NULL is "unknown" or "none".

-- One row an attempt at a provider: reserved before it is sent, completed once after.
CREATE TABLE attempts (
    id             TEXT PRIMARY KEY,  -- UUIDv7, so that new rows go to the end
    request_id     TEXT NOT NULL,
    reserved_at    INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,  -- still reserved after this: unresolved
    settled_at     INTEGER,
    key_id         TEXT,
    team           TEXT,
    tags           TEXT NOT NULL,     -- JSON object of strings
    endpoint       TEXT NOT NULL,
    text_bytes     INTEGER NOT NULL,
    provider       TEXT NOT NULL,
    model_asked    TEXT NOT NULL,
    model_served   TEXT,
    tier           TEXT,
    input          INTEGER NOT NULL DEFAULT 0,
    cache_read     INTEGER NOT NULL DEFAULT 0,
    cache_write_5m INTEGER NOT NULL DEFAULT 0,
    cache_write_1h INTEGER NOT NULL DEFAULT 0,
    output         INTEGER NOT NULL DEFAULT 0,
    reasoning      INTEGER NOT NULL DEFAULT 0,  -- part of output
    price_version  TEXT,
    reserved_pico  INTEGER,
    cost_pico      INTEGER,
    state          TEXT NOT NULL CHECK (state IN ('reserved', 'settled', 'unresolved', 'unpriced')),
    error          TEXT,
    latency_ms     INTEGER,
    CHECK ((state = 'settled') = (cost_pico IS NOT NULL)),
    CHECK ((state = 'reserved') = (settled_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX attempts_by_time ON attempts (reserved_at);

-- What finance still waits for is little, whatever the size of the ledger.
CREATE INDEX attempts_open ON attempts (reserved_at) WHERE state <> 'settled';

-- Texts counted by the minute. In the key '' stands for none, because a primary key takes no NULL.
CREATE TABLE rollups (
    minute        INTEGER NOT NULL,   -- its first millisecond
    team          TEXT NOT NULL,
    key_id        TEXT NOT NULL,
    tags          TEXT NOT NULL,      -- JSON object of strings, names sorted
    endpoint      TEXT NOT NULL,
    route         TEXT NOT NULL CHECK (route IN ('local', 'llm')),
    model         TEXT NOT NULL,
    local         INTEGER NOT NULL,
    cached        INTEGER NOT NULL,
    escalated     INTEGER NOT NULL,
    local_bytes   INTEGER NOT NULL,
    saved_pico    INTEGER NOT NULL,   -- what the calls cost that cached texts did not make again
    saved_unknown INTEGER NOT NULL,   -- cached texts whose call's cost is not known
    PRIMARY KEY (minute, team, key_id, tags, endpoint, route, model)
) STRICT, WITHOUT ROWID;

-- Written to find out whether the store can be written.
CREATE TABLE pulse (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at  INTEGER NOT NULL
) STRICT;

INSERT INTO pulse VALUES (1, 0);
