-- The lifetimes of access tokens that may still be valid (pkg/db/lifetimes.py).
CREATE TABLE access_lifetimes (
    seconds int PRIMARY KEY,
    until double precision NOT NULL  -- Unix seconds
);
-- Tokens from before this update may have the longest lifetime that the setting allows.
INSERT INTO access_lifetimes (seconds, until)
SELECT 86400, extract(epoch FROM now()) + 86400 WHERE EXISTS (SELECT FROM sessions);
