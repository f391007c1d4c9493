-- Mails that wait, and those of the last day (pkg/mail/outbox.py).
CREATE TABLE mails (
    id text PRIMARY KEY,
    project text NOT NULL,  -- empty if the installation sends the mail
    kind text NOT NULL,
    notice boolean NOT NULL,
    recipient text NOT NULL,
    mailbox text NOT NULL,  -- the recipient without a +tag: the limits count by it
    subject text NOT NULL,  -- empty, as plain and html, once the mail is sent or dead
    plain text NOT NULL,
    html text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'sent', 'kept', 'dead')),
    attempts int NOT NULL DEFAULT 0,
    reason text NOT NULL DEFAULT '',  -- of the last failure
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    useful_until timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX mails_waiting ON mails (due_at) WHERE state = 'waiting';
CREATE INDEX mails_ended ON mails (state, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX mails_mailbox ON mails (mailbox, created_at);
