-- The projects to which a token is bound; empty for all projects.
ALTER TABLE personal_tokens ADD COLUMN projects text[] NOT NULL DEFAULT '{}';

-- The scope `write` now allows what a developer may change, and no longer what only admins and owners may change.
-- Tokens from before this update keep all that they could do.
UPDATE personal_tokens SET scopes = scopes || ARRAY['admin'] WHERE 'write' = ANY (scopes);
