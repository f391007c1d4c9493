-- Processor time of workers, in milliseconds.
ALTER TABLE function_hours ADD COLUMN cpu_ms double precision NOT NULL DEFAULT 0;
ALTER TABLE usage_hours ADD COLUMN cpu_ms double precision NOT NULL DEFAULT 0;

-- Since when a job has been put off without an attempt, because of overload or of what was out of reach.
ALTER TABLE jobs ADD COLUMN put_off_since timestamptz;
