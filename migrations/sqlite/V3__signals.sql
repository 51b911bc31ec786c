-- What the routing signals of a sample of texts said, and what was decided: for `undertone replay`. No
-- word of a text is here.
CREATE TABLE signals (
    at            INTEGER NOT NULL,
    weight        REAL NOT NULL,     -- how many texts the row stands for
    task          TEXT NOT NULL,
    route         TEXT NOT NULL,     -- as asked for: auto, local, llm
    text_bytes    INTEGER NOT NULL,
    ambiguous     REAL NOT NULL,
    sarcasm       REAL NOT NULL,
    multi_aspect  REAL NOT NULL,
    out_of_domain REAL NOT NULL,
    reasons       TEXT NOT NULL,     -- names with commas between them
    outcome       TEXT NOT NULL,
    cached        INTEGER NOT NULL,  -- 1: a provider's answer, not bought for this text
    asked         INTEGER NOT NULL,  -- 1: a provider was called for this text
    cost_pico     INTEGER            -- NULL where none was called, and where the cost is not known
) STRICT;

CREATE INDEX signals_by_time ON signals (at);
