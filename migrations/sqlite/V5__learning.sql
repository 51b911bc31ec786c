-- What may be learnt from. Texts are here only where the configuration consents (learning.keep_texts).

-- A text with the verdict that its sender got.
CREATE TABLE kept_texts (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL,     -- of the verdict, as its sender knows it; in a batch, the sender's own
    task         TEXT NOT NULL,
    text         TEXT NOT NULL,
    language     TEXT NOT NULL,
    route        TEXT NOT NULL CHECK (route IN ('local', 'llm')),
    model        TEXT NOT NULL,
    verdict      TEXT NOT NULL,     -- JSON, without a word of the text
    local_scores TEXT,              -- JSON: the local model's, where the verdict is an LLM's
    recent       INTEGER NOT NULL CHECK (recent IN (0, 1)),  -- 1: kept a while, for feedback alone
    kept_at      INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX kept_texts_by_id ON kept_texts (id);
CREATE INDEX kept_texts_by_end ON kept_texts (expires_at);
CREATE INDEX kept_texts_recent ON kept_texts (seq) WHERE recent = 1;

-- What people said of verdicts, without a word of the texts.
CREATE TABLE feedback (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL,
    task       TEXT NOT NULL,
    said       TEXT NOT NULL,       -- JSON
    agrees     INTEGER CHECK (agrees IN (0, 1)),  -- with the verdict; NULL: that cannot be told
    kept       INTEGER REFERENCES kept_texts (seq) ON DELETE CASCADE,  -- NULL: the text is not kept
    said_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX feedback_by_id ON feedback (id);
CREATE INDEX feedback_by_text ON feedback (kept);
CREATE INDEX feedback_by_end ON feedback (expires_at);

-- How the input of a model was distributed, for later input to be compared with: counts alone.
CREATE TABLE baselines (
    model  TEXT NOT NULL,
    task   TEXT NOT NULL,
    texts  INTEGER NOT NULL,
    counts TEXT NOT NULL,           -- JSON: the dimensions, each with the counts of its cells
    PRIMARY KEY (model, task)
) STRICT, WITHOUT ROWID;
