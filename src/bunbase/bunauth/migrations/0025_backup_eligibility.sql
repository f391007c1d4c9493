-- True if the authenticator may back the passkey up. It never changes, so an answer with another value is refused.
-- NULL for a passkey that was added before this column, until its next use.
ALTER TABLE passkeys ADD COLUMN backup_eligible boolean;
