-- Batches of usage that were added: one that is sent again adds nothing (pkg/db/ledger.py).
CREATE TABLE usage_batches (
    writer text NOT NULL,  -- one life of one process
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (writer, seq)
);
CREATE INDEX usage_batches_at ON usage_batches USING brin (at);

-- What a project used, by the hour, in whole numbers: for the bill, so it outlives the functions and the project.
CREATE TEMPORARY TABLE used_before ON COMMIT DROP AS SELECT project, hour, invocations, gb_seconds, cpu_ms FROM usage_hours;
DROP TABLE usage_hours;
CREATE TABLE usage_hours (
    project text NOT NULL,
    dimension smallint NOT NULL,  -- pkg/usage/dimensions.py
    hour timestamptz NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (project, dimension, hour)
);
CREATE INDEX usage_hours_hour ON usage_hours USING brin (hour);

INSERT INTO usage_hours (project, dimension, hour, amount)
SELECT project, dimension, hour, amount
FROM used_before CROSS JOIN LATERAL (
    VALUES (4, invocations), (5, round(gb_seconds * 1024000)::bigint), (6, round(cpu_ms * 1000)::bigint)
) AS by_dimension (dimension, amount)
WHERE amount > 0;

-- The newest batch of log lines of each process: one that is sent again adds nothing.
CREATE TABLE log_writers (
    writer text PRIMARY KEY,
    seq bigint NOT NULL,
    at timestamptz NOT NULL
);
