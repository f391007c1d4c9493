-- Projects take turns when their events are delivered (pkg/db/outbox.py).
CREATE INDEX outbox_turns ON outbox ((coalesce(payload ->> 'project', '') COLLATE "C"), id);
