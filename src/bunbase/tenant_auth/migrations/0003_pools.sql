-- how many users each project has: counted here, because count(*) over a million rows is too slow for every sign-up
CREATE TABLE pools (
    project text PRIMARY KEY,
    users bigint NOT NULL
);
INSERT INTO pools (project, users) SELECT project, count(*) FROM users GROUP BY project;
