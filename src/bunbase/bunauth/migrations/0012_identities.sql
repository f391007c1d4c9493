-- The persons of other services (OpenID Connect providers, GitHub) that may sign in to an account.
CREATE TABLE identities (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    provider text NOT NULL,  -- its name in the settings
    subject text NOT NULL,  -- the person's id there
    email text,  -- as the provider named it at the last sign-in
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    UNIQUE (provider, subject)
);
CREATE INDEX identities_user ON identities (user_id, id);

-- Sign-ins at a provider that are under way, from the start to the provider's answer. The browser has a secret in a
-- cookie; nonce and PKCE verifier are derived from that secret and the state, so they are not stored.
CREATE TABLE external_logins (
    state_hash bytea PRIMARY KEY,
    browser_hash bytea NOT NULL,
    provider text NOT NULL,
    redirect_to text NOT NULL,
    code_challenge text NOT NULL,  -- of the client that exchanges the code
    link_session text NOT NULL,  -- the session that links an identity to its account; empty for a sign-in
    expires_at timestamptz NOT NULL
);
CREATE INDEX external_logins_expiry ON external_logins (expires_at);

-- Codes that a client exchanges for tokens, with the person that the provider has named.
CREATE TABLE external_codes (
    hash bytea PRIMARY KEY,
    provider text NOT NULL,
    code_challenge text NOT NULL,
    link_session text NOT NULL,
    subject text NOT NULL,
    email text,
    email_verified boolean NOT NULL,
    name text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX external_codes_expiry ON external_codes (expires_at);

-- Tickets with which a signed-in account begins to link an identity.
CREATE TABLE link_tickets (
    hash bytea PRIMARY KEY,
    provider text NOT NULL,
    session text NOT NULL REFERENCES sessions ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX link_tickets_expiry ON link_tickets (expires_at);
