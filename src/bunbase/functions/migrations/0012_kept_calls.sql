-- Answers to calls and new jobs that have an idempotency key (docs/decisions/0068). `act` and `request` are hashes.
CREATE TABLE kept_calls (
    project text NOT NULL,
    act bytea NOT NULL,
    request bytea NOT NULL,
    at timestamptz NOT NULL,
    until timestamptz,   -- the end of the lease of a running call; NULL when it is over
    answer text,         -- sealed by BunKMS; NULL for a running call, and for an answer that was too large
    large boolean NOT NULL DEFAULT false,
    PRIMARY KEY (project, act)
);
CREATE INDEX kept_calls_newest ON kept_calls (project, large, at);
CREATE INDEX kept_calls_at ON kept_calls (at);
