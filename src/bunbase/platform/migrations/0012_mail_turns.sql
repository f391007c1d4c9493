-- Projects take turns when their mails are sent (pkg/mail/outbox.py).
CREATE INDEX mails_turns ON mails (project COLLATE "C", due_at) WHERE state = 'waiting';
