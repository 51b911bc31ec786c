-- What may be learnt from. Texts are here only where the configuration consents (learning.keep_texts).

-- A text with the verdict that its sender got.
CREATE TABLE kept_texts (
    seq          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           TEXT NOT NULL,     -- of the verdict, as its sender knows it; in a batch, the sender's own
    task         TEXT NOT NULL,
    text         TEXT NOT NULL,
    text_hash    BYTEA NOT NULL,    -- a text may be too long for an index
    language     TEXT NOT NULL,
    route        TEXT NOT NULL CHECK (route IN ('local', 'llm')),
    model        TEXT NOT NULL,
    verdict      TEXT NOT NULL,     -- JSON, without a word of the text
    local_scores TEXT,              -- JSON: the local model's, where the verdict is an LLM's
    recent       BOOLEAN NOT NULL,  -- kept a while, for feedback alone
    kept_at      BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);

CREATE INDEX kept_texts_by_id ON kept_texts (id);
CREATE INDEX kept_texts_by_text ON kept_texts (text_hash);
CREATE INDEX kept_texts_by_end ON kept_texts (expires_at);
CREATE INDEX kept_texts_recent ON kept_texts (seq) WHERE recent;

-- What people said of verdicts, without a word of the texts.
CREATE TABLE feedback (
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         TEXT NOT NULL,
    task       TEXT NOT NULL,
    said       TEXT NOT NULL,       -- JSON
    agrees     BOOLEAN,             -- with the verdict; NULL: that cannot be told
    kept       BIGINT REFERENCES kept_texts (seq) ON DELETE CASCADE,  -- NULL: the text is not kept
    said_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX feedback_by_id ON feedback (id);
CREATE INDEX feedback_by_text ON feedback (kept);
CREATE INDEX feedback_by_end ON feedback (expires_at);

-- How the input of a model was distributed, for later input to be compared with: counts alone.
CREATE TABLE baselines (
    model  TEXT NOT NULL,
    task   TEXT NOT NULL,
    texts  BIGINT NOT NULL,
    counts TEXT NOT NULL,           -- JSON: the dimensions, each with the counts of its cells
    PRIMARY KEY (model, task)
);
