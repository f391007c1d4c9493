CREATE TABLE s3_credentials (
    id text PRIMARY KEY,  -- the access key id
    project text NOT NULL REFERENCES projects,
    name text NOT NULL,
    access text NOT NULL,  -- read or write
    buckets text[] NOT NULL,  -- empty for all buckets
    secret text NOT NULL,  -- sealed by BunKMS with the key of the project
    created_at timestamptz NOT NULL,
    last_used_at timestamptz
);
CREATE INDEX s3_credentials_project ON s3_credentials (project, created_at, id);
