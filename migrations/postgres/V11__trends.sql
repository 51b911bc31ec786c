-- Windows of verdicts. What the tables mean is said once, in migrations/sqlite.
--
-- Another program may write windows of its own beside the gateway's, under a `source` of its own: each
-- writer owns its rows, and readers sum over the sources. A Flink job upserts `trend_windows` by its primary
-- key, and so the other two; it leaves `updated_us` alone, which triggers set by the clock of this server.

CREATE TABLE trend_windows (
    start_ms      BIGINT NOT NULL,
    window_key    TEXT COLLATE "C" NOT NULL,  -- '' for none, else '=' and the key
    width_seconds BIGINT NOT NULL,
    source        TEXT NOT NULL,              -- 'gateway', or the name of another writer
    texts         BIGINT NOT NULL,
    late          BIGINT NOT NULL DEFAULT 0,
    negative      BIGINT NOT NULL,
    neutral       BIGINT NOT NULL,
    positive      BIGINT NOT NULL,
    mixed         BIGINT NOT NULL,
    score_micros  BIGINT NOT NULL,
    updated_us    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (start_ms, window_key, width_seconds, source)
);

CREATE INDEX trend_windows_by_change ON trend_windows (updated_us);

CREATE TABLE trend_emotions (
    start_ms      BIGINT NOT NULL,
    window_key    TEXT COLLATE "C" NOT NULL,
    width_seconds BIGINT NOT NULL,
    source        TEXT NOT NULL,
    emotion       TEXT NOT NULL,
    texts         BIGINT NOT NULL,
    updated_us    BIGINT NOT NULL DEFAULT 0,  -- of other writers' rows alone
    PRIMARY KEY (start_ms, window_key, width_seconds, source, emotion)
);

CREATE TABLE trend_aspects (
    start_ms      BIGINT NOT NULL,
    window_key    TEXT COLLATE "C" NOT NULL,
    width_seconds BIGINT NOT NULL,
    source        TEXT NOT NULL,
    term          TEXT COLLATE "C" NOT NULL,  -- lower case, single spaces, at most 100 characters
    negative      BIGINT NOT NULL,
    neutral       BIGINT NOT NULL,
    positive      BIGINT NOT NULL,
    mixed         BIGINT NOT NULL,
    updated_us    BIGINT NOT NULL DEFAULT 0,  -- of other writers' rows alone
    PRIMARY KEY (start_ms, window_key, width_seconds, source, term)
);

-- The gateway writes these only together with the window they belong to.
CREATE INDEX trend_emotions_by_change ON trend_emotions (updated_us) WHERE source <> 'gateway';
CREATE INDEX trend_aspects_by_change ON trend_aspects (updated_us) WHERE source <> 'gateway';

-- One clock for all who write.
CREATE FUNCTION trend_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_us := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    RETURN NEW;
END
$$;

CREATE TRIGGER trend_windows_changed BEFORE INSERT OR UPDATE ON trend_windows
    FOR EACH ROW EXECUTE FUNCTION trend_changed();
CREATE TRIGGER trend_emotions_changed BEFORE INSERT OR UPDATE ON trend_emotions
    FOR EACH ROW WHEN (NEW.source <> 'gateway') EXECUTE FUNCTION trend_changed();
CREATE TRIGGER trend_aspects_changed BEFORE INSERT OR UPDATE ON trend_aspects
    FOR EACH ROW WHEN (NEW.source <> 'gateway') EXECUTE FUNCTION trend_changed();

CREATE TABLE trend_offsets (
    topic       TEXT NOT NULL,
    partition   BIGINT NOT NULL,
    next_offset BIGINT NOT NULL,
    greatest_ms BIGINT,
    updated_us  BIGINT NOT NULL,
    PRIMARY KEY (topic, partition)
);

CREATE TABLE alert_progress (
    rule    TEXT PRIMARY KEY,
    next_ms BIGINT NOT NULL
);

CREATE TABLE alerts (
    id            TEXT PRIMARY KEY,
    rule          TEXT NOT NULL,
    window_key    TEXT COLLATE "C" NOT NULL,
    start_ms      BIGINT NOT NULL,
    width_seconds BIGINT NOT NULL,
    body          TEXT NOT NULL,
    fired_ms      BIGINT NOT NULL,
    attempts      BIGINT NOT NULL DEFAULT 0,
    next_ms       BIGINT NOT NULL,
    outcome       TEXT CHECK (outcome IN ('delivered', 'failed')),
    UNIQUE (rule, window_key, start_ms, width_seconds)
);

CREATE INDEX alerts_due ON alerts (next_ms) WHERE outcome IS NULL;
