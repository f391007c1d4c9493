CREATE TABLE definitions (
    project text PRIMARY KEY,
    channels text NOT NULL,  -- JSON: the definition of each pattern, as in PUT /v1/channels
    changed_at timestamptz NOT NULL DEFAULT now()
);
