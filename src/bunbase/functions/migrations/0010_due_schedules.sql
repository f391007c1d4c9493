-- Due runs of schedules are found without reading a backlog of other jobs.
CREATE INDEX jobs_scheduled ON jobs (look_at, project) WHERE kind = 'cron' AND state IN ('waiting', 'running');
