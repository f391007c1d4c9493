-- Tenant-auth keeps the same tables for the users of projects (pkg/identity/store). Accounts of the installation have an
-- empty project.
ALTER TABLE mail_tokens ADD COLUMN project text NOT NULL DEFAULT '';
ALTER TABLE mail_requests
    ADD COLUMN project text NOT NULL DEFAULT '', DROP CONSTRAINT mail_requests_pkey,
    ADD PRIMARY KEY (project, kind, email);
ALTER TABLE email_changes
    ADD COLUMN project text NOT NULL DEFAULT '', DROP CONSTRAINT email_changes_pkey, ADD PRIMARY KEY (user_id, project);
