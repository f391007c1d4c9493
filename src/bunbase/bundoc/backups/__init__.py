"""Backups of whole projects.

service   checks the caller's role, then starts a job
jobs      runs the jobs of this process, one at a time, and keeps their progress
work      has the steps of each kind of job
schedule  decides which projects are due, and which backups are old enough to be deleted
archive   keeps finished backups: the Protocol, and a directory that implements it
proofs    makes and checks the codes that prove who wrote a manifest
engine    is the Protocol of the engine for backups: copy, examine, replace
routes    is the public HTTP
"""
