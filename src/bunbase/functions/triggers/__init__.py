"""Runs functions without a request: for schedules, for jobs, for changes of documents.

Every trigger becomes a job (`store/jobs.py`). `scheduler.py` adds jobs of due schedules, `feeds.py` adds jobs of
changes, `queue.py` adds jobs that somebody enqueued. `runner.py` runs them until they succeed or have no attempt left.
"""
