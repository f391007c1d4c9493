-- Tenant-auth keeps the same tables for the users of projects (pkg/identity/store). Accounts of the installation have an
-- empty project.
ALTER TABLE identities ADD COLUMN project text NOT NULL DEFAULT '';
ALTER TABLE external_logins ADD COLUMN project text NOT NULL DEFAULT '';
ALTER TABLE external_codes ADD COLUMN project text NOT NULL DEFAULT '';
ALTER TABLE link_tickets ADD COLUMN project text NOT NULL DEFAULT '';
