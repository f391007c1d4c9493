CREATE TABLE projects (
    id text PRIMARY KEY,
    name text NOT NULL,
    slug text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz  -- the row stays, so that a slug in somebody's bookmarks never names another's project
);

CREATE TABLE members (
    project text NOT NULL REFERENCES projects,
    developer text NOT NULL,  -- an account of BunAuth
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project, developer)
);
CREATE INDEX members_developer ON members (developer, project);

CREATE TABLE keys (
    id text PRIMARY KEY,
    project text NOT NULL REFERENCES projects,
    kind text NOT NULL CHECK (kind IN ('publishable', 'secret')),
    name text NOT NULL,
    hint text NOT NULL,
    hash bytea NOT NULL UNIQUE,  -- SHA-256; the key itself is nowhere
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX keys_project ON keys (project, id);

CREATE TABLE revocations (
    kind text NOT NULL,
    id text NOT NULL,
    until double precision NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    payload jsonb NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now()
);
