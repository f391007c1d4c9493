-- session: the one that made the token; empty for tokens from before. client_id: its OpenID Connect client, if it was one's.
-- No foreign key: a deletion of the client waits for the session that makes a token, and a key would let both wait for
-- each other. The deletion of a client, and the end of its authorization, delete the tokens.
ALTER TABLE personal_tokens
    ADD COLUMN session text NOT NULL DEFAULT '',
    ADD COLUMN client_id text;
CREATE INDEX personal_tokens_client ON personal_tokens (client_id, user_id) WHERE client_id IS NOT NULL;
