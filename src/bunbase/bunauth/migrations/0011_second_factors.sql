-- The authenticator app of an account. The secrets are sealed by BunKMS. `pending` replaces `sealed` when a first code of
-- the new secret was sent, so that a change of the phone never leaves the account without a second factor.
CREATE TABLE totp (
    user_id text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    sealed text,  -- NULL until the first secret is confirmed
    confirmed_at timestamptz,
    last_step bigint NOT NULL DEFAULT -1,  -- the time step of the last good code: no code works twice
    failed int NOT NULL DEFAULT 0,  -- wrong codes in a row
    locked_until timestamptz,
    pending text,
    pending_until timestamptz,
    pending_failed int NOT NULL DEFAULT 0
);

-- A used code is deleted. The hash contains the account.
CREATE TABLE recovery_codes (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    hash bytea NOT NULL,
    PRIMARY KEY (user_id, hash)
);

CREATE TABLE passkeys (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    credential_id bytea NOT NULL UNIQUE,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    name text NOT NULL,
    synced boolean NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz
);
CREATE INDEX passkeys_user ON passkeys (user_id, id);

-- Challenges that a passkey must sign. user_id: NULL for a sign-in, where the account is not known yet.
CREATE TABLE passkey_challenges (
    hash bytea PRIMARY KEY,
    kind text NOT NULL,
    user_id text REFERENCES users ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX passkey_challenges_user ON passkey_challenges (user_id);
CREATE INDEX passkey_challenges_expiry ON passkey_challenges (expires_at);

-- Sign-ins that wait for their second factor. version: of the account when the first factor was checked.
CREATE TABLE sign_in_challenges (
    hash bytea PRIMARY KEY,
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    version int NOT NULL,
    failed int NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sign_in_challenges_user ON sign_in_challenges (user_id);
CREATE INDEX sign_in_challenges_expiry ON sign_in_challenges (expires_at);
