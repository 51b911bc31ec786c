-- Windows of verdicts: how many texts of a key came in so many seconds, and what they said. Counts alone: of
-- texts there is nothing here but the terms that they judge.

-- A row is one writer's count of one window. Readers sum over the sources, and over the windows of a
-- multiple of the width.
CREATE TABLE trend_windows (
    start_ms      INTEGER NOT NULL,  -- since the epoch, a multiple of the width
    window_key    TEXT NOT NULL,     -- '' for none, else '=' and the key: a column of a key cannot be NULL
    width_seconds INTEGER NOT NULL,
    source        TEXT NOT NULL,     -- 'gateway'
    texts         INTEGER NOT NULL,  -- all, the late ones included
    late          INTEGER NOT NULL,  -- came after the window's end and the patience for it
    negative      INTEGER NOT NULL,  -- by label; the four sum to texts
    neutral       INTEGER NOT NULL,
    positive      INTEGER NOT NULL,
    mixed         INTEGER NOT NULL,
    score_micros  INTEGER NOT NULL,  -- the sum of round((P(positive) - P(negative)) * 1000000)
    updated_us    INTEGER NOT NULL,  -- microseconds, since two changes may fall into one millisecond
    PRIMARY KEY (start_ms, window_key, width_seconds, source)
) STRICT, WITHOUT ROWID;

CREATE INDEX trend_windows_by_change ON trend_windows (updated_us);

-- Texts in which an emotion was detected, of those that were asked for emotions.
CREATE TABLE trend_emotions (
    start_ms      INTEGER NOT NULL,
    window_key    TEXT NOT NULL,
    width_seconds INTEGER NOT NULL,
    source        TEXT NOT NULL,
    emotion       TEXT NOT NULL,
    texts         INTEGER NOT NULL,
    PRIMARY KEY (start_ms, window_key, width_seconds, source, emotion)
) STRICT, WITHOUT ROWID;

-- How terms were judged, entry by entry of the answers that were asked for aspects.
CREATE TABLE trend_aspects (
    start_ms      INTEGER NOT NULL,
    window_key    TEXT NOT NULL,
    width_seconds INTEGER NOT NULL,
    source        TEXT NOT NULL,
    term          TEXT NOT NULL,     -- lower case, single spaces, at most 100 characters; '': all others
    negative      INTEGER NOT NULL,
    neutral       INTEGER NOT NULL,
    positive      INTEGER NOT NULL,
    mixed         INTEGER NOT NULL,
    PRIMARY KEY (start_ms, window_key, width_seconds, source, term)
) STRICT, WITHOUT ROWID;

-- How far a topic has been folded: in the transactions that add to the windows.
CREATE TABLE trend_offsets (
    topic       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,    -- the first that is not in the windows
    greatest_ms INTEGER,             -- the greatest event time before it, by which records are late
    updated_us  INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- From which window on a rule has still to be looked at.
CREATE TABLE alert_progress (
    rule    TEXT PRIMARY KEY,
    next_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Alerts that fired, until they are delivered and a while after.
CREATE TABLE alerts (
    id            TEXT PRIMARY KEY,  -- UUIDv7; the webhook's id, the same at each try
    rule          TEXT NOT NULL,
    window_key    TEXT NOT NULL,
    start_ms      INTEGER NOT NULL,
    width_seconds INTEGER NOT NULL,
    body          TEXT NOT NULL,     -- as it is sent
    fired_ms      INTEGER NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    next_ms       INTEGER NOT NULL,  -- when it is tried next; a gateway at work on it moves this on first
    outcome       TEXT CHECK (outcome IN ('delivered', 'failed')),  -- NULL: it is still tried
    UNIQUE (rule, window_key, start_ms, width_seconds)
) STRICT;

CREATE INDEX alerts_due ON alerts (next_ms) WHERE outcome IS NULL;
