-- Text messages with a code, which the hook send_sms of the project sends. sealed: the code, sealed by BunKMS; empty
-- once the message is sent or dead. reason: of the last failure.
CREATE TABLE text_messages (
    id text PRIMARY KEY,
    project text NOT NULL,
    kind text NOT NULL,
    phone text NOT NULL,
    language text NOT NULL,
    sealed text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'sent', 'dead')),
    attempts int NOT NULL DEFAULT 0,
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    useful_until timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX text_messages_waiting ON text_messages (due_at) WHERE state = 'waiting';
CREATE INDEX text_messages_ended ON text_messages (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX text_messages_phone ON text_messages (project, phone, created_at);
CREATE INDEX text_messages_project ON text_messages (project, created_at);
