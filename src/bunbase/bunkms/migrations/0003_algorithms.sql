-- An owner may have several signing keys. signs_at: from then on, this key signs in place of the older ones.
-- x and y: of elliptic curves, as in a JWK; n and e are empty there.
ALTER TABLE signing_keys
    DROP CONSTRAINT signing_keys_pkey,
    ADD PRIMARY KEY (owner, kid),
    ADD COLUMN algorithm text NOT NULL DEFAULT 'RS256',
    ADD COLUMN x text NOT NULL DEFAULT '',
    ADD COLUMN y text NOT NULL DEFAULT '',
    ADD COLUMN signs_at timestamptz;
UPDATE signing_keys SET signs_at = created_at;
ALTER TABLE signing_keys ALTER COLUMN signs_at SET NOT NULL;
