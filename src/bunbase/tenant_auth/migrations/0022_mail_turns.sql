-- Projects take turns when their mails are sent (pkg/mail/outbox.py), and when requests for mails are answered
-- (pkg/identity/mail_requests.py).
CREATE INDEX mails_turns ON mails (project COLLATE "C", due_at) WHERE state = 'waiting';
CREATE INDEX mail_requests_turns ON mail_requests (project COLLATE "C", requested_at);
DROP INDEX mail_requests_order;
