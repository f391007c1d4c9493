-- Short codes with which users sign in. kind: the way by which the code was sent. sealed: the code, sealed by BunKMS,
-- because a hash of six digits is no secret. compared: guesses. made: codes that were made since counted_since.
CREATE TABLE sign_in_codes (
    project text NOT NULL,
    kind text NOT NULL,
    address text NOT NULL,
    sealed text NOT NULL,
    compared int NOT NULL DEFAULT 0,
    made int NOT NULL,
    counted_since timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project, kind, address)
);
CREATE INDEX sign_in_codes_expiry ON sign_in_codes (expires_at);
