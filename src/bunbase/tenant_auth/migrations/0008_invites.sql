-- for the list of open invitations, newest first
CREATE INDEX mail_tokens_invites ON mail_tokens (project, expires_at, hash) WHERE kind = 'invite';
