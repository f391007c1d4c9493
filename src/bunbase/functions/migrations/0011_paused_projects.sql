-- Projects whose functions must not run: Platform has deleted them, and can still restore them.
CREATE TABLE paused_projects (project text PRIMARY KEY);
