-- What a worker made of a version's bundle, so that it loads faster: fed to that version's own workers and to no other.
CREATE TABLE bytecode (
    project text NOT NULL,
    name text NOT NULL,
    version int NOT NULL,
    code bytea NOT NULL,
    PRIMARY KEY (project, name, version),
    FOREIGN KEY (project, name, version) REFERENCES versions ON DELETE CASCADE
);
ALTER TABLE bytecode ALTER COLUMN code SET STORAGE EXTERNAL;  -- it is compressed already
