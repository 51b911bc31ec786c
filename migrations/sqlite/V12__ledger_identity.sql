-- Which ledger this is: a copy that is restored is the same, a new one in its place is another.
CREATE TABLE ledger_identity (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  TEXT NOT NULL
) STRICT;

INSERT INTO ledger_identity VALUES (1, lower(hex(randomblob(16))));
