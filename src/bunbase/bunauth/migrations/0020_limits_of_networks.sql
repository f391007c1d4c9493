-- Strangers can add rows to both tables. network: the /24 or /48 around the caller; each has a limit of rows.
ALTER TABLE device_logins ADD COLUMN network text NOT NULL DEFAULT '';
CREATE INDEX device_logins_network ON device_logins (network);
ALTER TABLE oauth_requests ADD COLUMN network text NOT NULL DEFAULT '';
CREATE INDEX oauth_requests_network ON oauth_requests (network, created_at);
-- Refused attempts wait until their hour is over. The index skips those of the hour that is still open.
DROP INDEX activity_unaudited;
CREATE INDEX activity_unaudited ON activity (outcome, hour, id) WHERE unaudited;
