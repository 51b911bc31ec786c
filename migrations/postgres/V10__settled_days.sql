-- Where the model ran, as its price depends on it: as asked for, then as the reply says. NULL: anywhere.
ALTER TABLE attempts ADD COLUMN region TEXT;

-- Settled attempts summed by the day (UTC) on which they were reserved and by all that a bill tells apart,
-- so that no report reads a month of them one by one. What is settled stays as it is; the trigger adds
-- it in the transaction that settles it, whichever version of the program writes.
CREATE TABLE settled_days (
    id             BYTEA PRIMARY KEY,  -- a hash of all that tells rows apart: tags outgrow an index
    day            BIGINT NOT NULL,    -- its first millisecond
    team           TEXT,
    key_id         TEXT,
    tags           JSONB NOT NULL,
    endpoint       TEXT NOT NULL,
    provider       TEXT NOT NULL,
    model          TEXT NOT NULL,      -- as served, else as asked
    tier           TEXT,
    region         TEXT,
    calls          BIGINT NOT NULL,
    input          BIGINT NOT NULL,
    cache_read     BIGINT NOT NULL,
    cache_write_5m BIGINT NOT NULL,
    cache_write_1h BIGINT NOT NULL,
    output         BIGINT NOT NULL,
    reasoning      BIGINT NOT NULL,
    cost_pico      BIGINT NOT NULL,
    answered       BIGINT NOT NULL,    -- those of the calls that read a prompt
    texts          BIGINT NOT NULL,    -- of the answered
    text_bytes     BIGINT NOT NULL     -- of the answered
);

CREATE INDEX settled_days_by_day ON settled_days (day);

-- In the order of the ids, so that two gateways never wait for each other. A sum of costs stops at the
-- largest number that there is, as those of reports do.
CREATE FUNCTION sum_settled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO settled_days AS d
    SELECT sha256(convert_to(jsonb_build_array(
            day, team, key_id, tags, endpoint, provider, model, tier, region)::text, 'UTF8')),
        day, team, key_id, tags, endpoint, provider, model, tier, region,
        count(*), sum(input), sum(cache_read), sum(cache_write_5m), sum(cache_write_1h), sum(output),
        sum(reasoning), least(sum(cost_pico), 9223372036854775807), count(*) FILTER (WHERE answered),
        coalesce(sum(texts) FILTER (WHERE answered), 0),
        coalesce(sum(text_bytes) FILTER (WHERE answered), 0)
    FROM (
        SELECT n.reserved_at - n.reserved_at % 86400000 AS day, n.team, n.key_id, n.tags, n.endpoint,
            n.provider, coalesce(n.model_served, n.model_asked) AS model, n.tier, n.region,
            n.input, n.cache_read, n.cache_write_5m, n.cache_write_1h, n.output, n.reasoning,
            n.cost_pico, n.texts, n.text_bytes,
            n.input + n.cache_read + n.cache_write_5m + n.cache_write_1h > 0 AS answered
        FROM settled_now AS n JOIN settled_before AS b ON b.id = n.id
        WHERE n.state = 'settled' AND b.state <> 'settled'
    ) AS settled
    GROUP BY day, team, key_id, tags, endpoint, provider, model, tier, region
    ORDER BY 1
    ON CONFLICT (id) DO UPDATE SET
        calls = d.calls + excluded.calls,
        input = d.input + excluded.input,
        cache_read = d.cache_read + excluded.cache_read,
        cache_write_5m = d.cache_write_5m + excluded.cache_write_5m,
        cache_write_1h = d.cache_write_1h + excluded.cache_write_1h,
        output = d.output + excluded.output,
        reasoning = d.reasoning + excluded.reasoning,
        cost_pico =
            least(d.cost_pico::numeric + excluded.cost_pico, 9223372036854775807)::bigint,
        answered = d.answered + excluded.answered,
        texts = d.texts + excluded.texts,
        text_bytes = d.text_bytes + excluded.text_bytes;
    RETURN NULL;
END $$;

-- Before the sums: from here on nobody else settles anything until both are there.
CREATE TRIGGER attempts_settled AFTER UPDATE ON attempts
    REFERENCING OLD TABLE AS settled_before NEW TABLE AS settled_now
    FOR EACH STATEMENT EXECUTE FUNCTION sum_settled();

INSERT INTO settled_days
SELECT sha256(convert_to(jsonb_build_array(
        day, team, key_id, tags, endpoint, provider, model, tier, NULL::text)::text, 'UTF8')),
    day, team, key_id, tags, endpoint, provider, model, tier, NULL,
    count(*), sum(input), sum(cache_read), sum(cache_write_5m), sum(cache_write_1h), sum(output),
    sum(reasoning), least(sum(cost_pico), 9223372036854775807), count(*) FILTER (WHERE answered),
    coalesce(sum(texts) FILTER (WHERE answered), 0),
    coalesce(sum(text_bytes) FILTER (WHERE answered), 0)
FROM (
    SELECT *, reserved_at - reserved_at % 86400000 AS day,
        coalesce(model_served, model_asked) AS model,
        input + cache_read + cache_write_5m + cache_write_1h > 0 AS answered
    FROM attempts WHERE state = 'settled'
) AS settled
GROUP BY day, team, key_id, tags, endpoint, provider, model, tier;
