"""The engine on SQLite: one encrypted file per project (SQLite3 Multiple Ciphers, ChaCha20-Poly1305 pages).

engine        implements the Engine: finds the project's file, translates errors
open_files    decides which files are open, for how long, and under which key
data_keys     gets the data key of each project from BunKMS
project_file  is one open file: a reader in the event loop, scanners and a writer in threads
writer        is the queue of writes and the group commit (transaction, referring, steps: the work of one batch)
tables        has the SQL on documents (index_tables, text_tables: the SQL on indexes)
altering      creates, alters and drops collections (building: builds indexes in batches)
searching     runs one search: examines, finds and counts documents (candidates: the SQL of a search)
watch         limits the time of a search in the event loop and in a thread
scan_turns    decides which queries may run now
rotation      changes the data key: makes a copy under the new key, and replaces the file by the copy
upkeep        deletes expired documents and old changes of all projects
formats       brings files of an older BunBase to today's format (mending: their documents)
copies        copies and restores projects, for backups

`pkg.sealed_sqlite` has the parts that do not depend on documents: connections, key files, scanners, copying.
"""
