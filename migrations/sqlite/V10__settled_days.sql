-- Where the model ran, as its price depends on it: as asked for, then as the reply says. NULL: anywhere.
ALTER TABLE attempts ADD COLUMN region TEXT;

-- Settled attempts summed by the day (UTC) on which they were reserved and by all that a bill tells apart,
-- so that no report reads a month of them one by one. What is settled stays as it is; the trigger adds
-- it in the transaction that settles it, whichever version of the program writes. In the key '' stands
-- for none.
CREATE TABLE settled_days (
    day            INTEGER NOT NULL,  -- its first millisecond
    team           TEXT NOT NULL,
    key_id         TEXT NOT NULL,
    tags           TEXT NOT NULL,
    endpoint       TEXT NOT NULL,
    provider       TEXT NOT NULL,
    model          TEXT NOT NULL,     -- as served, else as asked
    tier           TEXT NOT NULL,
    region         TEXT NOT NULL,
    calls          INTEGER NOT NULL,
    input          INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    output         INTEGER NOT NULL,
    reasoning      INTEGER NOT NULL,
    cost_pico      INTEGER NOT NULL,
    answered       INTEGER NOT NULL,  -- those of the calls that read a prompt
    texts          INTEGER NOT NULL,  -- of the answered
    text_bytes     INTEGER NOT NULL,  -- of the answered
    PRIMARY KEY (day, team, key_id, tags, endpoint, provider, model, tier, region)
) STRICT, WITHOUT ROWID;

INSERT INTO settled_days
SELECT reserved_at - reserved_at % 86400000, ifnull(team, ''), ifnull(key_id, ''), tags, endpoint,
    provider, coalesce(model_served, model_asked), ifnull(tier, ''), '',
    count(*), sum(input), sum(cache_read), sum(cache_write_5m), sum(cache_write_1h), sum(output),
    sum(reasoning), sum(cost_pico), sum(was_answered), sum(was_answered * texts),
    sum(was_answered * text_bytes)
FROM (
    SELECT *, input + cache_read + cache_write_5m + cache_write_1h > 0 AS was_answered
    FROM attempts WHERE state = 'settled'
)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;

-- A sum of costs stops at the largest number that there is, as those of reports do.
CREATE TRIGGER attempts_settled AFTER UPDATE OF state ON attempts
WHEN new.state = 'settled' AND old.state <> 'settled'
BEGIN
    INSERT INTO settled_days VALUES (
        new.reserved_at - new.reserved_at % 86400000, ifnull(new.team, ''), ifnull(new.key_id, ''),
        new.tags, new.endpoint, new.provider, coalesce(new.model_served, new.model_asked),
        ifnull(new.tier, ''), ifnull(new.region, ''),
        1, new.input, new.cache_read, new.cache_write_5m, new.cache_write_1h, new.output,
        new.reasoning, new.cost_pico,
        new.input + new.cache_read + new.cache_write_5m + new.cache_write_1h > 0,
        iif(new.input + new.cache_read + new.cache_write_5m + new.cache_write_1h > 0, new.texts, 0),
        iif(new.input + new.cache_read + new.cache_write_5m + new.cache_write_1h > 0,
            new.text_bytes, 0)
    )
    ON CONFLICT DO UPDATE SET
        calls = calls + 1,
        input = input + excluded.input,
        cache_read = cache_read + excluded.cache_read,
        cache_write_5m = cache_write_5m + excluded.cache_write_5m,
        cache_write_1h = cache_write_1h + excluded.cache_write_1h,
        output = output + excluded.output,
        reasoning = reasoning + excluded.reasoning,
        cost_pico = min(cost_pico + excluded.cost_pico, 9223372036854775807),
        answered = answered + excluded.answered,
        texts = texts + excluded.texts,
        text_bytes = text_bytes + excluded.text_bytes;
END;
