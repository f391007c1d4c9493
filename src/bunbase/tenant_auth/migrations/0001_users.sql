-- every table leads with the project, so that no query can forget it and rows of one project lie together
CREATE TABLE users (
    project text NOT NULL,
    id text NOT NULL,
    email text,  -- as normal_email gives it
    email_verified boolean NOT NULL DEFAULT false,
    password_hash text,
    role text NOT NULL DEFAULT 'user',
    claims json NOT NULL DEFAULT '{}',
    data json NOT NULL,  -- json keeps what jsonb cannot: every string and number just as it was sent
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project, id),
    UNIQUE (project, email)
);

CREATE TABLE sessions (
    project text NOT NULL,
    id text NOT NULL,
    user_id text NOT NULL,
    ip text NOT NULL,
    agent text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (project, id),
    FOREIGN KEY (project, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX sessions_user ON sessions (project, user_id);
CREATE INDEX sessions_over ON sessions ((coalesce(ended_at, expires_at)));

CREATE TABLE refresh_tokens (
    project text NOT NULL,
    hash bytea NOT NULL,  -- SHA-256; the token itself is nowhere
    session text NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    sealed_pair bytea,  -- what it was traded for, readable to holders of the token alone; gone after the grace
    PRIMARY KEY (project, hash),
    FOREIGN KEY (project, session) REFERENCES sessions ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (project, session);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_sealed ON refresh_tokens (used_at) WHERE sealed_pair IS NOT NULL;

CREATE TABLE revocations (
    kind text NOT NULL,
    id text NOT NULL,
    until double precision NOT NULL,
    PRIMARY KEY (kind, id)
);
