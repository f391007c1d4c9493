-- Sign-ins of devices that wait for the approval of a person in a browser (RFC 8628).
CREATE TABLE device_logins (
    hash bytea PRIMARY KEY,  -- SHA-256 of the device code; the code itself is nowhere
    user_code text NOT NULL UNIQUE,  -- without a dash; worth nothing without a person who signs in
    client text NOT NULL,
    ip text NOT NULL,
    agent text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'approved', 'denied')),
    interval_seconds int NOT NULL,  -- increases when the device asks too often
    polled_at timestamptz,
    user_id text REFERENCES users ON DELETE CASCADE,  -- of the person who approved
    user_version int  -- of that account at the approval
);
CREATE INDEX device_logins_expiry ON device_logins (expires_at);
CREATE INDEX device_logins_user ON device_logins (user_id);
