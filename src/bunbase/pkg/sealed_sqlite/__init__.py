"""Encrypted SQLite files, one for each project. This package does not know the tables in them.

A room with such files has one data directory, which contains a directory for each project. Each project's directory has
two files. `data.db` is the database, whose pages SQLite3 Multiple Ciphers encrypts with ChaCha20-Poly1305. `key.json`
contains the project's data key, wrapped by BunKMS.

directory_lock  lock a data directory, so that only one process works in it
directory_id    check that a data directory belongs to this installation
key_file        read and write `key.json`
data_key        find the key of a project, even after a crash during a rotation
connection      open a database with its key, set it up, and limit the time of its statements
files           create, measure and delete the files of one project
scanners        read in threads; each read stops at its deadline, or when its caller leaves
copying         copy a database page by page to a file with another key
rekeying        copy a database to a file with its next key, while reads and writes continue
faults          find out whether a file is damaged, or must not be used any more
"""
