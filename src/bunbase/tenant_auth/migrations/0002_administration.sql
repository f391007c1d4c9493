-- version: of what access tokens say of the user and of what they may; the next one ends all tokens of this one
ALTER TABLE users ADD COLUMN version integer NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN banned_at timestamptz;

-- lists are newest first, which is by id; ids sort by creation
CREATE INDEX users_email_prefix ON users (project, email text_pattern_ops);
CREATE INDEX users_role ON users (project, role, id);
CREATE INDEX users_banned ON users (project, id) WHERE banned_at IS NOT NULL;

-- claims: what the custom token of the sign-in added to the user's own
ALTER TABLE sessions ADD COLUMN claims json NOT NULL DEFAULT '{}';
DROP INDEX sessions_user;
CREATE INDEX sessions_user ON sessions (project, user_id, id);

CREATE TABLE used_custom_tokens (
    project text NOT NULL,
    id text NOT NULL,
    expires_at timestamptz NOT NULL,  -- forgotten afterwards: then the token is refused by itself
    PRIMARY KEY (project, id)
);
CREATE INDEX used_custom_tokens_expiry ON used_custom_tokens (expires_at);
