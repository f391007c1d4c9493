CREATE TABLE audit (
    id text PRIMARY KEY,
    at timestamptz NOT NULL,
    project text NOT NULL,  -- '' for acts outside of projects; no foreign key, since entries outlive projects
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor_email text,       -- as it was at that time: entries outlive accounts
    credential text,
    action text NOT NULL,
    target text NOT NULL,
    ip text NOT NULL,
    agent text NOT NULL,
    request_id text NOT NULL,
    status int,             -- NULL until the act has ended
    before jsonb,
    after jsonb,
    count int NOT NULL DEFAULT 1 CHECK (count > 0)
);

-- every filter of a log has an index in the order of its pages; the filter by actor and action checks the action in
-- the index of the actor
CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_actor ON audit (actor_id, at, id) INCLUDE (action);
CREATE INDEX audit_action ON audit (action, at, id);
CREATE INDEX audit_project ON audit (project, at, id);
CREATE INDEX audit_project_actor ON audit (project, actor_id, at, id) INCLUDE (action);
CREATE INDEX audit_project_action ON audit (project, action, at, id);

-- The log is append-only, also for a bug in BunBase and for somebody who can run statements as BunBase. There are two
-- exceptions: an entry gets its outcome once, and `delete_old_audit` deletes entries after their retention.
CREATE FUNCTION guard_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ending text[] := ARRAY['status', 'after', 'target', 'project'];
    expired timestamptz := nullif(current_setting('bunbase.audit_expired_before', true), '')::timestamptz;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status IS NULL AND NEW.status IS NOT NULL
        AND (OLD.target = '' OR NEW.target = OLD.target) AND (OLD.project = '' OR NEW.project = OLD.project)
        AND to_jsonb(NEW) - ending = to_jsonb(OLD) - ending
    THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' AND OLD.at < expired AND OLD.at < now() - interval '30 days' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER audit_rows BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION guard_audit();
CREATE TRIGGER audit_table BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION guard_audit();

CREATE FUNCTION delete_old_audit(expired_before timestamptz, most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    deleted int;
BEGIN
    PERFORM set_config('bunbase.audit_expired_before', expired_before::text, true);
    DELETE FROM audit WHERE id IN (
        SELECT id FROM audit WHERE at < expired_before AND at < now() - interval '30 days' ORDER BY at, id LIMIT most
    );
    GET DIAGNOSTICS deleted = ROW_COUNT;
    PERFORM set_config('bunbase.audit_expired_before', '', true);
    RETURN deleted;
END $$;
