"""Documents in one encrypted SQLite file per project (SQLite3 Multiple Ciphers, ChaCha20-Poly1305 pages).

engine        the Engine: finds the project's file, translates faults
open_files    which files are open, for how long, under which key
data_keys     the key of each project, and which of two it is after a crash
project_file  one file: a reader in the event loop, scanners and a writer in threads
writer        group commit
searching     one search: what is examined, found and counted (candidates: its statements)
scanners      connections for queries, each stopped at its deadline or when its caller leaves
scan_turns    who may query now
rotation      a new data key, by a copy (rekeying) that takes the file's place
upkeep        deletes what is kept no longer, of every project, open or not
tables        all SQL on documents
connection    how a connection is opened and keyed
key_file      the wrapped data key beside the file
"""
