CREATE TABLE functions (
    project text NOT NULL,
    name text NOT NULL,
    active_version int NOT NULL,
    PRIMARY KEY (project, name)
);

CREATE TABLE versions (
    project text NOT NULL,
    name text NOT NULL,
    version int NOT NULL,
    bundle bytea NOT NULL,
    source_map bytea,
    config jsonb NOT NULL,
    sha256 text NOT NULL,  -- of the bundle, in hex
    size int NOT NULL,  -- of the bundle, in bytes
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,  -- an account of BunAuth
    PRIMARY KEY (project, name, version),
    FOREIGN KEY (project, name) REFERENCES functions ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);

-- Grows with every change of a project's variables: workers started before it do not have them.
CREATE TABLE environments (
    project text PRIMARY KEY,
    revision bigint NOT NULL
);

CREATE TABLE variables (
    project text NOT NULL,
    name text NOT NULL,
    sealed text NOT NULL,  -- by BunKMS, bound to project and name
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project, name)
);

-- Written under a lock, so that lines become visible in the order of seq.
CREATE TABLE logs (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project text NOT NULL,
    function text NOT NULL,
    version int NOT NULL,
    invocation text NOT NULL,  -- empty for what a worker said outside any call
    at timestamptz NOT NULL,
    level text NOT NULL,
    text text NOT NULL,
    truncated boolean NOT NULL
);
CREATE INDEX logs_function ON logs (project, function, seq);
CREATE INDEX logs_project ON logs (project, seq);
CREATE INDEX logs_at ON logs USING brin (at);
