CREATE TABLE users (
    id text PRIMARY KEY,
    email text NOT NULL UNIQUE,  -- as normal_email gives it
    name text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL CHECK (role IN ('admin', 'user')),
    created_at timestamptz NOT NULL
);

CREATE TABLE sessions (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    ip text NOT NULL,
    agent text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_over ON sessions ((coalesce(ended_at, expires_at)));

CREATE TABLE refresh_tokens (
    hash bytea PRIMARY KEY,  -- SHA-256; the token itself is nowhere
    session text NOT NULL REFERENCES sessions ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    sealed_pair bytea  -- what it was traded for, readable to holders of the token alone; gone after the grace
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_sealed ON refresh_tokens (used_at) WHERE sealed_pair IS NOT NULL;

CREATE TABLE personal_tokens (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    name text NOT NULL,
    scopes text[] NOT NULL,
    hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz
);
CREATE INDEX personal_tokens_user ON personal_tokens (user_id, id);

CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    sealed text NOT NULL,  -- the private key, sealed by BunKMS
    created_at timestamptz NOT NULL
);

CREATE TABLE revocations (
    kind text NOT NULL,
    id text NOT NULL,
    until double precision NOT NULL,
    PRIMARY KEY (kind, id)
);
