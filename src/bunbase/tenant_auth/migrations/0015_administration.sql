-- for the search of administrators; users_email_prefix serves the beginning of an address
CREATE INDEX users_name_prefix ON users (project, lower(name) text_pattern_ops) WHERE name <> '';
CREATE INDEX users_created ON users (project, created_at, id);
CREATE INDEX users_of_anonymous ON users (project, id) WHERE anonymous;
CREATE INDEX identities_provider ON identities (project, provider, user_id);

-- the active users of a month that can still change, and the numbers of the months before it
CREATE TABLE user_months (
    project text NOT NULL,
    month text NOT NULL,  -- as 2026-11
    user_id text NOT NULL,  -- no foreign key: a user who was deleted in this month counts too
    anonymous boolean NOT NULL,
    PRIMARY KEY (project, month, user_id)
);
CREATE INDEX user_months_month ON user_months (month);
CREATE TABLE user_month_counts (
    project text NOT NULL,
    month text NOT NULL,
    users bigint NOT NULL,
    anonymous bigint NOT NULL,
    PRIMARY KEY (project, month)
);
