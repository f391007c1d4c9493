CREATE TABLE service_accounts (
    id text PRIMARY KEY,  -- the client_id
    project text NOT NULL REFERENCES projects,
    name text NOT NULL,
    scopes text[] NOT NULL,
    hash bytea,  -- SHA-256 of the client_secret; null if there is a public key
    public_key jsonb,  -- a JWK; null if there is a secret
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    CHECK ((hash IS NULL) <> (public_key IS NULL))
);
CREATE INDEX service_accounts_project ON service_accounts (project, id);

-- The assertions that were used and have not expired: each may be used once.
CREATE TABLE used_assertions (
    account text NOT NULL REFERENCES service_accounts ON DELETE CASCADE,
    hash bytea NOT NULL,  -- SHA-256 of the jti
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (account, hash)
);
CREATE INDEX used_assertions_expiry ON used_assertions (expires_at);
