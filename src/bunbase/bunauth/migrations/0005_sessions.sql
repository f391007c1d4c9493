-- An account without a password signs in by another service.
ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL;
ALTER TABLE users ADD COLUMN email_verified_at timestamptz;
ALTER TABLE users ADD COLUMN avatar_url text NOT NULL DEFAULT '';
-- version: increases with each change of the credentials, so that a sign-in that is under way notices the change
ALTER TABLE users ADD COLUMN version int NOT NULL DEFAULT 0;

-- proved_at: when the account last proved in this session that it is its owner (password, second factor, passkey).
ALTER TABLE sessions ADD COLUMN last_used_at timestamptz;
ALTER TABLE sessions ADD COLUMN proved_at timestamptz;
ALTER TABLE sessions ADD COLUMN failed_proofs int NOT NULL DEFAULT 0;
UPDATE sessions SET last_used_at = created_at, proved_at = created_at;
ALTER TABLE sessions ALTER COLUMN last_used_at SET NOT NULL;

-- generation: the place of the token in its session: 0 for the first one, then 1, 2, …
-- child_used_at: when the pair that the token was exchanged for was first used. Until then the token returns that pair.
ALTER TABLE refresh_tokens ADD COLUMN generation int NOT NULL DEFAULT 0;
ALTER TABLE refresh_tokens ADD COLUMN child_used_at timestamptz;
UPDATE refresh_tokens SET child_used_at = used_at WHERE used_at IS NOT NULL;
DROP INDEX refresh_tokens_sealed;
CREATE INDEX refresh_tokens_sealed ON refresh_tokens (used_at) WHERE sealed_pair IS NOT NULL AND child_used_at IS NOT NULL;
