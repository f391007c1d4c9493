-- Users without an address sign in by phone, or are anonymous. banned_until: the end of a ban; NULL for a ban without end.
ALTER TABLE users
    ADD COLUMN name text NOT NULL DEFAULT '',
    ADD COLUMN phone text,
    ADD COLUMN phone_verified boolean NOT NULL DEFAULT false,
    ADD COLUMN anonymous boolean NOT NULL DEFAULT false,
    ADD COLUMN banned_until timestamptz,
    ADD COLUMN last_sign_in_at timestamptz,
    ADD COLUMN password_changed_at timestamptz,
    ADD CONSTRAINT users_phone UNIQUE (project, phone);

-- proved_at: when the user last proved in this session that the account is theirs. amr: the methods of the sign-in
-- (RFC 8176). aal: the number of factors that were checked. provider: the service or method that named the user.
-- act: the administrator who uses the session in the user's place.
ALTER TABLE sessions
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN proved_at timestamptz,
    ADD COLUMN failed_proofs int NOT NULL DEFAULT 0,
    ADD COLUMN amr text[] NOT NULL DEFAULT '{}',
    ADD COLUMN aal smallint NOT NULL DEFAULT 1,
    ADD COLUMN provider text NOT NULL DEFAULT '',
    ADD COLUMN act json;
UPDATE sessions SET last_used_at = created_at, proved_at = created_at;
ALTER TABLE sessions ALTER COLUMN last_used_at SET NOT NULL;

-- generation: the place of the token in its session: 0 for the first one, then 1, 2, …
-- child_used_at: when the pair that the token was exchanged for was first used. Until then the token returns that pair.
ALTER TABLE refresh_tokens
    ADD COLUMN generation int NOT NULL DEFAULT 0,
    ADD COLUMN child_used_at timestamptz;
UPDATE refresh_tokens SET child_used_at = used_at WHERE used_at IS NOT NULL;
DROP INDEX refresh_tokens_sealed;
CREATE INDEX refresh_tokens_sealed ON refresh_tokens (used_at) WHERE sealed_pair IS NOT NULL AND child_used_at IS NOT NULL;

-- The choices of the developers of a project for its users. sealed: secrets by name, sealed by BunKMS.
CREATE TABLE auth_settings (
    project text PRIMARY KEY,
    settings json NOT NULL,
    sealed json NOT NULL DEFAULT '{}',
    version int NOT NULL,
    updated_at timestamptz NOT NULL
);

-- The tables of pkg/mail/outbox.py.
CREATE TABLE mails (
    id text PRIMARY KEY,
    project text NOT NULL,
    kind text NOT NULL,
    notice boolean NOT NULL,
    recipient text NOT NULL,
    mailbox text NOT NULL,
    subject text NOT NULL,
    plain text NOT NULL,
    html text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'sent', 'kept', 'dead')),
    attempts int NOT NULL DEFAULT 0,
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    useful_until timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX mails_waiting ON mails (due_at) WHERE state = 'waiting';
CREATE INDEX mails_ended ON mails (state, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX mails_mailbox ON mails (mailbox, created_at);
CREATE INDEX mails_project ON mails (project, created_at);

-- The tables of pkg/identity.
CREATE TABLE totp (
    project text NOT NULL,
    user_id text NOT NULL,
    sealed text,
    confirmed_at timestamptz,
    last_step bigint NOT NULL DEFAULT -1,
    failed int NOT NULL DEFAULT 0,
    locked_until timestamptz,
    pending text,
    pending_until timestamptz,
    pending_failed int NOT NULL DEFAULT 0,
    PRIMARY KEY (project, user_id),
    FOREIGN KEY (project, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE TABLE recovery_codes (
    project text NOT NULL,
    user_id text NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (project, user_id, hash),
    FOREIGN KEY (project, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE TABLE passkeys (
    project text NOT NULL,
    id text NOT NULL,
    user_id text NOT NULL,
    credential_id bytea NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    name text NOT NULL,
    synced boolean NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    PRIMARY KEY (project, id),
    UNIQUE (project, credential_id),
    FOREIGN KEY (project, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX passkeys_user ON passkeys (project, user_id, id);
CREATE TABLE passkey_challenges (
    project text NOT NULL,
    hash bytea NOT NULL,
    kind text NOT NULL,
    user_id text,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project, hash),
    FOREIGN KEY (project, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX passkey_challenges_user ON passkey_challenges (project, user_id);
CREATE INDEX passkey_challenges_expiry ON passkey_challenges (expires_at);
CREATE TABLE sign_in_challenges (
    project text NOT NULL,
    hash bytea NOT NULL,
    user_id text NOT NULL,
    version int NOT NULL,
    failed int NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project, hash),
    FOREIGN KEY (project, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX sign_in_challenges_user ON sign_in_challenges (project, user_id);
CREATE INDEX sign_in_challenges_expiry ON sign_in_challenges (expires_at);
CREATE TABLE mail_tokens (
    project text NOT NULL,
    hash bytea NOT NULL,
    kind text NOT NULL,
    user_id text,
    email text NOT NULL,
    name text NOT NULL DEFAULT '',
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project, hash),
    FOREIGN KEY (project, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX mail_tokens_user ON mail_tokens (project, user_id, kind);
CREATE INDEX mail_tokens_expiry ON mail_tokens (expires_at);
CREATE TABLE mail_requests (
    project text NOT NULL,
    kind text NOT NULL,
    email text NOT NULL,
    name text NOT NULL DEFAULT '',
    requested_at timestamptz NOT NULL,
    PRIMARY KEY (project, kind, email)
);
CREATE INDEX mail_requests_order ON mail_requests (requested_at);
CREATE TABLE email_changes (
    project text NOT NULL,
    user_id text NOT NULL,
    new_email text NOT NULL,
    old_confirmed boolean NOT NULL,
    new_confirmed boolean NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project, user_id),
    FOREIGN KEY (project, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX email_changes_expiry ON email_changes (expires_at);

-- The persons of other services, and sign-ins at these services.
CREATE TABLE identities (
    project text NOT NULL,
    id text NOT NULL,
    user_id text NOT NULL,
    provider text NOT NULL,
    subject text NOT NULL,
    email text,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (project, id),
    UNIQUE (project, provider, subject),
    FOREIGN KEY (project, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX identities_user ON identities (project, user_id, id);
CREATE TABLE external_logins (
    project text NOT NULL,
    state_hash bytea PRIMARY KEY,  -- a provider sends back the state, but no project
    browser_hash bytea NOT NULL,
    provider text NOT NULL,
    redirect_to text NOT NULL,
    code_challenge text NOT NULL,
    link_session text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX external_logins_expiry ON external_logins (expires_at);
CREATE TABLE external_codes (
    project text NOT NULL,
    hash bytea NOT NULL,
    provider text NOT NULL,
    code_challenge text NOT NULL,
    link_session text NOT NULL,
    subject text NOT NULL,
    email text,
    email_verified boolean NOT NULL,
    name text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project, hash)
);
CREATE INDEX external_codes_expiry ON external_codes (expires_at);
CREATE TABLE link_tickets (
    project text NOT NULL,
    hash bytea NOT NULL,
    provider text NOT NULL,
    session text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project, hash),
    FOREIGN KEY (project, session) REFERENCES sessions ON DELETE CASCADE
);
CREATE INDEX link_tickets_session ON link_tickets (project, session);
CREATE INDEX link_tickets_expiry ON link_tickets (expires_at);
