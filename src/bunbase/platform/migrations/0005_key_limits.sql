ALTER TABLE keys
    ADD COLUMN scopes text[],  -- null: full access
    ADD COLUMN origins text[] NOT NULL DEFAULT '{}',  -- empty: pages of all origins
    ADD COLUMN allow_browser boolean NOT NULL DEFAULT false,
    ADD COLUMN last_used_at timestamptz;
