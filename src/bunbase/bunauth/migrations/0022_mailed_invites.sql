-- The link in the mail has a secret of its own, so it proves the mailbox. `hash` is of the link that the administrator gets.
ALTER TABLE invites ADD COLUMN mail_hash bytea UNIQUE;  -- NULL without an address, and for invitations from before
