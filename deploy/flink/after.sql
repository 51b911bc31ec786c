-- From the worker's results to the windows in PostgreSQL that /v1/trends and the page read: what a gateway
-- makes of the same topic, under the source `flink`. Tell gateways to leave the topic to this job, by
-- `trends.topic_windows = "flink"`, before it starts: both together would count its texts twice.
--
-- A window's row is written again whenever it changes, by its primary key, so a restart from a checkpoint
-- writes the same rows. Nothing is dropped for being late: it is counted, and counted as late.
--
-- ${…} are filled in by run.py, or by envsubst before your own SQL client reads the file.

SET 'pipeline.name' = 'undertone: results to windows';
SET 'execution.checkpointing.interval' = '${CHECKPOINT}';
SET 'table.local-time-zone' = 'UTC';
-- A window that nothing has come to for so long is forgotten; what came later would begin it anew.
SET 'table.exec.state.ttl' = '${KEEP_DAYS} d';
-- Changes of a window are written together, twice a second.
SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '500 ms';
SET 'table.exec.mini-batch.size' = '5000';

CREATE TABLE results (
  `key` STRING,
  `input` ROW<`timestamp` TIMESTAMP_LTZ(3)>,
  sentiment ROW<
    label STRING,
    scores ROW<positive DOUBLE, negative DOUBLE>>,
  aspects ROW<
    label STRING,
    scores ROW<positive DOUBLE, negative DOUBLE>,
    aspects ARRAY<ROW<term STRING, sentiment STRING>>>,
  emotions ROW<
    label STRING,
    scores ROW<positive DOUBLE, negative DOUBLE>,
    emotions ARRAY<ROW<label STRING, detected BOOLEAN>>>,
  topic_partition INT METADATA FROM 'partition' VIRTUAL,
  event_time AS `input`.`timestamp`,
  seen AS PROCTIME()
) WITH (
  'connector' = 'kafka',
  'topic' = '${OUTPUT_TOPIC}',
  'properties.bootstrap.servers' = '${BROKERS}',
  'properties.group.id' = '${GROUP}-after',
  'properties.isolation.level' = 'read_committed',
  -- From the beginning: windows are sums over all that the topic holds.
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE trend_windows (
  start_ms BIGINT, window_key STRING, width_seconds BIGINT, source STRING,
  texts BIGINT, late BIGINT,
  negative BIGINT, neutral BIGINT, positive BIGINT, mixed BIGINT, score_micros BIGINT,
  PRIMARY KEY (start_ms, window_key, width_seconds, source) NOT ENFORCED
) WITH (
  'connector' = 'jdbc', 'table-name' = 'trend_windows',
  'url' = '${JDBC_URL}', 'username' = '${DB_USER}', 'password' = '${DB_PASSWORD}',
  'sink.buffer-flush.interval' = '500 ms'
);

CREATE TABLE trend_emotions (
  start_ms BIGINT, window_key STRING, width_seconds BIGINT, source STRING,
  emotion STRING, texts BIGINT,
  PRIMARY KEY (start_ms, window_key, width_seconds, source, emotion) NOT ENFORCED
) WITH (
  'connector' = 'jdbc', 'table-name' = 'trend_emotions',
  'url' = '${JDBC_URL}', 'username' = '${DB_USER}', 'password' = '${DB_PASSWORD}',
  'sink.buffer-flush.interval' = '500 ms'
);

CREATE TABLE trend_aspects (
  start_ms BIGINT, window_key STRING, width_seconds BIGINT, source STRING,
  term STRING, negative BIGINT, neutral BIGINT, positive BIGINT, mixed BIGINT,
  PRIMARY KEY (start_ms, window_key, width_seconds, source, term) NOT ENFORCED
) WITH (
  'connector' = 'jdbc', 'table-name' = 'trend_aspects',
  'url' = '${JDBC_URL}', 'username' = '${DB_USER}', 'password' = '${DB_PASSWORD}',
  'sink.buffer-flush.interval' = '500 ms'
);

-- A text with the window that it belongs to. Its sentiment is in whichever task was asked first.
CREATE TEMPORARY VIEW texts AS
SELECT
  start_s * 1000 AS start_ms,
  CASE WHEN `key` IS NULL THEN '' ELSE '=' || LEFT(`key`, 256) END AS window_key,
  COALESCE(sentiment.label, aspects.label, emotions.label) AS label,
  CAST(ROUND(1000000 * (
    COALESCE(sentiment.scores.positive, aspects.scores.positive, emotions.scores.positive)
    - COALESCE(sentiment.scores.negative, aspects.scores.negative, emotions.scores.negative)
  )) AS BIGINT) AS score_micros,
  -- Late is what comes when its window had been over for so long, by the greatest event time that its
  -- partition has seen: what a gateway says too, whatever the speed of either. It cannot be its own.
  CASE WHEN start_s + ${WINDOW_SECONDS} + ${LATENESS_SECONDS} <= MAX(moving_s) OVER (
    PARTITION BY topic_partition ORDER BY seen ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS late,
  emotions.emotions AS emotions_found,
  aspects.aspects AS aspects_found
FROM (
  SELECT
    *,
    event_s - MOD(event_s, ${WINDOW_SECONDS}) AS start_s,
    -- A time more than a day ahead of the clock is its sender's error, and makes nobody late.
    CASE WHEN event_time <= CURRENT_TIMESTAMP + INTERVAL '1' DAY THEN event_s END AS moving_s
  FROM (
    SELECT
      *,
      -- Seconds since 1970, in parts: of the whole Flink makes an INT, which ends in 2038.
      CAST(TIMESTAMPDIFF(DAY, TO_TIMESTAMP_LTZ(0, 3), event_time) AS BIGINT) * 86400
        + HOUR(event_time) * 3600 + MINUTE(event_time) * 60 + SECOND(event_time) AS event_s
    FROM results
  )
);

EXECUTE STATEMENT SET BEGIN

INSERT INTO trend_windows
SELECT
  start_ms, window_key, ${WINDOW_SECONDS}, 'flink', COUNT(*), SUM(late),
  COUNT(*) FILTER (WHERE label = 'negative'), COUNT(*) FILTER (WHERE label = 'neutral'),
  COUNT(*) FILTER (WHERE label = 'positive'), COUNT(*) FILTER (WHERE label = 'mixed'),
  SUM(score_micros)
FROM texts
GROUP BY start_ms, window_key;

INSERT INTO trend_emotions
SELECT start_ms, window_key, ${WINDOW_SECONDS}, 'flink', emotion, COUNT(*)
FROM texts CROSS JOIN UNNEST(emotions_found) AS found (emotion, detected)
WHERE detected
GROUP BY start_ms, window_key, emotion;

INSERT INTO trend_aspects
SELECT
  start_ms, window_key, ${WINDOW_SECONDS}, 'flink', term,
  COUNT(*) FILTER (WHERE judged = 'negative'), COUNT(*) FILTER (WHERE judged = 'neutral'),
  COUNT(*) FILTER (WHERE judged = 'positive'), COUNT(*) FILTER (WHERE judged = 'mixed')
FROM (
  SELECT
    start_ms, window_key, judged,
    -- The form in which terms are counted: lower case, single spaces, at most 100 characters.
    RTRIM(LEFT(LOWER(TRIM(REGEXP_REPLACE(written, '(?U)\s+', ' '))), 100)) AS term
  FROM texts CROSS JOIN UNNEST(aspects_found) AS found (written, judged)
  WHERE judged IS NOT NULL
)
WHERE term <> ''
GROUP BY start_ms, window_key, term;

END;
