ALTER TABLE projects ADD COLUMN suspended_at timestamptz;
