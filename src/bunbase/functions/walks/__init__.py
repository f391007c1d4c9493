"""Walks: runs of a function over the documents of one collection, in batches that a crash neither loses nor repeats.

`walker.py` leases walks and does one batch after the other; `migrating.py` does a batch of a migration,
`backfilling.py` does a batch of a backfill; `rehearsing.py` writes nothing. `transforming.py` calls the function,
`committing.py` writes, `pages.py` reads documents.
"""
