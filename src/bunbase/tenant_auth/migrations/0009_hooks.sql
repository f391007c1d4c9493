-- Events for Functions: which user has signed up (pkg/db/outbox.py). The payload has only ids, so that it holds no
-- personal data: the event of a user who was deleted, with the project or without it, is dropped.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    payload jsonb NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_due ON outbox (due_at);

-- The job that sends mails asks every two seconds which projects have a hook for them.
CREATE INDEX auth_settings_send_mail ON auth_settings (project) WHERE settings -> 'hooks' ->> 'send_mail' <> '';
