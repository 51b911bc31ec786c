-- Sums of costs stop nowhere: what a day's row has beyond 10^18 picodollars (a million dollars) is counted
-- beside it. Rows that had stopped at the largest number are summed up again from the attempts.
ALTER TABLE settled_days ADD COLUMN cost_carry BIGINT NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION sum_settled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO settled_days AS d (id, day, team, key_id, tags, endpoint, provider, model, tier, region,
        calls, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, cost_carry,
        cost_pico, answered, texts, text_bytes)
    SELECT sha256(convert_to(jsonb_build_array(
            day, team, key_id, tags, endpoint, provider, model, tier, region)::text, 'UTF8')),
        day, team, key_id, tags, endpoint, provider, model, tier, region,
        count(*), sum(input), sum(cache_read), sum(cache_write_5m), sum(cache_write_1h), sum(output),
        sum(reasoning), div(sum(cost_pico), 1000000000000000000),
        mod(sum(cost_pico), 1000000000000000000), count(*) FILTER (WHERE answered),
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
        cost_carry = d.cost_carry + excluded.cost_carry
            + (d.cost_pico + excluded.cost_pico) / 1000000000000000000,
        cost_pico = (d.cost_pico + excluded.cost_pico) % 1000000000000000000,
        answered = d.answered + excluded.answered,
        texts = d.texts + excluded.texts,
        text_bytes = d.text_bytes + excluded.text_bytes;
    RETURN NULL;
END $$;

UPDATE settled_days AS d
SET cost_carry = div(s.cost, 1000000000000000000), cost_pico = mod(s.cost, 1000000000000000000)
FROM (
    SELECT d.id, sum(a.cost_pico) AS cost
    FROM settled_days AS d JOIN attempts AS a
        ON a.state = 'settled' AND a.reserved_at >= d.day AND a.reserved_at < d.day + 86400000
            AND a.team IS NOT DISTINCT FROM d.team AND a.key_id IS NOT DISTINCT FROM d.key_id
            AND a.tags = d.tags AND a.endpoint = d.endpoint AND a.provider = d.provider
            AND coalesce(a.model_served, a.model_asked) = d.model
            AND a.tier IS NOT DISTINCT FROM d.tier AND a.region IS NOT DISTINCT FROM d.region
    WHERE d.cost_pico = 9223372036854775807
    GROUP BY d.id
) AS s
WHERE s.id = d.id;

UPDATE settled_days
SET cost_carry = cost_pico / 1000000000000000000, cost_pico = cost_pico % 1000000000000000000
WHERE cost_pico >= 1000000000000000000;
