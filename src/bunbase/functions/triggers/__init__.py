"""Runs functions that no request has called: for schedules, for jobs, and for changes of documents.

Every trigger becomes a job (`store/jobs.py`). `scheduler.py` adds jobs for due schedules, `feeds.py` adds jobs for
changes, and `queue.py` adds jobs for `ctx.enqueue` and the API. `runner.py` runs each job until it succeeds or has no
attempts left.
"""
