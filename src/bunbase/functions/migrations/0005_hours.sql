-- How a function did, by the hour: for its developers.
CREATE TABLE function_hours (
    project text NOT NULL,
    function text NOT NULL,
    hour timestamptz NOT NULL,
    calls bigint NOT NULL,  -- that a worker had
    errors bigint NOT NULL,  -- of these: threw, ran out of time, crashed
    refused bigint NOT NULL,  -- that no worker had
    cold bigint NOT NULL,
    gb_seconds double precision NOT NULL,
    peak_mb double precision NOT NULL,
    buckets bigint[] NOT NULL,  -- of durations: functions/durations.py
    PRIMARY KEY (project, function, hour)
);
CREATE INDEX function_hours_hour ON function_hours USING brin (hour);

-- What a project used, by the hour: for the bill, so it outlives the functions and the project.
CREATE TABLE usage_hours (
    project text NOT NULL,
    hour timestamptz NOT NULL,
    invocations bigint NOT NULL,
    gb_seconds double precision NOT NULL,
    PRIMARY KEY (project, hour)
);
CREATE INDEX usage_hours_hour ON usage_hours USING brin (hour);
