-- Which ledger this is: a dump that is restored is the same, a new one in its place is another.
CREATE TABLE ledger_identity (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  TEXT NOT NULL
);

INSERT INTO ledger_identity VALUES (1, replace(gen_random_uuid()::text, '-', ''));
