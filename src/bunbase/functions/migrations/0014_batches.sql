-- Calls with several changes (docs/decisions/0080). `together`: a batch with this job has failed twice, and its next batch
-- has at most so many jobs; null: no batch with it has failed twice.
ALTER TABLE jobs ADD COLUMN together int;
ALTER TABLE runs ADD COLUMN events int NOT NULL DEFAULT 1;
