-- Accounts that are being deleted: they may not join anything until then.
CREATE TABLE departing (
    developer text PRIMARY KEY,
    until timestamptz NOT NULL
);
