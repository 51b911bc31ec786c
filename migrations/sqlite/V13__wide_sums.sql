-- Sums of costs stop nowhere: what a day's row has beyond 10^18 picodollars (a million dollars) is counted
-- beside it. Rows that had stopped at the largest number are summed up again from the attempts.
ALTER TABLE settled_days ADD COLUMN cost_carry INTEGER NOT NULL DEFAULT 0;

UPDATE settled_days AS d
SET (cost_carry, cost_pico) = (
    SELECT units / 1000000000, (units % 1000000000) * 1000000000 + rest
    FROM (
        SELECT sum(cost_pico / 1000000000) + sum(cost_pico % 1000000000) / 1000000000 AS units,
            sum(cost_pico % 1000000000) % 1000000000 AS rest
        FROM attempts AS a
        WHERE a.state = 'settled' AND a.reserved_at >= d.day AND a.reserved_at < d.day + 86400000
            AND ifnull(a.team, '') = d.team AND ifnull(a.key_id, '') = d.key_id AND a.tags = d.tags
            AND a.endpoint = d.endpoint AND a.provider = d.provider
            AND coalesce(a.model_served, a.model_asked) = d.model AND ifnull(a.tier, '') = d.tier
            AND ifnull(a.region, '') = d.region
    )
)
WHERE cost_pico = 9223372036854775807;

UPDATE settled_days
SET cost_carry = cost_pico / 1000000000000000000, cost_pico = cost_pico % 1000000000000000000
WHERE cost_pico >= 1000000000000000000;

DROP TRIGGER attempts_settled;

CREATE TRIGGER attempts_settled AFTER UPDATE OF state ON attempts
WHEN new.state = 'settled' AND old.state <> 'settled'
BEGIN
    INSERT INTO settled_days (day, team, key_id, tags, endpoint, provider, model, tier, region,
        calls, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, cost_carry,
        cost_pico, answered, texts, text_bytes)
    VALUES (
        new.reserved_at - new.reserved_at % 86400000, ifnull(new.team, ''), ifnull(new.key_id, ''),
        new.tags, new.endpoint, new.provider, coalesce(new.model_served, new.model_asked),
        ifnull(new.tier, ''), ifnull(new.region, ''),
        1, new.input, new.cache_read, new.cache_write_5m, new.cache_write_1h, new.output,
        new.reasoning, new.cost_pico / 1000000000000000000, new.cost_pico % 1000000000000000000,
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
        cost_carry = cost_carry + excluded.cost_carry
            + (cost_pico + excluded.cost_pico) / 1000000000000000000,
        cost_pico = (cost_pico + excluded.cost_pico) % 1000000000000000000,
        answered = answered + excluded.answered,
        texts = texts + excluded.texts,
        text_bytes = text_bytes + excluded.text_bytes;
END;
