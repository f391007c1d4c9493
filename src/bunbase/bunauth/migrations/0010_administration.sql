ALTER TABLE users ADD COLUMN suspended_at timestamptz;

-- administrators page through accounts, and search them by the beginning of the email
CREATE INDEX users_email_order ON users (email COLLATE "C");
