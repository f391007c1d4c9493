-- Applications that sign people in by OpenID Connect. secret_hash: SHA-256; null for a public client.
CREATE TABLE oauth_clients (
    id text PRIMARY KEY,
    name text NOT NULL,
    redirect_uris text[] NOT NULL,
    first_party boolean NOT NULL,
    secret_hash bytea,
    created_at timestamptz NOT NULL,
    rotated_at timestamptz
);

-- The clients that a person has allowed, with all scopes that the person has allowed so far.
CREATE TABLE oauth_grants (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    client_id text NOT NULL REFERENCES oauth_clients ON DELETE CASCADE,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    UNIQUE (user_id, client_id)
);
CREATE INDEX oauth_grants_client ON oauth_grants (client_id);

-- Authorization requests of browsers whose person must sign in or consent first.
CREATE TABLE oauth_requests (
    hash bytea PRIMARY KEY,
    browser_hash bytea NOT NULL,  -- of the cookie; other browsers cannot continue the request
    client_id text NOT NULL REFERENCES oauth_clients ON DELETE CASCADE,
    redirect_uri text NOT NULL,
    asked jsonb NOT NULL,  -- the checked parameters
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oauth_requests_client ON oauth_requests (client_id);
CREATE INDEX oauth_requests_expiry ON oauth_requests (expires_at);

-- Sessions of the sign-in page: the browser has the secret in a cookie, and no tokens.
CREATE TABLE page_sessions (
    hash bytea PRIMARY KEY,
    session text NOT NULL UNIQUE REFERENCES sessions ON DELETE CASCADE,
    amr text[] NOT NULL
);

-- Authorization codes. A used code stays until it is old, because its second use ends the session that it gave.
CREATE TABLE oauth_codes (
    hash bytea PRIMARY KEY,
    client_id text NOT NULL REFERENCES oauth_clients ON DELETE CASCADE,
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    user_version int NOT NULL,  -- of the account at the consent
    redirect_uri text NOT NULL,
    code_challenge text NOT NULL,
    scopes text[] NOT NULL,
    nonce text NOT NULL,
    signed_in_at timestamptz NOT NULL,
    amr text[] NOT NULL,
    ip text NOT NULL,  -- of the browser
    agent text NOT NULL,
    expires_at timestamptz NOT NULL,
    session text  -- what the code gave
);
CREATE INDEX oauth_codes_client ON oauth_codes (client_id);
CREATE INDEX oauth_codes_user ON oauth_codes (user_id, client_id);
CREATE INDEX oauth_codes_expiry ON oauth_codes (expires_at);

-- The sessions that clients have. A client is deleted only after all its sessions: without its row here, the refresh
-- tokens of a session would be those of a developer.
CREATE TABLE oauth_sessions (
    session text PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    client_id text NOT NULL REFERENCES oauth_clients,
    scopes text[] NOT NULL,
    signed_in_at timestamptz NOT NULL,
    amr text[] NOT NULL
);
CREATE INDEX oauth_sessions_client ON oauth_sessions (client_id);
