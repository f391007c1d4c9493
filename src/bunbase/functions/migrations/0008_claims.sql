-- The first due job of one project: a claim passes over the backlogs of others.
CREATE INDEX jobs_due ON jobs (project, look_at) WHERE state IN ('waiting', 'running');
