-- what the first account must send in production; at most one row, gone once there is an account
CREATE TABLE setup_token (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    hash bytea NOT NULL  -- SHA-256; the token itself is nowhere
);
