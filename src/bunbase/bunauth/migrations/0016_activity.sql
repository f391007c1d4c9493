-- The activity of an account: sign-ins, refused sign-ins, and changes of the ways to sign in.
CREATE TABLE activity (
    id text PRIMARY KEY,
    user_id text NOT NULL,  -- no foreign key: Platform may still need a row of an account that was deleted just now
    email text,             -- of the account at that time; only for rows that Platform needs
    at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,  -- of the last of `count` attempts
    action text NOT NULL,
    method text NOT NULL,
    target text NOT NULL,
    outcome text NOT NULL,
    ip text NOT NULL,
    agent text NOT NULL,
    count int NOT NULL CHECK (count > 0),
    hour timestamptz NOT NULL,
    slot text NOT NULL,     -- rows with the same slot are one row, so that refused attempts cannot fill the table
    unaudited boolean NOT NULL,  -- Platform has not copied the row into the audit log of the installation yet
    UNIQUE (user_id, slot)
);
CREATE INDEX activity_user ON activity (user_id, id);
CREATE INDEX activity_hour ON activity (user_id, hour);
CREATE INDEX activity_at ON activity (at);
CREATE INDEX activity_unaudited ON activity (id) WHERE unaudited;

-- The devices from which an account has signed in. Its owner gets a mail about a new one.
CREATE TABLE known_devices (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    device bytea NOT NULL,  -- a hash of the program and the network
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, device)
);
CREATE INDEX known_devices_seen ON known_devices (seen_at);
