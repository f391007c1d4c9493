"""Walks: runs of a function over the documents of a collection, in batches. A crash neither loses nor repeats a batch.

`walker.py` leases walks and runs one batch after the other. `migrating.py` runs a batch of a migration, and
`backfilling.py` runs a batch of a backfill. `rehearsing.py` runs batches without writing anything. `transforming.py`
calls the function, `committing.py` writes, and `pages.py` reads documents.
"""
