-- Several texts may share a call: what a text would have cost is then estimated by the text.
ALTER TABLE attempts ADD COLUMN texts BIGINT NOT NULL DEFAULT 1;
