-- A sign-in on the page binds the requests of its browser to the new cookie. Strangers can add requests.
CREATE INDEX oauth_requests_browser ON oauth_requests (browser_hash);
-- The end of a session deletes its tickets.
CREATE INDEX link_tickets_session ON link_tickets (session);
