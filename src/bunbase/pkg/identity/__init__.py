"""The credentials of accounts: second factors, passkeys, links of mails, and identities at other services. The accounts
may belong to developers or to end users.

Two rooms hold accounts: one room holds the accounts of the installation, the other room holds the users of each
project. A *pool* is a group of accounts in which an address or a passkey belongs to one account. Everything that
differs between pools (tables, names, lifetimes, letters) is bound when an object of this package is made, so no method
can mix up two pools:

    stores = IdentityStores(db, project)     # SQL of one pool
    holders: Holders                         # the room's own table of accounts
    checks = FactorChecks(stores, holders, …)

The methods take the id of an account. The room decides first whether its caller may act for this account.

A room that has accounts has these tables, and `mails` of `pkg/mail/outbox.py`. `project` is empty for the accounts of
the installation. Each room adds the foreign key to its own accounts, ON DELETE CASCADE:

    CREATE TABLE totp (
        project text NOT NULL,
        user_id text NOT NULL,
        sealed text,  -- NULL until the first secret is confirmed
        confirmed_at timestamptz,
        last_step bigint NOT NULL DEFAULT -1,  -- the time step of the last good code: no code works twice
        failed int NOT NULL DEFAULT 0,  -- wrong codes in a row
        locked_until timestamptz,
        pending text,
        pending_until timestamptz,
        pending_failed int NOT NULL DEFAULT 0,
        PRIMARY KEY (project, user_id)
    );
    CREATE TABLE recovery_codes (
        project text NOT NULL,
        user_id text NOT NULL,
        hash bytea NOT NULL,  -- contains the account
        PRIMARY KEY (project, user_id, hash)
    );
    CREATE TABLE passkeys (
        project text NOT NULL,
        id text NOT NULL,
        user_id text NOT NULL,
        credential_id bytea NOT NULL,
        public_key bytea NOT NULL,
        sign_count bigint NOT NULL,
        name text NOT NULL,
        synced boolean NOT NULL,
        backup_eligible boolean,  -- NULL for a passkey that was added before this column, and not used since
        created_at timestamptz NOT NULL,
        last_used_at timestamptz,
        PRIMARY KEY (project, id),
        UNIQUE (project, credential_id)
    );
    CREATE INDEX passkeys_user ON passkeys (project, user_id, id);
    CREATE TABLE passkey_challenges (
        project text NOT NULL,
        hash bytea NOT NULL,
        kind text NOT NULL,
        user_id text,  -- NULL for a sign-in, where the account is not known yet
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (project, hash)
    );
    CREATE INDEX passkey_challenges_user ON passkey_challenges (project, user_id);
    CREATE INDEX passkey_challenges_expiry ON passkey_challenges (expires_at);
    CREATE TABLE sign_in_challenges (
        project text NOT NULL,
        hash bytea NOT NULL,
        user_id text NOT NULL,
        version int NOT NULL,  -- the version of the account when the first factor was checked
        failed int NOT NULL DEFAULT 0,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (project, hash)
    );
    CREATE INDEX sign_in_challenges_user ON sign_in_challenges (project, user_id);
    CREATE INDEX sign_in_challenges_expiry ON sign_in_challenges (expires_at);
    CREATE TABLE mail_tokens (
        project text NOT NULL,
        hash bytea NOT NULL,
        kind text NOT NULL,
        user_id text,  -- NULL: the link opens an account
        email text NOT NULL,
        name text NOT NULL DEFAULT '',
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (project, hash)
    );
    CREATE INDEX mail_tokens_user ON mail_tokens (project, user_id, kind);
    CREATE INDEX mail_tokens_expiry ON mail_tokens (expires_at);
    CREATE INDEX mail_tokens_email ON mail_tokens (project, email);
    CREATE TABLE mail_requests (
        project text NOT NULL,
        kind text NOT NULL,
        email text NOT NULL,
        name text NOT NULL DEFAULT '',
        language text NOT NULL DEFAULT '',
        requested_at timestamptz NOT NULL,
        PRIMARY KEY (project, kind, email)
    );
    CREATE INDEX mail_requests_turns ON mail_requests (project COLLATE "C", requested_at);
    CREATE TABLE email_changes (
        project text NOT NULL,
        user_id text NOT NULL,
        new_email text NOT NULL,
        old_confirmed boolean NOT NULL,
        new_confirmed boolean NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (project, user_id)
    );
    CREATE INDEX email_changes_expiry ON email_changes (expires_at);
    CREATE TABLE identities (
        project text NOT NULL,
        id text NOT NULL,
        user_id text NOT NULL,
        provider text NOT NULL,  -- its name in the settings
        subject text NOT NULL,  -- the person's id there
        email text,  -- as the provider named it at the last sign-in
        created_at timestamptz NOT NULL,
        last_used_at timestamptz NOT NULL,
        PRIMARY KEY (project, id),
        UNIQUE (project, provider, subject)
    );
    CREATE INDEX identities_user ON identities (project, user_id, id);
    CREATE TABLE external_logins (
        project text NOT NULL,
        state_hash bytea PRIMARY KEY,  -- a provider sends back the state, but no project
        browser_hash bytea NOT NULL,
        provider text NOT NULL,
        redirect_to text NOT NULL,
        code_challenge text NOT NULL,  -- of the client that exchanges the code
        link_session text NOT NULL,  -- the session that links an identity to its account; empty for a sign-in
        expires_at timestamptz NOT NULL
    );
    CREATE INDEX external_logins_expiry ON external_logins (expires_at);
    CREATE TABLE external_codes (
        project text NOT NULL,
        hash bytea NOT NULL,
        provider text NOT NULL,
        code_challenge text NOT NULL,
        link_session text NOT NULL,
        subject text NOT NULL,
        email text,
        email_verified boolean NOT NULL,
        name text NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (project, hash)
    );
    CREATE INDEX external_codes_expiry ON external_codes (expires_at);
    CREATE TABLE link_tickets (
        project text NOT NULL,
        hash bytea NOT NULL,
        provider text NOT NULL,
        session text NOT NULL,  -- the foreign key goes to the sessions of the room
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (project, hash)
    );
    CREATE INDEX link_tickets_expiry ON link_tickets (expires_at);
"""
