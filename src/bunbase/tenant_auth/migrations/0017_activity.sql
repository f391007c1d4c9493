-- The activity of users: sign-ins, refused sign-ins, and changes of the ways to sign in.
CREATE TABLE activity (
    project text NOT NULL,
    id text NOT NULL,
    user_id text NOT NULL,      -- no foreign key: a deletion leaves an entry that says so
    at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,  -- of the last of `count` attempts
    hour timestamptz NOT NULL,
    action text NOT NULL,
    method text NOT NULL,
    target text NOT NULL,
    outcome text NOT NULL,
    amr text[] NOT NULL,
    by text NOT NULL,           -- the kind of the actor
    actor text NOT NULL,        -- the id of the member or key
    ip text NOT NULL,
    agent text NOT NULL,
    session text NOT NULL,
    device bytea,               -- only of sign-ins: a hash of the program and the network
    new_device boolean NOT NULL,
    count int NOT NULL CHECK (count > 0),
    slot text NOT NULL,         -- rows of a user with the same slot are one row; empty: a row of its own
    PRIMARY KEY (project, id)
);
CREATE INDEX activity_user ON activity (project, user_id, id);
CREATE INDEX activity_hour ON activity (project, user_id, hour);
CREATE INDEX activity_device ON activity (project, user_id, device) WHERE device IS NOT NULL;
CREATE UNIQUE INDEX activity_slot ON activity (project, user_id, slot) WHERE slot <> '';
CREATE INDEX activity_at ON activity (at);
