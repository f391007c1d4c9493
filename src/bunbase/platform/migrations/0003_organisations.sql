CREATE TYPE member_role AS ENUM ('viewer', 'developer', 'admin', 'owner');  -- weakest first, so max() is the strongest

CREATE TABLE orgs (
    id text PRIMARY KEY,
    name text NOT NULL,
    slug text NOT NULL UNIQUE,  -- a deleted organisation keeps it
    personal_of text UNIQUE,  -- the account that this is the personal organisation of
    created_at timestamptz NOT NULL,
    deleted_at timestamptz
);

CREATE TABLE org_members (
    org text NOT NULL REFERENCES orgs,
    developer text NOT NULL,  -- an account of BunAuth
    role member_role NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org, developer)
);
CREATE INDEX org_members_developer ON org_members (developer, org);

ALTER TABLE members DROP CONSTRAINT members_role_check;
ALTER TABLE members ALTER COLUMN role TYPE member_role USING role::member_role;

-- A deleted project can be restored until it is destroyed. A destroyed project belongs to no organisation.
ALTER TABLE projects ADD COLUMN org text REFERENCES orgs;
ALTER TABLE projects ADD COLUMN destroyed_at timestamptz;
UPDATE projects SET destroyed_at = deleted_at;  -- until now, every deleted project was destroyed at once
DELETE FROM members USING projects WHERE projects.id = project AND destroyed_at IS NOT NULL;
CREATE INDEX projects_org ON projects (org, id);
CREATE INDEX projects_to_destroy ON projects (deleted_at) WHERE destroyed_at IS NULL;

-- Each project moves to the personal organisation of its first owner. That organisation gets an id like all others
-- (prefix, time, random bits) from the person's first project.
CREATE TEMPORARY TABLE first_owners ON COMMIT DROP AS
SELECT DISTINCT ON (project) project, developer, created_at FROM members
ORDER BY project, role DESC, created_at, developer;

INSERT INTO orgs (id, name, slug, personal_of, created_at)
SELECT 'org_' || substr(min(project), 5), 'Personal', 'personal-' || right(min(project), 12), developer, min(created_at)
FROM first_owners GROUP BY developer;
INSERT INTO org_members (org, developer, role, created_at) SELECT id, personal_of, 'owner', created_at FROM orgs;
UPDATE projects SET org = orgs.id FROM first_owners JOIN orgs ON personal_of = developer WHERE projects.id = project;
-- these people own their projects through the organisation now
DELETE FROM members USING first_owners
WHERE members.project = first_owners.project AND members.developer = first_owners.developer;
