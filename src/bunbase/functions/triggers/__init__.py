"""What runs functions without a request: the clock, jobs, changes of documents.

All of them become jobs (`store/jobs.py`): `scheduler.py` adds those that are due by the clock, `feeds.py` those of
changes, `queue.py` those that somebody asked for; `runner.py` runs them until they succeed or have no attempt left.
"""
