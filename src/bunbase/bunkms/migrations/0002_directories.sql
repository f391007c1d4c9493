CREATE TABLE directories (
    room text PRIMARY KEY,
    directory text NOT NULL,  -- the id that lies in the directory of the room's files
    bound_at timestamptz NOT NULL DEFAULT now()
);
