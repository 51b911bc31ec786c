-- Answers that evaluations bought, so that no later one pays for them again. No text is here, only
-- what tells one question from another.
CREATE TABLE answers (
    provider     TEXT NOT NULL,
    model        TEXT NOT NULL,     -- as asked
    endpoint     TEXT NOT NULL,
    prompt       TEXT NOT NULL,     -- a hash of all that is the same for every text
    question     TEXT NOT NULL,     -- a hash of the text and of what is told of it
    model_served TEXT NOT NULL,
    verdict      TEXT,              -- JSON
    failure      TEXT,              -- why the model's answer was none, in a word
    cost_pico    BIGINT,
    latency_us   BIGINT NOT NULL,
    alone        BOOLEAN NOT NULL,  -- no other call of its evaluation was in the air
    bought_at    BIGINT NOT NULL,
    PRIMARY KEY (provider, model, endpoint, prompt, question),
    CHECK ((verdict IS NULL) <> (failure IS NULL))
);
