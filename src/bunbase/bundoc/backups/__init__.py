"""Backups of whole projects.

service   check the caller's role, then begin a job
jobs      the jobs of this process, one running at a time, and their progress
work      the steps of each kind of job
schedule  which projects are due, and which backups are old enough to be deleted
archive   where finished backups are kept: the Protocol, and a directory
proofs    codes by BunKMS that prove who wrote a manifest
engine    the Protocol of the engine: copy, examine, replace
routes    public HTTP
"""
