-- for the search of administrators; users_email_prefix serves the beginning of an address
CREATE INDEX users_name_prefix ON users (project, lower(name) text_pattern_ops) WHERE name <> '';
CREATE INDEX users_created ON users (project, created_at, id);
CREATE INDEX users_of_anonymous ON users (project, id) WHERE anonymous;
CREATE INDEX identities_provider ON identities (project, provider, user_id);
