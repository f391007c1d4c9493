-- Triggers on objects (docs/decisions/0123). `source`: the change log that a subscription follows: of documents or of objects.
ALTER TABLE subscriptions ADD COLUMN source text NOT NULL DEFAULT 'documents';
ALTER TABLE subscriptions DROP CONSTRAINT subscriptions_pkey;
ALTER TABLE subscriptions ADD PRIMARY KEY (project, function, source);
ALTER TABLE feeds ADD COLUMN source text NOT NULL DEFAULT 'documents';
ALTER TABLE feeds DROP CONSTRAINT feeds_pkey;
ALTER TABLE feeds ADD PRIMARY KEY (project, source);
