-- Sign-ins on pages by another service or a passkey. Each is good for one act on one page, once.
CREATE TABLE page_passes (
    hash bytea PRIMARY KEY,  -- of the cookie
    page_hash bytea NOT NULL,  -- of the page and its key
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    user_version int NOT NULL,  -- of the account at the sign-in
    method text NOT NULL,
    target text NOT NULL,  -- the service that signed the person in
    amr text[] NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX page_passes_user ON page_passes (user_id);
CREATE INDEX page_passes_expiry ON page_passes (expires_at);
