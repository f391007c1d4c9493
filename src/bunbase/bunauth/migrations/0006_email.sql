-- Links that were sent by mail. The hash is SHA-256; the token itself is only in the mail.
CREATE TABLE mail_tokens (
    hash bytea PRIMARY KEY,
    kind text NOT NULL,
    user_id text REFERENCES users ON DELETE CASCADE,  -- NULL: the link opens an account
    email text NOT NULL,
    name text NOT NULL DEFAULT '',
    expires_at timestamptz NOT NULL
);
CREATE INDEX mail_tokens_user ON mail_tokens (user_id, kind);
CREATE INDEX mail_tokens_expiry ON mail_tokens (expires_at);

-- Requests for a mail whose answer must not show whether the address has an account. A job answers them.
CREATE TABLE mail_requests (
    kind text NOT NULL,
    email text NOT NULL,
    name text NOT NULL DEFAULT '',
    requested_at timestamptz NOT NULL,
    PRIMARY KEY (kind, email)
);

-- A new address of an account, until both addresses have confirmed it.
CREATE TABLE email_changes (
    user_id text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    new_email text NOT NULL,
    old_confirmed boolean NOT NULL,
    new_confirmed boolean NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX email_changes_expiry ON email_changes (expires_at);

-- Invitations to open an account. An invitation to an address admits only that address, and verifies it.
CREATE TABLE invites (
    id text PRIMARY KEY,
    hash bytea NOT NULL UNIQUE,
    email text,
    role text NOT NULL CHECK (role IN ('admin', 'user')),
    invited_by text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX invites_expiry ON invites (expires_at);
