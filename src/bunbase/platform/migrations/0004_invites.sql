CREATE TABLE invites (
    id text PRIMARY KEY,
    project text REFERENCES projects,
    org text REFERENCES orgs,
    email text NOT NULL,
    role member_role NOT NULL,
    hash bytea NOT NULL UNIQUE,  -- SHA-256; the token itself is nowhere
    invited_by text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_by text,  -- the account that used it; a repeated request of this account gets the same answer
    CHECK (num_nonnulls(project, org) = 1)
);
CREATE UNIQUE INDEX invites_project ON invites (project, email) WHERE project IS NOT NULL AND accepted_by IS NULL;
CREATE UNIQUE INDEX invites_org ON invites (org, email) WHERE org IS NOT NULL AND accepted_by IS NULL;
CREATE INDEX invites_expiry ON invites (expires_at);

-- How many invitations were sent in an hour. A deleted invitation still counts.
CREATE TABLE invites_sent (
    sender text NOT NULL,  -- a project, an organisation or an account
    hour timestamptz NOT NULL,
    count int NOT NULL,
    PRIMARY KEY (sender, hour)
);
