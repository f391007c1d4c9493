-- Lines lie in a partition per day (UTC), so that old ones go by dropping a table instead of deleting row by row.
ALTER TABLE logs RENAME TO logs_of_one_table;
DROP INDEX logs_function, logs_project, logs_at;

CREATE SEQUENCE logs_order;

-- Written under a lock, so that lines become visible in the order of seq.
CREATE TABLE logs (
    seq bigint NOT NULL DEFAULT nextval('logs_order'),  -- before PostgreSQL 17 a partitioned table has no IDENTITY
    project text NOT NULL,
    function text NOT NULL,
    version int NOT NULL,
    invocation text NOT NULL,  -- empty for what a worker said outside any call
    at timestamptz NOT NULL,
    level text NOT NULL,
    text text NOT NULL,
    truncated boolean NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX logs_by_function ON logs (project, function, seq);
CREATE INDEX logs_by_project ON logs (project, seq);
ALTER SEQUENCE logs_order OWNED BY logs.seq;

DO $$
DECLARE day date;
BEGIN
    FOR day IN SELECT DISTINCT (at AT TIME ZONE 'UTC')::date FROM logs_of_one_table LOOP
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF logs FOR VALUES FROM (%L) TO (%L)',
            'logs_' || to_char(day, 'YYYYMMDD'), day || ' 00:00+00', day + 1 || ' 00:00+00'
        );
    END LOOP;
END $$;

INSERT INTO logs SELECT seq, project, function, version, invocation, at, level, text, truncated FROM logs_of_one_table;
SELECT setval('logs_order', coalesce(max(seq), 0) + 1, false) FROM logs;
DROP TABLE logs_of_one_table;
