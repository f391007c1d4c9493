-- Codes with which the sign-in page sends a browser back to an app. session: the session that was opened on the page.
-- sealed: its tokens, sealed by BunKMS, until the app trades the code for them.
CREATE TABLE page_codes (
    project text NOT NULL,
    hash bytea NOT NULL,
    session text NOT NULL,
    code_challenge text NOT NULL,
    sealed text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project, hash),
    FOREIGN KEY (project, session) REFERENCES sessions ON DELETE CASCADE
);
CREATE INDEX page_codes_session ON page_codes (project, session);
CREATE INDEX page_codes_expiry ON page_codes (expires_at);
