-- The link in the mail has a secret of its own, so it proves the mailbox. `hash` is of the link that the inviter gets.
ALTER TABLE invites ADD COLUMN mail_hash bytea UNIQUE;  -- SHA-256; NULL for invitations from before this column
