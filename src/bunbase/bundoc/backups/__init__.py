"""Backups of whole projects.

service   who may do what; begins jobs
jobs      what is under way in this process, one at a time, and how far it is
work      what each kind of job does, step by step
schedule  which projects are due, and which backups are old enough to go
store     where finished backups are kept: the Protocol, and a directory
engine    what is asked of the engine: copy, examine, replace
routes    public HTTP
"""
