-- From a raw topic to the worker's input: blank texts are dropped, and of records that came twice within
-- DEDUPE_HOURS the first is kept. Values pass as they are, byte for byte, with their keys, and the
-- worker's time is the record's. What is no JSON object passes too: the worker sends it to its dead letters,
-- where somebody finds it.
--
-- ${…} are filled in by run.py, or by envsubst before your own SQL client reads the file.

SET 'pipeline.name' = 'undertone: raw to input';
SET 'execution.checkpointing.interval' = '${CHECKPOINT}';
SET 'table.local-time-zone' = 'UTC';
-- How long it remembers that a record was here.
SET 'table.exec.state.ttl' = '${DEDUPE_HOURS} h';

CREATE TABLE raw_records (
  record_key BYTES,
  record_value BYTES,
  record_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
  seen AS PROCTIME()
) WITH (
  'connector' = 'kafka',
  'topic' = '${RAW_TOPIC}',
  'properties.bootstrap.servers' = '${BROKERS}',
  'properties.group.id' = '${GROUP}-before',
  'properties.isolation.level' = 'read_committed',
  'properties.auto.offset.reset' = 'earliest',
  'scan.startup.mode' = 'group-offsets',
  'scan.bounded.mode' = '${BOUNDED}',
  'key.format' = 'raw',
  'key.fields' = 'record_key',
  'value.format' = 'raw',
  'value.fields-include' = 'EXCEPT_KEY'
);

CREATE TABLE worker_input (
  record_key BYTES,
  record_value BYTES,
  record_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'
) WITH (
  'connector' = 'kafka',
  'topic' = '${INPUT_TOPIC}',
  'properties.bootstrap.servers' = '${BROKERS}',
  'properties.transaction.timeout.ms' = '600000',
  'key.format' = 'raw',
  'key.fields' = 'record_key',
  'value.format' = 'raw',
  'value.fields-include' = 'EXCEPT_KEY',
  -- A transaction a checkpoint: the worker reads committed records, so each comes to it once.
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = '${GROUP}-before'
);

CREATE TEMPORARY VIEW texts AS
SELECT
  record_key, record_value, record_time, seen,
  JSON_VALUE(DECODE(record_value, 'UTF-8'), '$.${TEXT_FIELD}') AS text,
  -- A record without an id is known by its bytes.
  COALESCE(
    JSON_VALUE(DECODE(record_value, 'UTF-8'), '$.${ID_FIELD}'),
    SHA256(DECODE(record_value, 'ISO-8859-1'))
  ) AS id
FROM raw_records;

INSERT INTO worker_input
SELECT record_key, record_value, record_time
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY seen ASC) AS nth
  FROM texts
  WHERE text IS NULL OR REGEXP_REPLACE(text, '(?U)\s+', '') <> ''
)
WHERE nth = 1;
