"""Caches the active version of each function, its code, and its variables.

The caches are in memory, so a warm call needs no query to the database. `rollout.py` updates them after each change.
"""
