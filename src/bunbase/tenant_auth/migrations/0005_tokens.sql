-- for the job that deletes anonymous users who were away for long
CREATE INDEX users_anonymous ON users (created_at) WHERE anonymous;
