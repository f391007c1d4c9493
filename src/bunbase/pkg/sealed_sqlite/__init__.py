"""An encrypted SQLite file for each project, without knowledge of what is kept in it.

A room that keeps such files has one data directory and, in it, a directory for each project: the database (`data.db`,
pages encrypted by SQLite3 Multiple Ciphers with ChaCha20-Poly1305) and `key.json`, the project's data key as BunKMS
wrapped it.

directory_lock  one process at a time works in a data directory
directory_id    the installation knows which data directory is its own
key_file        `key.json` beside the database
data_key        find the key of a project, also after a crash in the middle of a rotation
connection      open a database under its key, set it up, bound the time of its statements
files           create, measure and delete the files of one project
scanners        read-only connections for threads, each stopped at its deadline or when its caller leaves
copying         copy a database page by page to a file under another key
rekeying        copy a database under its next key, while reads and writes go on
faults          which errors mean that a file is damaged, or must not be used any more
"""
