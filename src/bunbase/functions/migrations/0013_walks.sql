-- Runs of a function over the documents of a collection (docs/decisions/0082). A migration stays when its function goes.
CREATE TABLE walks (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    project text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,      -- of a migration; otherwise empty
    function text NOT NULL,
    collection text NOT NULL,
    filter jsonb,
    checksum text NOT NULL,
    state text NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    max_errors int NOT NULL,
    max_per_second int NOT NULL,
    total bigint NOT NULL,
    seen bigint NOT NULL DEFAULT 0,
    changed bigint NOT NULL DEFAULT 0,
    deleted bigint NOT NULL DEFAULT 0,
    handed_on bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    error text,
    cursor text,             -- the next page of documents; NULL at the beginning, and when `exhausted`
    exhausted boolean NOT NULL DEFAULT false,
    retries text[] NOT NULL DEFAULT '{}',  -- ids to visit before the next page
    attempt bigint NOT NULL DEFAULT 0,     -- names the commit of a batch
    plan jsonb,              -- the outcome of a batch whose commit has been sent, without contents of documents
    holder text,
    look_at timestamptz NOT NULL           -- the end of the holder's lease
);
CREATE INDEX walks_look ON walks (look_at) WHERE state = 'running';
CREATE INDEX walks_project ON walks (project, seq);
CREATE UNIQUE INDEX walks_migration ON walks (project, name) WHERE kind = 'migration';
CREATE UNIQUE INDEX walks_collection ON walks (project, collection) WHERE state IN ('running', 'paused');

CREATE TABLE walk_failures (
    walk bigint NOT NULL REFERENCES walks ON DELETE CASCADE,
    id text NOT NULL,        -- of the document
    code text NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (walk, id)
);
