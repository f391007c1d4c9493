"""Versions as calls run them: the active version of a function, its code, and the variables it sees.

All of these are cached in memory, so a warm call asks no database. `rollout.py` updates the caches when the database
has changed.
"""
