-- org: the organisation that the act was on, or whose project it created, changed, deleted or transferred; '' for others
-- to_org: the organisation that a project was transferred to
ALTER TABLE audit ADD COLUMN org text NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN to_org text NOT NULL DEFAULT '';

CREATE INDEX audit_org ON audit (org, at, id) WHERE org <> '';
CREATE INDEX audit_org_actor ON audit (org, actor_id, at, id) INCLUDE (action) WHERE org <> '';
CREATE INDEX audit_org_action ON audit (org, action, at, id) WHERE org <> '';
CREATE INDEX audit_to_org ON audit (to_org, at, id) INCLUDE (actor_id, action) WHERE to_org <> '';

-- The same guard as before, with the two new columns: both are set at most once, with the outcome.
CREATE OR REPLACE FUNCTION guard_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ending text[] := ARRAY['status', 'after', 'target', 'project', 'org', 'to_org'];
    expired timestamptz := nullif(current_setting('bunbase.audit_expired_before', true), '')::timestamptz;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status IS NULL AND NEW.status IS NOT NULL
        AND (OLD.target = '' OR NEW.target = OLD.target) AND (OLD.project = '' OR NEW.project = OLD.project)
        AND (OLD.org = '' OR NEW.org = OLD.org) AND (OLD.to_org = '' OR NEW.to_org = OLD.to_org)
        AND to_jsonb(NEW) - ending = to_jsonb(OLD) - ending
    THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' AND OLD.at < expired AND OLD.at < now() - interval '30 days' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
