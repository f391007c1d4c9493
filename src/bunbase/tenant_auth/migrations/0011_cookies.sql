-- issued_at: of a token that is a cookie, the age decides when it is replaced; NULL in rows of older releases.
ALTER TABLE refresh_tokens ADD COLUMN issued_at timestamptz;
-- cookie_origins: the pages that may use the cookies of the project's users; empty without cookie mode.
ALTER TABLE auth_settings ADD COLUMN cookie_origins text[] NOT NULL DEFAULT '{}';
CREATE INDEX auth_settings_cookie_origins ON auth_settings USING gin (cookie_origins);
