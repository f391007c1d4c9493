-- language: which the user reads, as in `de-CH`; of a request: the person who asks for the mail. Empty if it is not known.
ALTER TABLE users ADD COLUMN language text NOT NULL DEFAULT '';
ALTER TABLE mail_requests ADD COLUMN language text NOT NULL DEFAULT '';
