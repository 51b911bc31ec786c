-- What the routing signals of a sample of texts said, and what was decided: for `undertone replay`. No
-- word of a text is here.
CREATE TABLE signals (
    at            BIGINT NOT NULL,
    id            BIGINT GENERATED ALWAYS AS IDENTITY,  -- orders those of one millisecond
    weight        DOUBLE PRECISION NOT NULL,            -- how many texts the row stands for
    task          TEXT NOT NULL,
    route         TEXT NOT NULL,     -- as asked for: auto, local, llm
    text_bytes    BIGINT NOT NULL,
    ambiguous     REAL NOT NULL,
    sarcasm       REAL NOT NULL,
    multi_aspect  REAL NOT NULL,
    out_of_domain REAL NOT NULL,
    reasons       TEXT NOT NULL,     -- names with commas between them
    outcome       TEXT NOT NULL,
    cached        BOOLEAN NOT NULL,  -- a provider's answer, not bought for this text
    asked         BOOLEAN NOT NULL,  -- a provider was called for this text
    cost_pico     BIGINT,            -- NULL where none was called, and where the cost is not known
    PRIMARY KEY (at, id)
);
