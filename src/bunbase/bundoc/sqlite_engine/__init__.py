"""Documents in one encrypted SQLite file per project (SQLite3 Multiple Ciphers, ChaCha20-Poly1305 pages).

engine        the Engine: finds the project's file, translates errors
open_files    which files are open, for how long, under which key
data_keys     the key of each project, from BunKMS
project_file  one file: a reader in the event loop, scanners and a writer in threads
writer        group commit: the queue of a project (transaction, referring, steps: the work of one batch)
tables        the SQL on documents (index_tables, text_tables: on indexes)
altering      create, alter and drop collections (building: builds indexes in batches)
searching     one search: which documents are examined, found and counted (candidates: its statements)
watch         the bounds of a search in the event loop and in a thread
scan_turns    the queries that may run now
rotation      a new data key: a copy under it takes the place of the file
upkeep        deletes expired documents and old changes of every project, open or not
formats       brings files of an older BunBase up to date (mending: their documents)
copies        copies of projects, for backups

The parts that know nothing of documents (connections, key files, scanners, copying) are in `pkg.sealed_sqlite`.
"""
