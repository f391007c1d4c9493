-- The language that the person who asks for a mail reads; empty if it is not known.
ALTER TABLE mail_requests ADD COLUMN language text NOT NULL DEFAULT '';
