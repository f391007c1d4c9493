-- Batches of usage that were added: one that is sent again adds nothing (pkg/db/ledger.py).
CREATE TABLE usage_batches (
    writer text NOT NULL,  -- one life of one process
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (writer, seq)
);
CREATE INDEX usage_batches_at ON usage_batches USING brin (at);

-- The usage of projects by the hour, in whole numbers. It is for the bill, and outlives the project.
CREATE TABLE usage_hours (
    project text NOT NULL,
    dimension smallint NOT NULL,  -- pkg/usage/dimensions.py
    hour timestamptz NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (project, dimension, hour)
);
CREATE INDEX usage_hours_hour ON usage_hours USING brin (hour);
