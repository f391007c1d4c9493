-- Tenant-auth keeps the same tables for the users of projects, and shares their SQL (pkg/identity/store). Accounts of the
-- installation have an empty project. user_id stays the first column of the keys: the deletion of an account needs it.
ALTER TABLE totp
    ADD COLUMN project text NOT NULL DEFAULT '', DROP CONSTRAINT totp_pkey, ADD PRIMARY KEY (user_id, project);
ALTER TABLE recovery_codes ADD COLUMN project text NOT NULL DEFAULT '';
ALTER TABLE passkeys ADD COLUMN project text NOT NULL DEFAULT '';
ALTER TABLE passkey_challenges ADD COLUMN project text NOT NULL DEFAULT '';
ALTER TABLE sign_in_challenges ADD COLUMN project text NOT NULL DEFAULT '';
