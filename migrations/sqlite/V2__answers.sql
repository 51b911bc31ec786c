-- Answers that evaluations bought, so that no later one pays for them again. No text is here, only
-- what tells one question from another.
CREATE TABLE answers (
    provider   TEXT NOT NULL,
    model      TEXT NOT NULL,     -- as asked
    endpoint   TEXT NOT NULL,
    prompt     TEXT NOT NULL,     -- a hash of all that is the same for every text
    question   TEXT NOT NULL,     -- a hash of the text and of what is told of it
    model_served TEXT NOT NULL,
    verdict    TEXT,              -- JSON
    failure    TEXT,              -- why the model's answer was none, in a word
    cost_pico  INTEGER,
    latency_us INTEGER NOT NULL,
    alone      INTEGER NOT NULL,  -- 1: no other call of its evaluation was in the air
    bought_at  INTEGER NOT NULL,
    PRIMARY KEY (provider, model, endpoint, prompt, question),
    CHECK ((verdict IS NULL) <> (failure IS NULL))
) STRICT, WITHOUT ROWID;
