-- On whose behalf a text was analysed: others may not speak of it, nor learn that it is there. NULL:
-- without keys, or from a file or a stream.
ALTER TABLE kept_texts ADD COLUMN key_id TEXT;
ALTER TABLE kept_texts ADD COLUMN team TEXT;

-- Whose word it is.
ALTER TABLE feedback ADD COLUMN key_id TEXT;

-- NULL: as configured.
ALTER TABLE keys ADD COLUMN texts_per_minute INTEGER;
