-- A variable that is not exposed never enters a worker: it is filled into headers of requests by the host.
ALTER TABLE variables ADD COLUMN exposed boolean NOT NULL DEFAULT true;
